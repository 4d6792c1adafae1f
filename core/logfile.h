/* See LICENSE for the terms. */
/*
 * The files that the logs go to, and their reopening after a rotation.
 *
 * Opened by main before the first fork, so all processes have them under the
 * same descriptors.  A process reopens them for itself: the new file takes the
 * place of the old one under its number (dup3()), at once for all threads, and
 * who is writing meanwhile writes to one or the other.
 *
 * Thread: any, but one at a time reopens.
 */
#ifndef CORE_LOGFILE_H
#define CORE_LOGFILE_H

#include <stdbool.h>

struct conf;
struct log;

struct logfile {
	char path[4096];		/* absolute; "" if it is no file */
	int fd;
};

struct logfiles {
	struct logfile log;		/* --log-file, or standard error */
	struct logfile access;		/* --access-log-file, or <log>'s */
};

/*
 * Opens what the options say, relative to the working directory.  0, or -errno
 * and the option that was to blame in <option>.
 */
int logfiles_open(struct logfiles *f, const struct conf *conf,
    const char **option);

/* True when there is a file that can be reopened. */
bool logfiles_any(const struct logfiles *f);

/* What cannot be opened stays as it is; <log> says so. */
void logfiles_reopen(const struct logfiles *f, struct log *log);

#endif
