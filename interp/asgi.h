/* See LICENSE for the terms. */
/*
 * ASGI 3.0 (spec 2.5), http: a request as a call of the application.
 *
 * The exchange is a Python object and a coroutine: it wraps the application's
 * own coroutine, so that whatever leaves it ends this request and nothing
 * else.  An eager asyncio.Task runs it; a request that never waits is over
 * when the Task's constructor returns.
 *
 *   made -> running -> (response whole) released -> coroutine ends
 *                   -> (client gone)    released -> coroutine ends
 *
 * "Released": struct req is let go and ex->req is NULL; from then on receive()
 * says http.disconnect, and send() raises.
 *
 * Back-pressure: a body message that does not fit keeps its buffer, and the
 * awaitable of send() ends when all of it has been taken.
 */
#ifndef INTERP_ASGI_H
#define INTERP_ASGI_H

#include "interp/py.h"
#include "proto/app.h"

struct pystate;

extern const struct app_ops asgi_ops;

int asgi_add_types(struct pystate *st, PyObject *module);

/* After the application was loaded: <state> is lifespan's, or None. */
int asgi_setup(struct pystate *st, PyObject *state);

#endif
