/* See LICENSE for the terms. */
#ifndef INTERP_WSGI_H
#define INTERP_WSGI_H
#include "interp/py.h"
#include "proto/app.h"
struct pystate;
extern const struct app_ops wsgi_ops;
int wsgi_add_types(struct pystate *st, PyObject *module);
int wsgi_setup(struct pystate *st);
int wsgi_serve(struct pystate *st);
#endif
