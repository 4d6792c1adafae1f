/* See LICENSE for the terms. */
/*
 * Exceptions that leave an application: to the log, once, with the request.
 * Thread: the GIL's and the shard's token's holder.
 */
#ifndef INTERP_EXC_H
#define INTERP_EXC_H

#include "core/str.h"
#include "interp/py.h"

struct pystate;
struct req;

/*
 * Takes the current exception, and logs it with its traceback: "<what>
 * GET /path".  <r> may be NULL.  No exception is set afterwards.
 */
void exc_log(struct pystate *st, const char *what, const struct req *r);

/* As exc_log() for a client that has left: one line, of no alarm. */
void exc_log_left(struct pystate *st, const struct req *r);

/* The traceback of <exc> as text (new reference to str), or NULL, cleared. */
PyObject *exc_text(struct pystate *st, PyObject *exc);

#endif
