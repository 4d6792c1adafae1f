/* See LICENSE for the terms. */
/*
 * The shard's turn inside asyncio: an event loop in C, under asyncio's own.
 *
 * loop.py derives from _shoal.EventLoop and asyncio.SelectorEventLoop, in this
 * order: what is frequent (call_soon, timers, handles, the turn, what comes and
 * goes on TCP connections) is here, and all else (servers, DNS, subprocesses,
 * pipes, debug mode) is asyncio's, on the attributes that it knows: _ready,
 * _scheduled, _stopping...
 *
 * run_forever() runs whole turns of the shard (shard.h) in C, and enters Python
 * only for what a request or a callback has to do.  So a request that needs
 * nothing of the event loop costs nothing of it either.
 *
 * What asyncio registers is level-triggered, in the shard's own epoll.
 *
 * Thread: the shard's; call_soon_threadsafe() any that has the GIL.
 */
#ifndef INTERP_ALOOP_H
#define INTERP_ALOOP_H

#include "interp/py.h"

struct pystate;

/* Adds what a loop is made of to the module; -1 with an exception. */
int aloop_add_types(struct pystate *st, PyObject *module);

#endif
