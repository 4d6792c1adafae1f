/* See LICENSE for the terms. */
/*
 * The keeper's decisions: what follows from a signal, a message of a server
 * process, the end of one.  See keeper.h; family.h has the states.
 *
 * One wait, then everything that came.  A timer ticks every 100 ms: back-off,
 * deadlines and the watch need no finer clock, and ten wake-ups a second are
 * not measurable.  Between ticks nothing is polled.
 */
#include "core/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/family.h"
#include "core/log.h"
#include "core/logfile.h"
#include "core/pidfile.h"
#include "core/sig.h"
#include "core/util.h"

enum { TICK_MS = 100, EVENTS = 32 };

/* Of epoll; a child's are parity + 1 in the upper half, index in the lower. */
enum { ON_SIGNAL, ON_TICK };

struct keeper {
	struct family family;
	const struct conf *conf;
	const struct keeper_opts *opts;
	struct log *log;
	struct pidfile pidfile;
	int sigfd;
	int timerfd;
	unsigned newest;		/* number of the newest generation */
	enum isolation isolation;	/* of the next generation */
	bool reload;			/* start one as soon as possible */
	bool served;			/* some generation was ready */
	bool stopping;
	int code;			/* to exit with */
};

static const char *
isolation_name(enum isolation i)
{
	return i == ISOLATION_INTERP ? "interp" : "process";
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void
watch(struct keeper *k)
{
	watch_run(&k->family, (unsigned)k->conf->adopt_after_ms,
	    (unsigned)k->conf->stall_report_ms);
}

/* To finish what runs, and a little to leave. */
static unsigned
drain_ms(const struct keeper *k)
{
	return (unsigned)k->conf->graceful_timeout_ms + CHILD_PATIENCE_MS;
}

/* The end begins; the first reason gives the exit code. */
static void
stop(struct keeper *k, enum ctl_type how, int code)
{
	struct family *f = &k->family;
	unsigned ms = how == CTL_STOP ? CHILD_PATIENCE_MS : drain_ms(k);

	if (!k->stopping)
		k->code = code;
	k->stopping = true;
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		gen_dismiss(f, &f->gen[i], how, ms);
}

static bool
is_current(const struct keeper *k, const struct gen *g)
{
	return g->number == k->family.current && g->state != GEN_NONE;
}

/* It never became ready, or could not be forked. */
static void
gen_failed(struct keeper *k, struct gen *g)
{
	const struct family *f = &k->family;
	bool alone = is_current(k, g) || f->gen[f->current & 1].state !=
	    GEN_SERVING;

	gen_dismiss(&k->family, g, CTL_STOP, CHILD_PATIENCE_MS);
	if (k->stopping)
		return;
	if (!alone) {
		log_err(k->log, "the new server processes could not start: "
		    "the old ones go on serving");
		k->isolation = f->gen[f->current & 1].isolation;
		return;
	}
	log_crit(k->log, "Shoal could not start, see above");
	stop(k, CTL_STOP, k->served ? EXIT_LOOP : EXIT_START);
}

static void
start_gen(struct keeper *k, unsigned number)
{
	struct family *f = &k->family;
	int err;

	k->newest = number;
	err = gen_start(f, number, k->isolation);
	if (err) {
		log_err(k->log, "cannot start a server process: %s",
		    strerror(-err));
		gen_failed(k, gen_of(f, number));
	}
}

/* Reloads and changes of isolation wait until there is one generation. */
static void
start_waiting(struct keeper *k)
{
	struct family *f = &k->family;
	unsigned number = k->newest + 1;

	if (!k->reload || k->stopping ||
	    gen_of(f, f->current)->state != GEN_SERVING ||
	    gen_of(f, f->current + 1)->state != GEN_NONE)
		return;
	k->reload = false;
	/* A generation that failed has used a number up. */
	if ((number & 1) == (f->current & 1))
		number++;
	start_gen(k, number);
}

static void
say_ready(const struct keeper *k, const struct gen *g)
{
	const struct listeners *ls = &k->family.ls;
	unsigned shards = k->family.shm.shards;
	char all[1024] = "", one[256], text[1400];
	size_t n = 0;

	for (unsigned i = 0; i < ls->n && n < sizeof(all) - sizeof(one); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
		    i ? " and " : "", listener_text(ls, i, k->opts->scheme,
		    one, sizeof(one)));
	snprintf(text, sizeof(text), "Shoal %s listening at %s (%u shard%s, "
	    "isolation %s)", k->opts->version, all, shards,
	    shards == 1 ? "" : "s", isolation_name(g->isolation));
	log_bright(k->log, text);
}

/* All its shards serve: it takes over. */
static void
gen_ready(struct keeper *k, struct gen *g)
{
	struct family *f = &k->family;
	struct gen *old = gen_of(f, g->number + 1);

	g->state = GEN_SERVING;
	f->current = g->number;
	if (!k->served)
		say_ready(k, g);
	else
		log_info(k->log, "the new server processes serve (isolation "
		    "%s)", isolation_name(g->isolation));
	k->served = true;
	watch(k);
	if (old->state == GEN_SERVING)
		gen_dismiss(f, old, CTL_DRAIN, drain_ms(k));
	start_waiting(k);
}

static void
on_ready(struct keeper *k, struct gen *g, struct child *c, unsigned shard)
{
	struct slot *s;

	if (c->state != CHILD_STARTING || shard < c->first ||
	    shard - c->first >= c->count)
		return;
	s = shm_slot(&k->family.shm, g->number, shard);
	if (slot_state(s) != SLOT_STARTING)
		return;
	atomic_store_explicit(&s->state, SLOT_READY, memory_order_release);
	c->n_ready++;
	if (c->n_ready == c->count) {
		c->state = CHILD_READY;
		c->ready_at = k->family.now;
		if (g->state == GEN_SERVING)
			log_info(k->log, "server process %d serves",
			    (int)c->pid);
	}
	if (g->state == GEN_STARTING && gen_is_ready(g))
		gen_ready(k, g);
	else
		watch(k);
}

/* Before ready: the same generation again, as processes. */
static void
on_refused(struct keeper *k, struct gen *g, const char *what)
{
	/* A process refuses nothing; one that leaves need not be heard. */
	if (g->state == GEN_LEAVING || g->isolation != ISOLATION_INTERP)
		return;
	if (!k->opts->may_switch) {
		log_warn(k->log, "%s: does not support an interpreter a "
		    "shard; --isolation process does", what);
		return;
	}
	log_warn(k->log, "%s: does not support an interpreter a shard; "
	    "starting again with a process a shard (--isolation process "
	    "saves this attempt)", what);
	k->isolation = ISOLATION_PROCESS;
	g->refused = true;
	gen_dismiss(&k->family, g, CTL_STOP, CHILD_PATIENCE_MS);
}

/* While serving: the next generation is one of processes. */
static void
on_late_refused(struct keeper *k, struct gen *g, const char *what)
{
	if (g->late || g->state == GEN_LEAVING ||
	    g->isolation != ISOLATION_INTERP)
		return;
	g->late = true;
	if (!k->opts->may_switch) {
		log_warn(k->log, "%s: needed while serving, does not support "
		    "an interpreter a shard; --isolation process does", what);
		return;
	}
	log_warn(k->log, "%s: needed while serving, does not support an "
	    "interpreter a shard; changing to a process a shard "
	    "(--isolation process does from the start)", what);
	k->isolation = ISOLATION_PROCESS;
	k->reload = true;
	start_waiting(k);
}

static void
on_message(struct keeper *k, struct gen *g, struct child *c,
    const struct ctl *m)
{
	switch (m->type) {
	case CTL_READY:
		on_ready(k, g, c, m->shard);
		break;
	case CTL_REFUSED:
		on_refused(k, g, m->text);
		break;
	case CTL_LATE_REFUSED:
		on_late_refused(k, g, m->text);
		break;
	case CTL_FAILED:
		log_err(k->log, "server process %d cannot start: %s",
		    (int)c->pid, m->text);
		/* It ends by itself, unless a thread or shard holds it up. */
		if (!c->deadline)
			c->deadline = k->family.now + drain_ms(k) * NS_PER_MS;
		break;
	default:
		log_debug(k->log, "server process %d sent a message %u",
		    (int)c->pid, m->type);
	}
}

/* Reads all that it sent.  Its end of file is the end of any command. */
static void
on_control(struct keeper *k, struct gen *g, struct child *c)
{
	struct ctl m;
	int n;

	if (c->control == -1)
		return;
	do {
		n = ctl_recv(c->control, &m);
		if (n == 1)
			on_message(k, g, c, &m);
	} while (n == 1 || n == -EBADMSG);
	if (n != -EAGAIN)
		child_hang_up(&k->family, c);
}

static void
crash_loop(struct keeper *k)
{
	log_crit(k->log, "a server process ended %d times in a row before it "
	    "was ready or within a minute of it: giving up", CHILD_ENDS_MAX);
	stop(k, CTL_DRAIN, EXIT_LOOP);
}

static void
restart(struct keeper *k, struct gen *g, struct child *c)
{
	int err;

	err = child_fork(&k->family, g, c);
	if (!err) {
		log_info(k->log, "server process %d started", (int)c->pid);
		return;
	}
	log_seldom(k->log, LEVEL_ERROR, "cannot start a server process: %s",
	    strerror(-err));
	c->restart_at = k->family.now + CHILD_PATIENCE_MS * NS_PER_MS;
}

/* One that served, or was started in the place of one that did. */
static void
child_lost(struct keeper *k, struct gen *g, struct child *c)
{
	unsigned ms = child_backoff_ms(c->bad_ends);

	if (c->bad_ends >= CHILD_ENDS_MAX) {
		c->state = CHILD_GONE;
		crash_loop(k);
		return;
	}
	c->state = CHILD_WAITING;
	c->restart_at = k->family.now + ms * NS_PER_MS;
	if (!ms)
		restart(k, g, c);
}

/* The last child of a generation that leaves is gone. */
static void
check_gone(struct keeper *k, struct gen *g)
{
	bool again = g->refused && !k->stopping;
	unsigned number = g->number;

	if (!gen_is_gone(g))
		return;
	gen_end(&k->family, g);
	if (again)
		start_gen(k, number);
	else
		start_waiting(k);
}

static void
on_end(struct keeper *k, pid_t pid, int status)
{
	struct child *c;
	struct gen *g;
	bool started;

	c = gen_find(&k->family, pid, &g);
	if (!c) {
		log_debug(k->log, "process %d, an orphan, has ended", (int)pid);
		return;
	}
	/* Its last words may wait: READY, REFUSED, why it failed. */
	on_control(k, g, c);
	started = c->state == CHILD_READY;
	child_end(&k->family, g, c, status);
	if (g->state == GEN_LEAVING)
		check_gone(k, g);
	else if (g->state == GEN_STARTING && !started)
		gen_failed(k, g);
	else
		child_lost(k, g, c);
	watch(k);
}

static void
reap(struct keeper *k)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid == -1 && errno == EINTR)
			continue;
		if (pid <= 0)
			break;
		on_end(k, pid, status);
	}
}

static void
on_stop_signal(struct keeper *k, int sig)
{
	bool now = sig == SIGQUIT || (sig == SIGINT && k->stopping);

	if (now)
		log_info(k->log, "SIG%s: stopping now",
		    sig == SIGQUIT ? "QUIT" : "INT, again");
	else if (k->stopping)
		return;
	else
		log_info(k->log, "SIG%s: finishing what runs, for %g s at most",
		    sig == SIGINT ? "INT" : "TERM",
		    k->conf->graceful_timeout_ms / 1e3);
	stop(k, now ? CTL_STOP : CTL_DRAIN, EXIT_CLEAN);
	watch(k);
}

/* Here, and in every server process, which has descriptors of its own. */
static void
reopen_logs(struct keeper *k)
{
	struct family *f = &k->family;

	if (!k->opts->files || !logfiles_any(k->opts->files)) {
		log_info(k->log, "SIGUSR1: no log file to reopen");
		return;
	}
	logfiles_reopen(k->opts->files, k->log);
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		for (unsigned n = 0; n < f->gen[i].n; n++)
			if (f->gen[i].child[n].control != -1)
				ctl_send(f->gen[i].child[n].control,
				    CTL_REOPEN, 0, NULL);
	log_info(k->log, "SIGUSR1: log files reopened");
}

/* A new generation that hangs does not keep another from being started. */
static void
give_up_slow(struct keeper *k)
{
	struct family *f = &k->family;
	struct gen *g = gen_of(f, f->current + 1);

	for (unsigned i = 0; g->state == GEN_STARTING && i < g->n; i++)
		if (g->child[i].slow) {
			log_warn(k->log, "the new server processes that are "
			    "still not ready are given up");
			gen_dismiss(f, g, CTL_STOP, CHILD_PATIENCE_MS);
		}
}

static void
on_signal(struct keeper *k, int sig)
{
	switch (sig) {
	case SIGCHLD:
		reap(k);
		break;
	case SIGHUP:
		if (k->stopping)
			break;
		log_info(k->log, "SIGHUP: starting new server processes");
		k->reload = true;
		give_up_slow(k);
		start_waiting(k);
		break;
	case SIGUSR1:
		reopen_logs(k);
		break;
	default:
		on_stop_signal(k, sig);
	}
}

static void
on_signals(struct keeper *k)
{
	int sig;

	for (;;) {
		sig = sig_next(k->sigfd);
		if (!sig)
			break;
		on_signal(k, sig);
	}
}

static void
on_tick(struct keeper *k)
{
	struct family *f = &k->family;
	uint64_t ticks;

	if (read(k->timerfd, &ticks, sizeof(ticks)) == -1)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		for (unsigned n = 0; n < f->gen[i].n; n++) {
			struct child *c = &f->gen[i].child[n];

			child_check_deadline(f, c);
			if (c->state == CHILD_WAITING &&
			    f->now >= c->restart_at)
				restart(k, &f->gen[i], c);
		}
	watch(k);
	log_flush(k->log);
}

static void
on_event(struct keeper *k, uint64_t tag)
{
	struct gen *g;

	if (tag == ON_SIGNAL) {
		on_signals(k);
	} else if (tag == ON_TICK) {
		on_tick(k);
	} else {
		g = &k->family.gen[((tag >> 32) - 1) & 1];
		/* It may have ended earlier in this batch of events. */
		if ((uint32_t)tag < g->n)
			on_control(k, g, &g->child[(uint32_t)tag]);
	}
}

static bool
is_over(const struct keeper *k)
{
	return k->family.gen[0].state == GEN_NONE &&
	    k->family.gen[1].state == GEN_NONE;
}

static void
loop(struct keeper *k)
{
	struct epoll_event ev[EVENTS];
	int n;

	while (!is_over(k)) {
		n = epoll_wait(k->family.epfd, ev, EVENTS, -1);
		k->family.now = now_ns();
		for (int i = 0; i < n; i++)
			on_event(k, ev[i].data.u64);
	}
}

static void
say_plan(const struct keeper *k, const struct cpu_plan *plan)
{
	log_info(k->log, "Shoal %s, process %d", k->opts->version,
	    (int)getpid());
	log_info(k->log, "%s", plan->why);
	log_info(k->log, "isolation %s: %s",
	    isolation_name(k->opts->isolation), k->opts->why);
}

static int
add(struct keeper *k, int fd, uint64_t tag)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.u64 = tag;
	return epoll_ctl(k->family.epfd, EPOLL_CTL_ADD, fd, &ev) == -1 ?
	    -errno : 0;
}

static int
open_timer(struct keeper *k)
{
	struct itimerspec it = {
		.it_value.tv_nsec = TICK_MS * (long)NS_PER_MS,
		.it_interval.tv_nsec = TICK_MS * (long)NS_PER_MS,
	};

	k->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC |
	    TFD_NONBLOCK);
	if (k->timerfd == -1 ||
	    timerfd_settime(k->timerfd, 0, &it, NULL) == -1)
		return -errno;
	return 0;
}

/* Signals, timer, poller; what is open already is closed by close_events(). */
static int
open_events(struct keeper *k)
{
	struct family *f = &k->family;
	int err;

	k->sigfd = sig_open(&f->mask);
	if (k->sigfd < 0)
		return k->sigfd;
	f->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epfd == -1)
		return -errno;
	err = open_timer(k);
	if (!err)
		err = add(k, k->sigfd, ON_SIGNAL);
	if (!err)
		err = add(k, k->timerfd, ON_TICK);
	f->private_fd[0] = k->sigfd;
	f->private_fd[1] = k->timerfd;
	f->private_fd[2] = k->pidfile.fd;
	return err;
}

static void
close_events(struct keeper *k)
{
	if (k->timerfd >= 0)
		close(k->timerfd);
	if (k->family.epfd >= 0)
		close(k->family.epfd);
	if (k->sigfd >= 0) {
		close(k->sigfd);
		sig_restore(&k->family.mask);
	}
}

static int
open_pidfile(struct keeper *k)
{
	pid_t holder = 0;
	int err;

	err = pidfile_open(&k->pidfile, k->conf->pid_file, &holder);
	if (err == -EEXIST)
		log_err(k->log, "%s belongs to process %d, which is running: "
		    "stop it, or choose another --pid-file",
		    k->conf->pid_file, (int)holder);
	else if (err)
		log_err(k->log, "cannot write --pid-file %s: %s",
		    k->conf->pid_file, strerror(-err));
	return err;
}

static int
open_all(struct keeper *k, unsigned shards)
{
	struct family *f = &k->family;
	int err;

	err = open_pidfile(k);
	if (err)
		return err;
	err = listeners_open(&f->ls, k->conf, shards);
	if (err) {
		log_err(k->log, "%s", f->ls.err);
		return err;
	}
	err = shm_new(&f->shm, shards, (uint64_t)k->conf->ring_size);
	if (!err)
		err = watch_open(f);
	if (!err)
		err = open_events(k);
	if (err)
		log_err(k->log, "cannot start: %s", strerror(-err));
	return err;
}

/* In the reverse order; of what is not open nothing happens. */
static void
close_all(struct keeper *k)
{
	close_events(k);
	watch_close(&k->family);
	shm_free(&k->family.shm);
	listeners_close(&k->family.ls, true);
	pidfile_close(&k->pidfile);
}

int
keeper_run(const struct conf *conf, const struct cpu_plan *plan,
    struct log *log, const struct keeper_opts *opts, child_fn fn)
{
	struct keeper k = { .conf = conf, .opts = opts, .log = log,
		.isolation = opts->isolation, .sigfd = -1, .timerfd = -1,
		.pidfile.fd = -1, .code = EXIT_START };
	struct family *f = &k.family;

	f->fn = fn;
	f->log = log;
	f->epfd = -1;
	f->now = now_ns();
	say_plan(&k, plan);
	if (open_all(&k, plan->shards) == 0) {
		f->common = (struct child_start){ .conf = conf, .plan = plan,
			.log = log, .shm = &f->shm, .listeners = &f->ls,
			.wake = f->wake, .files = opts->files,
			.env = opts->env, .title = opts->title };
		start_gen(&k, 0);
		loop(&k);
		log_info(log, "Shoal has stopped");
	}
	close_all(&k);
	log_flush(log);
	return k.code;
}
