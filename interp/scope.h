/* See LICENSE for the terms. */
/*
 * A request's head as Python objects, shared by ASGI, RSGI and WSGI.
 *
 * Clients send the same fields again and again.  Four small direct-mapped
 * caches (fields, whole sections of them, targets, clients) hand out the
 * objects made before; what is long is not cached.  Objects are immutable, so
 * sharing them is invisible.
 *
 * Each function returns a new reference, or NULL with an exception.
 * Thread: the GIL's and the shard's token's holder.
 */
#ifndef INTERP_SCOPE_H
#define INTERP_SCOPE_H

#include "interp/py.h"

struct field;
struct pystate;
struct req;
struct str;

struct scope_cache;

struct scope_cache *scope_cache_new(void);

/* list of (bytes, bytes), names in lower case. */
PyObject *scope_headers(struct pystate *st, const struct req *r);

/* Borrowed by <t>'s owner; see scope_target(). */
struct scope_target {
	PyObject *path;			/* str: decoded, UTF-8 or U+FFFD */
	PyObject *raw_path;		/* bytes, as sent, without query */
	PyObject *query;		/* bytes */
};

/* Fills <t> with new references; -1 with an exception. */
int scope_target(struct pystate *st, const struct req *r,
    struct scope_target *t);

/* For RSGI: (str, str), latin-1, so that no byte is lost. */
PyObject *scope_field_text(struct pystate *st, const struct field *f);
/* As scope_target(), with the query as a str. */
int scope_target_text(struct pystate *st, const struct req *r,
    struct scope_target *t);
/*
 * For RSGI: both ends as "host:port", "[v6]:port"; our end of a Unix socket
 * is its path, the peer's "".  -1 with an exception.
 */
int scope_ends_text(struct pystate *st, const struct req *r,
    PyObject **client, PyObject **server);

PyObject *scope_method(struct pystate *st, const struct req *r);
/* (host, port) of the peer; None for a Unix socket. */
PyObject *scope_client(struct pystate *st, const struct req *r);
/* (host, port) of our end; (path, None) for a Unix socket. */
PyObject *scope_server(struct pystate *st, const struct req *r);
/* "1.0", "1.1" */
PyObject *scope_version(struct pystate *st, const struct req *r);

/*
 * %-decodes <in> to <out> (at least in.n bytes); its length.  A '%' without
 * two hex digits stays as it is.
 */
size_t scope_unquote(struct str in, char *out);

#endif
