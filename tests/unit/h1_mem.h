/* See LICENSE for the terms. */
/*
 * A connection without a socket: what it reads is a stretch of memory that the
 * test lengthens, what it sends is gathered.  For tests and fuzzers that open
 * hundreds of thousands; all else is as in h1_stub.h.
 */
#ifndef TESTS_UNIT_H1_MEM_H
#define TESTS_UNIT_H1_MEM_H

#include "tests/unit/h1_stub.h"

struct mem {
	struct conn *conn;		/* NULL once it is closed */
	const char *p;
	size_t n, at;			/* bytes there now, and read */
	bool fin;			/* behind them the client's end */
	struct blob *out;
};

static inline ssize_t
mem_recv(struct conn *c, void *to, size_t n)
{
	struct mem *m = c->xstate;
	size_t k = MIN(n, m->n - m->at);

	if (k == 0)
		return m->fin ? 0 : -EAGAIN;
	memcpy(to, m->p + m->at, k);
	m->at += k;
	return (ssize_t)k;
}

static inline ssize_t
mem_sendv(struct conn *c, const struct iovec *iov, int n, bool more)
{
	struct mem *m = c->xstate;
	size_t before = m->out->n;

	(void)more;
	for (int i = 0; i < n; i++)
		blob_add(m->out, iov[i].iov_base, iov[i].iov_len);
	return (ssize_t)(m->out->n - before);
}

static inline void
mem_close(struct conn *c)
{
	struct mem *m = c->xstate;

	m->conn = NULL;
	close(c->io.fd);
}

static const struct xport_ops mem_xport = {
	.recv = mem_recv,
	.sendv = mem_sendv,
	.close = mem_close,
	.name = { "http", 4 },
};

static inline void
mem_open(struct stub *s, struct mem *m, const char *p, struct blob *out)
{
	struct peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = AF_UNIX;
	*m = (struct mem){ .p = p, .out = out };
	/* Something to poll, of which nothing ever comes. */
	OK(conn_open(s->shard, eventfd(0, EFD_CLOEXEC), &peer, 0) == 0);
	m->conn = container_of(s->shard->idle.prev, struct conn, node);
	m->conn->xport = &mem_xport;
	m->conn->xstate = m;
}

/* There are <n> bytes now.  false: it is closed. */
static inline bool
mem_feed(struct stub *s, struct mem *m, size_t n)
{
	if (!m->conn)
		return false;
	m->n = n;
	m->conn->readable = true;
	conn_read(m->conn);
	while (shard_is_pending(s->shard))
		stub_turn(s);
	return m->conn != NULL;
}

static inline void
mem_end(struct stub *s, struct mem *m)
{
	if (m->conn)
		conn_abort(m->conn);
	while (shard_is_pending(s->shard))
		stub_turn(s);
}

/* The whole of <in> in two pieces, the first of <k> bytes. */
static inline bool
mem_split(struct stub *s, const struct blob *in, size_t k, struct blob *out)
{
	struct mem m;
	bool open;

	mem_open(s, &m, in->p, out);
	if (k > 0 && k < in->n)
		mem_feed(s, &m, k);
	open = mem_feed(s, &m, in->n);
	mem_end(s, &m);
	return open;
}

/* Byte by byte. */
static inline bool
mem_bytes(struct stub *s, const struct blob *in, struct blob *out)
{
	bool open = true;
	struct mem m;

	mem_open(s, &m, in->p, out);
	for (size_t k = 1; k <= in->n && open; k++)
		open = mem_feed(s, &m, k);
	mem_end(s, &m);
	return open;
}

#endif
