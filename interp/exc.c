/* See LICENSE for the terms. */
#include "interp/exc.h"

#include <stdio.h>

#include "core/shard.h"
#include "interp/state.h"
#include "proto/req.h"

PyObject *
exc_text(struct pystate *st, PyObject *exc)
{
	PyObject *text = NULL;

	if (st->format_exc)
		text = PyObject_CallOneArg(st->format_exc, exc);
	if (!text || !PyUnicode_Check(text)) {
		/* What cannot be formatted still has a type. */
		Py_CLEAR(text);
		PyErr_Clear();
		text = PyUnicode_FromString(Py_TYPE(exc)->tp_name);
		if (!text)
			PyErr_Clear();
	}
	return text;
}

void
exc_log(struct pystate *st, const char *what, const struct req *r)
{
	PyObject *exc = PyErr_GetRaisedException();
	PyObject *text, *bytes = NULL;

	if (!exc)
		return;
	if (r)
		log_err(&st->log, "%s: %.*s %.*s", what,
		    STR_ARG(r->method), STR_ARG(r->path));
	else
		log_err(&st->log, "%s", what);
	text = exc_text(st, exc);
	if (text)
		bytes = PyUnicode_AsEncodedString(text, "utf-8",
		    "backslashreplace");
	if (bytes)
		log_text(&st->log, LEVEL_ERROR, "", (struct str){
		    PyBytes_AS_STRING(bytes),
		    (size_t)PyBytes_GET_SIZE(bytes) });
	PyErr_Clear();
	Py_XDECREF(bytes);
	Py_XDECREF(text);
	Py_DECREF(exc);
}

void
exc_log_left(struct pystate *st, const struct req *r)
{
	PyObject *exc = PyErr_GetRaisedException();

	if (!exc)
		return;
	log_info(&st->log, "The client left, and the application "
	    "raised %s: %.*s", Py_TYPE(exc)->tp_name,
	    r ? (int)r->path.n : 0, r ? r->path.p : "");
	Py_DECREF(exc);
}
