/* See LICENSE for the terms. */
#include "interp/mod.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/asgi.h"
#include "interp/embed.h"
#include "interp/rsgi.h"
#include "interp/server.h"
#include "interp/state.h"
#include "interp/wsgi.h"

static struct pystate *
state(PyObject *module)
{
	return PyModule_GetState(module);
}

static PyObject *
mod_log(PyObject *m, PyObject *args)
{
	static const char *const names[] = {
		[LEVEL_CRITICAL] = "critical", [LEVEL_ERROR] = "error",
		[LEVEL_WARNING] = "warning", [LEVEL_INFO] = "info",
		[LEVEL_DEBUG] = "debug"
	};
	struct log *log = &state(m)->log;
	const char *level, *text;
	Py_ssize_t n;

	if (!PyArg_ParseTuple(args, "ss#:log", &level, &text, &n))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], level) == 0 && i <= log->level)
			log_text(log, (enum log_level)i, "", (struct str){
			    text, (size_t)n });
	Py_RETURN_NONE;
}

/* True: this shard is the first that failed, and should say why. */
static PyObject *
mod_claim_failure(PyObject *m, PyObject *unused)
{
	(void)unused;
	return PyBool_FromLong(server_claim_failure(state(m)->berth->server));
}

static PyObject *
mod_failed(PyObject *m, PyObject *what)
{
	const char *text = PyUnicode_AsUTF8(what);

	if (!text)
		return NULL;
	server_failed(state(m)->berth->server, text);
	Py_RETURN_NONE;
}

/* Waits for the keeper's CTL_STOP, which ends the process. */
static void
wait_for_stop(void)
{
	Py_BEGIN_ALLOW_THREADS
	for (;;)
		pause();
	Py_END_ALLOW_THREADS
}

/*
 * refused(what): an extension cannot be loaded in this interpreter, or a call
 * is refused.  Where the keeper may switch to processes, and before this shard
 * serves, it never returns: the next generation does it.
 */
static PyObject *
mod_refused(PyObject *m, PyObject *arg)
{
	struct pystate *st = state(m);
	struct server *sv = st->berth->server;
	const char *what = PyUnicode_AsUTF8(arg);

	if (!what)
		return NULL;
	if (server_may_switch(sv)) {
		server_refused(sv, what, st->ready);
		if (!st->ready)
			wait_for_stop();
	} else {
		log_warn(&st->log, "%s: not possible in an interpreter of its "
		    "own; use --isolation process", what);
	}
	Py_RETURN_NONE;
}

/* False: another shard failed, do not load. */
static PyObject *
mod_load_begin(PyObject *m, PyObject *unused)
{
	struct server *sv = state(m)->berth->server;

	(void)unused;
	Py_BEGIN_ALLOW_THREADS
	server_load_lock(state(m)->berth);
	Py_END_ALLOW_THREADS
	if (!atomic_load(&sv->failed))
		Py_RETURN_TRUE;
	pthread_mutex_unlock(&sv->load);
	Py_RETURN_FALSE;
}

static PyObject *
mod_load_end(PyObject *m, PyObject *unused)
{
	(void)unused;
	pthread_mutex_unlock(&state(m)->berth->server->load);
	Py_RETURN_NONE;
}

static int
find_task_type(struct pystate *st)
{
	PyObject *asyncio = PyImport_ImportModule("asyncio");

	if (!asyncio)
		return -1;
	st->task_type = PyObject_GetAttrString(asyncio, "Task");
	st->cancelled = PyObject_GetAttrString(asyncio, "CancelledError");
	st->task_kwargs = Py_BuildValue("{sOsOsO}", "loop", st->loop,
	    "eager_start", Py_True, "name", st->s.request_name);
	Py_DECREF(asyncio);
	return st->task_type && st->cancelled && st->task_kwargs ? 0 : -1;
}

/* Not in setup(): what lifespan begins may wait for messages already. */
static PyObject *
mod_use_loop(PyObject *m, PyObject *loop)
{
	Py_XSETREF(state(m)->loop, Py_NewRef(loop));
	Py_RETURN_NONE;
}

/* setup(kind, app, state): everything that a request needs. */
static PyObject *
mod_setup(PyObject *m, PyObject *args)
{
	struct pystate *st = state(m);
	const char *kind;
	PyObject *app, *lifespan;
	int err;

	if (!PyArg_ParseTuple(args, "sOO:setup", &kind, &app, &lifespan))
		return NULL;
	st->app = Py_NewRef(app);
	if (strcmp(kind, "wsgi") == 0) {
		st->shard->app = &wsgi_ops;
		err = wsgi_setup(st);
	} else if (find_task_type(st) == -1) {
		return NULL;
	} else if (strcmp(kind, "rsgi") == 0) {
		st->shard->app = &rsgi_ops;
		err = rsgi_setup(st);
	} else {
		st->shard->app = &asgi_ops;
		err = asgi_setup(st, lifespan);
	}
	if (err)
		return NULL;
	Py_RETURN_NONE;
}

/* Polls the listeners and tells the keeper. */
static int
listen_now(struct pystate *st)
{
	int err = 0;

	st->ready = true;
	st->shard->slot->busy_since = 0;
	if (!st->shard->draining)
		err = shard_listen(st->shard);
	if (err) {
		PyErr_Format(PyExc_OSError, "the listeners cannot be polled: "
		    "%s", strerror(-err));
		return -1;
	}
	ctl_send(st->berth->server->start->control, CTL_READY, st->shard->id,
	    NULL);
	return 0;
}

static PyObject *
mod_listen(PyObject *m, PyObject *unused)
{
	(void)unused;
	if (listen_now(state(m)) == -1)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *
mod_serve_wsgi(PyObject *m, PyObject *unused)
{
	(void)unused;
	if (listen_now(state(m)) == -1)
		return NULL;
	wsgi_serve(state(m));
	Py_RETURN_NONE;
}

const struct embed *
embed_find(const char *name)
{
	const struct embed *e = embed_files;

	while (e->name && strcmp(e->name, name) != 0)
		e++;
	return e->name ? e : NULL;
}

/* interp/py/<name>.py as the module _shoal_<name>; a new reference. */
static PyObject *
embedded(const char *name)
{
	const struct embed *e = embed_find(name);
	char module[40], path[40];
	PyObject *code, *made = NULL;

	snprintf(module, sizeof(module), "_shoal_%s", name);
	snprintf(path, sizeof(path), "<shoal>/%s.py", name);
	made = PyImport_AddModule(module);
	if (!made || PyDict_GetItemString(PyModule_GetDict(made), "__file__"))
		return Py_XNewRef(made);
	made = NULL;
	if (!e)
		return PyErr_Format(PyExc_ImportError, "no %s", path);
	code = Py_CompileString(e->data, path, Py_file_input);
	if (code)
		made = PyImport_ExecCodeModuleEx(module, code, path);
	Py_XDECREF(code);
	return made;
}

static PyObject *
mod_embedded(PyObject *m, PyObject *name)
{
	const char *text = PyUnicode_AsUTF8(name);

	(void)m;
	return text ? embedded(text) : NULL;
}

static PyObject *
mod_source(PyObject *m, PyObject *name)
{
	const char *text = PyUnicode_AsUTF8(name);
	const struct embed *e = text ? embed_find(text) : NULL;

	(void)m;
	if (text && !e)
		PyErr_Format(PyExc_ImportError, "no <shoal>/%s.py", text);
	return e ? PyUnicode_DecodeUTF8(e->data, (Py_ssize_t)e->size, NULL) :
	    NULL;
}

static PyMethodDef methods[] = {
	{ "embedded", mod_embedded, METH_O, NULL },
	{ "source", mod_source, METH_O, NULL },
	{ "log", mod_log, METH_VARARGS, NULL },
	{ "claim_failure", mod_claim_failure, METH_NOARGS, NULL },
	{ "failed", mod_failed, METH_O, NULL },
	{ "refused", mod_refused, METH_O, NULL },
	{ "load_begin", mod_load_begin, METH_NOARGS, NULL },
	{ "load_end", mod_load_end, METH_NOARGS, NULL },
	{ "use_loop", mod_use_loop, METH_O, NULL },
	{ "setup", mod_setup, METH_VARARGS, NULL },
	{ "listen", mod_listen, METH_NOARGS, NULL },
	{ "serve_wsgi", mod_serve_wsgi, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL }
};

static int
exec(PyObject *m)
{
	return state_init(state(m), m);
}

static PyModuleDef_Slot slots[] = {
	{ Py_mod_exec, exec },
	{ Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED },
	{ 0, NULL }
};

static PyModuleDef def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_shoal",
	.m_size = sizeof(struct pystate),
	.m_methods = methods,
	.m_slots = slots,
};

PyObject *
PyInit__shoal(void)
{
	return PyModuleDef_Init(&def);
}

struct pystate *
mod_state(PyTypeObject *type)
{
	PyObject *m = PyType_GetModuleByDef(type, &def);

	return m ? state(m) : NULL;
}

/* The process's whole CPU mask for a shard that is pinned, else None. */
static PyObject *
cpu_set_of(const struct shard *s)
{
	const struct cpu_plan *plan = s->start->plan;
	PyObject *set;

	if (cpu_of_shard(plan, s->id) < 0)
		Py_RETURN_NONE;
	set = PySet_New(NULL);
	for (unsigned i = 0; set && i < CPU_SETSIZE; i++) {
		PyObject *n;

		if (!CPU_ISSET(i, &plan->mask))
			continue;
		n = PyLong_FromUnsignedLong(i);
		if (!n || PySet_Add(set, n) == -1)
			Py_CLEAR(set);
		Py_XDECREF(n);
	}
	return set;
}

static PyObject *
make_config(const struct berth *b)
{
	static const char *const interfaces[] = {
		[CONF_INTERFACE_AUTO] = "auto", [CONF_INTERFACE_ASGI] = "asgi",
		[CONF_INTERFACE_ASGINL] = "asginl",
		[CONF_INTERFACE_ASGI2] = "asgi2",
		[CONF_INTERFACE_RSGI] = "rsgi", [CONF_INTERFACE_WSGI] = "wsgi"
	};
	static const char *const lifespans[] = {
		[CONF_LIFESPAN_AUTO] = "auto", [CONF_LIFESPAN_ON] = "on",
		[CONF_LIFESPAN_OFF] = "off"
	};
	const struct shard *s = b->shard;
	const struct conf *conf = s->conf;
	char dir[PATH_MAX];

	/* main has changed to --working-dir. */
	if (!getcwd(dir, sizeof(dir)))
		return PyErr_SetFromErrno(PyExc_OSError);
	return Py_BuildValue("{sssOsssssssssIsisOsOsN}",
	    "target", conf->app,
	    "factory", conf->factory ? Py_True : Py_False,
	    "working_dir", dir,
	    "pythonpath", conf->pythonpath ? conf->pythonpath : "",
	    "interface", interfaces[conf->interface],
	    "lifespan", lifespans[conf->lifespan],
	    "shard", s->id,
	    "check_fd", conf->check ? s->start->check_fd : -1,
	    "own_interpreter", s->start->isolation == ISOLATION_INTERP ?
	    Py_True : Py_False,
	    "tame_gc", conf->gc == CONF_GC_AUTO ? Py_True : Py_False,
	    "cpus", cpu_set_of(s));
}

/* The shard's own log belongs to the token, this one to the GIL. */
static void
open_log(struct pystate *st)
{
	char who[24];

	snprintf(who, sizeof(who), "shard %u", st->shard->id);
	log_init(&st->log, st->shard->log.fd, st->shard->log.level, who);
}

struct pystate *
mod_attach(struct berth *b)
{
	PyObject *m = PyImport_ImportModule("_shoal");
	PyObject *config;
	struct pystate *st;

	if (!m)
		return NULL;
	st = state(m);			/* <m> is kept for ever */
	st->berth = b;
	st->shard = b->shard;
	st->shard_ts = PyThreadState_Get();
	st->arena = b->arena;
	open_log(st);
	b->shard->py = st;
	config = make_config(b);
	if (!config || PyModule_AddObjectRef(m, "config", config) == -1)
		goto fail;
	st->boot = embedded("boot");
	if (!st->boot)
		goto fail;
	st->format_exc = PyObject_GetAttrString(st->boot, "format_exception");
	if (!st->format_exc)
		goto fail;
	Py_DECREF(config);
	return st;
fail:
	Py_XDECREF(config);
	return NULL;
}
