/* See LICENSE for the terms. */
/*
 * The caches are direct-mapped: a new entry replaces the one that has its
 * place.  An entry keeps its own copy of the bytes that it stands for.
 */
#include "interp/scope.h"

#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "core/str.h"
#include "core/util.h"
#include "interp/state.h"
#include "proto/req.h"

#define FIELDS 1024
#define TARGETS 256
#define CLIENTS 1024
/* Longer ones are seldom the same twice, and would fill the memory. */
#define CACHED_MAX 256

struct field_entry {
	PyObject *pair;			/* (bytes, bytes) */
	uint32_t n;			/* of name and value */
	uint32_t n_name;
	char raw[CACHED_MAX];
};

struct target_entry {
	struct scope_target t;
	uint32_t n;
	char raw[CACHED_MAX];
};

/* The addresses of a connection, by its number. */
struct client_entry {
	PyObject *client;
	PyObject *server;
	uint64_t id;
};

struct scope_cache {
	struct field_entry *field[FIELDS];
	struct target_entry *target[TARGETS];
	struct client_entry client[CLIENTS];
};

struct scope_cache *
scope_cache_new(void)
{
	return mem_zero(sizeof(struct scope_cache));
}

/* Eight bytes at a time; only ever compared within one process. */
static uint32_t
hash(const char *s, size_t n)
{
	const uint64_t k = 0x9fb21c651e98df25ull;
	uint64_t h = n * 0x9e3779b97f4a7c15ull, w;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&w, s, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, s, n);
	h = (h ^ w) * k;
	return (uint32_t)(h >> 32);
}

static PyObject *
make_pair(struct str name, struct str value)
{
	PyObject *pair = PyTuple_New(2);
	PyObject *n = PyBytes_FromStringAndSize(name.p, (Py_ssize_t)name.n);
	PyObject *v = PyBytes_FromStringAndSize(value.p, (Py_ssize_t)value.n);

	if (!pair || !n || !v) {
		Py_XDECREF(pair);
		Py_XDECREF(n);
		Py_XDECREF(v);
		return NULL;
	}
	PyTuple_SET_ITEM(pair, 0, n);
	PyTuple_SET_ITEM(pair, 1, v);
	return pair;
}

static void
remember_field(struct field_entry **at, const struct field *f, PyObject *pair)
{
	struct field_entry *e = *at;

	if (!e) {
		e = mem_try(sizeof(*e));
		if (!e)
			return;
		e->pair = NULL;
		*at = e;
	}
	e->n = f->n_name + f->n_value;
	e->n_name = f->n_name;
	memcpy(e->raw, f->p, e->n);
	Py_XSETREF(e->pair, Py_NewRef(pair));
}

static PyObject *
field_pair(struct scope_cache *c, const struct field *f)
{
	uint32_t n = f->n_name + f->n_value;
	struct field_entry **at, *e;
	PyObject *pair;

	if (n > CACHED_MAX)
		return make_pair(field_name(f), field_value(f));
	at = &c->field[hash(f->p, n) % FIELDS];
	e = *at;
	if (e && e->n == n && e->n_name == f->n_name &&
	    memcmp(e->raw, f->p, n) == 0)
		return Py_NewRef(e->pair);
	pair = make_pair(field_name(f), field_value(f));
	if (pair)
		remember_field(at, f, pair);
	return pair;
}

PyObject *
scope_headers(struct pystate *st, const struct req *r)
{
	PyObject *out = PyList_New((Py_ssize_t)r->n_fields);

	if (!out)
		return NULL;
	for (unsigned i = 0; i < r->n_fields; i++) {
		PyObject *pair = field_pair(st->cache, &r->fields[i]);

		if (!pair) {
			Py_DECREF(out);
			return NULL;
		}
		PyList_SET_ITEM(out, (Py_ssize_t)i, pair);
	}
	return out;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)str_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t
scope_unquote(struct str in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '%' && in.n - i > 2 && hex(in.p[i + 1]) >= 0 &&
		    hex(in.p[i + 2]) >= 0) {
			out[n++] = (char)(hex(in.p[i + 1]) << 4 |
			    hex(in.p[i + 2]));
			i += 2;
		} else {
			out[n++] = in.p[i];
		}
	}
	return n;
}

static int
make_target(struct pystate *st, const struct req *r, struct scope_target *t)
{
	char small[CACHED_MAX];
	char *buf = r->path.n <= sizeof(small) ? small : mem_try(r->path.n);

	t->path = t->raw_path = t->query = NULL;
	if (!buf) {
		PyErr_NoMemory();
		return -1;
	}
	t->path = PyUnicode_DecodeUTF8(buf,
	    (Py_ssize_t)scope_unquote(r->path, buf), "replace");
	if (buf != small)
		mem_free(buf);
	t->raw_path = PyBytes_FromStringAndSize(r->path.p,
	    (Py_ssize_t)r->path.n);
	t->query = r->query.n == 0 ? Py_NewRef(st->empty_bytes) :
	    PyBytes_FromStringAndSize(r->query.p, (Py_ssize_t)r->query.n);
	if (t->path && t->raw_path && t->query)
		return 0;
	Py_XDECREF(t->path);
	Py_XDECREF(t->raw_path);
	Py_XDECREF(t->query);
	return -1;
}

static void
remember_target(struct target_entry **at, struct str raw,
    const struct scope_target *t)
{
	struct target_entry *e = *at;

	if (!e) {
		e = mem_try(sizeof(*e));
		if (!e)
			return;
		memset(&e->t, 0, sizeof(e->t));
		*at = e;
	}
	e->n = (uint32_t)raw.n;
	memcpy(e->raw, raw.p, raw.n);
	Py_XSETREF(e->t.path, Py_NewRef(t->path));
	Py_XSETREF(e->t.raw_path, Py_NewRef(t->raw_path));
	Py_XSETREF(e->t.query, Py_NewRef(t->query));
}

int
scope_target(struct pystate *st, const struct req *r, struct scope_target *t)
{
	struct str raw = r->target;
	struct target_entry **at, *e;

	if (raw.n > CACHED_MAX)
		return make_target(st, r, t);
	at = &st->cache->target[hash(raw.p, raw.n) % TARGETS];
	e = *at;
	if (e && e->n == raw.n && memcmp(e->raw, raw.p, raw.n) == 0) {
		t->path = Py_NewRef(e->t.path);
		t->raw_path = Py_NewRef(e->t.raw_path);
		t->query = Py_NewRef(e->t.query);
		return 0;
	}
	if (make_target(st, r, t) == -1)
		return -1;
	remember_target(at, raw, t);
	return 0;
}

PyObject *
scope_method(struct pystate *st, const struct req *r)
{
	(void)st;
	/* A few tens of nanoseconds, once a request that is not a GET. */
	return PyUnicode_DecodeLatin1(r->method.p, (Py_ssize_t)r->method.n,
	    NULL);
}

static PyObject *
host_port(const struct peer *p)
{
	char text[SOCK_TEXT];

	if (p->sa.sa_family == AF_UNIX)
		return Py_NewRef(Py_None);
	return Py_BuildValue("(sI)", sock_host_text(p, text), sock_port(p));
}

static PyObject *
make_server(const struct req *r)
{
	const struct listeners *ls = r->shard->start->listeners;
	const struct listen_addr *a;
	struct peer own;

	if (r->conn->listener < ls->n) {
		a = &ls->addr[r->conn->listener];
		if (a->path)
			return Py_BuildValue("(sO)", a->path, Py_None);
	}
	/* Asked of the socket: the listener may be bound to every address. */
	if (sock_local(r->conn->io.fd, &own) != 0)
		Py_RETURN_NONE;
	return host_port(&own);
}

/* The connection's entry, filled; NULL with an exception. */
static struct client_entry *
client_entry(struct pystate *st, const struct req *r)
{
	struct client_entry *e;
	PyObject *client, *server;

	e = &st->cache->client[r->conn->id % CLIENTS];
	if (e->client && e->id == r->conn->id)
		return e;
	client = host_port(&r->conn->peer);
	server = make_server(r);
	if (!client || !server) {
		Py_XDECREF(client);
		Py_XDECREF(server);
		return NULL;
	}
	Py_XSETREF(e->client, client);
	Py_XSETREF(e->server, server);
	e->id = r->conn->id;
	return e;
}

PyObject *
scope_client(struct pystate *st, const struct req *r)
{
	struct client_entry *e = client_entry(st, r);

	return e ? Py_NewRef(e->client) : NULL;
}

PyObject *
scope_server(struct pystate *st, const struct req *r)
{
	struct client_entry *e = client_entry(st, r);

	return e ? Py_NewRef(e->server) : NULL;
}

PyObject *
scope_version(struct pystate *st, const struct req *r)
{
	(void)st;
	return PyUnicode_FromFormat("%d.%d", r->major, r->minor);
}
