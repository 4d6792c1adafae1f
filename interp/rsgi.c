#include "interp/rsgi.h"
const struct app_ops rsgi_ops;
int rsgi_add_types(struct pystate *st, PyObject *module) { (void)st; (void)module; return 0; }
int rsgi_setup(struct pystate *st) { (void)st; return -1; }

