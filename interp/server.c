/* See LICENSE for the terms. */
/*
 * A server process: threads, the keeper's commands, the end.
 *
 * The thread that listens to the keeper (the "listener" here) shares with the
 * shards their inboxes, their slots in the shared mapping, and what struct
 * server says.  It never takes a GIL.
 */
#include "interp/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/conf.h"
#include "core/cpu.h"
#include "core/envfile.h"
#include "core/logfile.h"
#include "core/mem.h"
#include "core/title.h"
#include "core/util.h"
#include "interp/interp.h"
#include "proto/h1.h"

/* Python frames and C extensions are deep; memory is taken as it is used. */
#define SHARD_STACK (16u << 20)
/* A busy machine lets the stuck thread wait before it runs the handler. */
#define STACK_WAIT_MS 3000
/* Once it writes, a stack of 100 frames arrives well within it. */
#define STACK_PAUSE_MS 200
/* Failures of a generation's processes that are so close have one cause. */
#define SAME_FAILURE_NS (2 * NS_PER_S)
#define STACK_TEXT (16u << 10)

/* Runs in the shard: the keeper wants it to drain. */
static void
on_drain(struct letter *m, struct shard *s)
{
	(void)m;
	log_debug(&s->log, "draining: %u connections, %u requests", s->n_conns,
	    s->n_reqs);
	shard_drain(s);
}

static void
drain_all(struct server *sv)
{
	if (atomic_exchange(&sv->draining, true))
		return;
	for (unsigned i = 0; i < sv->start->count; i++) {
		struct berth *b = &sv->berths[i];

		inbox_post(&b->shard->inbox, &b->shard->loop, &b->drain);
	}
}

/* What faulthandler writes; nothing, if it does not begin. */
static size_t
read_stack(struct server *sv, char *text, size_t size)
{
	struct pollfd p = { .fd = sv->stack_pipe[0], .events = POLLIN };
	size_t n = 0;

	while (n < size && poll(&p, 1, n ? STACK_PAUSE_MS :
	    STACK_WAIT_MS) == 1) {
		ssize_t k = read(p.fd, text + n, size - n);

		if (k <= 0)
			break;
		n += (size_t)k;
	}
	return n;
}

/*
 * faulthandler's signal handler runs on the shard's thread whatever it is
 * doing, and writes the Python stack of that thread: no GIL needed.
 */
static void
report_stack(struct server *sv, unsigned id)
{
	const struct child_start *start = sv->start;
	struct slot *slot;
	char text[STACK_TEXT];
	struct str s = { text, 0 };
	char prefix[48];
	int tid;

	if (id < start->first || id - start->first >= start->count)
		return;
	slot = shm_slot(start->shm, start->generation, id);
	tid = slot->tid;
	if (tid <= 0 || syscall(SYS_tgkill, getpid(), tid, STACK_SIGNAL) == -1)
		return;
	s.n = read_stack(sv, text, sizeof(text));
	snprintf(prefix, sizeof(prefix), "shard %u is stuck in Python: ", id);
	if (s.n > 0)
		log_text(start->log, LEVEL_WARNING, prefix, s);
	else
		log_warn(start->log, "shard %u is stuck and its Python stack "
		    "could not be read", id);
}

/* One command; false: the keeper is gone. */
static bool
obey(struct server *sv)
{
	struct ctl m;
	int n = ctl_recv(sv->start->control, &m);

	if (n == 0)
		return false;
	if (n < 0)
		return true;
	switch (m.type) {
	case CTL_DRAIN:
		drain_all(sv);
		break;
	case CTL_STOP:
		_exit(EXIT_CLEAN);
	case CTL_REOPEN:
		logfiles_reopen(sv->start->files, sv->start->log);
		break;
	case CTL_STACK:
		report_stack(sv, m.shard);
		break;
	default:
		break;
	}
	return true;
}

/* Nobody is left who would end a process that a thread keeps from its end. */
_Noreturn static void
leave_alone(struct server *sv)
{
	const struct child_start *start = sv->start;

	log_warn(start->log, "the keeper is gone: draining");
	drain_all(sv);
	poll(NULL, 0, (int)start->conf->graceful_timeout_ms +
	    CHILD_PATIENCE_MS);
	log_warn(start->log, "server process %d did not leave in time: ended",
	    (int)getpid());
	_exit(EXIT_START);
}

static void *
listener(void *arg)
{
	struct server *sv = arg;
	struct pollfd p = { .fd = sv->start->control, .events = POLLIN };

	title_thread(sv->start->conf->process_name, "control");
	while (poll(&p, 1, -1) != -1 || errno == EINTR)
		if (p.revents != 0 && !obey(sv))
			leave_alone(sv);
	return NULL;
}

/*
 * A shard that ends before it was asked to could not start.  Its process will
 * be replaced, or is given up: the other shards finish what runs.
 */
static void
note_end(struct server *sv)
{
	drain_all(sv);
	pthread_mutex_lock(&sv->lock);
	sv->ended++;
	pthread_cond_signal(&sv->end);
	pthread_mutex_unlock(&sv->lock);
}

static void
pin(const struct berth *b)
{
	const struct cpu_plan *plan = b->server->start->plan;
	int cpu = cpu_of_shard(plan, b->shard->id);
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) == -1)
		log_warn(&b->shard->log, "cannot be pinned to CPU %d: %s", cpu,
		    strerror(errno));
}

/* A shard's thread, or, with placement process, the main one. */
static void *
run_berth(void *arg)
{
	struct berth *b = arg;
	char suffix[12];

	snprintf(suffix, sizeof(suffix), "%u", b->shard->id);
	if (b->server->start->isolation == ISOLATION_INTERP)
		title_thread(b->shard->conf->process_name, suffix);
	b->arena = mem_bind_arena();
	pin(b);
	/* Its waits before a sweep are of 50 us; the default adds as many. */
	prctl(PR_SET_TIMERSLACK, 1000);
	b->shard->slot->tid = (int32_t)syscall(SYS_gettid);
	b->shard->slot->busy_since = clock_ns();
	b->code = interp_run(b);
	note_end(b->server);
	return NULL;
}

static int
make_berths(struct server *sv)
{
	const struct child_start *start = sv->start;

	sv->berths = mem_try_zero(sizeof(*sv->berths) * start->count);
	if (!sv->berths) {
		log_crit(start->log, "no shard can start: out of memory");
		return EXIT_START;
	}
	for (unsigned i = 0; i < start->count; i++) {
		struct berth *b = &sv->berths[i];
		int err = -ENOMEM;

		b->server = sv;
		b->drain.fn = on_drain;
		b->code = EXIT_START;
		b->shard = mem_try(sizeof(*b->shard));
		if (b->shard)
			err = shard_init(b->shard, start, start->first + i,
			    &proto_h1);
		if (err) {
			log_crit(start->log, "shard %u cannot start: %s",
			    start->first + i, strerror(-err));
			return EXIT_START;
		}
	}
	return 0;
}

static int
spawn(pthread_t *t, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, SHARD_STACK);
	err = pthread_create(t, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return err;
}

/* Shards on threads; the main thread listens until all have ended. */
static int
run_threads(struct server *sv)
{
	unsigned n = sv->start->count;
	pthread_t ear;
	int code = 0;

	for (unsigned i = 0; i < n; i++) {
		struct berth *b = &sv->berths[i];
		int err = spawn(&b->thread, run_berth, b);

		if (err) {
			log_crit(sv->start->log, "no thread for shard %u: %s",
			    b->shard->id, strerror(err));
			_exit(EXIT_START);
		}
	}
	if (spawn(&ear, listener, sv) != 0)
		_exit(EXIT_START);
	pthread_mutex_lock(&sv->lock);
	while (sv->ended < n)
		pthread_cond_wait(&sv->end, &sv->lock);
	pthread_mutex_unlock(&sv->lock);
	for (unsigned i = 0; i < n; i++)
		code = MAX(code, sv->berths[i].code);
	return code;
}

static int
run_here(struct server *sv)
{
	pthread_t ear;

	if (spawn(&ear, listener, sv) != 0)
		return EXIT_START;
	run_berth(&sv->berths[0]);
	return sv->berths[0].code;
}

/* "shop shard 2", "shop shards 0-3": who of the family it is. */
static void
name_process(const struct child_start *start)
{
	char text[256];

	if (!start->title)
		return;
	if (start->count > 1)
		snprintf(text, sizeof(text), "%.200s shards %u-%u",
		    start->conf->process_name, start->first,
		    start->first + start->count - 1);
	else
		snprintf(text, sizeof(text), "%.200s shard %u",
		    start->conf->process_name, start->first);
	title_set(start->title, text);
}

/* The keeper has read them at its start; they may have changed. */
static int
read_env_files(const struct child_start *start)
{
	char err[400];

	if (!start->env || envfile_apply(start->env, err, sizeof(err)) == 0)
		return 0;
	log_crit(start->log, "%s", err);
	return EXIT_START;
}

int
server_run(const struct child_start *start)
{
	struct server sv = { .start = start };
	int code;

	name_process(start);
	code = read_env_files(start);
	if (code)
		return code;
	pthread_mutex_init(&sv.load, NULL);
	pthread_mutex_init(&sv.lock, NULL);
	pthread_cond_init(&sv.end, NULL);
	if (pipe2(sv.stack_pipe, O_CLOEXEC | O_NONBLOCK) == -1)
		return EXIT_START;
	code = make_berths(&sv);
	if (code)
		return code;
	code = interp_main(&sv);
	if (code)
		return code;
	if (start->isolation == ISOLATION_INTERP)
		code = run_threads(&sv);
	else
		code = run_here(&sv);
	for (unsigned i = 0; i < start->count; i++)
		shard_end_logs(sv.berths[i].shard);
	/* Not exit(): other threads of Python's may still be there. */
	_exit(code);
}

void
server_load_lock(struct berth *b)
{
	b->shard->slot->busy_since = 0;
	pthread_mutex_lock(&b->server->load);
	b->shard->slot->busy_since = clock_ns();
}

bool
server_may_switch(const struct server *sv)
{
	return sv->start->isolation == ISOLATION_INTERP &&
	    sv->start->conf->isolation == CONF_ISOLATION_AUTO;
}

void
server_refused(struct server *sv, const char *what, bool late)
{
	ctl_send(sv->start->control, late ? CTL_LATE_REFUSED : CTL_REFUSED,
	    sv->start->first, what);
}

bool
server_claim_failure(struct server *sv)
{
	const struct child_start *start = sv->start;
	struct slot *first = shm_slot(start->shm, start->generation, 0);
	uint64_t now = clock_ns(), before;

	if (atomic_exchange(&sv->failed, true))
		return false;
	before = atomic_exchange(&first->failed, now);
	/* The other's clock may have been read after ours. */
	return before == 0 || now > before + SAME_FAILURE_NS;
}

void
server_failed(struct server *sv, const char *what)
{
	ctl_send(sv->start->control, CTL_FAILED, sv->start->first, what);
}
