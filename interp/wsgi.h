/* See LICENSE for the terms. */
/*
 * WSGI (PEP 3333): a request as a call of the application on a thread of the
 * shard's pool (wpool.h).
 *
 * A call's fields belong to the token's holder or to the thread that runs it,
 * as struct call says.  What the thread wants done to the request while it
 * does not hold the token it asks for by a letter, and waits: so there is one
 * block in flight, in either direction, and memory is bounded.  The last block
 * does not wait: it is copied, and the thread is free for another call.
 *
 *   queued -> running -> over                 (the thread's view)
 *   req set -> (client lost) req NULL         (the holder's view)
 *
 * The application's mistakes (no start_response, a bad status or header, a
 * body of str, too long or too short) end the request with 500, or cut it
 * where a part is out, and are logged once with the traceback.
 */
#ifndef INTERP_WSGI_H
#define INTERP_WSGI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/inbox.h"
#include "core/list.h"
#include "core/sock.h"
#include "interp/py.h"
#include "proto/app.h"
#include "proto/res.h"

struct file;
struct pystate;
struct req;
struct shard;
struct wpool;
struct wthread;

/* What a thread wants of the holder. */
enum call_wish {
	WISH_NONE,
	WISH_WRITE,			/* send this block */
	WISH_READ,			/* a block of the request's body */
	WISH_HINT,			/* send <hint> */
	WISH_END,			/* send the last block, then let go */
	WISH_DROP			/* the call failed: let go */
};

struct call {
	struct letter letter;
	struct list node;		/* holder: waiting */
	struct pystate *st;
	struct shard *shard;
	struct req *req;		/* holder; NULL: client lost, or done */
	const struct req *head;		/* thread: same, its head is constant */
	struct wthread *thread;

	/* Copied before the thread begins. */
	struct peer peer;
	struct peer local;
	uint64_t conn_id;
	unsigned listener;

	enum call_wish wish;		/* holder: what it is to do now */
	bool waits;			/* holder: signal when it is done */

	/* Thread, and holder while the thread waits. */
	enum call_wish asked;		/* by the letter */
	const char *data;		/* WISH_WRITE, WISH_END: to be sent */
	struct file *file;		/* WISH_WRITE: or of this, */
	uint64_t from;			/* ... from here on */
	size_t n;
	size_t at;
	struct res *hint;		/* WISH_HINT: 103's fields */
	char *copy;			/* WISH_END: <data>, ours */
	bool gathering;			/* holder: before a thread has it */
	bool whole;			/* no byte is to follow <data> */
	bool lost;			/* result: the client is gone */
	int err;			/* result: res_error, or 0 */

	/* Thread. */
	struct res res;
	PyObject *last;			/* bytes that <data> points into */
	bool has_head;			/* start_response was called */
	bool head_out;			/* a block was written after it */
	bool complete;			/* the response is whole */
	int64_t length;			/* Content-Length declared, or -1 */
	uint64_t sent;			/* of it, by wsgi_write() */

	/* The request's body: a block of it at a time. */
	char *in;
	size_t n_in;
	size_t in_at;
	size_t in_cap;
	bool in_end;			/* no more will come */
	bool in_cut;			/* ... but more should have */
};

extern const struct app_ops wsgi_ops;

int wsgi_add_types(struct pystate *st, PyObject *module);
int wsgi_setup(struct pystate *st);
/* Serves until the shard has drained. */
void wsgi_serve(struct pystate *st);

/* For wpool.c.  The token's holder: */
unsigned wsgi_n_waiting(struct pystate *st);
unsigned wsgi_n_running(struct pystate *st);
bool wsgi_is_due(struct pystate *st, unsigned max_calls);
/* The next call, counted as running; NULL: none waits, or too many run. */
struct call *wsgi_next(struct pystate *st, unsigned max_calls);
/* The call is over and its last block is to be sent. */
void wsgi_end(struct call *c);

/* The thread, with the GIL and without the token: */
void wsgi_run(struct call *c, struct wthread *w);
/* As wsgi_end(), by the holder, when it reads its letters. */
void wsgi_hand_over(struct call *c);

/* wsgi_env.c: the environ; NULL with an exception. */
struct wsgi_env;
struct wsgi_env *wsgi_env_new(struct pystate *st, bool multithread);
PyObject *wsgi_environ(struct wsgi_env *e, struct call *c, PyObject *input);

/* wsgi_io.c: start_response and write, and wsgi.input. */
int wsgi_io_add_types(struct pystate *st, PyObject *module);
PyObject *wsgi_start_new(struct call *c);
PyObject *wsgi_input_new(struct call *c);
/* The call is over: what the application kept of it raises from now on. */
void wsgi_io_end(PyObject *start_response, PyObject *input);

/* wsgi_file.c: wsgi.file_wrapper. */
int wsgi_file_add_types(struct pystate *st, PyObject *module);
/*
 * Sends the file in a FileWrapper.  1: done; 0: it has to be iterated over;
 * -1 with an exception.
 */
int wsgi_send_file(struct call *c, PyObject *wrapper);

/* wsgi.c, for wsgi_io.c: sends the fields of <h> as 103. */
void wsgi_hint(struct call *c, struct res *h);
/* wsgi.c, for wsgi_io.c and wsgi_file.c: sends a block; -1: exception. */
int wsgi_write(struct call *c, const char *p, size_t n);
/* The same of <n> bytes of <f> from <at> on. */
int wsgi_write_file(struct call *c, struct file *f, uint64_t at, size_t n);
/* Has the next block of the body in c->in; 1, 0 at its end, -1. */
int wsgi_fill(struct call *c);

#endif
