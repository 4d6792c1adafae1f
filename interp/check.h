/* See LICENSE for the terms. */
/*
 * --check: the application is loaded in every isolation, each in a process of
 * its own, and the standard output says how that went.  Nothing is bound and
 * nothing served.
 */
#ifndef INTERP_CHECK_H
#define INTERP_CHECK_H

struct conf;
struct log;

/* The exit code: EXIT_CLEAN if it loads where --isolation would have it. */
int check_run(const struct conf *conf, struct log *log);

#endif
