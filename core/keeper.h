/* See LICENSE for the terms. */
/*
 * The keeper: the process that owns the listening sockets, the shared
 * mapping, the signals and the server processes.  No Python, no threads,
 * about 1 MB.  It restarts what dies, and is PID 1 in a container.
 *
 * A server process is one fork that runs the caller's child_fn with a list
 * of shards: all of them (interp) or one (process).  The processes that were
 * started together are a generation (core/gen.h).  There is one, and a second
 * while a reload or a change of isolation is under way.
 *
 * What child_fn has to do, with <control> polled by a thread of its own or a
 * loop from the very beginning:
 *
 *   CTL_READY(shard)   sent when that shard polls its listeners
 *   CTL_REFUSED        sent before ready when modules cannot load in this
 *                      isolation; where the keeper may switch it answers
 *                      with CTL_STOP and starts the generation as process
 *   CTL_LATE_REFUSED   the same after ready; serving goes on
 *   CTL_FAILED(text)   cannot start; then return the exit code, 3
 *   CTL_DRAIN          finish, and return 0; also in the middle of starting
 *   CTL_STOP           _exit() at once
 *   end of file        the keeper died: drain and leave
 *
 * It must poll its slot's wake eventfd; when that fires it rescans the slots
 * and polls the listeners of every shard whose slot has it as <adopter>.
 *
 * Thread: the only one of its process.
 */
#ifndef CORE_KEEPER_H
#define CORE_KEEPER_H

#include <stdbool.h>

#include "core/ctl.h"
#include "core/listen.h"
#include "core/shm.h"

struct conf;
struct cpu_plan;
struct envfiles;
struct log;
struct logfiles;
struct title;

enum isolation { ISOLATION_INTERP = 1, ISOLATION_PROCESS };

/* What a server process gets.  It and all it points to outlive child_fn. */
struct child_start {
	const struct conf *conf;
	const struct cpu_plan *plan;
	struct log *log;
	const struct logfiles *files;	/* of the logs; NULL: standard error */
	const struct envfiles *env;	/* to be read again; or NULL */
	struct title *title;		/* with --process-name, else NULL */
	const struct shm *shm;
	const struct listeners *listeners;
	const int *wake;		/* an eventfd a slot, by slot index */
	int control;			/* this process's end; see core/ctl.h */
	int check_fd;			/* with --check: see interp/check.c */
	unsigned generation;
	unsigned first;			/* its shards: first .. first+count-1 */
	unsigned count;
	enum isolation isolation;
};

/* Runs in the forked process; what it returns is the exit code. */
typedef int (*child_fn)(const struct child_start *);

struct keeper_opts {
	enum isolation isolation;	/* to start with */
	bool may_switch;		/* a refusal moves interp to process */
	const char *why;		/* this isolation, for the banner */
	const char *scheme;		/* "http" or "https", for the banner */
	const char *version;		/* of Shoal, for the banner */
	const struct logfiles *files;	/* as in struct child_start */
	const struct envfiles *env;	/* for struct child_start */
	struct title *title;		/* the same */
};

/* What a child has for its end: after CTL_STOP, or the graceful timeout. */
#define CHILD_PATIENCE_MS 1000

/* Exit codes, also of child_fn. */
enum { EXIT_CLEAN = 0, EXIT_LOOP = 1, EXIT_USAGE = 2, EXIT_START = 3 };

/*
 * Opens what is to be opened, starts the first generation, and returns the
 * exit code when all is over.  Everything that goes wrong is logged here.
 */
int keeper_run(const struct conf *conf, const struct cpu_plan *plan,
    struct log *log, const struct keeper_opts *opts, child_fn fn);

#endif
