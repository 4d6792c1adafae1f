/* See LICENSE for the terms. */
/*
 * Interpreters: the main one of the process, and one a shard.
 *
 * Order, measured (CPython 3.12 to 3.14 crash otherwise): the main interpreter
 * first imports what shares state between interpreters (MAIN_FIRST in
 * interp.c), then lets its GIL go; then interpreters are made one at a time.
 * None is ever destroyed before 3.14.
 */
#ifndef INTERP_INTERP_H
#define INTERP_INTERP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/keeper.h"

struct berth;
struct conf;
struct server;

/* Initialises Python in this process; 0, or an exit code (logged). */
int interp_main(struct server *sv);

/*
 * A shard's whole life, on the thread that owns it: makes (placement interp)
 * or takes (process) the interpreter, runs boot.py, which loads the
 * application and serves, and ends the interpreter where that is possible.
 * Returns the exit code.
 */
int interp_run(struct berth *b);

/*
 * The virtualenv's interpreter for PyConfig.executable into <out>: --venv, else
 * $VIRTUAL_ENV, else ./.venv; empty when there is none.  0, or -EINVAL with the
 * reason and the remedy in <err>: not a virtualenv, or of another Python.
 */
int interp_find_venv(const struct conf *conf, char *out, size_t n_out,
    char *err, size_t n_err);

/* Where to start, and why (for the banner); <why> has room for 160 bytes. */
void interp_placement(const struct conf *conf, struct keeper_opts *opts,
    char *why);

/* "3.13.0" of the libpython that runs. */
const char *interp_version(void);

#endif
