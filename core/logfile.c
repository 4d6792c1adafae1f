/* See LICENSE for the terms. */
/*
 * Opening and reopening the logs' files; see the header.
 */
#include "core/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/log.h"

/*
 * O_APPEND: several processes write, and something else may cut the file.
 * O_NONBLOCK: it may be a pipe with a name.
 */
static int
open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC, 0644);

	return fd == -1 ? -errno : fd;
}

/* The application may change its directory before the file is reopened. */
static int
make_absolute(struct logfile *f, const char *path)
{
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(f->path, sizeof(f->path) - 1))
			return -errno;
		n = strlen(f->path);
		f->path[n++] = '/';
	}
	if ((size_t)snprintf(f->path + n, sizeof(f->path) - n, "%s", path) >=
	    sizeof(f->path) - n)
		return -ENAMETOOLONG;
	return 0;
}

/* "-" and no path at all: <standard>. */
static int
open_one(struct logfile *f, const char *path, int standard)
{
	int err;

	f->path[0] = '\0';
	f->fd = standard;
	if (!path || strcmp(path, "-") == 0)
		return 0;
	err = make_absolute(f, path);
	if (!err)
		err = open_path(f->path);
	if (err < 0)
		return err;
	f->fd = err;
	return 0;
}

int
logfiles_open(struct logfiles *f, const struct conf *conf,
    const char **option)
{
	bool own = conf->access_log_file;
	int err;

	*option = "--log-file";
	err = open_one(&f->log, conf->log_file, STDERR_FILENO);
	if (err)
		return err;
	*option = "--access-log-file";
	err = open_one(&f->access, conf->access_log_file,
	    own ? STDOUT_FILENO : f->log.fd);
	if (err && f->log.path[0])
		close(f->log.fd);
	return err;
}

bool
logfiles_any(const struct logfiles *f)
{
	return f->log.path[0] || f->access.path[0];
}

static void
reopen(const struct logfile *f, struct log *log)
{
	int fd;

	if (!f->path[0])
		return;
	fd = open_path(f->path);
	if (fd < 0 || dup3(fd, f->fd, O_CLOEXEC) == -1)
		log_err(log, "%s cannot be reopened: %s", f->path,
		    strerror(fd < 0 ? -fd : errno));
	if (fd >= 0)
		close(fd);
}

void
logfiles_reopen(const struct logfiles *f, struct log *log)
{
	reopen(&f->log, log);
	reopen(&f->access, log);
}
