/* See LICENSE for the terms. */
/*
 * core/logfile.h: what the options open, how a rotated file is opened anew
 * under the descriptor that everybody writes to, and what cannot be.
 */
#include "core/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/log.h"
#include "core/util.h"
#include "tests/unit/t.h"

static struct logfiles files;

/* 0 or -errno, and the option to blame. */
static int
open_files(const char *log, const char *access, const char **option)
{
	struct conf conf = { .log_file = log, .access_log_file = access };

	return logfiles_open(&files, &conf, option);
}

static bool
is_in(const char *path, const char *want)
{
	char got[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, got, sizeof(got) - 1);

	if (fd != -1)
		close(fd);
	return n >= 0 && !strcmp(got, want);
}

static void
say(const struct logfile *f, const char *text)
{
	OK(write(f->fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void
without_paths_they_are_the_standard_ones(void)
{
	const char *option;

	OK(open_files(NULL, NULL, &option) == 0);
	OK(files.log.fd == 2 && files.access.fd == 2);
	OK(!logfiles_any(&files));
	OK(open_files("-", "-", &option) == 0);
	OK(files.log.fd == 2 && files.access.fd == 1);
	OK(!logfiles_any(&files));
	/* There is nothing to be done, and nobody to be told. */
	logfiles_reopen(&files, NULL);
}

static void
a_rotated_file_is_opened_anew_under_its_number(void)
{
	struct log log;
	const char *option;
	int fd, own;

	OK(open_files("log", "access", &option) == 0);
	OK(logfiles_any(&files) && files.log.fd != files.access.fd);
	OK(files.log.path[0] == '/' && files.access.path[0] == '/');
	fd = files.log.fd;
	own = fcntl(fd, F_GETFD);
	OK(own != -1 && (own & FD_CLOEXEC));
	log_init(&log, 2, LEVEL_INFO, "");
	say(&files.log, "a");
	say(&files.access, "b");
	OK(rename("log", "log.1") == 0 && rename("access", "access.1") == 0);
	say(&files.log, "c");
	/* From anywhere: the paths are absolute. */
	OK(mkdir("elsewhere", 0755) == 0 && chdir("elsewhere") == 0);
	logfiles_reopen(&files, &log);
	OK(chdir("..") == 0);
	OK(files.log.fd == fd && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	say(&files.log, "d");
	say(&files.access, "e");
	OK(is_in("log.1", "ac") && is_in("access.1", "b"));
	OK(is_in("log", "d") && is_in("access", "e"));
	log_fini(&log);
	close(files.log.fd);
	close(files.access.fd);
}

static void
the_access_log_is_in_the_log_unless_it_has_a_place(void)
{
	const char *option;

	OK(open_files("one", NULL, &option) == 0);
	OK(files.access.fd == files.log.fd && !files.access.path[0]);
	OK(logfiles_any(&files));
	close(files.log.fd);
	OK(open_files(NULL, "two", &option) == 0);
	OK(files.log.fd == 2 && files.access.fd > 2 && logfiles_any(&files));
	close(files.access.fd);
}

static void
what_cannot_be_opened_is_named(void)
{
	static char longer[5000];
	const char *option;
	int before = dup(2), after;

	OK(open_files("no/log", NULL, &option) == -ENOENT);
	OK_STR(option, "--log-file");
	OK(open_files("kept", "no/access", &option) == -ENOENT);
	OK_STR(option, "--access-log-file");
	memset(longer, 'x', sizeof(longer) - 1);
	OK(open_files(longer, NULL, &option) == -ENAMETOOLONG);
	longer[0] = '/';
	OK(open_files(longer, NULL, &option) == -ENAMETOOLONG);
	/* No descriptor was left open. */
	after = dup(2);
	OK(after == before + 1);
	close(before);
	close(after);
}

static void
a_file_that_cannot_be_opened_anew_is_kept(void)
{
	int said = memfd_create("said", MFD_CLOEXEC);
	char got[1000] = "";
	struct log log;
	const char *option;

	OK(mkdir("folder", 0755) == 0);
	OK(open_files("folder/log", NULL, &option) == 0);
	log_init(&log, said, LEVEL_INFO, "");
	OK(rename("folder", "gone") == 0);
	logfiles_reopen(&files, &log);
	log_fini(&log);
	say(&files.log, "still");
	OK(is_in("gone/log", "still"));
	OK(pread(said, got, sizeof(got) - 1, 0) > 0);
	OK(strstr(got, "folder/log cannot be reopened: No such file"));
	close(files.log.fd);
	close(said);
}

static void
a_folder_that_is_gone_has_no_files(void)
{
	const char *option;

	OK(mkdir("cut", 0755) == 0 && chdir("cut") == 0);
	OK(rmdir("../cut") == 0);
	OK(open_files("log", NULL, &option) == -ENOENT);
	OK_STR(option, "--log-file");
	OK(chdir("..") == -1 || chdir("/") == 0);
}

static void
tests(void)
{
	char folder[] = "/tmp/shoal-logfile-XXXXXX";
	char command[100];

	if (!OK(mkdtemp(folder) && chdir(folder) == 0))
		return;
	T(without_paths_they_are_the_standard_ones);
	T(a_rotated_file_is_opened_anew_under_its_number);
	T(the_access_log_is_in_the_log_unless_it_has_a_place);
	T(what_cannot_be_opened_is_named);
	T(a_file_that_cannot_be_opened_anew_is_kept);
	T(a_folder_that_is_gone_has_no_files);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	OK(system(command) == 0);
}

T_MAIN(tests)
