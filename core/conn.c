/* See LICENSE for the terms. */
/*
 * A connection's life between the socket and the protocol.  See conn.h for the
 * states; this file is the only one that moves between them.
 */
#include "core/conn.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/clofork.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"

/* Bytes read from one connection in a turn, so that others get theirs. */
#define READ_BUDGET (256u << 10)
/* Pieces of one send; more wait for the next. */
#define IOV_MAX_SEND 32
/* One read of a file that cannot go by sendfile(). */
#define FILE_PIECE (32u << 10)
/* Who does not take what is sent is looked after so often. */
#define LOOK_NS (200 * NS_PER_MS)
/*
 * A polite close ends after this long, or this much thrown away: a proxy that
 * has a whole upload to send reads no answer before it is sent.
 */
#define LINGER_NS (2 * NS_PER_S)
#define LINGER_BYTES (64u << 20)

static ssize_t
plain_recv(struct conn *c, void *buf, size_t n)
{
	ssize_t k;

	do
		k = recv(c->io.fd, buf, n, 0);
	while (k == -1 && errno == EINTR);
	return k == -1 ? -errno : k;
}

static ssize_t
plain_sendv(struct conn *c, const struct iovec *iov, int n, bool more)
{
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov,
		.msg_iovlen = (size_t)n };
	ssize_t k;

	do
		k = n == 1 ? send(c->io.fd, iov->iov_base, iov->iov_len,
		    flags) : sendmsg(c->io.fd, &m, flags);
	while (k == -1 && errno == EINTR);
	return k == -1 ? -errno : k;
}

static ssize_t
plain_sendfile(struct conn *c, int fd, uint64_t at, size_t n)
{
	off_t from = (off_t)at;
	ssize_t k;

	do
		k = sendfile(c->io.fd, fd, &from, n);
	while (k == -1 && errno == EINTR);
	return k == -1 ? -errno : k;
}

static void
plain_close(struct conn *c)
{
	close(c->io.fd);
}

const struct xport_ops xport_plain = {
	.recv = plain_recv,
	.sendv = plain_sendv,
	.sendfile = plain_sendfile,
	.close = plain_close,
	.name = { "http", 4 },
};

/* Open ones, the dead not counted. */
static void
count(struct shard *s, int more)
{
	s->n_conns += (unsigned)more;
	atomic_store_explicit(&s->slot->open, s->n_conns,
	    memory_order_relaxed);
}

/* Counted only where there is a bound. */
static inline bool
is_counted(const struct conn *c)
{
	return c->shard->conf->max_connections_per_peer > 0;
}

/*
 * The end: nothing is sent or read any more.  The protocol, which may be our
 * caller, hears of it in the clean step, where the memory goes, too.
 */
static void
die(struct conn *c)
{
	struct shard *s = c->shard;

	if (c->state == CONN_DEAD)
		return;
	c->state = CONN_DEAD;
	timer_stop(&s->loop.wheel, &c->timer);
	timer_stop(&s->loop.wheel, &c->stall);
	/*
	 * close() alone would leave it polled while a subprocess that the
	 * application starts is between fork and exec, with our memory gone.
	 */
	loop_del(&s->loop, &c->io);
	clofork_clear(s->id, c->io.fd);
	c->xport->close(c);
	c->io.fd = -1;
	count(s, -1);
	if (is_counted(c))
		peers_leave(&s->peers, &c->peer);
	list_del(&c->dirty);
	list_del(&c->again);
	list_del(&c->node);
	list_add_tail(&s->dead, &c->node);
}

/* The last byte is out. */
static void
finish_close(struct conn *c)
{
	if (!c->linger || c->eof || shutdown(c->io.fd, SHUT_WR) == -1) {
		die(c);
		return;
	}
	c->state = CONN_LINGER;
	timer_set(&c->shard->loop.wheel, &c->timer,
	    loop_now(&c->shard->loop) + LINGER_NS);
	if (c->readable && list_empty(&c->again))
		list_add_tail(&c->shard->again, &c->again);
}

/* Its budget of this turn is used up. */
static void
read_on_later(struct conn *c)
{
	list_del(&c->again);
	list_add_tail(&c->shard->again, &c->again);
}

static void
throw_away(struct conn *c)
{
	struct shard *s = c->shard;
	size_t budget = READ_BUDGET;

	while (c->lingered < LINGER_BYTES) {
		ssize_t n = c->xport->recv(c, s->rbuf, sizeof(s->rbuf));

		if (n == -EAGAIN)
			return;
		if (n <= 0)
			break;
		c->lingered += (uint32_t)n;
		if ((size_t)n >= budget) {
			read_on_later(c);
			return;
		}
		budget -= (size_t)n;
	}
	die(c);
}

static void
on_timer(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	if (c->state == CONN_OPEN)
		c->proto->timeout(c);
	else
		die(c);
}

/* Bytes sent, and not yet acknowledged or taken. */
static int
queued(const struct conn *c)
{
	int n;

	return ioctl(c->io.fd, TIOCOUTQ, &n) == 0 ? n : 0;
}

/* The client took something just now. */
static void
note_progress(struct conn *c)
{
	struct shard *s = c->shard;

	c->progress = loop_now(&s->loop);
	timer_set(&s->loop.wheel, &c->stall, c->progress +
	    MIN((uint64_t)s->conf->send_timeout_ms * NS_PER_MS, LOOK_NS));
}

/*
 * The socket is full.  It says that it is writable only when a good part of a
 * large buffer is free, which may take a slow reader minutes: it is the one
 * who took nothing of that either who is given up, and what the kernel holds
 * for him.  Who did take something is seen within LOOK_NS of it.
 */
static void
on_stall(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, stall);
	struct shard *s = c->shard;
	uint64_t limit = (uint64_t)s->conf->send_timeout_ms * NS_PER_MS;
	int left = queued(c);

	if (left < c->queued) {
		c->queued = left;
		note_progress(c);
		return;
	}
	if (s->loop.now < c->progress + limit) {
		timer_set(&s->loop.wheel, t, MIN(c->progress + limit,
		    s->loop.now + LOOK_NS));
		return;
	}
	log_debug(&c->shard->log, "connection %llu: no progress in sending, "
	    "closed", (unsigned long long)c->id);
	conn_reset(c);
}

static void
on_events(struct io *io, uint32_t events)
{
	struct conn *c = container_of(io, struct conn, io);

	if (c->state == CONN_DEAD)
		return;
	if (events & EPOLLERR) {
		die(c);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		c->hup = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		c->readable = true;
	if ((events & EPOLLOUT) && !c->writable) {
		c->writable = true;
		conn_dirty(c);
	}
	if (c->readable)
		conn_read(c);
}

int
conn_open(struct shard *s, int fd, const struct peer *peer, unsigned listener)
{
	struct conn *c = mem_try(sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		goto fail_close;
	memset(c, 0, sizeof(*c));
	c->io.fn = on_events;
	c->io.fd = fd;
	list_init(&c->dirty);
	list_init(&c->again);
	c->xport = &xport_plain;
	c->proto = s->proto;
	c->shard = s;
	bytes_init(&c->in);
	bytes_init(&c->out);
	timer_init(&c->timer, on_timer);
	timer_init(&c->stall, on_stall);
	c->peer = *peer;
	c->id = s->next_conn++;
	c->state = CONN_OPEN;
	c->listener = (uint8_t)listener;
	c->writable = true;
	list_init(&c->node);
	err = loop_add(&s->loop, &c->io,
	    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (err)
		goto fail_free;
	if (is_counted(c))
		err = peers_enter(&s->peers, peer);
	if (err)
		goto fail_poll;
	err = c->proto->open(c);
	if (err)
		goto fail_peer;
	if (list_empty(&c->node))
		list_add_tail(&s->conns, &c->node);
	clofork_set(s->id, fd);
	count(s, 1);
	return 0;

fail_peer:
	if (is_counted(c))
		peers_leave(&s->peers, peer);
fail_poll:
	loop_del(&s->loop, &c->io);
fail_free:
	mem_free(c);
fail_close:
	close(fd);
	return err;
}

void
conn_free(struct conn *c)
{
	c->proto->lost(c);
	bytes_fini(&c->in, &c->shard->chunks);
	bytes_fini(&c->out, &c->shard->chunks);
	mem_free(c);
}

/* What the protocol left of a read, for later. */
static void
keep(struct conn *c, const unsigned char *p, size_t n)
{
	if (bytes_put(&c->in, &c->shard->chunks, p, n) != 0) {
		die(c);
		return;
	}
	c->paused = true;
}

/* The first kept piece, offered again. */
static void
offer_kept(struct conn *c)
{
	struct iovec v = bytes_first(&c->in);
	size_t used = c->proto->input(c, v.iov_base, v.iov_len);

	/* conn_close() has dropped them all. */
	if (c->state != CONN_OPEN)
		return;
	bytes_drop(&c->in, &c->shard->chunks, used);
	if (used < v.iov_len)
		c->paused = true;
}

/* One recv, offered; bytes read, 0 when there is nothing more to do. */
static size_t
read_once(struct conn *c)
{
	struct shard *s = c->shard;
	ssize_t n = c->xport->recv(c, s->rbuf, sizeof(s->rbuf));
	size_t used;

	if (n == -EAGAIN) {
		c->readable = false;
		return 0;
	}
	if (n < 0) {
		die(c);
		return 0;
	}
	if (n == 0) {
		c->readable = false;
		c->eof = true;
		c->proto->eof(c);
		return 0;
	}
	/*
	 * A short read empties a stream socket (epoll(7)), and what comes later
	 * makes a new edge.  After RDHUP no edge is left: read to the end.
	 */
	if ((size_t)n < sizeof(s->rbuf) && !c->hup)
		c->readable = false;
	used = c->proto->input(c, s->rbuf, (size_t)n);
	if (used < (size_t)n && c->state == CONN_OPEN)
		keep(c, s->rbuf + used, (size_t)n - used);
	return (size_t)n;
}

static void
read_on(struct conn *c)
{
	size_t budget = READ_BUDGET;

	while (c->state == CONN_OPEN && !c->paused) {
		size_t n;

		if (bytes_len(&c->in) > 0) {
			offer_kept(c);
			continue;
		}
		if (!c->readable || c->eof)
			return;
		n = read_once(c);
		if (n >= budget && c->readable) {
			read_on_later(c);
			return;
		}
		budget -= n;
	}
}

void
conn_read(struct conn *c)
{
	if (c->state == CONN_LINGER) {
		throw_away(c);
		return;
	}
	read_on(c);
	if (c->state == CONN_OPEN && c->paused && c->hup && !c->eof &&
	    c->proto->hup)
		c->proto->hup(c);
}

/* Bytes were appended, or <err>: then an answer would be cut. */
static void
appended(struct conn *c, int err)
{
	if (err) {
		conn_reset(c);
		return;
	}
	if (bytes_len(&c->out) >= CONN_OUT_HIGH)
		c->full = true;
	conn_dirty(c);
}

void
conn_put(struct conn *c, const void *data, size_t n)
{
	if (c->state < CONN_LINGER)
		appended(c, bytes_put(&c->out, &c->shard->chunks, data, n));
}

void
conn_refer(struct conn *c, struct seg *g, const void *data, size_t n)
{
	if (c->state < CONN_LINGER)
		appended(c, bytes_refer(&c->out, &c->shard->chunks, g, data,
		    n));
}

bool
conn_lend(struct conn *c, void *owner, const void *data, size_t n)
{
	int err;

	if (c->state >= CONN_LINGER)
		return false;
	err = bytes_lend(&c->out, &c->shard->chunks, owner, data, n);
	appended(c, err);
	return !err;
}

void
conn_refer_file(struct conn *c, struct file *f, uint64_t at, size_t n)
{
	if (c->state < CONN_LINGER)
		appended(c, bytes_refer_file(&c->out, &c->shard->chunks, f, at,
		    n));
}

unsigned char *
conn_reserve(struct conn *c, size_t n)
{
	unsigned char *p;

	if (c->state >= CONN_LINGER)
		return NULL;
	p = bytes_reserve(&c->out, &c->shard->chunks, n);
	if (!p)
		conn_reset(c);
	return p;
}

void
conn_commit(struct conn *c, size_t n)
{
	bytes_commit(&c->out, n);
	appended(c, 0);
}

void
conn_dirty(struct conn *c)
{
	if (list_empty(&c->dirty) && c->state != CONN_DEAD)
		list_add_tail(&c->shard->dirty, &c->dirty);
}

/* The pieces in memory that it begins with; the bytes that were asked for. */
static ssize_t
send_pieces(struct conn *c, size_t *want)
{
	struct iovec iov[IOV_MAX_SEND];
	int n = bytes_iov(&c->out, iov, IOV_MAX_SEND);

	*want = 0;
	for (int i = 0; i < n; i++)
		*want += iov[i].iov_len;
	return c->xport->sendv(c, iov, n, *want < bytes_len(&c->out));
}

static ssize_t
send_copied(struct conn *c, const struct file *f, uint64_t at, size_t *want)
{
	unsigned char piece[FILE_PIECE];
	struct iovec v = { piece, 0 };
	ssize_t k;

	do
		k = pread(f->fd, piece, MIN(*want, sizeof(piece)), (off_t)at);
	while (k == -1 && errno == EINTR);
	if (k <= 0) {
		int err = k == 0 ? 0 : errno;
		char path[FILE_TEXT];

		log_err(&c->shard->log, "A response was cut: %s: %s",
		    file_path(f, path), err ? strerror(err) :
		    "the file became shorter while it was sent");
		return -EIO;
	}
	v.iov_len = (size_t)k;
	*want = v.iov_len;
	return c->xport->sendv(c, &v, 1, false);
}

/*
 * The piece of a file that it begins with.  One that was sent in part is tried
 * again: it may be the file that had no more, and not the socket that is full.
 * After any error it is read: not every file system has a sendfile(), and which
 * of the two has failed is known then.
 */
static ssize_t
send_file(struct conn *c, const struct file *f, uint64_t at, size_t *want)
{
	ssize_t k = c->xport->sendfile ?
	    c->xport->sendfile(c, f->fd, at, *want) : 0;

	if (k > 0)
		*want = (size_t)k;
	return k > 0 || k == -EAGAIN ? k : send_copied(c, f, at, want);
}

/* Sends what it can; false when the connection ended over it. */
static bool
send_out(struct conn *c)
{
	struct shard *s = c->shard;

	while (c->writable && bytes_len(&c->out) > 0) {
		uint64_t at;
		size_t want;
		struct file *f = bytes_file(&c->out, &at, &want);
		ssize_t k = f ? send_file(c, f, at, &want) :
		    send_pieces(c, &want);

		if (k == -EAGAIN)
			k = 0;
		if (k < 0) {
			/* A cut file's client must not take it for whole. */
			if (f)
				conn_reset(c);
			else
				die(c);
			return false;
		}
		bytes_drop(&c->out, &s->chunks, (size_t)k);
		/* Less than asked for: the socket is full, an edge will come */
		if ((size_t)k < want) {
			c->writable = false;
			c->queued = queued(c);
			if (k > 0 || !timer_is_set(&c->stall))
				note_progress(c);
		}
	}
	return true;
}

void
conn_flush(struct conn *c)
{
	if (c->state == CONN_OPEN)
		c->proto->flush(c);
	if (c->state == CONN_DEAD || !send_out(c))
		return;
	if (bytes_len(&c->out) == 0)
		c->stall.at = TIMER_NEVER;	/* unlinked when it comes up */
	if (c->full && bytes_len(&c->out) < CONN_OUT_LOW) {
		c->full = false;
		if (c->state == CONN_OPEN)
			c->proto->room(c);
	}
	if (c->state == CONN_CLOSING && bytes_len(&c->out) == 0)
		finish_close(c);
}

void
conn_pause(struct conn *c)
{
	c->paused = true;
}

void
conn_resume(struct conn *c)
{
	c->paused = false;
	if (c->state != CONN_OPEN || !list_empty(&c->again))
		return;
	if (bytes_len(&c->in) > 0 || (c->readable && !c->eof))
		list_add_tail(&c->shard->again, &c->again);
}

void
conn_timeout(struct conn *c, uint32_t ms)
{
	struct loop *l = &c->shard->loop;

	if (c->state != CONN_OPEN)
		return;
	if (ms == 0)
		c->timer.at = TIMER_NEVER;	/* unlinked when it comes up */
	else
		timer_set(&l->wheel, &c->timer, loop_now(l) + ms * NS_PER_MS);
}

void
conn_close(struct conn *c, bool linger)
{
	if (c->state != CONN_OPEN)
		return;
	/* Not to be shed: what waits in <out> is to arrive. */
	conn_set_idle(c, false);
	c->state = CONN_CLOSING;
	c->linger = linger;
	timer_stop(&c->shard->loop.wheel, &c->timer);
	bytes_fini(&c->in, &c->shard->chunks);
	conn_dirty(c);
}

void
conn_abort(struct conn *c)
{
	die(c);
}

void
conn_reset(struct conn *c)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (c->state == CONN_DEAD)
		return;
	setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	die(c);
}

void
conn_set_idle(struct conn *c, bool idle)
{
	struct shard *s = c->shard;

	/* A dead one is on the list of the dead. */
	if (c->state == CONN_DEAD || (c->idle == idle &&
	    !list_empty(&c->node)))
		return;
	c->idle = idle;
	c->idle_at = s->loop.now;
	list_del(&c->node);
	list_add_tail(idle ? &s->idle : &s->conns, &c->node);
}
