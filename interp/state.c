/* See LICENSE for the terms. */
#include "interp/state.h"

#include "interp/aloop.h"
#include "interp/asgi.h"
#include "interp/channel.h"
#include "interp/flow.h"
#include "interp/rsgi.h"
#include "interp/scope.h"
#include "interp/subscription.h"
#include "interp/wsgi.h"

static int
make_names(struct state_names *s)
{
#define X(member, text) \
	s->member = PyUnicode_InternFromString(text); \
	if (!s->member) \
		return -1;
	STATE_NAMES(X)
#undef X
	return 0;
}

int
state_init(struct pystate *st, PyObject *module)
{
	st->module = module;
	st->empty_bytes = PyBytes_FromStringAndSize("", 0);
	st->empty_str = PyUnicode_FromStringAndSize("", 0);
	st->cache = scope_cache_new();
	if (!st->cache)
		PyErr_NoMemory();
	if (!st->empty_bytes || !st->empty_str || !st->cache)
		return -1;
	if (make_names(&st->s) || aloop_add_types(st, module) ||
	    flow_add_types(st, module) ||
	    asgi_add_types(st, module) || rsgi_add_types(st, module) ||
	    wsgi_add_types(st, module) ||
	    channel_add_functions(module) ||
	    subscription_add_type(st, module))
		return -1;
	return 0;
}
