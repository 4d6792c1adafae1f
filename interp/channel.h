/* See LICENSE for the terms. */
/*
 * Channels for the application: what the module `shoal` (py/shoal.py) is made
 * of inside the server, with interp/subscription.h.
 *
 *	_shoal.publish(channel, data) -> offset
 *	_shoal.join(connection, channel)
 *	_shoal.leave(connection, channel) -> bool
 *	_shoal.counters()		a dict a shard
 *
 * publish() may be called by any thread that holds the GIL.  join() and
 * leave() on another thread than the shard's are done at once while that one
 * is in Python; while it waits, reads or writes they go by its inbox, and wait.
 *
 * Thread: the GIL's holder.
 */
#ifndef INTERP_CHANNEL_H
#define INTERP_CHANNEL_H

#include <stdbool.h>

#include "core/str.h"
#include "interp/py.h"

struct exchange;
struct pystate;

/*
 * ASGI's extension shoal.broadcast: shoal.join, shoal.leave ("channel") and
 * shoal.publish ("channel", and "text" or "bytes") as messages of send().
 * 1: done; 0: <type> is none of them; -1: exception.
 */
int channel_message(struct exchange *ex, PyObject *type, PyObject *msg);

/* A channel's name, in <channel>; -1 with an exception. */
int channel_name(PyObject *channel, struct str *name);

/*
 * Whether this thread, which holds the GIL, may touch the shard's members.
 * Another than the shard's may while that one is within Python: what waits for
 * the GIL touches nothing, and where it gave the GIL away all is as it should
 * be.  (A letter would wait for the next turn, which may wait for this thread.)
 */
bool channel_may_touch(const struct pystate *st);

/* The exception of a call that the relay refuses: see relay_is_alive(). */
void channel_set_forked(const char *what);

int channel_add_functions(PyObject *module);

#endif
