/* See LICENSE for the terms. */
/*
 * WebSocket messages, codes and handshakes as Python objects, for ASGI and
 * RSGI: what an application may give, checked, and what it gets.
 *
 * Thread: the GIL's and the shard's token's holder.
 */
#ifndef INTERP_WSMSG_H
#define INTERP_WSMSG_H

#include "core/str.h"
#include "interp/py.h"

struct req;
struct res;
struct ws_msg;
struct wsock;

/* Its text as str, or its bytes; frees <m>.  NULL with an exception. */
PyObject *wsmsg_data(struct ws_msg *m);
/* Sends a str, or something with bytes; -1 with an exception. */
int wsmsg_send(struct wsock *w, PyObject *data);

/* A code that may be sent; 1000 for NULL; -1 with an exception. */
int wsmsg_code(PyObject *value);
/* A str that fits a close frame, "" for NULL.  It lives as long as <value>. */
int wsmsg_reason(PyObject *value, struct str *out);
/* One of those that the client offers, "" for NULL. */
int wsmsg_subprotocol(const struct req *r, PyObject *value, struct str *out);
/* No field of <h> is the handshake's own. */
int wsmsg_check_fields(const struct res *h);

#endif
