/* See LICENSE for the terms. */
#include "interp/interp.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/conf.h"
#include "core/shard.h"
#include "interp/exc.h"
#include "interp/mod.h"
#include "interp/py.h"
#include "interp/server.h"
#include "interp/state.h"
#include "interp/subscription.h"

/*
 * Imported in the main interpreter before another is made.  _datetime:
 * concurrent imports corrupt memory on 3.12 and 3.13.  The others are for 3.12,
 * which runs their init even where it refuses them, and frees a static of
 * asyncio's twice; they would take a third of a start's time.
 */
#define MAIN_FIRST (PY_GOOD_INTERPRETERS ? "import _datetime\n" : \
	"import _datetime, _decimal, _ctypes, pyexpat, _elementtree, " \
	"asyncio\n")

/* The signal's handler writes the stack of the thread that gets it. */
#define STACK_HANDLER "import faulthandler\n" \
	"faulthandler.register(%d, file=%d, all_threads=False)\n"

/* What waits for the GIL in a shard is told after this: I/O is held up. */
#define SWITCH_INTERVAL "import sys\nsys.setswitchinterval(0.0005)\n"

const char *
interp_version(void)
{
	return PY_VERSION;
}

/* ---- the virtualenv ---- */

/* "version = 3.13.0" or "version_info = 3.13.0.final.0" of pyvenv.cfg. */
static int
read_version(const char *dir, char *version, size_t n)
{
	char path[PATH_MAX + sizeof("/pyvenv.cfg")], line[512];
	int err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/pyvenv.cfg", dir);
	f = fopen(path, "re");
	if (!f)
		return -ENOENT;
	while (err && fgets(line, sizeof(line), f)) {
		char *eq = strchr(line, '=');

		if (strncmp(line, "version", 7) != 0 || !eq)
			continue;
		eq += 1 + strspn(eq + 1, " \t");
		eq[strcspn(eq, " \t\r\n")] = '\0';
		snprintf(version, n, "%s", eq);
		err = 0;
	}
	fclose(f);
	return err;
}

static bool
is_our_minor(const char *version)
{
	char own[16];
	size_t n;

	n = (size_t)snprintf(own, sizeof(own), "%d.%d", PY_MAJOR_VERSION,
	    PY_MINOR_VERSION);
	return strncmp(version, own, n) == 0 &&
	    (version[n] == '.' || version[n] == '\0');
}

/* The application may change directory, and Python keeps what it is given. */
static int
absolute(const char *dir, char *out, size_t n)
{
	char cwd[PATH_MAX] = "";
	int len;

	if (*dir != '/' && !getcwd(cwd, sizeof(cwd)))
		return -errno;
	len = snprintf(out, n, "%s%s%s", cwd, *cwd ? "/" : "", dir);
	return len < 0 || (size_t)len >= n ? -ENAMETOOLONG : 0;
}

int
interp_find_venv(const struct conf *conf, char *out, size_t n_out, char *err,
    size_t n_err)
{
	const char *dir = conf->venv, *by = "--venv";
	char version[64], path[PATH_MAX];
	int status;

	if (!dir) {
		dir = getenv("VIRTUAL_ENV");
		by = "$VIRTUAL_ENV";
	}
	if (!dir || !*dir) {
		dir = ".venv";
		by = "./.venv";
		if (access(".venv/pyvenv.cfg", R_OK) == -1) {
			*out = '\0';
			return 0;
		}
	}
	/* Whole from here on: it is seen from --working-dir. */
	status = absolute(dir, path, sizeof(path));
	if (status != 0) {
		snprintf(err, n_err, "%s (from %s): %s", dir, by,
		    strerror(-status));
		return -EINVAL;
	}
	if (read_version(path, version, sizeof(version)) != 0) {
		snprintf(err, n_err, "%s (from %s) is no virtual environment: "
		    "it has no pyvenv.cfg with a version; python%d.%d "
		    "-m venv makes one", path, by, PY_MAJOR_VERSION,
		    PY_MINOR_VERSION);
		return -EINVAL;
	}
	if (!is_our_minor(version)) {
		snprintf(err, n_err, "the virtual environment %s (from %s) is "
		    "of Python %s, and this Shoal was built for Python %d.%d: "
		    "make the environment anew with python%d.%d, or build "
		    "Shoal with make PYTHON=python%.4s", path, by, version,
		    PY_MAJOR_VERSION, PY_MINOR_VERSION, PY_MAJOR_VERSION,
		    PY_MINOR_VERSION, version);
		return -EINVAL;
	}
	snprintf(out, n_out, "%s/bin/python", path);
	return 0;
}

/* ---- placement ---- */

/* Python's tracing of memory hangs as soon as two interpreters have a GIL. */
static bool
traces_memory(void)
{
	const char *frames = getenv("PYTHONTRACEMALLOC");

	return frames && *frames && strcmp(frames, "0") != 0;
}

void
interp_placement(const struct conf *conf, struct keeper_opts *opts, char *why)
{
	const char *reason = "every shard has an interpreter with a GIL of its "
	    "own (the default)";

	opts->isolation = ISOLATION_INTERP;
	opts->may_switch = conf->isolation == CONF_ISOLATION_AUTO;
	if (conf->isolation == CONF_ISOLATION_PROCESS) {
		opts->isolation = ISOLATION_PROCESS;
		reason = "asked for by --isolation";
	} else if (conf->isolation == CONF_ISOLATION_INTERP) {
		reason = "asked for by --isolation";
	} else if (!PY_GOOD_INTERPRETERS) {
		opts->isolation = ISOLATION_PROCESS;
		reason = "Python 3.12 refuses much of its own library in "
		    "interpreters of their own";
	} else if (getenv("PROMETHEUS_MULTIPROC_DIR")) {
		opts->isolation = ISOLATION_PROCESS;
		reason = "PROMETHEUS_MULTIPROC_DIR is set, and its files are "
		    "one a process";
	} else if (traces_memory()) {
		opts->isolation = ISOLATION_PROCESS;
		reason = "PYTHONTRACEMALLOC is set, which traces the memory of "
		    "one interpreter";
	}
	snprintf(why, 160, "%s", reason);
	opts->why = why;
}

/* ---- the main interpreter ---- */

static int
status_failed(struct server *sv, PyStatus status)
{
	if (!PyStatus_Exception(status))
		return 0;
	log_crit(sv->start->log, "Python cannot start: %s",
	    status.err_msg ? status.err_msg : "no reason given");
	server_failed(sv, "Python cannot start");
	return EXIT_START;
}

/* The application's name and arguments, as a script would see them. */
static PyStatus
set_argv(PyConfig *config, const struct conf *conf)
{
	return PyConfig_SetBytesArgv(config, conf->app_argc,
	    (char *const *)conf->app_argv);
}

static int
initialize(struct server *sv)
{
	const struct conf *conf = sv->start->conf;
	char python[4096], err[512];
	PyConfig config;
	PyStatus status;

	if (interp_find_venv(conf, python, sizeof(python), err,
	    sizeof(err)) != 0)
		return EXIT_START;
	PyConfig_InitPythonConfig(&config);
	config.parse_argv = 0;
	config.install_signal_handlers = 0;
	if (sv->start->isolation == ISOLATION_INTERP && traces_memory()) {
		config.tracemalloc = 0;
		log_warn(sv->start->log, "PYTHONTRACEMALLOC has no effect with "
		    "an interpreter a shard; it has with --isolation process");
	}
	status = set_argv(&config, conf);
	if (!PyStatus_Exception(status) && *python)
		status = PyConfig_SetBytesString(&config, &config.executable,
		    python);
	if (!PyStatus_Exception(status))
		status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return status_failed(sv, status);
}

int
interp_main(struct server *sv)
{
	char handler[160];
	int code;

	if (PyImport_AppendInittab("_shoal", PyInit__shoal) == -1)
		return EXIT_START;
	code = initialize(sv);
	if (code)
		return code;
	snprintf(handler, sizeof(handler), STACK_HANDLER, STACK_SIGNAL,
	    sv->stack_pipe[1]);
	if (PyRun_SimpleString(handler) != 0)
		return EXIT_START;
	if (sv->start->isolation == ISOLATION_INTERP) {
		if (PyRun_SimpleString(MAIN_FIRST) != 0)
			return EXIT_START;
		PyEval_SaveThread();
	}
	return 0;
}

/* ---- a shard's ---- */

/* Own GIL, own allocator; fork() in it would die, so it is refused. */
static const PyInterpreterConfig own_gil = {
	.use_main_obmalloc = 0,
	.allow_fork = 0,
	.allow_exec = 0,
	.allow_threads = 1,
	.allow_daemon_threads = 1,	/* libraries' own would raise */
	.check_multi_interp_extensions = 1,
	.gil = PyInterpreterConfig_OWN_GIL,
};

/* One at a time: CPython's own start of an interpreter races. */
static PyThreadState *
make_interpreter(struct berth *b)
{
	struct server *sv = b->server;
	PyThreadState *ts = NULL;
	PyStatus status;

	server_load_lock(b);
	status = Py_NewInterpreterFromConfig(&ts, &own_gil);
	pthread_mutex_unlock(&sv->load);
	if (status_failed(sv, status))
		return NULL;
	return ts;
}

/* boot.main(), whose result is the exit code. */
static int
run_boot(struct berth *b)
{
	struct pystate *st = mod_attach(b);
	PyObject *r;
	int code = EXIT_START;

	if (!st || PyRun_SimpleString(SWITCH_INTERVAL) != 0) {
		PyErr_Print();
		return code;
	}
	r = PyObject_CallMethod(st->boot, "main", NULL);
	if (r)
		code = (int)PyLong_AsLong(r);
	if (PyErr_Occurred())
		exc_log(st, "The shard ended by an exception", NULL);
	Py_XDECREF(r);
	return code;
}

int
interp_run(struct berth *b)
{
	bool own = b->server->start->isolation == ISOLATION_INTERP;
	PyThreadState *ts = NULL;
	int code;

	if (own) {
		ts = make_interpreter(b);
		if (!ts)
			return EXIT_START;
	}
	code = run_boot(b);
	if (b->shard->py)
		subscription_end_all(state_of(b->shard->py));
	shard_fini(b->shard);
	if (own && PY_CAN_END_INTERPRETER)
		Py_EndInterpreter(ts);
	else
		PyEval_SaveThread();
	return code;
}
