/* See LICENSE for the terms. */
/*
 * A WebSocket: a connection behind its handshake.
 *
 * wsock_accept() answers a request that is a handshake (r->ws) with 101, and
 * from then on the connection's protocol is this one; the request is done.
 *
 *   OPEN      messages both ways.  What the client sends waits for the
 *             application up to WSOCK_IN_HIGH bytes; then nothing is read.
 *             What the application sends goes into the connection's output,
 *             frame by frame, whole: anybody may append a ready-made frame
 *             at any time (wsock_put()).
 *             The client's close frame, or a broken rule, waits until the
 *             application has taken what came before and asks for more, so
 *             that it can still answer; at most --ws-close-timeout.
 *   CLOSING   our close frame is out: what comes is dropped until the
 *             client's close frame, or --ws-close-timeout
 *   OVER      nothing more is read; the connection closes or is gone
 *
 * OPEN ends by the client's close frame, which is answered with its own code;
 * by wsock_close(); by a drain (1012); by a broken rule (ws.h), which is told
 * to the client and not waited for; or by loss.  <code> and <reason> say which
 * it was, for the application: 1005 where the client gave none, 1006 for loss.
 *
 * Pings need no Python: every --ws-ping-interval one is sent, and a client
 * from which nothing at all comes for --ws-ping-timeout is lost.  The client's
 * pings are answered at once while little waits to be sent; beyond that only
 * the last one is (RFC 6455, 5.5.3).
 *
 * app_ops->ws() is called in the run step after wsock_want() when there is a
 * message, after wsock_space() was 0 when there is room, and when OPEN ends.
 * The application lets go by wsock_release(), exactly once.
 *
 * Thread: the shard's token holder.  Memory: one piece, and messages.
 */
#ifndef PROTO_WSOCK_H
#define PROTO_WSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/conn.h"
#include "core/loop.h"
#include "core/str.h"
#include "core/topic.h"
#include "proto/ws.h"

struct req;
struct res;

/* Messages that wait for the application: bytes, theirs and ours. */
#define WSOCK_IN_HIGH (64u << 10)

enum wsock_state { WSOCK_OPEN = 1, WSOCK_CLOSING, WSOCK_OVER };

struct wsock {
	struct work work;		/* in the run step's list */
	struct member member;		/* of channels */
	struct conn *conn;		/* NULL: gone */
	struct shard *shard;
	void *app;			/* the application's side */
	struct ws_msg *first, *last;	/* not yet taken */
	size_t waiting;			/* bytes of these */
	struct str reason;		/* why it ended; in <ws>, or static */
	struct ws ws;
	uint16_t code;			/* it ended with; 0: it is open */
	uint8_t state;			/* enum wsock_state */
	uint8_t pending;		/* the client's end, that waits; or 0 */
	uint8_t n_pong;
	bool owes_pong;			/* pong[0, n_pong) is to be sent */
	bool pinged;			/* nothing has come since */
	bool wanted;			/* tell of a message */
	bool room_owed;			/* tell of room */
	bool released;			/* by the application */
	unsigned char pong[WS_CONTROL_MAX];
};

/*
 * The handshake's answer, with the fields of <h> (its status does not count)
 * and that subprotocol, if it is not empty.  NULL: no memory, or the client is
 * gone.  The caller still has to req_release() the request, which is answered.
 */
struct wsock *wsock_accept(struct req *r, struct res *h, struct str protocol);

static inline bool
wsock_is_open(const struct wsock *w)
{
	return w->state == WSOCK_OPEN;
}

/* Whether what is sent can arrive: its client may be lost before it is told. */
bool wsock_can_send(const struct wsock *w);

/*
 * The next message, now the caller's (mem_free()); NULL: none waits, and an
 * end that was behind the last one has come.
 */
struct ws_msg *wsock_next(struct wsock *w);
/* Tell me when there is one. */
void wsock_want(struct wsock *w);

/* Bytes that may be sent before back-pressure; 0: room will be told of. */
size_t wsock_space(struct wsock *w);
/* Sends a message, whatever the space.  Does nothing when not open. */
void wsock_send(struct wsock *w, bool text, const void *p, size_t n);
/* Sends a frame that somebody made.  Does nothing when not open. */
void wsock_put(struct wsock *w, const void *frame, size_t n);

/*
 * From now on each message to <channel> is sent, in the deliver step.  What
 * waits for a slow client is bounded by --subscriber-buffer.  0; -EINVAL:
 * <channel> is no name of one; -ENOMEM; -ENOTCONN: it is not open.
 */
int wsock_join(struct wsock *w, struct str channel);
/* False: it was not in. */
bool wsock_leave(struct wsock *w, struct str channel);

/* Begins to close; <code> is valid.  Does nothing when not open. */
void wsock_close(struct wsock *w, unsigned code, struct str reason);

/* The application lets go; what is still open is closed with 1011. */
void wsock_release(struct wsock *w);

#endif
