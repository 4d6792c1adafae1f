/* See LICENSE for the terms. */
/*
 * Awaitables of the server's side, for ASGI and RSGI.
 *
 * st->done is one that is over at once with None: the usual end of a send,
 * and it costs no allocation.  A flow asks its owner whether there is a result
 * (flow_fn); while there is none it waits on a future of its own, which the
 * owner wakes by flow_wake(), and asks again.  So cancelling one waiter never
 * cancels another, and a result is taken by exactly one.
 *
 * Both are coroutines in asyncio's eyes (send, throw, close, __await__), so
 * create_task(receive()) and wait_for(send(...)) work.
 *
 * Thread: the GIL's holder, on the shard's thread.
 */
#ifndef INTERP_FLOW_H
#define INTERP_FLOW_H

#include "interp/py.h"

struct pystate;

/*
 * Is there a result?  1: yes, in *<result> (a new reference).  0: not yet.
 * -1: an exception is the result.
 */
typedef int (*flow_fn)(PyObject *owner, PyObject **result);

int flow_add_types(struct pystate *st, PyObject *module);

/*
 * Holds <owner>, and the list of futures in *<waiters>, which is a member of
 * the owner (NULL while nobody waits; the owner clears it).
 */
PyObject *flow_new(struct pystate *st, PyObject *owner, PyObject **waiters,
    flow_fn fn);

/* Has everyone who waits ask again, in a later step of asyncio. */
void flow_wake(struct pystate *st, PyObject **waiters);

#endif
