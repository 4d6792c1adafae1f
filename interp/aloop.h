/* See LICENSE for the terms. */
/*
 * The shard's turn inside asyncio: a selector, in C, for the event loop that
 * boot.py derives from asyncio's BaseSelectorEventLoop.
 *
 * asyncio's run_forever() calls select() whenever it has nothing to run.
 * select() runs whole turns of the shard (shard.h) and comes back to Python
 * only for what asyncio itself waits for: a descriptor that it registered, a
 * callback or timer that a request's first step queued, stop().  So a request
 * that needs nothing of the event loop costs nothing of it either.
 *
 * What asyncio registers is level-triggered, in the shard's own epoll.
 *
 * Thread: the shard's.
 */
#ifndef INTERP_ALOOP_H
#define INTERP_ALOOP_H

#include "interp/py.h"

struct pystate;

/* Adds the Selector type to the module; -1 with an exception. */
int aloop_add_types(struct pystate *st, PyObject *module);

#endif
