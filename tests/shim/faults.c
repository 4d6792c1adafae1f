/* See LICENSE for the terms. */
/*
 * Preloaded into a server, it makes system calls fail and fall short in the
 * ways that they may, at random: EINTR, EAGAIN where a descriptor does not
 * block, and less than was asked for.  Nothing is lost by it: what it does not
 * take stays in the kernel.
 *
 *	FAULTS=seed:n	one call of n, chosen by the seed
 *	FAULTS_COUNT	a file of a page: how often, by enum kind, as words
 *
 * Where an edge-triggered descriptor is said to be empty or full, an edge has
 * to come again: it is armed anew, as though the rest came a moment later.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS 4096

enum kind { NONE, INTR, AGAIN, SHORT, KINDS };

/* What a descriptor is registered for, where it is edge-triggered. */
static struct { _Atomic int epfd; struct epoll_event ev; } armed[FDS];

static _Atomic uint64_t state;
static unsigned one_of;
static _Atomic uint32_t *counts;

__attribute__((constructor)) static void
begin(void)
{
	const char *how = getenv("FAULTS"), *path = getenv("FAULTS_COUNT");
	unsigned long long seed = 0;
	int fd;

	if (!how || sscanf(how, "%llu:%u", &seed, &one_of) != 2)
		return;
	state = seed * 2654435761u + 1;
	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		abort();
	close(fd);
}

/* splitmix64: any thread, no lock. */
static uint64_t
draw(void)
{
	uint64_t z = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void *
next(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		abort();
	return fn;
}

/* The function behind ours, looked up once. */
#define REAL(name) ({ \
	static __typeof__(&name) fn; \
	if (!fn) \
		fn = (__typeof__(&name))next(#name); \
	fn; })

static bool
is_stream(int fd)
{
	struct stat st;
	socklen_t n = sizeof(int);
	int type = 0;

	if (fstat(fd, &st) == -1)
		return false;
	if (!S_ISSOCK(st.st_mode))
		return S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	    type == SOCK_STREAM;
}

/* An eventfd's counter is never full in practice, and the write has no loop. */
static bool
is_anonymous(int fd)
{
	struct stat st;

	return fstat(fd, &st) == -1 || (st.st_mode & S_IFMT) == 0;
}

static enum kind
note(enum kind k)
{
	if (counts && k != NONE)
		counts[k]++;
	return k;
}

static void
arm(int fd)
{
	int epfd = fd >= 0 && fd < FDS ? armed[fd].epfd : 0;

	if (epfd > 0)
		REAL(epoll_ctl)(epfd, EPOLL_CTL_MOD, fd, &armed[fd].ev);
}

/* What happens to a call; <*n> is cut for SHORT. */
static enum kind
fate(int fd, size_t *n, bool dontwait, bool is_write)
{
	uint64_t x;

	if (one_of == 0)
		return NONE;
	x = draw();
	if (x % one_of != 0)
		return NONE;
	x = draw();
	if (x % 3 == 0) {
		errno = EINTR;
		return note(INTR);
	}
	if (x % 3 == 1) {
		if (!(dontwait || fcntl(fd, F_GETFL) & O_NONBLOCK) ||
		    (is_write && is_anonymous(fd)))
			return NONE;
		arm(fd);
		errno = EAGAIN;
		return note(AGAIN);
	}
	if (!n || *n < 2 || !is_stream(fd))
		return NONE;
	*n = 1 + draw() % (*n - 1);
	return note(SHORT);
}

/* Only calls that fail are kept from the kernel. */
#define FAILS(k) ((k) == INTR || (k) == AGAIN)

/* Runs <call>, and arms <fd> anew where it was cut. */
#define CUT(k, fd, call) ({ \
	ssize_t got = call; \
	int err = errno; \
	if ((k) == SHORT) \
		arm(fd); \
	errno = err; \
	got; })

/* Only whole vectors, and of the first one a part. */
static int
cut_vector(const struct iovec *v, int count, struct iovec *one, enum kind *k,
    int fd, bool dontwait, bool is_write)
{
	size_t n = count > 0 ? v[0].iov_len : 0;

	*k = fate(fd, &n, dontwait, is_write);
	if (*k != SHORT)
		return count;
	*one = (struct iovec){ v[0].iov_base, n };
	return 1;
}

ssize_t
read(int fd, void *p, size_t n)
{
	enum kind k = fate(fd, &n, false, false);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(read)(fd, p, n));
}

ssize_t
write(int fd, const void *p, size_t n)
{
	enum kind k = fate(fd, &n, false, true);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(write)(fd, p, n));
}

/* As read() is called by what is compiled with _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *p, size_t n, size_t size);

ssize_t
__read_chk(int fd, void *p, size_t n, size_t size)
{
	enum kind k = fate(fd, &n, false, false);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(__read_chk)(fd, p, n, size));
}

#define PREAD(name) \
ssize_t \
name(int fd, void *p, size_t n, off_t at) \
{ \
	enum kind k = fate(fd, &n, false, false); \
 \
	return FAILS(k) ? -1 : REAL(name)(fd, p, n, at); \
}

PREAD(pread)
PREAD(pread64)

#define PWRITE(name) \
ssize_t \
name(int fd, const void *p, size_t n, off_t at) \
{ \
	enum kind k = fate(fd, &n, false, true); \
 \
	return FAILS(k) ? -1 : REAL(name)(fd, p, n, at); \
}

PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t
recv(int fd, void *p, size_t n, int flags)
{
	enum kind k = fate(fd, &n, flags & MSG_DONTWAIT, false);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(recv)(fd, p, n, flags));
}

ssize_t
recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *sa,
    socklen_t *len)
{
	enum kind k = fate(fd, &n, flags & MSG_DONTWAIT, false);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(recvfrom)(fd, p, n, flags, sa,
	    len));
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
	enum kind k = fate(fd, &n, flags & MSG_DONTWAIT, true);

	return FAILS(k) ? -1 : CUT(k, fd, REAL(send)(fd, p, n, flags));
}

ssize_t
writev(int fd, const struct iovec *v, int count)
{
	struct iovec one;
	enum kind k;

	count = cut_vector(v, count, &one, &k, fd, false, true);
	return FAILS(k) ? -1 : CUT(k, fd, REAL(writev)(fd, k == SHORT ? &one :
	    v, count));
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct msghdr cut = *m;
	struct iovec one;
	enum kind k;

	cut.msg_iovlen = (size_t)cut_vector(m->msg_iov, (int)m->msg_iovlen,
	    &one, &k, fd, flags & MSG_DONTWAIT, true);
	if (k == SHORT)
		cut.msg_iov = &one;
	return FAILS(k) ? -1 : CUT(k, fd, REAL(sendmsg)(fd, &cut, flags));
}

#define SENDFILE(name) \
ssize_t \
name(int out, int in, off_t *at, size_t n) \
{ \
	enum kind k = fate(out, &n, false, true); \
 \
	return FAILS(k) ? -1 : CUT(k, out, REAL(name)(out, in, at, n)); \
}

SENDFILE(sendfile)
SENDFILE(sendfile64)

/* Those who wait stay in the listener's queue. */
int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	return FAILS(fate(fd, NULL, false, false)) ? -1 :
	    REAL(accept4)(fd, sa, len, flags);
}

static bool
interrupted(void)
{
	if (one_of == 0 || draw() % one_of != 0)
		return false;
	errno = EINTR;
	note(INTR);
	return true;
}

int
epoll_wait(int epfd, struct epoll_event *ev, int n, int ms)
{
	return interrupted() ? -1 : REAL(epoll_wait)(epfd, ev, n, ms);
}

int
epoll_pwait2(int epfd, struct epoll_event *ev, int n, const struct timespec *t,
    const sigset_t *set)
{
	return interrupted() ? -1 : REAL(epoll_pwait2)(epfd, ev, n, t, set);
}

int
poll(struct pollfd *p, nfds_t n, int ms)
{
	return interrupted() ? -1 : REAL(poll)(p, n, ms);
}

int
sem_wait(sem_t *s)
{
	return interrupted() ? -1 : REAL(sem_wait)(s);
}

int
sem_clockwait(sem_t *s, clockid_t clock, const struct timespec *t)
{
	return interrupted() ? -1 : REAL(sem_clockwait)(s, clock, t);
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
	return interrupted() ? -1 : REAL(waitpid)(pid, status, options);
}

int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	int err = REAL(epoll_ctl)(epfd, op, fd, ev);

	if (err == -1 || fd < 0 || fd >= FDS)
		return err;
	armed[fd].epfd = 0;
	if (op != EPOLL_CTL_DEL && ev->events & EPOLLET) {
		armed[fd].ev = *ev;
		armed[fd].epfd = epfd;
	}
	return err;
}
