/* See LICENSE for the terms. */
/*
 * RSGI's scope: read-only attributes, made when they are asked for and kept.
 *
 * It points into the request for as long as that is held.  What needs the
 * connection is taken at once, from a cache: that may be gone before.
 */
#include <string.h>

#include "core/conn.h"
#include "core/util.h"
#include "interp/rsgi_priv.h"
#include "interp/scope.h"
#include "interp/state.h"
#include "proto/req.h"

static PyObject *
lost(void)
{
	PyErr_SetString(PyExc_RuntimeError,
	    "there was no memory to keep this beyond the request");
	return NULL;
}

static int
make_target(struct rsgi_scope *s)
{
	struct scope_target t;

	if (s->path)
		return 0;
	if (!s->req) {
		lost();
		return -1;
	}
	if (scope_target_text(s->st, s->req, &t) == -1)
		return -1;
	s->path = t.path;
	s->query = t.query;
	Py_DECREF(t.raw_path);
	return 0;
}

static PyObject *
get_path(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;

	(void)unused;
	return make_target(s) == 0 ? Py_NewRef(s->path) : NULL;
}

static PyObject *
get_query(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;

	(void)unused;
	return make_target(s) == 0 ? Py_NewRef(s->query) : NULL;
}

static PyObject *
get_method(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;

	(void)unused;
	if (!s->method && !s->req)
		return lost();
	if (!s->method && str_eq(s->req->method, STR("GET")))
		s->method = Py_NewRef(s->st->rsgi->get);
	else if (!s->method)
		s->method = scope_method(s->st, s->req);
	return Py_XNewRef(s->method);
}

static PyObject *
get_authority(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;
	struct str a;

	(void)unused;
	if (!s->authority && !s->req)
		return lost();
	if (!s->authority) {
		a = s->req->authority;
		s->authority = a.n == 0 ? Py_NewRef(Py_None) :
		    PyUnicode_DecodeLatin1(a.p, (Py_ssize_t)a.n, NULL);
	}
	return Py_XNewRef(s->authority);
}

static PyObject *
get_headers(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;

	(void)unused;
	if (!s->headers && !s->req)
		return lost();
	if (!s->headers)
		s->headers = rsgi_headers_new(s->st, s->req);
	return (PyObject *)Py_XNewRef(s->headers);
}

static PyObject *
get_client(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct rsgi_scope *)self)->client);
}

static PyObject *
get_server(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct rsgi_scope *)self)->server);
}

static PyObject *
get_scheme(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct rsgi_scope *)self)->scheme);
}

static PyObject *
get_proto(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;

	(void)unused;
	return Py_NewRef(s->ws ? s->st->rsgi->ws : s->st->s.http);
}

static PyObject *
get_rsgi_version(PyObject *self, void *unused)
{
	(void)unused;
	return Py_NewRef(((struct rsgi_scope *)self)->st->rsgi->version);
}

static PyObject *
get_http_version(PyObject *self, void *unused)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;
	struct rsgi *g = s->st->rsgi;

	(void)unused;
	if (s->major == 2)
		return Py_NewRef(g->http_2);
	return Py_NewRef(s->minor == 0 ? g->http_1 : g->http_11);
}

static PyObject *
scope_repr(PyObject *self)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;
	PyObject *method = get_method(self, NULL);
	PyObject *out = NULL;

	if (method && make_target(s) == 0)
		out = PyUnicode_FromFormat("<Scope %S %R>", method, s->path);
	Py_XDECREF(method);
	return out;
}

static void
scope_dealloc(PyObject *self)
{
	struct rsgi_scope *s = (struct rsgi_scope *)self;
	PyTypeObject *type = Py_TYPE(self);

	Py_XDECREF(s->client);
	Py_XDECREF(s->server);
	Py_XDECREF(s->scheme);
	Py_XDECREF(s->path);
	Py_XDECREF(s->query);
	Py_XDECREF(s->method);
	Py_XDECREF(s->authority);
	Py_XDECREF(s->headers);
	PyObject_Free(self);
	Py_DECREF(type);
}

static PyGetSetDef scope_getset[] = {
	{ "proto", get_proto, NULL, NULL, NULL },
	{ "rsgi_version", get_rsgi_version, NULL, NULL, NULL },
	{ "http_version", get_http_version, NULL, NULL, NULL },
	{ "server", get_server, NULL, NULL, NULL },
	{ "client", get_client, NULL, NULL, NULL },
	{ "scheme", get_scheme, NULL, NULL, NULL },
	{ "method", get_method, NULL, NULL, NULL },
	{ "path", get_path, NULL, NULL, NULL },
	{ "query_string", get_query, NULL, NULL, NULL },
	{ "headers", get_headers, NULL, NULL, NULL },
	{ "authority", get_authority, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL }
};

static PyType_Slot scope_slots[] = {
	{ Py_tp_dealloc, scope_dealloc },
	{ Py_tp_getset, scope_getset },
	{ Py_tp_repr, scope_repr },
	{ 0, NULL }
};

static PyType_Spec scope_spec = {
	.name = "_shoal.RSGIScope",
	.basicsize = sizeof(struct rsgi_scope),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = scope_slots,
};

struct rsgi_scope *
rsgi_scope_new(struct pystate *st, const struct req *r)
{
	struct rsgi_scope *s;
	bool tls = r->conn->xport->name.n == 5;

	s = PyObject_New(struct rsgi_scope, st->rsgi_scope_type);
	if (!s)
		return NULL;
	memset((char *)s + sizeof(PyObject), 0, sizeof(*s) - sizeof(PyObject));
	s->st = st;
	s->req = r;
	s->major = r->major;
	s->minor = r->minor;
	s->ws = r->ws;
	s->scheme = Py_NewRef(tls ? st->rsgi->https : st->s.http);
	if (scope_ends_text(st, r, &s->client, &s->server) == -1)
		Py_CLEAR(s);
	return s;
}

/* Makes what the application may still ask for. */
static void
make_all(struct rsgi_scope *s)
{
	PyObject *(*const get[])(PyObject *, void *) = {
		get_path, get_method, get_authority, get_headers
	};
	PyObject *exc = PyErr_GetRaisedException();

	for (size_t i = 0; i < ARRAY_LEN(get); i++) {
		PyObject *made = get[i]((PyObject *)s, NULL);

		if (!made)
			PyErr_Clear();	/* lost() when it is asked for */
		Py_XDECREF(made);
	}
	PyErr_SetRaisedException(exc);
}

void
rsgi_scope_detach(struct rsgi_scope *s)
{
	bool kept = Py_REFCNT(s) > 1;

	if (kept)
		make_all(s);
	if (s->headers && (kept || Py_REFCNT(s->headers) > 1))
		rsgi_headers_detach(s->headers);
	s->req = NULL;
	Py_DECREF(s);
}

int
rsgi_scope_add_types(struct pystate *st, PyObject *module)
{
	st->rsgi_scope_type = (PyTypeObject *)PyType_FromModuleAndSpec(module,
	    &scope_spec, NULL);
	if (!st->rsgi_scope_type)
		return -1;
	return PyModule_AddType(module, st->rsgi_scope_type);
}
