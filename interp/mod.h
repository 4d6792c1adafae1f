/* See LICENSE for the terms. */
/*
 * The module _shoal, as boot.py sees it: multi-phase, one GIL an interpreter.
 */
#ifndef INTERP_MOD_H
#define INTERP_MOD_H

#include "interp/py.h"

struct berth;
struct pystate;

/* For PyImport_AppendInittab(). */
PyObject *PyInit__shoal(void);

/* Imports _shoal and ties it to the shard; NULL with an exception. */
struct pystate *mod_attach(struct berth *b);

/* The state of the module that defines <type>, or a base of it. */
struct pystate *mod_state(PyTypeObject *type);

#endif
