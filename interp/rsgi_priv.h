/* See LICENSE for the terms. */
/*
 * What the files of RSGI share; see rsgi.h for what it is about.
 *
 *   rsgi.c          a request's life, from start to release; errors
 *   rsgi_scope.c    the scope
 *   rsgi_headers.c  its headers
 *   rsgi_proto.c    the protocol object: the request's body, disconnection
 *   rsgi_res.c      arguments of responses; those in one piece
 *   rsgi_file.c     those from files
 *   rsgi_stream.c   its streamed response
 *   rsgi_ws.c       WebSockets: protocol object, transport, messages
 *
 * Thread: the GIL's and the shard's token's holder.  The application may call
 * from a thread of its own all the same: what only reads works there, and what
 * touches the connection raises (rsgi_check()).
 */
#ifndef INTERP_RSGI_PRIV_H
#define INTERP_RSGI_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "interp/feed.h"
#include "interp/py.h"
#include "interp/task.h"

struct field;
struct req;
struct res;
struct wsock;

/* Interned strings beside those of state.h: member, text. */
#define RSGI_NAMES(X) \
	X(version, "1.6") \
	X(http_1, "1") \
	X(http_11, "1.1") \
	X(http_2, "2") \
	X(https, "https") \
	X(get, "GET") \
	X(ws, "ws") \
	X(module, "granian.rsgi")

/* Of one interpreter: st->rsgi. */
struct rsgi {
	PyObject *error;		/* ProtocolError */
	PyObject *closed;		/* ProtocolClosed */
	PyTypeObject *piece_type;
	PyTypeObject *ws_coro_type;	/* rsgi_ws.c's */
	PyTypeObject *ws_proto_type;
	PyTypeObject *ws_transport_type;
	PyTypeObject *ws_message_type;
	PyTypeObject *ws_piece_type;
	PyTypeObject *ws_receiver_type;
#define X(member, text) PyObject *member;
	RSGI_NAMES(X)
#undef X
};

struct rsgi_headers {
	PyObject_HEAD
	struct pystate *st;
	const struct field *fields;	/* the request's, or <own> */
	unsigned n;
	struct field *own;		/* and the text that they point into */
};

struct rsgi_scope {
	PyObject_HEAD
	struct pystate *st;
	const struct req *req;		/* NULL: all that can be is made */
	PyObject *client;
	PyObject *server;
	PyObject *scheme;
	PyObject *path;			/* from here on: NULL until asked for */
	PyObject *query;
	PyObject *method;
	PyObject *authority;
	struct rsgi_headers *headers;
	uint8_t major, minor;
	bool ws;
};

enum rsgi_reading {
	READ_NONE, READ_WHOLE, READ_CHUNKS,
	READ_DONE,			/* the whole was handed out */
	READ_FAILED			/* there was no memory for it */
};

enum rsgi_answer {
	ANSWER_NONE,
	ANSWER_OPEN,			/* a stream: more may be sent */
	ANSWER_LAST			/* what is in <feed> is the rest */
};

struct rsgi_proto {
	PyObject_HEAD
	struct pystate *st;
	struct req *req;		/* NULL: let go */
	struct rsgi_scope *scope;	/* until then */
	PyObject *waiters;		/* flow.h, of all awaitables */
	PyObject *body;			/* READ_WHOLE: bytes so far, or NULL */
	Py_ssize_t n_body;
	struct feed feed;		/* being sent */
	uint64_t n_fed;			/* feeds that were begun */
	uint8_t reading;		/* enum rsgi_reading */
	uint8_t answer;			/* enum rsgi_answer */
	bool preparing;			/* a response's head is looked at */
	bool over;			/* the coroutine is */
	bool gone;			/* the client left */
	bool told;			/* ... and the application knows */
};

/* The coroutine that the Task runs. */
struct rsgi_call {
	struct task task;
	struct rsgi_proto *proto;
};

/* rsgi.c */
enum rsgi_error { RSGI_ERROR, RSGI_CLOSED };

/* Raises ProtocolError or ProtocolClosed, Granian's if it is loaded. */
void rsgi_raise(struct pystate *st, enum rsgi_error kind, const char *text);
/* Whether the connection may be touched; -1 with an exception. */
int rsgi_check(struct pystate *st);
/* The response's last byte was taken. */
void rsgi_finish(struct rsgi_proto *p);
/* Lets the request go if nobody needs it any more. */
void rsgi_settle(struct rsgi_proto *p);

/* rsgi_headers.c */
int rsgi_headers_add_types(struct pystate *st, PyObject *module);
struct rsgi_headers *rsgi_headers_new(struct pystate *st,
    const struct req *r);
/* Has a copy instead of the request's fields; without memory it is empty. */
void rsgi_headers_detach(struct rsgi_headers *h);

/* rsgi_scope.c */
int rsgi_scope_add_types(struct pystate *st, PyObject *module);
struct rsgi_scope *rsgi_scope_new(struct pystate *st, const struct req *r);
/* The request's memory goes; drops a reference. */
void rsgi_scope_detach(struct rsgi_scope *s);

/* rsgi_proto.c */
int rsgi_proto_add_types(struct pystate *st, PyObject *module);
struct rsgi_proto *rsgi_proto_new(struct pystate *st);
/* More of the request's body is there, or its end. */
void rsgi_proto_body(struct rsgi_proto *p);

/* rsgi_res.c */
/*
 * The arguments of <fn> by position or name to <out>, in the order of <names>
 * (ended by NULL); NULL for one that is not given.  -1 with an exception.
 */
int rsgi_args(const char *fn, const char *const *names, PyObject *const *args,
    Py_ssize_t n, PyObject *kwnames, PyObject **out);
/* The head, into r->res; the response has not begun.  -1: exception. */
int rsgi_prepare(struct rsgi_proto *p, PyObject *status, PyObject *headers);
/* Fields of a head; -1 with an exception. */
int rsgi_add_headers(struct res *h, PyObject *headers);
/* Begins the response prepared, whose body will have <n> bytes. */
int rsgi_start(struct rsgi_proto *p, uint64_t n);
/* Sends what p->feed holds, now or from room(), and ends the response. */
void rsgi_send_feed(struct rsgi_proto *p);

/* METH_FASTCALL | METH_KEYWORDS */
PyObject *rsgi_empty(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);
PyObject *rsgi_str(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);
PyObject *rsgi_bytes(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);
PyObject *rsgi_stream(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);

/* rsgi_file.c */
PyObject *rsgi_file(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);
PyObject *rsgi_file_range(PyObject *p, PyObject *const *args, Py_ssize_t n,
    PyObject *names);

/* rsgi_ws.c */
int rsgi_ws_add_types(struct pystate *st, PyObject *module);
void rsgi_ws_start(struct req *r);
/* The client left before it was accepted. */
void rsgi_ws_gone(struct req *r);
/* app_ops.ws */
void rsgi_ws_event(struct wsock *w);
/* For channel.c: its WebSocket, or NULL; false: it is no transport. */
bool rsgi_ws_of(const struct pystate *st, PyObject *object,
    struct wsock **ws);

/* rsgi_stream.c */
int rsgi_stream_add_types(struct pystate *st, PyObject *module);
PyObject *rsgi_stream_new(struct rsgi_proto *p);
/* For channel.c: its request, or NULL; false: it is no stream. */
bool rsgi_stream_of(const struct pystate *st, PyObject *object,
    struct req **r);
/* No more will be sent: the response ends behind what waits. */
void rsgi_stream_end(struct rsgi_proto *p);

#endif
