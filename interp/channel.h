/* See LICENSE for the terms. */
/*
 * Channels for the application: what the module `shoal` (py/shoal.py) is made
 * of inside the server.
 *
 *	_shoal.publish(channel, data) -> offset
 *	_shoal.join(connection, channel)
 *	_shoal.leave(connection, channel) -> bool
 *	_shoal.Subscription(channels)	an async context manager and iterator
 *	_shoal.use_message(type)	what the iterator makes of a message
 *
 * publish() may be called by any thread that holds the GIL.  join() and
 * leave() on another thread than the shard's are done at once while that one
 * is in Python; while it waits, reads or writes they go by its inbox, and wait.
 *
 * A Subscription's messages are kept in C, by reference to the shard's log,
 * until the application takes them: bounded by --subscriber-buffer, the oldest
 * go first, and are counted in the next one's <lost>.  What the deliver step
 * sees of it (struct inlet) is not a Python object: it may outlive the one that
 * was collected on another thread by as long as a letter takes.
 *
 * Thread: the GIL's holder; inlets are the shard's token holder's.
 */
#ifndef INTERP_CHANNEL_H
#define INTERP_CHANNEL_H

#include "interp/py.h"

struct exchange;
struct pystate;

/*
 * ASGI's extension shoal.broadcast: shoal.join, shoal.leave ("channel") and
 * shoal.publish ("channel", and "text" or "bytes") as messages of send().
 * 1: done; 0: <type> is none of them; -1: exception.
 */
int channel_message(struct exchange *ex, PyObject *type, PyObject *msg);

/* The loop is over: ends the Subscriptions that the application did not. */
void channel_end(struct pystate *st);

int channel_add_types(struct pystate *st, PyObject *module);

#endif
