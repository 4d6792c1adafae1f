/* See LICENSE for the terms. */
/*
 * Linked into a build whose every access to memory calls us (FLAVOUR=lines: the
 * compiler's half of the thread sanitizer, without its library): notes which
 * thread wrote and which read each cache line of 64 bytes, while it is told to.
 * tools/lines says when, and what it was.
 *
 *	LINES	a file, zero, of LINES_SIZE bytes: struct lines
 *
 * A line of a shared mapping is the same in all processes of the server; any
 * other is a process's own, although after fork() both have it at one address.
 *
 * Copies by memcpy() and its like are calls in this flavour and are noted, too.
 * What the kernel writes for a system call is seen when our code reads it.
 */
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 64, RANGES = 8, TOUCHES = 8, PROBES = 256 };

#define ENTRIES (1u << 18)
#define LINE 64u

/* The first time that a thread wrote or read a line. */
struct touch {
	uint64_t pc;
	uint16_t thread;
	uint8_t offset;			/* in the line */
	uint8_t wrote;
};

struct entry {
	_Atomic uint64_t key;		/* 0: free */
	_Atomic uint64_t writers;	/* bits of threads */
	_Atomic uint64_t readers;
	_Atomic uint64_t n;
	struct touch touch[TOUCHES];
};

_Static_assert(sizeof(struct entry) == 160, "as tools/lines reads it");

struct lines {
	_Atomic uint32_t on;
	_Atomic uint32_t n_threads;
	_Atomic uint32_t n_ranges;
	_Atomic uint32_t n_processes;
	_Atomic uint64_t full;		/* accesses that had no room */
	struct { uint64_t start, end; } range[RANGES];
	struct { int32_t pid, tid; } thread[THREADS];
	alignas(4096) struct entry entry[ENTRIES];
};

static struct lines *lines;
static uint64_t process;
static __thread int self = -1;

static void
in_child(void)
{
	self = -1;
	process = atomic_fetch_add(&lines->n_processes, 1) + 1;
}

__attribute__((constructor(101))) static void
begin(void)
{
	const char *path = getenv("LINES");
	void *p;
	int fd;

	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	p = mmap(NULL, sizeof(*lines), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	if (p == MAP_FAILED)
		abort();
	close(fd);
	lines = p;
	in_child();
	pthread_atfork(NULL, NULL, in_child);
}

static bool
is_shared(uintptr_t at)
{
	for (unsigned i = 0; i < lines->n_ranges; i++)
		if (at >= lines->range[i].start && at < lines->range[i].end)
			return true;
	return false;
}

static struct entry *
find(uintptr_t at)
{
	uint64_t key = at / LINE, seen;
	uint64_t h;

	if (!is_shared(at))
		key |= process << 48;
	h = key * UINT64_C(0x9e3779b97f4a7c15) >> 40;
	for (unsigned i = 0; i < PROBES; i++) {
		struct entry *e = &lines->entry[(h + i) % ENTRIES];

		seen = atomic_load_explicit(&e->key, memory_order_relaxed);
		if (seen == 0 && atomic_compare_exchange_strong(&e->key, &seen,
		    key))
			return e;
		if (seen == key)
			return e;
	}
	atomic_fetch_add(&lines->full, 1);
	return NULL;
}

static void
note_line(uintptr_t at, bool wrote, void *pc)
{
	struct entry *e = find(at);
	_Atomic uint64_t *mask;
	uint64_t bit, n;

	if (!e)
		return;
	if (self == -1) {
		self = (int)atomic_fetch_add(&lines->n_threads, 1);
		if (self >= THREADS)
			abort();
		lines->thread[self].pid = getpid();
		lines->thread[self].tid = gettid();
	}
	bit = UINT64_C(1) << self;
	mask = wrote ? &e->writers : &e->readers;
	if (atomic_load_explicit(mask, memory_order_relaxed) & bit)
		return;
	atomic_fetch_or(mask, bit);
	n = atomic_fetch_add(&e->n, 1);
	if (n < TOUCHES)
		e->touch[n] = (struct touch){ (uintptr_t)pc, (uint16_t)self,
			at % LINE, wrote };
}

static void
note(const volatile void *p, size_t n, bool wrote, void *pc)
{
	uintptr_t at = (uintptr_t)p, end = at + n;

	if (!lines || !atomic_load_explicit(&lines->on, memory_order_relaxed))
		return;
	for (; at < end; at = (at / LINE + 1) * LINE)
		note_line(at, wrote, pc);
}

#define CALLER __builtin_return_address(0)

/* ---- what the compiler calls ------------------------------------------- */

/* Names that it made up, so no header has them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"

void __tsan_init(void) { }
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) { }

#define ACCESS(name, n, wrote) \
void __tsan_##name(void *p) { note(p, n, wrote, CALLER); }

#define ACCESSES(n) \
	ACCESS(read##n, n, false) \
	ACCESS(write##n, n, true) \
	ACCESS(unaligned_read##n, n, false) \
	ACCESS(unaligned_write##n, n, true) \
	ACCESS(volatile_read##n, n, false) \
	ACCESS(volatile_write##n, n, true)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void
__tsan_read_range(void *p, size_t n)
{
	note(p, n, false, CALLER);
}

void
__tsan_write_range(void *p, size_t n)
{
	note(p, n, true, CALLER);
}

/* All as the strongest: this flavour finds no wrong orders. */
#define FETCH(type, bits, name) \
type \
__tsan_atomic##bits##_##name(volatile void *p, type v, int order) \
{ \
	(void)order; \
	note(p, sizeof(type), true, CALLER); \
	return __atomic_##name((volatile type *)p, v, __ATOMIC_SEQ_CST); \
}

#define EXCHANGE(type, bits) \
type \
__tsan_atomic##bits##_exchange(volatile void *p, type v, int order) \
{ \
	(void)order; \
	note(p, sizeof(type), true, CALLER); \
	return __atomic_exchange_n((volatile type *)p, v, __ATOMIC_SEQ_CST); \
}

/* A swap that fails takes the line all the same. */
#define SWAP(type, bits, how) \
int \
__tsan_atomic##bits##_compare_exchange_##how(volatile void *p, void *was, \
    type v, int order, int failed) \
{ \
	(void)order; \
	(void)failed; \
	note(p, sizeof(type), true, CALLER); \
	return __atomic_compare_exchange_n((volatile type *)p, (type *)was, v, \
	    0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
}

#define ATOMICS(type, bits) \
type \
__tsan_atomic##bits##_load(const volatile void *p, int order) \
{ \
	(void)order; \
	note(p, sizeof(type), false, CALLER); \
	return __atomic_load_n((const volatile type *)p, __ATOMIC_SEQ_CST); \
} \
void \
__tsan_atomic##bits##_store(volatile void *p, type v, int order) \
{ \
	(void)order; \
	note(p, sizeof(type), true, CALLER); \
	__atomic_store_n((volatile type *)p, v, __ATOMIC_SEQ_CST); \
} \
EXCHANGE(type, bits) \
FETCH(type, bits, fetch_add) \
FETCH(type, bits, fetch_sub) \
FETCH(type, bits, fetch_and) \
FETCH(type, bits, fetch_or) \
FETCH(type, bits, fetch_xor) \
SWAP(type, bits, strong) \
SWAP(type, bits, weak)

ATOMICS(uint8_t, 8)
ATOMICS(uint16_t, 16)
ATOMICS(uint32_t, 32)
ATOMICS(uint64_t, 64)

void
__tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
__tsan_atomic_signal_fence(int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- what the linker sends here (--wrap) -------------------------------- */

void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);
void *__real_memset(void *to, int c, size_t n);
void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at);

void *
__wrap_memcpy(void *to, const void *from, size_t n)
{
	note(from, n, false, CALLER);
	note(to, n, true, CALLER);
	return __real_memcpy(to, from, n);
}

void *
__wrap_memmove(void *to, const void *from, size_t n)
{
	note(from, n, false, CALLER);
	note(to, n, true, CALLER);
	return __real_memmove(to, from, n);
}

void *
__wrap_memset(void *to, int c, size_t n)
{
	note(to, n, true, CALLER);
	return __real_memset(to, c, n);
}

/* Made before the first fork, by one thread. */
void *
__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	unsigned i;

	p = __real_mmap(p, n, prot, flags, fd, at);
	if (!lines || p == MAP_FAILED || !(flags & MAP_SHARED))
		return p;
	i = lines->n_ranges;
	if (i >= RANGES)
		abort();
	lines->range[i].start = (uintptr_t)p;
	lines->range[i].end = (uintptr_t)p + n;
	lines->n_ranges = i + 1;
	return p;
}
