/* See LICENSE for the terms. */
/*
 * The environ: a copy of a dict that holds what all requests have alike, and
 * what this one has of its own.
 *
 * Names: "X-Foo" is HTTP_X_FOO.  A name with an underscore is dropped, since
 * it would pass for one with a dash (hardening L4), and so is "Proxy", whose
 * HTTP_PROXY many libraries take for an address (httpoxy).
 */
#include "interp/wsgi.h"

#include <stdio.h>
#include <string.h>

#include "core/conf.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/scope.h"
#include "interp/state.h"
#include "proto/req.h"
#include "proto/section.h"

#define CACHED 1024
#define CACHED_MAX 256
#define PEERS 1024

/* A field seen before: what it is in the environ. */
struct env_entry {
	PyObject *key;			/* NULL: to be dropped */
	PyObject *value;
	uint32_t n;
	uint32_t n_name;
	char raw[CACHED_MAX];
};

/* What an environ begins as: a dict, and the target that it has in it. */
struct env_base {
	PyObject *dict;
	PyObject *target;		/* the last request's; or NULL */
};

/*
 * What requests of a connection have alike, by its number; the target, too:
 * most that come again ask for the same one.
 */
struct env_peers {
	uint64_t id;			/* of the connection, and 1 */
	uint64_t section;		/* whose fields <known> has; or 0 */
	struct env_base bare;		/* no fields */
	struct env_base known;
};

struct wsgi_env {
	PyObject *common;		/* dict, copied a connection */
	PyObject *path_info;
	PyObject *query_string;
	PyObject *request_method;
	PyObject *raw_uri;
	PyObject *request_uri;
	PyObject *remote_addr;
	PyObject *remote_port;
	PyObject *server_name;
	PyObject *server_port;
	PyObject *server_protocol;
	PyObject *script_name;
	PyObject *input;
	PyObject *early_hints;
	struct env_entry *cache[CACHED];
	struct env_peers peers[PEERS];
};

static int
intern(PyObject **to, const char *text)
{
	*to = PyUnicode_InternFromString(text);
	return *to ? 0 : -1;
}

static int
make_keys(struct wsgi_env *e)
{
	return intern(&e->path_info, "PATH_INFO") ||
	    intern(&e->query_string, "QUERY_STRING") ||
	    intern(&e->request_method, "REQUEST_METHOD") ||
	    intern(&e->raw_uri, "RAW_URI") ||
	    intern(&e->request_uri, "REQUEST_URI") ||
	    intern(&e->remote_addr, "REMOTE_ADDR") ||
	    intern(&e->remote_port, "REMOTE_PORT") ||
	    intern(&e->server_name, "SERVER_NAME") ||
	    intern(&e->server_port, "SERVER_PORT") ||
	    intern(&e->server_protocol, "SERVER_PROTOCOL") ||
	    intern(&e->script_name, "SCRIPT_NAME") ||
	    intern(&e->early_hints, "wsgi.early_hints") ||
	    intern(&e->input, "wsgi.input") ? -1 : 0;
}

/*
 * One key more than fits is put in and taken out again, so that every copy has
 * room for a request's fields; else the first of them doubles the dict.
 */
static int
make_room(PyObject *common)
{
	return PyDict_SetItemString(common, "", Py_None) == -1 ||
	    PyDict_DelItemString(common, "") == -1 ? -1 : 0;
}

struct wsgi_env *
wsgi_env_new(struct pystate *st, bool multithread)
{
	struct wsgi_env *e = mem_try_zero(sizeof(*e));
	PyObject *errors = PySys_GetObject("stderr");
	bool others = st->shard->start->shm->shards > 1;

	if (!e) {
		PyErr_NoMemory();
		return NULL;
	}
	if (make_keys(e) == -1)
		return NULL;
	/* Every key that a request has: copying keeps the dict's shape. */
	e->common = Py_BuildValue("{ss ss ss ss ss ss ss ss ss ss ss "
	    "s(ii) ss sO sO sO sO sO sO sO sO}",
	    "REQUEST_METHOD", "GET", "SCRIPT_NAME", "", "PATH_INFO", "",
	    "QUERY_STRING", "", "RAW_URI", "", "REQUEST_URI", "",
	    "SERVER_NAME", "", "SERVER_PORT", "",
	    "SERVER_PROTOCOL", "HTTP/1.1", "REMOTE_ADDR", "",
	    "REMOTE_PORT", "",
	    "wsgi.version", 1, 0, "wsgi.url_scheme", "http",
	    "wsgi.input", Py_None, "wsgi.errors", errors ? errors : Py_None,
	    "wsgi.multithread", multithread ? Py_True : Py_False,
	    "wsgi.multiprocess", others ? Py_True : Py_False,
	    "wsgi.run_once", Py_False, "wsgi.input_terminated", Py_True,
	    "wsgi.file_wrapper", st->wsgi_wrapper_type,
	    "wsgi.early_hints", Py_None);
	return e->common && make_room(e->common) == 0 ? e : NULL;
}

static PyObject *
latin1(struct str s)
{
	return PyUnicode_DecodeLatin1(s.p, (Py_ssize_t)s.n, NULL);
}

/* environ[key] = value, whose reference is taken; -1 with an exception. */
static int
set(PyObject *environ, PyObject *key, PyObject *value)
{
	int err = value ? PyDict_SetItem(environ, key, value) : -1;

	Py_XDECREF(value);
	return err;
}

/* ---- fields ---- */

/* Its key, or NULL without an exception: not for the environ. */
static PyObject *
key_of(const struct field *f)
{
	char text[5 + CACHED_MAX] = "HTTP_";
	struct str name = field_name(f);

	if (memchr(name.p, '_', name.n) || name.n > CACHED_MAX ||
	    str_eq(name, STR("proxy")))
		return NULL;
	if (str_eq(name, STR("content-type")))
		return PyUnicode_InternFromString("CONTENT_TYPE");
	if (str_eq(name, STR("content-length")))
		return PyUnicode_InternFromString("CONTENT_LENGTH");
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		text[5 + i] = c == '-' ? '_' : c >= 'a' && c <= 'z' ?
		    (char)(c - 32) : c;
	}
	/* Not interned: 3.12 would keep every name that a client invents. */
	return latin1((struct str){ text, 5 + name.n });
}

/* The cache's place for <f>, filled; NULL: not cached (or an exception). */
static struct env_entry *
cached(struct wsgi_env *e, const struct field *f)
{
	uint32_t n = f->n_name + f->n_value;
	struct env_entry **at, *c;

	if (n > CACHED_MAX)
		return NULL;
	at = &e->cache[str_hash((struct str){ f->p, n }) % CACHED];
	c = *at;
	if (c && c->n == n && c->n_name == f->n_name &&
	    memcmp(c->raw, f->p, n) == 0)
		return c;
	if (!c) {
		c = *at = mem_try(sizeof(*c));
		if (!c)
			return NULL;
		c->key = c->value = NULL;
	}
	c->n = n;
	c->n_name = f->n_name;
	memcpy(c->raw, f->p, n);
	Py_XSETREF(c->key, key_of(f));
	Py_XSETREF(c->value, c->key ? latin1(field_value(f)) : NULL);
	if (!c->value && PyErr_Occurred())
		c->n = 0;	/* not the one to be dropped */
	return c;
}

/* The values of the first <n> fields that <f> has a name with, joined. */
static PyObject *
joined(const struct req *r, unsigned n, const struct field *f)
{
	struct str name = field_name(f);
	struct str glue = str_eq(name, STR("cookie")) ? STR("; ") : STR(", ");
	PyObject *value;
	size_t len = 0;
	char *buf, *at;

	for (unsigned i = 0; i < n; i++)
		len += r->fields[i].n_value + glue.n;
	buf = at = mem_try(len);
	if (!buf)
		return PyErr_NoMemory();
	for (unsigned i = 0; i < n; i++) {
		struct str one = field_value(&r->fields[i]);

		if (!str_eq(field_name(&r->fields[i]), name))
			continue;
		if (at > buf)
			at = mempcpy(at, glue.p, glue.n);
		at = mempcpy(at, one.p, one.n);
	}
	value = latin1((struct str){ buf, (size_t)(at - buf) });
	mem_free(buf);
	return value;
}

/*
 * The <i>-th field; it is joined to those before it of the same name (RFC
 * 9110, 5.3).  One look into the dict tells whether there are such.  It would
 * tell the value, too, did PyDict_SetDefault() of 3.13 not leave the dict in
 * pieces when its memory cannot be had.
 */
static int
set_field(PyObject *environ, PyObject *key, PyObject *value,
          const struct req *r, unsigned i)
{
	Py_ssize_t n = PyDict_GET_SIZE(environ);

	if (!value || PyDict_SetItem(environ, key, value) == -1)
		return -1;
	if (PyDict_GET_SIZE(environ) > n)
		return 0;
	return set(environ, key, joined(r, i + 1, &r->fields[i]));
}

static int
add_field(struct wsgi_env *e, PyObject *environ, const struct req *r,
          unsigned i)
{
	const struct field *f = &r->fields[i];
	struct env_entry *c = cached(e, f);
	PyObject *key, *value;
	int err;

	if (c && c->key && c->value)
		return set_field(environ, c->key, c->value, r, i);
	if (PyErr_Occurred())
		return -1;
	if (c)
		return 0;
	key = key_of(f);
	if (!key)
		return PyErr_Occurred() ? -1 : 0;
	value = latin1(field_value(f));
	err = set_field(environ, key, value, r, i);
	Py_XDECREF(value);
	Py_DECREF(key);
	return err;
}

/* ---- the rest ---- */

/* Where --root-path fits, it goes from PATH_INFO to SCRIPT_NAME. */
static struct str
split_root(struct wsgi_env *e, PyObject *environ, const struct conf *conf,
    struct str path, int *err)
{
	struct str root = str_of(conf->root_path);

	if (root.n == 0)
		return path;
	if (path.n < root.n || memcmp(path.p, root.p, root.n) != 0 ||
	    (path.n > root.n && path.p[root.n] != '/'))
		root.n = 0;
	*err = set(environ, e->script_name, latin1(root));
	return (struct str){ path.p + root.n, path.n - root.n };
}

/* PATH_INFO of the unquoted <path>: mostly what the target is, too. */
static PyObject *
path_text(struct str path, const struct req *r, PyObject *target)
{
	if (path.n == r->target.n && memcmp(path.p, r->target.p, path.n) == 0)
		return Py_NewRef(target);
	return latin1(path);
}

/* What <target> says, into what an environ begins as. */
static int
set_target(struct wsgi_env *e, PyObject *dict, const struct call *c,
    PyObject *target)
{
	const struct req *r = c->head;
	char small[512] __attribute__((uninitialized));
	char *buf = r->path.n <= sizeof(small) ? small : mem_try(r->path.n);
	struct str path;
	int err = 0;

	if (!buf) {
		PyErr_NoMemory();
		return -1;
	}
	path = (struct str){ buf, scope_unquote(r->path, buf) };
	path = split_root(e, dict, c->shard->conf, path, &err);
	if (!err)
		err = set(dict, e->path_info, path_text(path, r, target));
	if (buf != small)
		mem_free(buf);
	if (!err)
		err = set(dict, e->query_string, latin1(r->query));
	if (!err)
		err = PyDict_SetItem(dict, e->request_uri, target);
	return err ? err : PyDict_SetItem(dict, e->raw_uri, target);
}

static bool
is_text(PyObject *text, struct str s)
{
	return (size_t)PyUnicode_GET_LENGTH(text) == s.n &&
	    memcmp(PyUnicode_1BYTE_DATA(text), s.p, s.n) == 0;
}

static int
note_target(struct wsgi_env *e, struct env_base *b, const struct call *c)
{
	PyObject *target;

	if (b->target && is_text(b->target, c->head->target))
		return 0;
	Py_CLEAR(b->target);
	target = latin1(c->head->target);
	if (!target || set_target(e, b->dict, c, target) == -1) {
		Py_XDECREF(target);
		return -1;
	}
	b->target = target;
	return 0;
}

static int
set_pair(PyObject *environ, PyObject *host, PyObject *port,
         const struct peer *p)
{
	char text[SOCK_TEXT];

	return set(environ, host, PyUnicode_FromString(
	    sock_host_text(p, text))) ||
	    set(environ, port, PyUnicode_FromFormat("%u", sock_port(p))) ?
	    -1 : 0;
}

static int
set_addresses(struct wsgi_env *e, PyObject *environ, const struct call *c)
{
	const struct listeners *ls = c->shard->start->listeners;

	if (set_pair(environ, e->remote_addr, e->remote_port, &c->peer))
		return -1;
	if (c->listener >= ls->n || !ls->addr[c->listener].path)
		return set_pair(environ, e->server_name, e->server_port,
		    &c->local);
	/* PEP 3333: never empty. */
	return set(environ, e->server_name,
	    PyUnicode_FromString("localhost")) ||
	    set(environ, e->server_port, PyUnicode_FromString("80")) ? -1 : 0;
}

/* <b> becomes a copy of <from>, without a target. */
static int
rebase(struct env_base *b, PyObject *from)
{
	Py_CLEAR(b->target);
	Py_XSETREF(b->dict, PyDict_Copy(from));
	return b->dict ? 0 : -1;
}

static int
add_fields(struct wsgi_env *e, PyObject *environ, const struct req *r)
{
	for (unsigned i = 0; i < r->n_fields; i++)
		if (add_field(e, environ, r, i) == -1)
			return -1;
	return 0;
}

/* What requests of this connection have alike; NULL with an exception. */
static struct env_peers *
peers_of(struct wsgi_env *e, const struct call *c)
{
	struct env_peers *p = &e->peers[c->conn_id % PEERS];

	if (p->id == c->conn_id + 1)
		return p;
	p->id = p->section = 0;
	if (rebase(&p->bare, e->common) == -1 ||
	    set_addresses(e, p->bare.dict, c) == -1)
		return NULL;
	p->id = c->conn_id + 1;
	return p;
}

/* With the fields that came before, which this request has, too. */
static struct env_base *
known_of(struct wsgi_env *e, struct env_peers *p, const struct call *c)
{
	const struct section *sec = c->head->section;

	if (p->section == sec->id)
		return &p->known;
	p->section = 0;
	if (rebase(&p->known, p->bare.dict) == -1 ||
	    add_fields(e, p->known.dict, c->head) == -1)
		return NULL;
	p->section = sec->id;
	return &p->known;
}

/* What the environ of this request begins as; borrowed. */
static PyObject *
base_of(struct wsgi_env *e, const struct call *c)
{
	struct env_peers *p = peers_of(e, c);
	struct env_base *b;

	if (!p)
		return NULL;
	b = c->head->section ? known_of(e, p, c) : &p->bare;
	return b && note_target(e, b, c) == 0 ? b->dict : NULL;
}

static int
fill(struct wsgi_env *e, PyObject *environ, struct call *c, PyObject *input)
{
	const struct req *r = c->head;

	if (!str_eq(r->method, STR("GET")) &&
	    set(environ, e->request_method, latin1(r->method)) == -1)
		return -1;
	if (r->minor != 1 && set(environ, e->server_protocol,
	    PyUnicode_FromFormat("HTTP/%d.%d", r->major, r->minor)) == -1)
		return -1;
	if (!r->section && add_fields(e, environ, r) == -1)
		return -1;
	/* One object for both: it can be read, and called. */
	if (PyDict_SetItem(environ, e->input, input) == -1)
		return -1;
	return PyDict_SetItem(environ, e->early_hints, input);
}

PyObject *
wsgi_environ(struct wsgi_env *e, struct call *c, PyObject *input)
{
	PyObject *base = base_of(e, c);
	PyObject *environ = base ? PyDict_Copy(base) : NULL;

	if (environ && fill(e, environ, c, input) == -1)
		Py_CLEAR(environ);
	return environ;
}
