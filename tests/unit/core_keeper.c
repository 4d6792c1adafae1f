/* See LICENSE for the terms. */
/*
 * The keeper with real processes: a keeper is forked, its server processes run
 * a double without Python (a thread a shard, one command a connection), and
 * the test is their client.  Nothing here measures time: it waits for what
 * should happen, as long as LIMIT_MS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/family.h"
#include "core/log.h"
#include "tests/unit/t.h"

enum { LIMIT_MS = 60000, SHARDS = 2, DOORS = 4 };

/* Between the test, the keepers and their children. */
struct world {
	_Atomic unsigned starts;	/* of server processes */
	_Atomic unsigned drained;	/* that left as they were told */
	_Atomic unsigned stacks;	/* CTL_STACK received */
	_Atomic unsigned failures;	/* of checks in server processes */
	_Atomic bool refuse;		/* interp is refused before ready */
	_Atomic bool fail;		/* end before ready, with 3 */
	_Atomic bool die;		/* end right after ready */
	_Atomic bool deaf;		/* CTL_DRAIN is ignored */
	_Atomic bool release;		/* whoever is stuck goes on */
};

static struct world *world;

/* ---- the double --------------------------------------------------------- */

struct berth {
	const struct child_start *start;
	unsigned shard;
	int fd;				/* the connection being answered */
	pthread_t thread;
};

static _Atomic bool leaving;		/* in a server process */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
nap(void)
{
	poll(NULL, 0, 5);
}

static struct slot *
slot_of(const struct berth *b)
{
	return shm_slot(b->start->shm, b->start->generation, b->shard);
}

static void
answer(const struct berth *b)
{
	char text[160];
	int n;

	n = snprintf(text, sizeof(text), "shard=%u adopter=%d pid=%d "
	    "gen=%u %s", b->shard, (int)atomic_load(&slot_of(b)->adopter),
	    (int)getpid(), b->start->generation,
	    b->start->isolation == ISOLATION_INTERP ? "interp" : "process");
	OK(send(b->fd, text, (size_t)n, MSG_NOSIGNAL) == n);
}

/* In one long call of the application, until the test lets it go. */
static void
be_stuck(const struct berth *b)
{
	atomic_store(&slot_of(b)->busy_since, now_ns());
	while (!atomic_load(&world->release))
		nap();
	atomic_store(&slot_of(b)->busy_since, 0);
}

/* An orphan: whoever reaps, it is not this process. */
static void
leave_orphan(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			_exit(0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

/* A process of the application's; TERM must end it. */
static bool
forked_dies_of_term(void)
{
	int status = 0;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	/* It delivers signals itself, later, and loses this one. */
	return true;
#endif
	pid = fork();
	if (pid == 0) {
		/* Ends even if TERM does not do it. */
		alarm(LIMIT_MS / 1000);
		for (;;)
			nap();
	}
	kill(pid, SIGTERM);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGTERM;
}

static void
obey(const struct berth *b, char what)
{
	switch (what) {
	case 'k':
		kill(getpid(), SIGKILL);
		break;
	case 'x':
		_exit(7);
	case 'l':
		ctl_send(b->start->control, CTL_LATE_REFUSED, b->shard, "pil");
		break;
	case 'o':
		leave_orphan();
		break;
	case 't':
		raise(SIGTERM);
		raise(SIGINT);
		OK(forked_dies_of_term());
		break;
	default:
		break;
	}
	answer(b);
	shutdown(b->fd, SHUT_RDWR);
	if (what == 's')
		be_stuck(b);
}

static void
serve_one(struct berth *b, int lfd)
{
	struct pollfd p = { .events = POLLIN };
	struct peer peer;
	char what;

	b->fd = sock_accept(lfd, &peer);
	if (b->fd < 0)
		return;
	p.fd = b->fd;
	if (poll(&p, 1, LIMIT_MS) == 1 && recv(b->fd, &what, 1, 0) == 1)
		obey(b, what);
	close(b->fd);
}

/* As shards do: the own listeners, and those of whoever it adopted. */
static bool
polls(const struct berth *b, unsigned shard)
{
	const struct shm *m = b->start->shm;
	unsigned me = shm_index(m, b->start->generation, b->shard);

	for (unsigned g = 0; g < SHM_PARITIES; g++)
		if (atomic_load(&shm_slot(m, g, shard)->adopter) == (int)me)
			return true;
	return shard == b->shard;
}

static void *
serve(void *arg)
{
	struct berth *b = arg;
	const struct child_start *st = b->start;
	struct pollfd p[DOORS];
	uint64_t n;

	p[0].fd = st->wake[shm_index(st->shm, st->generation, b->shard)];
	ctl_send(st->control, CTL_READY, b->shard, NULL);
	while (!atomic_load(&leaving)) {
		nfds_t k = 1;

		for (unsigned i = 0; i < st->shm->shards; i++)
			if (polls(b, i))
				p[k++].fd = listener_fd(st->listeners, 0, i);
		for (unsigned i = 0; i < k; i++)
			p[i].events = POLLIN;
		poll(p, k, -1);
		if (p[0].revents && read(p[0].fd, &n, sizeof(n)) == -1)
			break;
		for (unsigned i = 1; i < k; i++)
			if (p[i].revents)
				serve_one(b, p[i].fd);
	}
	return NULL;
}

static void
leave(struct berth *b, unsigned n)
{
	uint64_t one = 1;

	atomic_store(&leaving, true);
	for (unsigned i = 0; i < n; i++) {
		const struct child_start *st = b[i].start;

		OK(write(st->wake[shm_index(st->shm, st->generation,
		    b[i].shard)], &one, sizeof(one)) != -1);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(b[i].thread, NULL);
	atomic_fetch_add(&world->drained, 1);
}

/* Returns when it is to leave. */
static void
wait_for_command(int control)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	struct ctl m;
	int n;

	for (;;) {
		poll(&p, 1, -1);
		n = ctl_recv(control, &m);
		if (n == 0 || (n == 1 && m.type == CTL_DRAIN &&
		    !atomic_load(&world->deaf)))
			return;
		if (n == 1 && m.type == CTL_STOP)
			_exit(0);
		if (n == 1 && m.type == CTL_STACK)
			atomic_fetch_add(&world->stacks, 1);
	}
}

static int
child_double(const struct child_start *start)
{
	unsigned failures = atomic_load(&t_failures);
	struct berth b[SHARDS];

	atomic_fetch_add(&world->starts, 1);
	if (atomic_load(&world->fail)) {
		ctl_send(start->control, CTL_FAILED, 0, "it is to fail");
		return EXIT_START;
	}
	if (atomic_load(&world->refuse) &&
	    start->isolation == ISOLATION_INTERP) {
		ctl_send(start->control, CTL_REFUSED, 0, "numpy._core");
		return EXIT_START;
	}
	if (atomic_load(&world->die)) {
		for (unsigned i = 0; i < start->count; i++)
			ctl_send(start->control, CTL_READY, start->first + i,
			    NULL);
		return 9;
	}
	for (unsigned i = 0; i < start->count; i++) {
		b[i] = (struct berth){ start, start->first + i, -1, 0 };
		pthread_create(&b[i].thread, NULL, serve, &b[i]);
	}
	wait_for_command(start->control);
	leave(b, start->count);
	atomic_fetch_add(&world->failures,
	    atomic_load(&t_failures) - failures);
	return EXIT_CLEAN;
}

/* ---- a keeper and its client -------------------------------------------- */

struct run {
	struct conf conf;
	struct keeper_opts opts;
	pid_t pid;
	int logfd;
	size_t n;
	char log[1 << 17];
	unsigned port;
	char got[160];			/* the last answer */
};

static struct run *
run_new(enum isolation isolation)
{
	struct run *r = calloc(1, sizeof(*r));

	memset(world, 0, sizeof(*world));
	r->opts = (struct keeper_opts){ .isolation = isolation,
		.may_switch = true, .why = "the test", .scheme = "http",
		.version = "0.0" };
	r->conf.host = "127.0.0.1";
	r->conf.uds_permissions = -1;
	r->conf.backlog = 128;
	r->conf.ring_size = RING_LANE_MIN;
	r->conf.graceful_timeout_ms = LIMIT_MS;
	r->conf.adopt_after_ms = 100;
	r->conf.stall_report_ms = 200;
	return r;
}

static void
run_start(struct run *r)
{
	struct cpu_plan plan = { .shards = SHARDS, .why = "2 shards: test" };
	unsigned failures = atomic_load(&t_failures);
	struct log *log;
	int fd[2];

	OK(pipe2(fd, O_CLOEXEC) == 0);
	fflush(NULL);
	r->pid = fork();
	if (r->pid == 0) {
		close(fd[0]);
		/* As PID 1: orphans are ours to reap. */
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		log = calloc(1, sizeof(*log));
		log_init(log, fd[1], LEVEL_DEBUG, NULL);
		r->n = (size_t)keeper_run(&r->conf, &plan, log, &r->opts,
		    child_double);
		log_fini(log);
		free(log);
		_exit((int)r->n |
		    (atomic_load(&t_failures) != failures ? 64 : 0));
	}
	close(fd[1]);
	r->logfd = fd[0];
}

/* Reads the log until <text> is in it; false at its end. */
static bool
logged(struct run *r, const char *text)
{
	struct pollfd p = { .fd = r->logfd, .events = POLLIN };
	ssize_t n;

	while (!strstr(r->log, text)) {
		if (poll(&p, 1, LIMIT_MS) != 1)
			return false;
		n = read(r->logfd, r->log + r->n, sizeof(r->log) - 1 - r->n);
		if (n <= 0)
			return false;
		r->n += (size_t)n;
	}
	return true;
}

static bool
run_serves(struct run *r)
{
	const char *at;

	run_start(r);
	if (!OK(logged(r, "listening at http://127.0.0.1:")) ||
	    !OK(logged(r, "shards, isolation")))
		return false;
	at = strstr(r->log, "listening at http://127.0.0.1:");
	at += strlen("listening at http://127.0.0.1:");
	r->port = (unsigned)strtoul(at, NULL, 10);
	return OK(r->port > 0);
}

/* The exit code, or 1000 and the signal; the log is all there then. */
static int
ended(struct run *r)
{
	int status = 0;

	logged(r, "\001");
	if (waitpid(r->pid, &status, 0) != r->pid)
		return -1;
	close(r->logfd);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
}

static int
stopped(struct run *r)
{
	kill(r->pid, SIGTERM);
	return ended(r);
}

/* Whatever was wrong is explained by the log. */
static void
run_free(struct run *r, unsigned failures)
{
	if (atomic_load(&t_failures) != failures)
		fprintf(stderr, "%s", r->log);
	free(r);
}

/* The length of the answer, in r->got; 0: cut; -errno: refused. */
static ssize_t
ask(struct run *r, char what)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)r->port) };
	struct timeval tv = { .tv_sec = LIMIT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	memset(r->got, 0, sizeof(r->got));
	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == -1) {
		n = -errno;
		close(fd);
		return n;
	}
	if (send(fd, &what, 1, MSG_NOSIGNAL) != 1)
		n = 0;
	else
		n = recv(fd, r->got, sizeof(r->got) - 1, 0);
	if (n == -1)
		n = errno == ECONNRESET ? 0 : -errno;
	close(fd);
	return n;
}

/* Asks <n> times, all of which must be answered. */
static bool
all_answered(struct run *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!OK(ask(r, 'h') > 0))
			return false;
	return true;
}

/* Asks until the answer has <text>. */
static bool
comes(struct run *r, const char *text)
{
	for (unsigned i = 0; i < LIMIT_MS / 5; i++) {
		if (!OK(ask(r, 'h') > 0))
			return false;
		if (strstr(r->got, text))
			return true;
		nap();
	}
	return false;
}

static unsigned
count(const struct run *r, const char *text)
{
	unsigned n = 0;

	for (const char *s = r->log; (s = strstr(s, text)); s++)
		n++;
	return n;
}

/* ---- behaviours --------------------------------------------------------- */

static void
term_drains_and_ends_with_0(struct run *r)
{
	if (!run_serves(r))
		return;
	OK(strstr(r->log, "isolation interp: the test") != NULL);
	OK(all_answered(r, 20));
	OK(stopped(r) == EXIT_CLEAN);
	OK(atomic_load(&world->starts) == 1);
	OK(atomic_load(&world->drained) == 1);
	OK(ask(r, 'h') == -ECONNREFUSED);
}

static void
every_killed_process_is_replaced_and_nobody_refused(struct run *r)
{
	unsigned starts;

	if (!run_serves(r))
		return;
	starts = atomic_load(&world->starts);
	for (unsigned i = 0; i < 5; i++) {
		OK(ask(r, i & 1 ? 'x' : 'k') == 0);
		OK(all_answered(r, 10));
	}
	while (atomic_load(&world->starts) < starts + 5)
		nap();
	OK(all_answered(r, 10));
	OK(stopped(r) == EXIT_CLEAN);
	OK(strstr(r->log, "killed by signal 9 (Killed)") != NULL);
	OK(strstr(r->log, "ended with code 7") != NULL);
}

static void
a_stuck_shard_is_reported_and_its_listener_adopted(struct run *r)
{
	if (!run_serves(r))
		return;
	OK(ask(r, 's') > 0);
	OK(all_answered(r, 40));
	OK(logged(r, "has been in one call of the application"));
	OK(all_answered(r, 40));
	atomic_store(&world->release, true);
	OK(logged(r, "is well again"));
	/*
	 * Both shards answer again, and soon nobody polls for another: that
	 * is decided after it was logged.
	 */
	OK(comes(r, "shard=0 adopter=-1"));
	OK(comes(r, "shard=1 adopter=-1"));
	OK(stopped(r) == EXIT_CLEAN);
	OK(atomic_load(&world->stacks) == 1);
	OK(count(r, "has been in one call") == 1);
}

static void
a_refusal_before_ready_gives_processes(struct run *r)
{
	atomic_store(&world->refuse, true);
	if (!run_serves(r))
		return;
	OK(strstr(r->log, "numpy._core: does not support") != NULL);
	OK(strstr(r->log, "(2 shards, isolation process)") != NULL);
	OK(comes(r, "process"));
	OK(stopped(r) == EXIT_CLEAN);
	OK(atomic_load(&world->starts) == 3);
	OK(atomic_load(&world->drained) == 2);
}

static void
a_refusal_of_interp_asked_by_name_is_the_end(struct run *r)
{
	atomic_store(&world->refuse, true);
	r->opts.may_switch = false;
	run_start(r);
	OK(ended(r) == EXIT_START);
	OK(strstr(r->log, "numpy._core: does not support") != NULL);
	OK(atomic_load(&world->starts) == 1);
}

static void
a_late_refusal_changes_to_processes_without_a_gap(struct run *r)
{
	if (!run_serves(r))
		return;
	OK(ask(r, 'l') > 0);
	ask(r, 'l');
	OK(comes(r, "process"));
	OK(logged(r, "generation 0 is over"));
	for (unsigned i = 0; i < 20; i++)
		OK(ask(r, 'h') > 0 && strstr(r->got, "gen=1 process"));
	OK(stopped(r) == EXIT_CLEAN);
	OK(count(r, "pil: needed while serving") == 1);
	OK(atomic_load(&world->starts) == 3);
}

static void
hup_replaces_all_and_nobody_notices(struct run *r)
{
	if (!run_serves(r))
		return;
	for (unsigned i = 1; i <= 4; i++) {
		char gen[16], over[32];

		snprintf(gen, sizeof(gen), "gen=%u", i);
		snprintf(over, sizeof(over), "generation %u is over", i - 1);
		kill(r->pid, SIGHUP);
		OK(comes(r, gen));
		OK(logged(r, over));
		OK(all_answered(r, 5) && strstr(r->got, gen));
	}
	OK(stopped(r) == EXIT_CLEAN);
	OK(count(r, "[ERROR]") == 0);
}

static void
a_reload_that_fails_leaves_the_old_serving(struct run *r)
{
	if (!run_serves(r))
		return;
	atomic_store(&world->fail, true);
	kill(r->pid, SIGHUP);
	OK(logged(r, "the old ones go on serving"));
	OK(logged(r, "generation 1 is over"));
	OK(all_answered(r, 5) && strstr(r->got, "gen=0"));
	atomic_store(&world->fail, false);
	kill(r->pid, SIGHUP);
	OK(comes(r, "gen=3"));
	OK(stopped(r) == EXIT_CLEAN);
}

static void
a_first_start_that_fails_ends_with_3_at_once(struct run *r)
{
	atomic_store(&world->fail, true);
	run_start(r);
	OK(ended(r) == EXIT_START);
	OK(strstr(r->log, "cannot start: it is to fail") != NULL);
	OK(!strstr(r->log, "listening"));
	OK(atomic_load(&world->starts) <= SHARDS);
}

static void
ten_bad_ends_in_a_row_are_a_crash_loop(struct run *r)
{
	atomic_store(&world->die, true);
	run_start(r);
	OK(ended(r) == EXIT_LOOP);
	OK(strstr(r->log, "giving up") != NULL);
	OK(atomic_load(&world->starts) == CHILD_ENDS_MAX);
}

static void
a_second_server_on_the_port_is_refused(struct run *r)
{
	struct run *second;
	int code;

	if (!run_serves(r))
		return;
	second = calloc(1, sizeof(*second));
	second->opts = r->opts;
	second->conf = r->conf;
	second->conf.port = (int)r->port;
	run_start(second);
	code = ended(second);
	OK(code == EXIT_START);
	OK(strstr(second->log, "another server holds this address") != NULL);
	OK(strstr(second->log, "127.0.0.1:") != NULL);
	OK(all_answered(r, 10));
	OK(stopped(r) == EXIT_CLEAN);
	free(second);
}

/* The test is its children's reaper then. */
static void
without_a_keeper_its_children_leave(struct run *r)
{
	int status;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!run_serves(r))
		return;
	kill(r->pid, SIGKILL);
	OK(ended(r) == 1000 + SIGKILL);
	for (unsigned i = 0; i < SHARDS; i++) {
		status = -1;
		OK(waitpid(-1, &status, 0) > 0 && status == 0);
	}
	OK(atomic_load(&world->drained) == SHARDS);
	OK(ask(r, 'h') == -ECONNREFUSED);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void
a_second_int_stops_who_does_not_drain(struct run *r)
{
	if (!run_serves(r))
		return;
	atomic_store(&world->deaf, true);
	kill(r->pid, SIGINT);
	OK(logged(r, "SIGINT: finishing what runs"));
	kill(r->pid, SIGINT);
	OK(ended(r) == EXIT_CLEAN);
	OK(atomic_load(&world->drained) == 0);
}

static void
who_does_not_leave_is_killed_and_it_is_said(struct run *r)
{
	r->conf.graceful_timeout_ms = 10;
	if (!run_serves(r))
		return;
	atomic_store(&world->deaf, true);
	OK(stopped(r) == EXIT_CLEAN);
	OK(strstr(r->log, "did not leave in time: killed") != NULL);
}

static void
a_pid_file_belongs_to_one_that_lives(struct run *r)
{
	char path[] = "/tmp/shoal-test-XXXXXX", text[32] = "";
	struct run *second = calloc(1, sizeof(*second));
	int fd = mkstemp(path);

	/* Left by a dead server: no such pid can be. */
	OK(write(fd, "2147483646\n", 11) == 11);
	r->conf.pid_file = path;
	if (run_serves(r)) {
		OK(pread(fd, text, sizeof(text) - 1, 0) > 0);
		OK(strtol(text, NULL, 10) == (long)r->pid);
		second->conf = r->conf;
		second->opts = r->opts;
		run_start(second);
		OK(ended(second) == EXIT_START);
		OK(strstr(second->log, "which is running") != NULL);
		OK(all_answered(r, 1));
		OK(stopped(r) == EXIT_CLEAN);
		OK(access(path, F_OK) == -1 && errno == ENOENT);
	}
	close(fd);
	free(second);
}

static void
signals_and_orphans_do_no_harm(struct run *r)
{
	if (!run_serves(r))
		return;
	OK(ask(r, 't') > 0);
	OK(ask(r, 'o') > 0);
	OK(logged(r, "an orphan, has ended"));
	kill(r->pid, SIGUSR1);
	OK(logged(r, "SIGUSR1"));
	OK(all_answered(r, 5));
	OK(stopped(r) == EXIT_CLEAN);
	OK(atomic_load(&world->starts) == 1);
}

static void
waits_grow_to_five_seconds(void)
{
	static const unsigned ms[] = { 0, 0, 0, 0, 100, 200, 400, 800, 1600,
		3200, 5000, 5000 };

	for (unsigned i = 0; i < sizeof(ms) / sizeof(ms[0]); i++)
		OK(child_backoff_ms(i) == ms[i]);
	OK(child_backoff_ms(4000000000u) == 5000);
}

static void
with(enum isolation isolation, void (*fn)(struct run *), const char *name)
{
	unsigned failures = atomic_load(&t_failures);
	struct run *r = run_new(isolation);

	fn(r);
	OK(atomic_load(&world->failures) == 0);
	if (atomic_load(&t_failures) != failures)
		fprintf(stderr, "FAILED: %s, isolation %d\n", name, isolation);
	run_free(r, failures);
}

#define INTERP(fn) with(ISOLATION_INTERP, fn, #fn)
#define PROCESS(fn) with(ISOLATION_PROCESS, fn, #fn)

static void
tests(void)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	T(waits_grow_to_five_seconds);
	INTERP(term_drains_and_ends_with_0);
	INTERP(every_killed_process_is_replaced_and_nobody_refused);
	PROCESS(every_killed_process_is_replaced_and_nobody_refused);
	INTERP(a_stuck_shard_is_reported_and_its_listener_adopted);
	PROCESS(a_stuck_shard_is_reported_and_its_listener_adopted);
	INTERP(a_refusal_before_ready_gives_processes);
	INTERP(a_refusal_of_interp_asked_by_name_is_the_end);
	INTERP(a_late_refusal_changes_to_processes_without_a_gap);
	INTERP(hup_replaces_all_and_nobody_notices);
	PROCESS(hup_replaces_all_and_nobody_notices);
	PROCESS(a_reload_that_fails_leaves_the_old_serving);
	INTERP(a_first_start_that_fails_ends_with_3_at_once);
	PROCESS(a_first_start_that_fails_ends_with_3_at_once);
	INTERP(ten_bad_ends_in_a_row_are_a_crash_loop);
	PROCESS(a_second_server_on_the_port_is_refused);
	PROCESS(without_a_keeper_its_children_leave);
	PROCESS(a_second_int_stops_who_does_not_drain);
	PROCESS(who_does_not_leave_is_killed_and_it_is_said);
	INTERP(a_pid_file_belongs_to_one_that_lives);
	INTERP(signals_and_orphans_do_no_harm);
}

T_MAIN(tests)
