/* See LICENSE for the terms. */
/*
 * Signals: the keeper reads them from a descriptor; a server process is kept
 * from dying of those that a terminal or a service manager sends to all.
 *
 * Thread: the keeper's, before any other exists.
 */
#ifndef CORE_SIG_H
#define CORE_SIG_H

#include <signal.h>

/*
 * Blocks TERM, INT, QUIT, HUP, CHLD and USR1 and returns a signalfd, NONBLOCK
 * and CLOEXEC, or -errno.  <old> gets the mask from before, for sig_restore()
 * and the children.  SIGPIPE and SIGXFSZ are ignored from now on.
 */
int sig_open(sigset_t *old);
void sig_restore(const sigset_t *old);

/* The next signal that came, or 0. */
int sig_next(int fd);

/*
 * In a forked server process: the old mask again, and TERM, INT, QUIT and HUP
 * do nothing until the application takes them.  Ctrl-C and systemd's stop go
 * to every process; the keeper gets them too, and it says what to do.
 * What the application executes has them at their default again, and what it
 * forks dies of them as if they were.
 */
void sig_child(const sigset_t *old);

#endif
