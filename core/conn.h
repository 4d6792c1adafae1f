/* See LICENSE for the terms. */
/*
 * A client's connection.
 *
 * A request's way, and no step goes back:
 *   core/sock.c accept -> core/conn.c connection -> transport (here, or tls/)
 *   -> proto/h1_in.c -> proto/req.c -> app_ops->start -> interp/ -> Python
 *   -> proto/res.c -> proto/h1_out.c -> core/conn.c -> transport
 *
 * States, and what moves between them:
 *
 *   OPEN     reads while neither paused nor over its budget; input goes to
 *            proto->input() at once, what it leaves is kept in <in>.
 *   CLOSING  conn_close(): nothing is read any more; what is in <out> is
 *            sent, then the socket is shut.  With <linger> it is shut for
 *            writing only, and input is thrown away until the peer closes,
 *            LINGER_NS pass or LINGER_BYTES come: closing a socket with
 *            unread input would reset it, and the peer lose our last answer.
 *   LINGER   that; appending does nothing any more.
 *   DEAD     no descriptor; on the shard's dead list until the clean step,
 *            where proto->lost() hears of it.  Appending does nothing.
 *
 * Edge-triggered: <readable> and <writable> say what the kernel last told.
 * The peer's FIN does not end a connection: a client may shut its side and
 * wait for the answer.  proto->eof() hears of it.
 *
 * Thread: the shard's token holder.  Owner: the shard's list of connections.
 * Memory: the struct (bounded by tests/unit/core_size.c), and chunks only
 * while bytes wait.
 */
#ifndef CORE_CONN_H
#define CORE_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/bytes.h"
#include "core/list.h"
#include "core/loop.h"
#include "core/sock.h"
#include "core/str.h"
#include "core/timer.h"

struct conn;
struct file;
struct req;
struct res;
struct seg;
struct shard;

/* Bytes that may wait to be sent before the application has to wait. */
#define CONN_OUT_HIGH (256u << 10)
/* Below this many the application is told to go on. */
#define CONN_OUT_LOW (64u << 10)

/*
 * Transport: bytes in and out of the socket.  Plain TCP here, TLS in tls/.
 * recv: bytes, 0 for the peer's end, -EAGAIN, or another -errno that ends the
 * connection.  sendv alike; <more>: other bytes follow at once.  sendfile: up
 * to <n> bytes of a file; NULL: they are read and go by sendv.  close: frees
 * what the transport holds.
 */
struct xport_ops {
	ssize_t (*recv)(struct conn *, void *, size_t);
	ssize_t (*sendv)(struct conn *, const struct iovec *, int, bool more);
	ssize_t (*sendfile)(struct conn *, int fd, uint64_t at, size_t n);
	void (*close)(struct conn *);
	struct str name;		/* "http" or "https": the scheme */
};

extern const struct xport_ops xport_plain;

/*
 * Protocol: what the bytes mean.  The first group is called by conn.c, in the
 * read and write steps and never from inside another of the same connection;
 * the second by req.c and res.c, for the application.
 */
struct proto_ops {
	/* After accept; fills conn->pstate.  -ENOMEM closes. */
	int (*open)(struct conn *);
	/*
	 * Bytes have come.  Returns how many were used; the rest is kept, and
	 * nothing is read or offered until conn_resume().
	 */
	size_t (*input)(struct conn *, const unsigned char *, size_t);
	/* The peer closed its side.  Output is still possible. */
	void (*eof)(struct conn *);
	/*
	 * It did, and that cannot be read while bytes before it are kept; may
	 * be called again, and eof() comes when they were used.  May be NULL.
	 */
	void (*hup)(struct conn *);
	/* The write step: a last chance to append (heads still held). */
	void (*flush)(struct conn *);
	/* <out> fell below CONN_OUT_LOW after it had been above HIGH. */
	void (*room)(struct conn *);
	/* conn_timeout()'s deadline passed. */
	void (*timeout)(struct conn *);
	/* The shard drains: finish what runs, take no more. */
	void (*drain)(struct conn *);
	/* It is over (clean step): let go of it, free conn->pstate. */
	void (*lost)(struct conn *);

	/* See res.h; called through its functions only. */
	int (*respond)(struct req *, struct res *);
	size_t (*write)(struct req *, const void *, size_t);
	size_t (*lend)(struct req *, void *owner, const void *, size_t,
	    bool *lent);
	size_t (*write_file)(struct req *, struct file *, uint64_t, size_t);
	/* The same of all of it: the caller knows a bound. */
	void (*push)(struct req *, const void *, size_t);
	/* An interim response: the fields of <h>, if the peer can have one. */
	void (*hint)(struct req *, const struct res *h);
	void (*end)(struct req *);
	void (*abort)(struct req *);
	/* The application wants (more of) the request's body. */
	void (*want)(struct req *);
	/* Room that the application may fill by write(), bytes. */
	size_t (*space)(struct req *);
};

enum conn_state { CONN_OPEN = 1, CONN_CLOSING, CONN_LINGER, CONN_DEAD };

struct conn {
	struct io io;			/* the socket */
	struct list node;		/* shard->conns, or the dead list */
	struct list dirty;		/* shard->dirty: has output to send */
	struct list again;		/* shard->again: has more to read */
	const struct xport_ops *xport;
	const struct proto_ops *proto;
	void *xstate;			/* the transport's */
	void *pstate;			/* the protocol's */
	struct shard *shard;
	struct bytes in;		/* read, not yet used by the protocol */
	struct bytes out;		/* to be sent */
	struct timer timer;		/* the protocol's one deadline */
	struct timer stall;		/* of a send that does not progress */
	struct peer peer;
	uint64_t id;			/* of this process, for logs */
	uint32_t lingered;		/* bytes thrown away in LINGER */
	int queued;			/* in the kernel, when it was full */
	uint64_t progress;		/* ns, when that was last less */
	uint64_t idle_at;		/* ns, since when it is idle, or not */
	uint8_t state;			/* enum conn_state */
	uint8_t listener;		/* index of the address it came by */
	bool readable;			/* the kernel may have more */
	bool writable;			/* the last send was not refused */
	bool paused;			/* the protocol wants no input now */
	bool eof;			/* the peer's FIN was read */
	bool hup;			/* RDHUP seen: read to the end */
	bool full;			/* <out> was too full: room() is owed */
	bool linger;			/* close politely; see CLOSING */
	bool idle;			/* between requests: may be shed */
};

/* Takes over <fd>; on failure closes it.  0 or -errno. */
int conn_open(struct shard *s, int fd, const struct peer *peer,
    unsigned listener);

/*
 * Appends to the output.  A failed allocation ends the connection (the client
 * must see that the answer is cut), so callers need not check.
 */
void conn_put(struct conn *c, const void *data, size_t n);
/* The same of bytes in <g>, which stay as they are: not copied, but held. */
void conn_refer(struct conn *c, struct seg *g, const void *data, size_t n);
/*
 * The same of bytes that are <owner>'s.  True: it comes back, when they have
 * left, by chunk_pool_back() of the shard's pool; false: nothing was taken.
 */
bool conn_lend(struct conn *c, void *owner, const void *data, size_t n);
/* The same of <n> bytes of a file. */
void conn_refer_file(struct conn *c, struct file *f, uint64_t at, size_t n);
/* Room for <n> bytes in one piece, then conn_commit(); NULL: it is ending. */
unsigned char *conn_reserve(struct conn *c, size_t n);
void conn_commit(struct conn *c, size_t n);
/* Puts it on the shard's list for the write step. */
void conn_dirty(struct conn *c);

/* What may be appended before back-pressure, bytes. */
static inline size_t
conn_space(const struct conn *c)
{
	size_t n = bytes_len(&c->out);

	return n < CONN_OUT_HIGH ? CONN_OUT_HIGH - n : 0;
}

/* Nothing is sent any more, and the protocol will hear of it. */
static inline bool
conn_is_dead(const struct conn *c)
{
	return c->state == CONN_DEAD;
}

void conn_pause(struct conn *c);
/* Offers what is kept, then reads on, in the next read step. */
void conn_resume(struct conn *c);

/* A deadline in <ms>, from loop.now as it is then; 0: none. */
void conn_timeout(struct conn *c, uint32_t ms);

/* Sends what waits, then closes.  <linger>: input may be unread. */
void conn_close(struct conn *c, bool linger);
/* Ends it now, whatever waits; what the kernel has is still sent. */
void conn_abort(struct conn *c);
/*
 * The same, so that the client can tell a cut from an end: over TCP it is
 * reset.  A Unix socket's peer sees an end like any other; there is no other.
 */
void conn_reset(struct conn *c);

/* Marks it idle or busy; an idle one may be shed under pressure. */
void conn_set_idle(struct conn *c, bool idle);

/* For shard.c: the steps of a turn. */
void conn_read(struct conn *c);
void conn_flush(struct conn *c);
void conn_free(struct conn *c);

#endif
