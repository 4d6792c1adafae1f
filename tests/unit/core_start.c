/* See LICENSE for the terms. */
/*
 * Want of memory while the server starts: the n-th allocation fails, for every
 * n, from the options to the last shard, in whatever process it is.  The end
 * is an exit code and a message, never a signal, and nothing stays behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/keeper.h"
#include "core/shard.h"
#include "tests/unit/faults.h"

enum { SHARDS = 2, NO_OPTIONS = 4 };

/* Failures met, in all processes of a start. */
static _Atomic unsigned *met;

static const struct proto_ops no_proto;

static void
note_failures(void)
{
	*met += mem_fail(0, 0);
}

static int
make_shards(struct shard **s, const struct child_start *start)
{
	for (unsigned i = 0; i < start->count; i++) {
		int err = -ENOMEM;

		s[i] = mem_try(sizeof(**s));
		if (s[i])
			err = shard_init(s[i], start, start->first + i,
			    &no_proto);
		if (err) {
			mem_free(s[i]);
			s[i] = NULL;
			return err;
		}
	}
	return 0;
}

/* A server process: its shards, ready, and told to leave at once. */
static int
child(const struct child_start *start)
{
	struct shard *s[SHARDS] = { NULL };
	int err = make_shards(s, start);

	note_failures();
	if (err)
		ctl_send(start->control, CTL_FAILED, 0, strerror(-err));
	for (unsigned i = 0; !err && i < start->count; i++)
		ctl_send(start->control, CTL_READY, start->first + i, NULL);
	for (unsigned i = 0; i < start->count && s[i]; i++) {
		shard_fini(s[i]);
		mem_free(s[i]);
	}
	if (err)
		return EXIT_START;
	kill(getppid(), SIGTERM);
	for (struct ctl m;;) {
		int n = ctl_recv(start->control, &m);

		if (n == 0 || (n == 1 && m.type == CTL_DRAIN))
			return EXIT_CLEAN;
		usleep(1000);
	}
}

/* A whole start in this process; the exit code. */
static int
start(const char *const *options, enum isolation isolation)
{
	struct keeper_opts opts = { .isolation = isolation, .why = "a test",
		.scheme = "http", .version = "0.0" };
	struct cpu_plan plan = { .shards = SHARDS, .why = "2 shards: test" };
	char words[8][64] = { "shoal", "a:b" }, *argv[9];
	char *envp[] = { NULL };
	struct conf_error err;
	struct conf conf;
	struct log log;
	int argc = 2, code, fd;

	for (; *options; options++)
		snprintf(words[argc++], sizeof(words[0]), "%s", *options);
	for (int i = 0; i < argc; i++)
		argv[i] = words[i];
	argv[argc] = NULL;
	code = conf_parse(&conf, &err, argc, argv, envp);
	if (code) {
		note_failures();
		return code == -ENOMEM ? NO_OPTIONS : 99;
	}
	/* Out of sight: what goes wrong is expected to. */
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_init(&log, fd, LEVEL_DEBUG, NULL);
	code = keeper_run(&conf, &plan, &log, &opts, child);
	note_failures();
	log_fini(&log);
	close(fd);
	conf_fini(&conf);
	return code;
}

static int
run(const struct faults *f, const char *const *options,
    enum isolation isolation)
{
	unsigned failures = atomic_load(&t_failures);
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		faults_begin(f);
		status = start(options, isolation);
		/* exit(), so that leaks are looked for. */
		exit(atomic_load(&t_failures) == failures ? status : 98);
	}
	OK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

static void
any_allocation_may_fail(const char *const *options, enum isolation isolation)
{
	struct faults f = faults_of(1);

	while (faults_next(&f)) {
		int code;

		*met = 0;
		code = run(&f, options, isolation);
		f.failed = *met > 0;
		if (f.failed)
			OK(code == EXIT_START || code == NO_OPTIONS);
		else
			OK(code == EXIT_CLEAN);
	}
	faults_report(&f, 10);
}

static void
a_start_without_memory_ends_with_a_code(void)
{
	static const char *const tcp[] = { "--bind=127.0.0.1:0",
		"--bind=[::1]:0", NULL };

	any_allocation_may_fail(tcp, ISOLATION_INTERP);
	any_allocation_may_fail(tcp, ISOLATION_PROCESS);
}

static void
and_leaves_no_socket_file(void)
{
	char path[64], option[80];
	const char *options[] = { option, NULL };
	struct stat st;

	snprintf(path, sizeof(path), "/tmp/shoal-start-%d", (int)getpid());
	snprintf(option, sizeof(option), "--uds=%s", path);
	any_allocation_may_fail(options, ISOLATION_INTERP);
	OK(stat(path, &st) == -1 && errno == ENOENT);
}

static void
tests(void)
{
	met = mmap(NULL, sizeof(*met), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!OK(met != MAP_FAILED))
		return;
	T(a_start_without_memory_ends_with_a_code);
	T(and_leaves_no_socket_file);
}

T_MAIN(tests)
