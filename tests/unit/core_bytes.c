/* See LICENSE for the terms. */
/*
 * The byte queue.  What goes in comes out, at every length around a chunk's,
 * and an empty queue holds no chunk.  Bytes that lie in a segment have their
 * place among the others, however both are mixed and taken; those that are lent
 * go back to their owner.
 */
#include "core/bytes.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/faults.h"
#include "tests/unit/t.h"

#define WHOLE sizeof(((struct chunk *)0)->data)

static struct chunk_pool pool;
static unsigned char in[10 * CHUNK_SIZE], out[10 * CHUNK_SIZE];

static void
fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(in); i++) {
		x = x * 1664525 + 1013904223;
		in[i] = (unsigned char)(x >> 24);
	}
}

/* Chunks of a queue. */
static unsigned
chunks(const struct bytes *b)
{
	unsigned n = 0;

	for (const struct chunk *c = b->head; c; c = c->next)
		n++;
	return n;
}

/* Takes all and compares; the queue is empty afterwards. */
static bool
gives(struct bytes *b, const unsigned char *want, size_t n)
{
	memset(out, 0, n);
	return bytes_len(b) == n && bytes_take(b, &pool, out, n + 7) == n &&
	    memcmp(out, want, n) == 0 && bytes_len(b) == 0 && !b->head &&
	    !b->tail;
}

static void
what_goes_in_comes_out_at_every_length(void)
{
	static const size_t lengths[] = { 0, 1, WHOLE - 1, WHOLE, WHOLE + 1,
		2 * WHOLE - 1, 2 * WHOLE, 2 * WHOLE + 1, 5 * WHOLE };
	struct bytes b;

	bytes_init(&b);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths);
		    k++) {
			size_t n = lengths[i], m = lengths[k];

			if (n + m > sizeof(in))
				continue;
			OK(bytes_put(&b, &pool, in, n) == 0);
			OK(bytes_put(&b, &pool, in + n, m) == 0);
			OK(chunks(&b) == (n + m + WHOLE - 1) / WHOLE);
			OK(gives(&b, in, n + m));
		}
}

static void
pieces_of_any_size_keep_their_order(void)
{
	struct bytes b;
	size_t put = 0, taken = 0, step = 1;

	bytes_init(&b);
	while (taken < sizeof(in)) {
		size_t n = step * 997 % 9001, m = step * 1543 % 7919;

		step++;
		n = n < sizeof(in) - put ? n : sizeof(in) - put;
		OK(bytes_put(&b, &pool, in + put, n) == 0);
		put += n;
		taken += bytes_take(&b, &pool, out + taken, m);
		OK(bytes_len(&b) == put - taken);
	}
	OK(memcmp(in, out, sizeof(in)) == 0);
	OK(!b.head);
}

static void
nothing_put_holds_nothing(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, NULL, 0) == 0);
	OK(!b.head && bytes_len(&b) == 0);
	OK(bytes_first(&b).iov_len == 0);
	OK(bytes_take(&b, &pool, out, 10) == 0);
	OK(bytes_iov(&b, &(struct iovec){ 0 }, 1) == 0);
	bytes_drop(&b, &pool, 0);
	bytes_fini(&b, &pool);
}

static void
a_reserved_piece_is_whole_and_counts_once_committed(void)
{
	struct bytes b;
	unsigned char *p;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 100) == 0);
	/* Does not fit behind the 100: begins a chunk. */
	p = bytes_reserve(&b, &pool, WHOLE - 50);
	memcpy(p, in + 100, WHOLE - 50);
	OK(bytes_len(&b) == 100);
	bytes_commit(&b, 200);
	OK(bytes_len(&b) == 300);
	OK(chunks(&b) == 2);
	OK(bytes_put(&b, &pool, in + 300, 10) == 0);
	OK(gives(&b, in, 310));
	/* The largest there is, and all of it. */
	p = bytes_reserve(&b, &pool, WHOLE);
	memcpy(p, in, WHOLE);
	bytes_commit(&b, WHOLE);
	OK(chunks(&b) == 1);
	OK(gives(&b, in, WHOLE));
}

static void
a_piece_reserved_and_not_used_is_given_back(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_reserve(&b, &pool, 10) != NULL);
	OK(bytes_first(&b).iov_len == 0);
	bytes_drop(&b, &pool, 0);
	OK(!b.head && !b.tail);
	/* Behind bytes it waits for them to go. */
	OK(bytes_put(&b, &pool, in, WHOLE) == 0);
	OK(bytes_reserve(&b, &pool, 10) != NULL);
	OK(chunks(&b) == 2);
	OK(gives(&b, in, WHOLE));
}

static void
pieces_for_writev_are_the_queue(void)
{
	struct iovec v[4];
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 3 * WHOLE + 5) == 0);
	bytes_drop(&b, &pool, WHOLE + 3);
	OK(bytes_iov(&b, v, 4) == 3);
	OK(v[0].iov_len == WHOLE - 3 && v[1].iov_len == WHOLE &&
	    v[2].iov_len == 5);
	OK(memcmp(v[0].iov_base, in + WHOLE + 3, v[0].iov_len) == 0);
	OK(memcmp(v[2].iov_base, in + 3 * WHOLE, 5) == 0);
	OK(bytes_first(&b).iov_base == v[0].iov_base);
	OK(bytes_iov(&b, v, 2) == 2);
	/* What is reserved is no piece yet. */
	OK(bytes_reserve(&b, &pool, WHOLE) != NULL);
	OK(bytes_iov(&b, v, 4) == 3);
	bytes_fini(&b, &pool);
	OK(!b.head && bytes_len(&b) == 0);
}

static void
dropping_across_chunks_frees_them(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 4 * WHOLE) == 0);
	bytes_drop(&b, &pool, WHOLE);
	OK(chunks(&b) == 3);
	bytes_drop(&b, &pool, 2 * WHOLE - 1);
	OK(chunks(&b) == 2);
	OK(bytes_first(&b).iov_len == 1);
	bytes_drop(&b, &pool, WHOLE + 1);
	OK(!b.head && bytes_len(&b) == 0);
}

/* ---- bytes in segments ------------------------------------------------- */

enum { STEPS = 5, WAYS = 6 };

static _Atomic uint64_t held;

static struct seg *
new_seg(unsigned char first)
{
	struct seg *g = seg_new(256, &held);

	for (unsigned i = 0; i < 256; i++)
		g->data[i] = (unsigned char)(first + i);
	return g;
}

/* Where the next reference to each of the segments begins. */
static unsigned at[2];

static void
refer(struct bytes *b, struct seg *g, unsigned *from, size_t n, size_t *len)
{
	OK(bytes_refer(b, &pool, g, g->data + *from, n) == 0);
	memcpy(in + *len, g->data + *from, n);
	*from += (unsigned)n;
	*len += n;
}

/* One of the ways to append; in[0, *len) is what the queue should be. */
static void
append(struct bytes *b, struct seg *const *g, unsigned way, size_t *len)
{
	unsigned char *p;

	switch (way) {
	case 0:
		OK(bytes_put(b, &pool, in + *len, 7) == 0);
		*len += 7;
		break;
	case 1:
		p = bytes_reserve(b, &pool, 20);
		memcpy(p, in + *len, 5);
		bytes_commit(b, 5);
		*len += 5;
		break;
	case 2:					/* and nothing comes of it */
		OK(bytes_reserve(b, &pool, WHOLE) != NULL);
		break;
	case 3:
		refer(b, g[0], &at[0], 6, len);
		break;
	case 4:
		at[0]++;			/* not what was next */
		refer(b, g[0], &at[0], 3, len);
		break;
	case 5:
		refer(b, g[1], &at[1], 4, len);
		break;
	default:
		break;
	}
}

/* All ways of <STEPS> appends, the <code>-th, taken in pieces of <step>. */
static void
mix(unsigned code, size_t step)
{
	struct seg *g[2] = { new_seg(0), new_seg(100) };
	size_t len = 0, taken = 0;
	struct bytes b;

	at[0] = 0;
	at[1] = 0;
	bytes_init(&b);
	for (unsigned i = 0; i < STEPS; i++, code /= WAYS) {
		append(&b, g, code % WAYS, &len);
		/* Some of it leaves while more comes. */
		if (i % 2 == 1)
			taken += bytes_take(&b, &pool, out + taken, step);
		OK(bytes_len(&b) == len - taken);
	}
	seg_unref(g[0]);
	seg_unref(g[1]);
	while (taken < len) {
		struct iovec v[2 * STEPS];
		int n = bytes_iov(&b, v, 2 * STEPS);
		size_t all = 0;

		for (int i = 0; i < n; i++)
			all += v[i].iov_len;
		OK(all == len - taken);
		OK(bytes_first(&b).iov_base == v[0].iov_base || n == 0 ||
		    bytes_first(&b).iov_len == 0);
		taken += bytes_take(&b, &pool, out + taken, step);
	}
	OK(memcmp(in, out, len) == 0);
	bytes_fini(&b, &pool);
	OK(atomic_load(&held) == 0);
}

static void
copies_and_references_keep_their_order_at_every_split(void)
{
	unsigned all = 1;

	for (unsigned i = 0; i < STEPS; i++)
		all *= WAYS;
	for (unsigned code = 0; code < all; code++)
		for (size_t step = 1; step < 16; step += 1 + step / 4)
			mix(code, step);
	fill();
}

static void
what_follows_in_a_segment_is_one_piece(void)
{
	struct seg *g = new_seg(0), *other = new_seg(0);
	struct iovec v[8];
	struct bytes b;

	bytes_init(&b);
	for (unsigned i = 0; i < 10; i++)
		OK(bytes_refer(&b, &pool, g, g->data + 10 * i, 10) == 0);
	OK(bytes_refer(&b, &pool, g, g->data, 0) == 0);
	OK(bytes_iov(&b, v, 8) == 1);
	OK(v[0].iov_base == g->data && v[0].iov_len == 100);
	/* Also when half of it has left; and nothing is copied. */
	bytes_drop(&b, &pool, 95);
	OK(bytes_refer(&b, &pool, g, g->data + 100, 156) == 0);
	OK(bytes_iov(&b, v, 8) == 1);
	OK(v[0].iov_base == g->data + 95 && v[0].iov_len == 161);
	/* Another segment, a gap, what was there before: each its own. */
	OK(bytes_refer(&b, &pool, other, other->data, 5) == 0);
	OK(bytes_refer(&b, &pool, other, other->data + 6, 5) == 0);
	OK(bytes_refer(&b, &pool, other, other->data + 6, 5) == 0);
	OK(bytes_iov(&b, v, 8) == 4);
	seg_unref(g);
	seg_unref(other);
	/* A segment lives as long as any of its bytes waits. */
	bytes_drop(&b, &pool, 160);
	OK(atomic_load(&held) == 512);
	bytes_drop(&b, &pool, 1);
	OK(atomic_load(&held) == 256);
	bytes_fini(&b, &pool);
	OK(atomic_load(&held) == 0);
}

static void
a_reference_without_memory_appends_nothing(void)
{
	struct seg *g = new_seg(0);
	struct bytes b;

	bytes_init(&b);
	chunk_pool_fini(&pool);
	for (struct faults f = faults_of(1); faults_next(&f);) {
		int err;

		faults_begin(&f);
		err = bytes_refer(&b, &pool, g, g->data, 10);
		faults_end(&f);
		OK(f.failed == (err == -ENOMEM));
		OK(bytes_len(&b) == (err ? 0 : 10));
		bytes_fini(&b, &pool);
	}
	seg_unref(g);
	OK(atomic_load(&held) == 0);
}

/* How many owners come back, all of them <want>. */
static unsigned
back(const void *want)
{
	unsigned n = 0;

	for (void *p; (p = chunk_pool_back(&pool)); n++)
		OK(p == want);
	return n;
}

static void
what_is_lent_comes_back_once_it_has_left(void)
{
	struct bytes b;
	struct iovec v[4];
	int owner;

	bytes_init(&b);
	OK(back(&owner) == 0);
	OK(bytes_put(&b, &pool, in, 10) == 0);
	OK(bytes_lend(&b, &pool, &owner, in + 10, 5000) == 0);
	OK(bytes_lend(&b, &pool, &owner, in + 5010, 1) == 0);
	OK(bytes_put(&b, &pool, in + 5011, 100) == 0);
	OK(bytes_len(&b) == 5111 && chunks(&b) == 4);
	/* Not a copy, and not what is written into. */
	OK(bytes_iov(&b, v, 4) == 4 && v[1].iov_base == in + 10 &&
	    v[1].iov_len == 5000 && v[2].iov_base == in + 5010);
	bytes_drop(&b, &pool, 10 + 4999);
	OK(back(&owner) == 0);
	bytes_drop(&b, &pool, 1);
	OK(back(&owner) == 1 && back(&owner) == 0);
	OK(gives(&b, in + 5010, 101) && back(&owner) == 1);
	/* Of a queue that ends, and of a pool. */
	OK(bytes_lend(&b, &pool, &owner, in, 100) == 0);
	OK(bytes_lend(&b, &pool, &owner, in, 100) == 0);
	bytes_fini(&b, &pool);
	OK(chunk_pool_back(&pool) == &owner);
	chunk_pool_fini(&pool);
	OK(back(&owner) == 0);
}

static void
a_loan_without_memory_appends_nothing(void)
{
	struct bytes b;
	int owner;

	bytes_init(&b);
	chunk_pool_fini(&pool);
	for (struct faults f = faults_of(1); faults_next(&f);) {
		int err;

		faults_begin(&f);
		err = bytes_lend(&b, &pool, &owner, in, 10);
		faults_end(&f);
		OK(f.failed == (err == -ENOMEM));
		OK(bytes_len(&b) == (err ? 0 : 10));
		bytes_fini(&b, &pool);
		OK(back(&owner) == (err ? 0 : 1));
	}
}

static void
a_files_bytes_are_counted_and_not_looked_at(void)
{
	struct file *f = file_new(open("/dev/null", O_RDONLY | O_CLOEXEC));
	const uint64_t far = 5ull << 32;
	struct iovec v[4];
	struct bytes b;
	uint64_t from = 0;
	size_t n = 0;

	bytes_init(&b);
	OK(!bytes_file(&b, &from, &n));
	OK(bytes_put(&b, &pool, in, 10) == 0);
	OK(bytes_refer_file(&b, &pool, f, far, 0) == 0);
	OK(bytes_refer_file(&b, &pool, f, far, far) == 0);
	OK(bytes_refer_file(&b, &pool, f, 2 * far, 1) == 0);
	OK(bytes_refer_file(&b, &pool, f, 0, 1) == 0);	/* not what is next */
	OK(bytes_put(&b, &pool, in + 10, 5) == 0);
	OK(bytes_len(&b) == 10 + far + 2 + 5 && chunks(&b) == 4);
	/* Up to the file, which is then what it begins with. */
	OK(bytes_iov(&b, v, 4) == 1 && v[0].iov_len == 10);
	OK(!bytes_file(&b, &from, &n));
	bytes_drop(&b, &pool, 10);
	OK(bytes_iov(&b, v, 4) == 0);
	OK(bytes_file(&b, &from, &n) == f && from == far && n == far + 1);
	bytes_drop(&b, &pool, far);
	OK(bytes_file(&b, &from, &n) == f && from == 2 * far && n == 1);
	bytes_drop(&b, &pool, 1);
	OK(bytes_file(&b, &from, &n) == f && from == 0 && n == 1);
	/* It is open as long as any of its bytes waits. */
	OK(atomic_load(&f->refs) == 2);
	bytes_drop(&b, &pool, 1);
	OK(atomic_load(&f->refs) == 1);
	OK(bytes_take(&b, &pool, out, 9) == 5);
	OK(memcmp(out, in + 10, 5) == 0 && !b.head);
	OK(bytes_refer_file(&b, &pool, f, 0, 1) == 0);
	bytes_fini(&b, &pool);
	OK(atomic_load(&f->refs) == 1);
	n = (size_t)f->fd;
	file_unref(f);
	OK(fcntl((int)n, F_GETFD) == -1);
}

static void
the_pool_keeps_no_more_references_than_its_bound(void)
{
	struct seg *g = new_seg(0);
	struct bytes b;

	chunk_pool_fini(&pool);
	bytes_init(&b);
	for (unsigned i = 0; i < CHUNK_REFS_MAX + 3; i++)
		OK(bytes_refer(&b, &pool, g, g->data, 1) == 0);
	bytes_fini(&b, &pool);
#ifdef __SANITIZE_ADDRESS__
	OK(pool.n_free_ref == 0);
#else
	OK(pool.n_free_ref == CHUNK_REFS_MAX && pool.n_free == 0);
	OK(bytes_refer(&b, &pool, g, g->data, 1) == 0);
	OK(pool.n_free_ref == CHUNK_REFS_MAX - 1);
	bytes_fini(&b, &pool);
#endif
	seg_unref(g);
	OK(atomic_load(&held) == 0);
}

static void
the_pool_keeps_no_more_than_its_bound(void)
{
	struct bytes b;

	chunk_pool_fini(&pool);
	bytes_init(&b);
	for (int i = 0; i < CHUNK_POOL_MAX + 3; i++)
		OK(bytes_put(&b, &pool, in, WHOLE) == 0);
	OK(pool.n_free == 0);
	bytes_fini(&b, &pool);
#ifdef __SANITIZE_ADDRESS__
	OK(pool.n_free == 0);
#else
	OK(pool.n_free == CHUNK_POOL_MAX);
	/* The last one given back is the next one taken. */
	struct chunk *last = pool.free;

	OK(bytes_put(&b, &pool, in, 1) == 0);
	OK(b.head == last && pool.n_free == CHUNK_POOL_MAX - 1);
	bytes_fini(&b, &pool);
#endif
}

static void
tests(void)
{
	chunk_pool_init(&pool);
	fill();
	T(what_goes_in_comes_out_at_every_length);
	T(pieces_of_any_size_keep_their_order);
	T(nothing_put_holds_nothing);
	T(a_reserved_piece_is_whole_and_counts_once_committed);
	T(a_piece_reserved_and_not_used_is_given_back);
	T(pieces_for_writev_are_the_queue);
	T(dropping_across_chunks_frees_them);
	T(copies_and_references_keep_their_order_at_every_split);
	T(what_follows_in_a_segment_is_one_piece);
	T(a_reference_without_memory_appends_nothing);
	T(what_is_lent_comes_back_once_it_has_left);
	T(a_loan_without_memory_appends_nothing);
	T(a_files_bytes_are_counted_and_not_looked_at);
	T(the_pool_keeps_no_more_references_than_its_bound);
	T(the_pool_keeps_no_more_than_its_bound);
	chunk_pool_fini(&pool);
}

T_MAIN(tests)
