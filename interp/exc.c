/* See LICENSE for the terms. */
#include "interp/exc.h"

#include <stdio.h>

#include "core/shard.h"
#include "core/util.h"
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

/* As much of a request's target as a log line has room for. */
#define SHOWN_MAX 1000

/*
 * "<what>: <method> <path>" and the traceback of <exc>, as one record of the
 * log: other writers' lines do not come between.
 */
static PyObject *
report(struct pystate *st, const char *what, const struct req *r,
       PyObject *exc)
{
	PyObject *text = exc_text(st, exc), *bytes = NULL, *all;
	char head[2 * SHOWN_MAX];

	if (r)
		snprintf(head, sizeof(head), "%.200s: %.*s %.*s\n", what,
		    (int)MIN(r->method.n, 100), r->method.p,
		    (int)MIN(r->path.n, SHOWN_MAX), r->path.p);
	else
		snprintf(head, sizeof(head), "%.200s\n", what);
	all = PyBytes_FromString(head);
	if (text)
		bytes = PyUnicode_AsEncodedString(text, "utf-8",
		    "backslashreplace");
	Py_XDECREF(text);
	if (bytes)
		PyBytes_ConcatAndDel(&all, bytes);
	return all;
}

void
exc_log(struct pystate *st, const char *what, const struct req *r)
{
	PyObject *exc = PyErr_GetRaisedException();
	PyObject *bytes;

	if (!exc)
		return;
	bytes = report(st, what, r, exc);
	if (bytes)
		log_text(&st->log, LEVEL_ERROR, "", (struct str){
		    PyBytes_AS_STRING(bytes),
		    (size_t)PyBytes_GET_SIZE(bytes) });
	else
		log_err(&st->log, "%s, and no memory to say more", what);
	PyErr_Clear();
	Py_XDECREF(bytes);
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
