/* See LICENSE for the terms. */
/*
 * What asgi.c (a request's life, receive), asgi_send.c (what messages do) and
 * asgi_ws.c (WebSockets) share; nobody else includes this.
 *
 * Thread: the GIL's and the shard's token's holder.
 */
#ifndef INTERP_ASGI_PRIV_H
#define INTERP_ASGI_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "interp/feed.h"
#include "interp/py.h"
#include "interp/task.h"

struct req;
struct res;
struct wsock;

/* Of a WebSocket; see asgi_ws.c. */
enum asgi_ws {
	ASGI_WS_NONE,			/* it is a request */
	ASGI_WS_NEW,			/* websocket.connect is to come */
	ASGI_WS_SHAKING,		/* neither accepted nor refused */
	ASGI_WS_OPEN,			/* accepted: <ws> */
	ASGI_WS_DENIED,			/* answered otherwise */
	ASGI_WS_CLOSED			/* by us, or its coroutine is over */
};

struct exchange {
	struct task task;		/* first: the coroutine's part */
	struct req *req;		/* NULL: released, or accepted */
	struct wsock *ws;		/* accepted; NULL: not, or released */
	PyObject *waiters;		/* of receive() and send(), or NULL */
	struct feed body;		/* a message's, not yet all taken */
	uint8_t phase;			/* enum asgi_ws */
	bool sending;			/* a message is looked at */
	bool more;			/* more_body of that message */
	bool trailing;			/* the body is whole, not trailers */
	bool ended;			/* the response is whole */
	bool shrunk;			/* a file was cut while it was sent */
	bool is_short;			/* the body, of its Content-Length */
	bool gone;			/* the client left */
	bool was_read;			/* the request's body was handed over */
	bool told;			/* ... and that the client left */
};

/* asgi.c */
/* Whether there is nobody any more to answer, told of or not. */
bool asgi_is_left(const struct exchange *ex);
PyObject *asgi_message(PyObject *type_key, PyObject *type);
/* Lets the request go; without a whole response it is answered or cut. */
void asgi_release(struct exchange *ex);

/* asgi_send.c: send(), an awaitable or NULL. */
PyObject *asgi_send(struct exchange *ex, PyObject *msg);
/* There is room for more of ex->body: 1 taken, 0 wait, -1: exception. */
int asgi_push(struct exchange *ex);
/* Of any message. */
bool asgi_is(PyObject *type, PyObject *interned);
/* Its headers; -1 with an exception. */
int asgi_add_headers(struct res *h, PyObject *msg_headers);
/* A response's messages; -1 with an exception. */
int asgi_send_start(struct exchange *ex, PyObject *msg);
/* An awaitable, or NULL. */
PyObject *asgi_send_body(struct exchange *ex, PyObject *msg);
/* asgi_ws.c */
int asgi_ws_add_types(struct pystate *st, PyObject *module);
/* -1 with an exception. */
int asgi_ws_setup(struct pystate *st);
/* The scope's parts that a request's has not. */
int asgi_ws_scope(struct pystate *st, const struct req *r, PyObject *scope);
/* flow_fn of receive() */
int asgi_ws_receive(PyObject *ex, PyObject **result);
/* send(): an awaitable, or NULL. */
PyObject *asgi_ws_send(struct exchange *ex, PyObject *type, PyObject *msg);
/* The coroutine is over; false: it was never accepted. */
bool asgi_ws_over(struct exchange *ex, bool raised);
/* app_ops.ws */
void asgi_ws_event(struct wsock *w);

#endif
