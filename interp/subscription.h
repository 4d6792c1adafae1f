/* See LICENSE for the terms. */
/*
 * shoal.subscribe(): the messages of channels, for the application itself.
 *
 *	_shoal.Subscription(*channels)	an async context manager and iterator
 *	_shoal.use_message(type)	what the iterator makes of a message
 *
 * Its messages are kept in C, by reference to the shard's log, until the
 * application takes them: bounded by --subscriber-buffer, the oldest go first,
 * and are counted in the next one's <lost>.  What the deliver step sees of it
 * (struct inlet) is not a Python object: it may outlive the one that was
 * collected on another thread by as long as a letter takes.
 *
 * Thread: the GIL's holder; inlets are the shard's token holder's.
 */
#ifndef INTERP_SUBSCRIPTION_H
#define INTERP_SUBSCRIPTION_H

#include "interp/py.h"

struct pystate;

/* The loop is over: ends those that the application did not. */
void subscription_end_all(struct pystate *st);

int subscription_add_type(struct pystate *st, PyObject *module);

#endif
