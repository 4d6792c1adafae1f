/* See LICENSE for the terms. */
#include "interp/wsmsg.h"

#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "proto/req.h"
#include "proto/res.h"
#include "proto/ws_shake.h"
#include "proto/wsock.h"

PyObject *
wsmsg_data(struct ws_msg *m)
{
	const char *p = (const char *)m->data;
	Py_ssize_t n = (Py_ssize_t)m->n;
	PyObject *data = m->text ? PyUnicode_DecodeUTF8(p, n, NULL) :
	    PyBytes_FromStringAndSize(p, n);

	mem_free(m);
	return data;
}

int
wsmsg_send(struct wsock *w, PyObject *data)
{
	const char *text;
	Py_buffer buf;
	Py_ssize_t n;

	if (PyUnicode_Check(data)) {
		text = PyUnicode_AsUTF8AndSize(data, &n);
		if (!text)
			return -1;
		wsock_send(w, true, text, (size_t)n);
		return 0;
	}
	if (PyObject_GetBuffer(data, &buf, PyBUF_SIMPLE) == -1)
		return -1;
	wsock_send(w, false, buf.buf, (size_t)buf.len);
	PyBuffer_Release(&buf);
	return 0;
}

int
wsmsg_code(PyObject *value)
{
	long code = value ? -1 : WS_NORMAL;

	if (value && PyLong_Check(value))
		code = PyLong_AsLong(value);
	if (code >= 0 && code <= UINT16_MAX && ws_code_is_valid((unsigned)code))
		return (int)code;
	PyErr_Clear();
	PyErr_Format(PyExc_ValueError, "%R is no close code that may be sent: "
	    "1000 to 1003, 1007 to 1014, 3000 to 4999", value);
	return -1;
}

/* A str's UTF-8; -1 with an exception. */
static int
utf8_of(PyObject *value, const char *what, struct str *out)
{
	Py_ssize_t n;

	*out = STR("");
	if (!value)
		return 0;
	if (!PyUnicode_Check(value)) {
		PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s",
		    what, Py_TYPE(value)->tp_name);
		return -1;
	}
	out->p = PyUnicode_AsUTF8AndSize(value, &n);
	if (!out->p)
		return -1;
	out->n = (size_t)n;
	return 0;
}

int
wsmsg_reason(PyObject *value, struct str *out)
{
	if (utf8_of(value, "reason", out) == -1)
		return -1;
	if (out->n <= WS_REASON_MAX)
		return 0;
	PyErr_Format(PyExc_ValueError, "the reason has %zu bytes; %d fit into "
	    "a close frame", out->n, WS_REASON_MAX);
	return -1;
}

int
wsmsg_subprotocol(const struct req *r, PyObject *value, struct str *out)
{
	struct ws_offers at = { 0, 0 };
	struct str s;

	if (utf8_of(value, "subprotocol", out) == -1)
		return -1;
	if (!value)
		return 0;
	while ((s = ws_shake_subprotocol(r, &at)).n > 0)
		if (str_eq(s, *out))
			return 0;
	PyErr_Format(PyExc_ValueError, "the client does not offer the "
	    "subprotocol %R", value);
	return -1;
}

int
wsmsg_check_fields(const struct res *h)
{
	static const char own[] = "sec-websocket-";
	const char *p = h->buf, *end = h->buf + h->len;

	while (p < end) {
		if (strncasecmp(p, own, sizeof(own) - 1) == 0) {
			PyErr_SetString(PyExc_ValueError, "headers: "
			    "Sec-WebSocket-... are the server's; there is "
			    "\"subprotocol\"");
			return -1;
		}
		p = memchr(p, '\n', (size_t)(end - p));
		p++;
	}
	return 0;
}
