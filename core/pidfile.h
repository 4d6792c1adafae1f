/* See LICENSE for the terms. */
/*
 * The file that says which process is the server.
 *
 * Thread: the keeper's.  Owner: the keeper; held open and locked, so that two
 * servers that start at the same moment cannot both have it.
 */
#ifndef CORE_PIDFILE_H
#define CORE_PIDFILE_H

#include <sys/types.h>

struct pidfile {
	const char *path;		/* NULL: there is none */
	int fd;
};

/*
 * 0 or -errno; <path> NULL is fine and does nothing.  -EEXIST: <holder>, a
 * process that lives, has it.  The file of a dead server is taken over.
 */
int pidfile_open(struct pidfile *p, const char *path, pid_t *holder);
/* Removes the file if it is still ours. */
void pidfile_close(struct pidfile *p);

#endif
