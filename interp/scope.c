/* See LICENSE for the terms. */
/*
 * The caches are direct-mapped: a new entry replaces the one that has its
 * place.  An entry keeps its own copy of the bytes that it stands for.
 *
 * A shard speaks one interface for ever.  So an entry holds one form of what
 * it stands for, that which the interface's functions make: those of text
 * (RSGI), or the others.
 */
#include "interp/scope.h"

#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "core/str.h"
#include "core/util.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/section.h"

#define FIELDS 1024
#define TARGETS 256
#define CLIENTS 1024
/* Longer ones are seldom the same twice, and would fill the memory. */
#define CACHED_MAX 256

struct field_entry {
	PyObject *pair;			/* (bytes, bytes), or (str, str) */
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

/* The fields of a section that came before, all of them. */
struct section_entry {
	PyObject *headers;		/* list of (bytes, bytes) */
	uint64_t id;
};

struct scope_cache {
	struct field_entry *field[FIELDS];
	struct target_entry *target[TARGETS];
	struct client_entry client[CLIENTS];
	struct section_entry section[SECTIONS];
};

struct scope_cache *
scope_cache_new(void)
{
	return mem_try_zero(sizeof(struct scope_cache));
}

static PyObject *
as_bytes(struct str s)
{
	return PyBytes_FromStringAndSize(s.p, (Py_ssize_t)s.n);
}

static PyObject *
as_text(struct str s)
{
	return PyUnicode_DecodeLatin1(s.p, (Py_ssize_t)s.n, NULL);
}

typedef PyObject *(*make_fn)(struct str);

static inline PyObject *
make_pair(const struct field *f, make_fn make)
{
	PyObject *pair = PyTuple_New(2);
	PyObject *n = make(field_name(f));
	PyObject *v = make(field_value(f));

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

static inline PyObject *
field_pair(struct scope_cache *c, const struct field *f, make_fn make)
{
	uint32_t n = f->n_name + f->n_value;
	struct field_entry **at, *e;
	PyObject *pair;

	if (n > CACHED_MAX)
		return make_pair(f, make);
	at = &c->field[str_hash((struct str){ f->p, n }) % FIELDS];
	e = *at;
	if (e && e->n == n && e->n_name == f->n_name &&
	    memcmp(e->raw, f->p, n) == 0)
		return Py_NewRef(e->pair);
	pair = make_pair(f, make);
	if (pair)
		remember_field(at, f, pair);
	return pair;
}

static PyObject *
make_headers(struct pystate *st, const struct req *r)
{
	PyObject *out = PyList_New((Py_ssize_t)r->n_fields);

	if (!out)
		return NULL;
	for (unsigned i = 0; i < r->n_fields; i++) {
		PyObject *pair = field_pair(st->cache, &r->fields[i],
		    as_bytes);

		if (!pair) {
			Py_DECREF(out);
			return NULL;
		}
		PyList_SET_ITEM(out, (Py_ssize_t)i, pair);
	}
	return out;
}

PyObject *
scope_headers(struct pystate *st, const struct req *r)
{
	struct section_entry *e;
	PyObject *headers;

	if (!r->section)
		return make_headers(st, r);
	e = &st->cache->section[r->section->id % SECTIONS];
	if (e->id != r->section->id) {
		headers = make_headers(st, r);
		if (!headers)
			return NULL;
		Py_XSETREF(e->headers, headers);
		e->id = r->section->id;
	}
	/* A list of its own: the application may change it. */
	return PyList_GetSlice(e->headers, 0, PY_SSIZE_T_MAX);
}

PyObject *
scope_field_text(struct pystate *st, const struct field *f)
{
	return field_pair(st->cache, f, as_text);
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
make_target(const struct req *r, struct scope_target *t, make_fn make)
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
	t->query = make(r->query);
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

static inline int
target(struct pystate *st, const struct req *r, struct scope_target *t,
    make_fn make)
{
	struct str raw = r->target;
	struct target_entry **at, *e;

	if (raw.n > CACHED_MAX)
		return make_target(r, t, make);
	at = &st->cache->target[str_hash(raw) % TARGETS];
	e = *at;
	if (e && e->n == raw.n && memcmp(e->raw, raw.p, raw.n) == 0) {
		t->path = Py_NewRef(e->t.path);
		t->raw_path = Py_NewRef(e->t.raw_path);
		t->query = Py_NewRef(e->t.query);
		return 0;
	}
	if (make_target(r, t, make) == -1)
		return -1;
	remember_target(at, raw, t);
	return 0;
}

int
scope_target(struct pystate *st, const struct req *r, struct scope_target *t)
{
	return target(st, r, t, as_bytes);
}

int
scope_target_text(struct pystate *st, const struct req *r,
    struct scope_target *t)
{
	return target(st, r, t, as_text);
}

PyObject *
scope_method(struct pystate *st, const struct req *r)
{
	(void)st;
	/* A few tens of nanoseconds, once a request that is not a GET. */
	return as_text(r->method);
}

/* How an address is told: a pair, or one text. */
typedef PyObject *(*addr_fn)(const struct peer *p, const char *path);

/* <path>: that of a Unix socket, NULL for a peer's, which has none. */
static PyObject *
addr_pair(const struct peer *p, const char *path)
{
	char text[SOCK_TEXT];

	if (path)
		return Py_BuildValue("(sO)", path, Py_None);
	if (p->sa.sa_family == AF_UNIX)
		return Py_NewRef(Py_None);
	return Py_BuildValue("(sI)", sock_host_text(p, text), sock_port(p));
}

/* RSGI: "127.0.0.1:80", "[::1]:80", a path; "" where there is nothing. */
static PyObject *
addr_text(const struct peer *p, const char *path)
{
	char text[SOCK_TEXT];

	if (path)
		return PyUnicode_DecodeFSDefault(path);
	if (p->sa.sa_family == AF_UNIX)
		return PyUnicode_FromStringAndSize("", 0);
	return PyUnicode_FromString(sock_addr_text(p, text));
}

static PyObject *
make_server(const struct req *r, addr_fn make)
{
	const struct listeners *ls = r->shard->start->listeners;
	const struct listen_addr *a;
	struct peer own;

	if (r->conn->listener < ls->n) {
		a = &ls->addr[r->conn->listener];
		if (a->path)
			return make(NULL, a->path);
	}
	/* Asked of the socket: the listener may be bound to every address. */
	if (sock_local(r->conn->io.fd, &own) != 0)
		own.sa.sa_family = AF_UNIX;	/* it is gone: no address */
	return make(&own, NULL);
}

/* The connection's entry, filled; NULL with an exception. */
static inline struct client_entry *
client_entry(struct pystate *st, const struct req *r, addr_fn make)
{
	struct client_entry *e;
	PyObject *client, *server;

	e = &st->cache->client[r->conn->id % CLIENTS];
	if (e->client && e->id == r->conn->id)
		return e;
	client = make(&r->conn->peer, NULL);
	server = make_server(r, make);
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
	struct client_entry *e = client_entry(st, r, addr_pair);

	return e ? Py_NewRef(e->client) : NULL;
}

PyObject *
scope_server(struct pystate *st, const struct req *r)
{
	struct client_entry *e = client_entry(st, r, addr_pair);

	return e ? Py_NewRef(e->server) : NULL;
}

int
scope_ends_text(struct pystate *st, const struct req *r, PyObject **client,
    PyObject **server)
{
	struct client_entry *e = client_entry(st, r, addr_text);

	if (!e)
		return -1;
	*client = Py_NewRef(e->client);
	*server = Py_NewRef(e->server);
	return 0;
}

PyObject *
scope_version(struct pystate *st, const struct req *r)
{
	(void)st;
	return PyUnicode_FromFormat("%d.%d", r->major, r->minor);
}
