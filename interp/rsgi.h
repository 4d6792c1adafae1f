/* See LICENSE for the terms. */
/*
 * RSGI 1.6, http: a request as a call of the application.
 *
 * The application's coroutine is run by an eager Task (task.h).  It gets a
 * scope and a protocol object; nothing of the request is made into Python's
 * objects before it is asked for.
 *
 *   called -> answered -> coroutine over   (in any order, and either may fail)
 *                      -> response whole   -> struct req is let go
 *
 * The request is held until both are there, or until the client is lost and
 * the coroutine over: scope and headers read its memory.  What the application
 * keeps of them longer gets copies at that moment.
 *
 * Where Granian is silent we raise: a second response, a status, a name or a
 * value that cannot be sent, a body that disagrees with its Content-Length.
 */
#ifndef INTERP_RSGI_H
#define INTERP_RSGI_H

#include "interp/py.h"
#include "proto/app.h"

struct pystate;

extern const struct app_ops rsgi_ops;

int rsgi_add_types(struct pystate *st, PyObject *module);

/* After the application was loaded. */
int rsgi_setup(struct pystate *st);

#endif
