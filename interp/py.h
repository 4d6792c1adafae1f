/* See LICENSE for the terms. */
/*
 * The door to Python: the one place that includes Python.h, and the one that
 * knows versions apart (3.12, 3.13, 3.14).
 */
#ifndef INTERP_PY_H
#define INTERP_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030C0000
#error "Shoal needs Python 3.12 or newer"
#endif

/* Destroying an interpreter leaks or aborts before (python's own bugs). */
#define PY_CAN_END_INTERPRETER (PY_VERSION_HEX >= 0x030E0000)
/* 3.12's importer breaks single-phase modules of the standard library. */
#define PY_GOOD_INTERPRETERS (PY_VERSION_HEX >= 0x030D0000)

/* What call_soon_threadsafe() gives has a lock of its own (asyncio). */
#define PY_LOCKED_HANDLES (PY_VERSION_HEX >= 0x030E0000)

#if PY_VERSION_HEX < 0x030D0000
/* As 3.13's: 1 and a new reference, 0 and NULL, or -1 with an exception. */
static inline int
PyDict_GetItemRef(PyObject *dict, PyObject *key, PyObject **value)
{
	*value = Py_XNewRef(PyDict_GetItemWithError(dict, key));
	if (*value)
		return 1;
	return PyErr_Occurred() ? -1 : 0;
}

static inline int
PyObject_GetOptionalAttr(PyObject *o, PyObject *name, PyObject **value)
{
	return _PyObject_LookupAttr(o, name, value);
}
#endif

/* A method of our types, whatever calling convention it has. */
#define PY_METHOD(fn) ((PyCFunction)(void (*)(void))(fn))

#endif
