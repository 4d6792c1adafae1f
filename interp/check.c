/* See LICENSE for the terms. */
/*
 * See the header.  Each isolation is a server process of one shard without
 * listeners; boot.py's check() says on the standard output what it finds, and
 * its exit code is one of enum check_code.
 *
 * The first one, process, lists the extension modules that the application
 * loaded in a file without a name, and the second tries those at which it did
 * not arrive because an earlier one refused: so all that refuse are named.
 */
#include "interp/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/ctl.h"
#include "core/keeper.h"
#include "core/listen.h"
#include "core/log.h"
#include "core/shm.h"
#include "core/util.h"
#include "interp/interp.h"
#include "interp/server.h"

/* boot.py has these numbers, too. */
enum check_code { LOADS = 0, LOADS_NOT = 3, LOADS_IN_PART = 4 };

struct check {
	struct child_start start;
	struct listeners none;
	struct cpu_plan plan;
	struct shm shm;
	int wake[SHM_PARITIES];
	int control[2];
};

/* What a server process needs, without a place to listen; 0 or -errno. */
static int
open_all(struct check *c, const struct conf *conf, struct log *log)
{
	int err = cpu_plan_make(&c->plan, conf, "");

	if (!err)
		err = shm_new(&c->shm, 1, (uint64_t)conf->ring_size);
	if (!err)
		err = ctl_pair(c->control);
	for (unsigned i = 0; !err && i < ARRAY_LEN(c->wake); i++) {
		shm_slot_at(&c->shm, i)->adopter = -1;
		c->wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (c->wake[i] == -1)
			err = -errno;
	}
	c->start = (struct child_start){ .conf = conf, .plan = &c->plan,
		.log = log, .shm = &c->shm, .listeners = &c->none,
		.wake = c->wake, .control = c->control[1], .count = 1 };
	c->start.check_fd = err ? -1 : memfd_create("modules", MFD_CLOEXEC);
	if (!err && c->start.check_fd == -1)
		err = -errno;
	return err;
}

/* The code of a process that tried it; one that died loads nothing. */
static int
try_isolation(struct check *c, enum isolation isolation, const char *name)
{
	int status;
	pid_t pid;

	c->start.isolation = isolation;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(c->control[0]);
		_exit(server_run(&c->start));
	}
	if (pid == -1) {
		printf("%s: no process: %s\n", name, strerror(errno));
		return LOADS_NOT;
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		printf("%s: killed by signal %d (%s)\n", name,
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
		return LOADS_NOT;
	}
	return WEXITSTATUS(status);
}

/* What a start with these options would come to. */
static int
judge(const struct conf *conf, int interp)
{
	struct keeper_opts opts = { .isolation = ISOLATION_PROCESS };
	char why[160];

	if (conf->isolation == CONF_ISOLATION_PROCESS)
		return EXIT_CLEAN;
	if (conf->isolation == CONF_ISOLATION_INTERP)
		return interp == LOADS_NOT ? EXIT_START : EXIT_CLEAN;
	interp_placement(conf, &opts, why);
	if (opts.isolation == ISOLATION_PROCESS)
		printf("--isolation auto is process: %s\n", why);
	else if (interp == LOADS)
		printf("--isolation auto is interp: %s\n", why);
	else
		printf("--isolation auto is process, after an attempt as "
		    "interp; --isolation process saves that\n");
	return EXIT_CLEAN;
}

int
check_run(const struct conf *conf, struct log *log)
{
	struct check c = { .control = { -1, -1 } };
	int err;

	err = open_all(&c, conf, log);
	if (err) {
		log_crit(log, "cannot check: %s", strerror(-err));
		return EXIT_START;
	}
	/* Where a process cannot, nothing can. */
	if (try_isolation(&c, ISOLATION_PROCESS, "process") != LOADS)
		return EXIT_START;
	return judge(conf, try_isolation(&c, ISOLATION_INTERP, "interp"));
}
