/* See LICENSE for the terms. */
#ifndef INTERP_RSGI_H
#define INTERP_RSGI_H
#include "interp/py.h"
#include "proto/app.h"
struct pystate;
extern const struct app_ops rsgi_ops;
int rsgi_add_types(struct pystate *st, PyObject *module);
int rsgi_setup(struct pystate *st);

#endif
