#include "interp/wsgi.h"
const struct app_ops wsgi_ops;
int wsgi_add_types(struct pystate *st, PyObject *module) { (void)st; (void)module; return 0; }
int wsgi_setup(struct pystate *st) { (void)st; return -1; }
int wsgi_serve(struct pystate *st) { (void)st; return -1; }
