/* See LICENSE for the terms. */
/*
 * A shard: everything one CPU needs to serve, owned by one thread at a time.
 *
 * A turn, in this order, for a batch of connections (design: "A shard's turn"):
 *
 *   shard_poll()   wait, read: epoll_wait; recv and parse what is ready; the
 *                  inbox; timers.  No Python: its lock is released.
 *   shard_run()    run: start new requests and resume waiting ones, through
 *                  app_ops.  Python's lock is held.  Within the turn budget.
 *   shard_flush()  deliver, write, clean: messages from the ring to their
 *                  members; one send a connection; free what was closed.  No
 *                  Python.
 *
 * A message to many connections makes a sweep: its writes go in slices, with
 * whole turns between, and answers to requests do not wait behind it.  Before
 * a sweep the shard waits a moment for more messages, as long as they keep
 * coming and within an eighth of what the sweep costs: what comes together
 * leaves by one send.  While nothing but messages come, shard_poll() delivers
 * and writes them itself, without going back to Python.
 *
 * Who drives: interp/ does (asyncio's select() for ASGI and RSGI, a plain loop
 * for WSGI), tests with a stub application do.  The holder of the shard's
 * token is the only thread that touches it; what others want goes by <inbox>.
 *
 * Life: shard_init() -> shard_listen() once the application is loaded (READY)
 * -> turns -> shard_drain() (DRAINING) -> turns until shard_is_over()
 * -> shard_fini().
 */
#ifndef CORE_SHARD_H
#define CORE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/conf.h"
#include "core/conn.h"
#include "core/inbox.h"
#include "core/keeper.h"
#include "core/list.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/relay.h"
#include "core/peers.h"
#include "core/shm.h"

struct app_ops;				/* proto/app.h */
struct req;
struct sections;

/* One recv of a busy connection; bigger only moves work between turns. */
#define SHARD_RBUF (64u << 10)

/* A listening socket as this shard polls it: its own, or one it adopted. */
struct door {
	struct io io;
	struct shard *shard;
	unsigned addr;			/* index of the address */
	unsigned of;			/* shard whose listener it is */
	bool open;			/* polled now */
	bool broken;			/* no listener any more */
};

struct shard {
	struct loop loop;
	const struct conf *conf;
	const struct child_start *start;
	unsigned id;			/* 0 is the first */
	struct slot *slot;		/* ours in the shared mapping */
	struct log log;
	struct log *access;		/* the lines of requests: or <log> */
	struct inbox inbox;
	struct relay relay;		/* messages between connections */
	struct chunk_pool chunks;
	struct list conns;		/* open, busy ones */
	struct list idle;		/* open, idle: longest idle first */
	struct list dirty;		/* have output */
	struct list sweep;		/* the same, of a message to many */
	uint64_t gather_end;		/* ns; 0: not before a sweep */
	uint64_t send_ns;		/* what one send of a sweep costs */
	uint64_t lost_told;		/* of relay.cursor.lost */
	bool sweeping;			/* it has begun */
	bool woken;			/* by the eventfd, in this wait */
	struct list again;		/* have input left to read */
	struct list dead;		/* to be freed in the clean step */
	unsigned n_conns;		/* open */
	unsigned max_conns;
	struct peers peers;		/* --max-connections-per-peer */
	uint64_t next_conn;		/* conn->id */
	struct door *doors;		/* addresses x shards */
	unsigned n_doors;
	struct timer accept_pause;	/* out of descriptors: try later */
	struct timer drain_grace;	/* idle connections go at its end */
	struct timer drain_end;		/* everything goes at its end */
	bool paused;			/* accepts nothing now */
	bool listening;
	bool draining;
	bool cut;			/* the grace is over: none is idle */
	bool over;			/* the drain is */
	const struct proto_ops *proto;	/* of a new connection */
	const struct app_ops *app;
	void *py;			/* the interpreter's side: interp/ */
	struct req *req_pool;		/* proto/req.c */
	unsigned n_req_pool;
	struct sections *sections;	/* proto/section.c */
	unsigned n_reqs;		/* requests that an application has */
	size_t ws_deflate;		/* bytes of proto/ws_deflate.c */
	uint64_t date_s;		/* second of <date>, wall clock */
	char date[32];			/* IMF-fixdate */
	unsigned char rbuf[SHARD_RBUF];
};

/* Everything but listening; 0 or -errno.  <app> is set once it is loaded. */
int shard_init(struct shard *s, const struct child_start *start, unsigned id,
    const struct proto_ops *proto);
void shard_fini(struct shard *s);
/* Writes what waits in its logs.  shard_fini() does it, too. */
void shard_end_logs(struct shard *s);

/* Polls its listeners; the slot becomes READY. */
int shard_listen(struct shard *s);
/* No more accepts; idle connections after a grace; the slot DRAINING. */
void shard_drain(struct shard *s);
/* Draining, and no connection is left, or the graceful timeout is over. */
bool shard_is_over(const struct shard *s);

/* Waits at most <timeout_ns>, less if something is ready; then reads. */
void shard_poll(struct shard *s, int64_t timeout_ns);
/*
 * Runs what is queued until the turn budget is used up; true when work is
 * left for another run after a flush and a poll that does not wait.
 *
 * <between>(<arg>) is called between two pieces of work, unless it is NULL:
 * what has begun may go on before something else begins.  False ends the run.
 */
bool shard_run(struct shard *s, bool (*between)(void *), void *arg);
void shard_flush(struct shard *s);

static inline bool
shard_has_work(const struct shard *s)
{
	return !list_empty(&s->loop.work);
}

/* Something that a poll must not wait for: work, output or kept input. */
bool shard_is_pending(const struct shard *s);

/* The Date field's value, renewed once a second: 29 bytes. */
const char *shard_date(struct shard *s);

#endif
