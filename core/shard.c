/* See LICENSE for the terms. */
/*
 * A shard's set-up, its turn, its doors (the listeners it polls) and its end.
 */
#include "core/shard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/date.h"
#include "core/logfile.h"
#include "core/mem.h"
#include "core/util.h"

/* Connections taken from one listener in a turn. */
#define ACCEPT_BATCH 64
/* Nobody has to make place who has been idle for less than this. */
#define SHED_AFTER_NS NS_PER_S
/* Out of descriptors: accepting again is tried after this. */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
/* With so few requests in a run each is sent at once: their p50 halves. */
#define SMALL_RUN 8
/* Members that make a message's writes a sweep, and connections a slice. */
#define SWEEP_MIN 64
#define SWEEP_SLICE 128
/* How long it looks for one more message, before a sweep. */
#define GATHER_NS ((int64_t)50 * 1000)
/* A send in the kernel, before it was measured. */
#define SEND_NS 5000
/* Descriptors that are not connections: ours, Python's, the application's. */
#define FDS_RESERVED 128

static void set_doors(struct shard *s);

static void
pause_accept(struct shard *s, const char *why)
{
	if (s->paused)
		return;
	log_seldom(&s->log, LEVEL_WARNING, "accepting paused: %s", why);
	s->paused = true;
	set_doors(s);
	timer_set(&s->loop.wheel, &s->accept_pause,
	    s->loop.now + ACCEPT_PAUSE_NS);
}

static void
on_accept_pause(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, accept_pause);

	s->paused = false;
	set_doors(s);
}

/*
 * The connection that has been idle longest, or NULL.  Who was answered just
 * now is not idle in this sense: he is about to ask again, or has done so, and
 * a flood of others must not cost him his connection.
 */
static struct conn *
oldest_idle(struct shard *s)
{
	struct list *n;

	list_each(n, &s->idle) {
		struct conn *c = container_of(n, struct conn, node);

		if (s->loop.now < c->idle_at + SHED_AFTER_NS)
			return NULL;
		/* Otherwise its last answer is still on the way. */
		if (bytes_len(&c->out) == 0)
			return c;
	}
	return NULL;
}

static void
shed(struct shard *s, struct conn *c)
{
	conn_abort(c);
	s->slot->drops++;
}

/*
 * There was no descriptor, or no memory, for one who waits: the connection
 * that has been idle longest makes place.  It is one and no more: where the
 * whole machine is short of something, letting all the others go would not
 * help.
 */
static int
accept_short(struct door *d, struct peer *peer)
{
	struct shard *s = d->shard;
	struct conn *oldest = oldest_idle(s);
	int fd = -EMFILE;

	if (oldest) {
		shed(s, oldest);
		fd = sock_accept(d->io.fd, peer);
	}
	if (fd == -EMFILE)
		pause_accept(s, "out of file descriptors or memory");
	return fd;
}

static void
let_in(struct door *d, int fd, const struct peer *peer)
{
	struct shard *s = d->shard;
	int err = conn_open(s, fd, peer, d->addr);

	s->slot->accepted++;
	if (!err)
		return;
	s->slot->drops++;
	log_seldom(&s->log, LEVEL_WARNING, "a connection was closed at once: "
	    "%s", strerror(-err));
}

/* Whether one more of this client is too many. */
static bool
has_enough(const struct shard *s, const struct peer *peer)
{
	unsigned most = (unsigned)s->conf->max_connections_per_peer;

	return most > 0 && peers_count(&s->peers, peer) >= most;
}

/*
 * One of those who wait at this door, or why none: as sock_accept(), or
 * -EMFILE when nobody can be let in.  The <first> is known to wait.
 */
static int
accept_one(struct door *d, bool first)
{
	struct shard *s = d->shard;
	bool full = s->n_conns >= s->max_conns;
	struct conn *oldest = NULL;
	struct peer peer;
	int fd;

	if (full) {
		oldest = oldest_idle(s);
		if (!oldest && first)
			pause_accept(s, "--max-connections is reached");
		if (!oldest)
			return -EMFILE;
	}
	/* Somebody may make place only for somebody who is there. */
	fd = sock_accept(d->io.fd, &peer);
	if (fd == -EMFILE)
		fd = accept_short(d, &peer);
	if (fd < 0)
		return fd;
	if (has_enough(s, &peer)) {
		close(fd);
		s->slot->drops++;
		return 0;
	}
	if (full && s->n_conns >= s->max_conns)
		shed(s, oldest);
	let_in(d, fd, &peer);
	return 0;
}

/* It would be reported as ready for ever. */
static void
give_up(struct door *d)
{
	struct shard *s = d->shard;

	log_err(&s->log, "a listening socket is none any more: did the "
	    "application close descriptor %d?", d->io.fd);
	d->broken = true;
	set_doors(s);
}

static void
on_door(struct io *io, uint32_t events)
{
	struct door *d = container_of(io, struct door, io);
	int failed = 0;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH && d->open; i++) {
		int err = accept_one(d, i == 0);

		if (err == -EBADF)
			give_up(d);
		else if (err == -ECONNABORTED)
			failed++;
		else if (err)
			return;
	}
	/* Those were not clients who left: a filter refuses the call itself. */
	if (failed == ACCEPT_BATCH)
		pause_accept(d->shard, "every accept() fails");
}

/* Whether this shard polls the listeners of shard <of> now. */
static bool
polls(const struct shard *s, unsigned of)
{
	const struct shm *m = s->start->shm;

	if (!s->listening || s->paused)
		return false;
	if (of == s->id)
		return true;
	for (unsigned g = 0; g < SHM_PARITIES; g++) {
		int64_t by = shm_slot(m, g, of)->adopter;

		if (shm_slot_at(m, by) == s->slot)
			return true;
	}
	return false;
}

/* Opens and closes doors as they should be now. */
static void
set_doors(struct shard *s)
{
	for (unsigned i = 0; i < s->n_doors; i++) {
		struct door *d = &s->doors[i];
		bool want = !d->broken && polls(s, d->of);
		uint32_t ev = EPOLLIN;

		if (want == d->open)
			continue;
		/* One Unix socket for all: wake one shard, not every one. */
		if (listener_is_shared(s->start->listeners, d->addr))
			ev |= EPOLLEXCLUSIVE;
		if (want && loop_add(&s->loop, &d->io, ev) != 0)
			continue;
		if (!want)
			loop_del(&s->loop, &d->io);
		d->open = want;
	}
}

/* The keeper, the inbox or the ring; which, the steps that follow find out. */
static void
on_wake(struct io *io, uint32_t events)
{
	struct loop *l = container_of(io, struct loop, wake);
	struct shard *s = container_of(l, struct shard, loop);

	(void)events;
	s->woken = true;
	if (s->listening)
		set_doors(s);
}

static void
on_drain_grace(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, drain_grace);
	struct list *n;

	s->cut = true;
	/* Not aborted: the last answer may still be on its way. */
	while ((n = list_first(&s->idle)))
		conn_close(container_of(n, struct conn, node), false);
}

/* The graceful timeout: what still runs is cut. */
static void
on_drain_end(struct timer *t)
{
	struct shard *s = container_of(t, struct shard, drain_end);
	struct list *n;

	if (s->n_reqs > 0 || s->n_conns > 0)
		log_warn(&s->log, "--graceful-timeout is over: %u requests "
		    "and %u connections are cut", s->n_reqs, s->n_conns);
	s->over = true;
	while ((n = list_first(&s->conns)))
		conn_reset(container_of(n, struct conn, node));
}

/* A door an address and shard; a shared listener has only the own one. */
static int
make_doors(struct shard *s)
{
	const struct listeners *ls = s->start->listeners;
	unsigned shards = s->start->shm->shards;

	s->doors = mem_try_zero(sizeof(*s->doors) * MAX(ls->n * shards, 1));
	if (!s->doors)
		return -ENOMEM;
	for (unsigned a = 0; a < ls->n; a++)
		for (unsigned k = 0; k < shards; k++) {
			struct door *d;

			if (listener_is_shared(ls, a) && k != s->id)
				continue;
			d = &s->doors[s->n_doors++];
			d->io.fn = on_door;
			d->io.fd = listener_fd(ls, a, k);
			d->shard = s;
			d->addr = a;
			d->of = k;
		}
	return 0;
}

/* The lines of requests go to a file of their own, or with the others. */
static int
make_access(struct shard *s, const struct logfiles *files)
{
	s->access = &s->log;
	if (files && files->access.fd != files->log.fd)
		s->access = mem_try(sizeof(*s->access));
	return s->access ? 0 : -ENOMEM;
}

/* A shard's part of the descriptors that the process may have. */
static unsigned
connection_limit(const struct shard *s)
{
	unsigned want = (unsigned)s->conf->max_connections;
	struct rlimit r;
	rlim_t n;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		r.rlim_cur = 1024;
	n = r.rlim_cur > 2 * FDS_RESERVED ? r.rlim_cur - FDS_RESERVED :
	    r.rlim_cur / 2;
	n /= MAX(s->start->count, 1);
	n = MAX(MIN(n, (rlim_t)1 << 30), 1);
	return want == 0 ? (unsigned)n : MIN(want, (unsigned)n);
}

int
shard_init(struct shard *s, const struct child_start *start, unsigned id,
    const struct proto_ops *proto)
{
	unsigned index = shm_index(start->shm, start->generation, id);
	char who[24];
	int err;

	memset(s, 0, offsetof(struct shard, rbuf));
	s->start = start;
	s->conf = start->conf;
	s->id = id;
	s->slot = shm_slot(start->shm, start->generation, id);
	s->proto = proto;
	err = make_doors(s);
	if (err)
		return err;
	err = make_access(s, start->files);
	if (err)
		goto fail_doors;
	err = relay_init(&s->relay, start->shm, index, start->wake);
	if (err)
		goto fail_access;
	err = loop_init(&s->loop, start->wake[index], on_wake);
	if (err)
		goto fail_relay;
	snprintf(who, sizeof(who), "shard %u", id);
	log_init(&s->log, start->log->fd, start->log->level, who);
	if (s->access != &s->log)
		log_init(s->access, start->files->access.fd, LEVEL_INFO, who);
	inbox_init(&s->inbox);
	chunk_pool_init(&s->chunks);
	peers_init(&s->peers);
	list_init(&s->conns);
	list_init(&s->idle);
	list_init(&s->dirty);
	list_init(&s->sweep);
	s->send_ns = SEND_NS;
	list_init(&s->again);
	list_init(&s->dead);
	timer_init(&s->accept_pause, on_accept_pause);
	timer_init(&s->drain_grace, on_drain_grace);
	timer_init(&s->drain_end, on_drain_end);
	s->max_conns = connection_limit(s);
	shard_date(s);
	return 0;

fail_relay:
	relay_fini(&s->relay);
fail_access:
	if (s->access != &s->log)
		mem_free(s->access);
fail_doors:
	mem_free(s->doors);
	return err;
}

static void
free_dead(struct shard *s)
{
	struct list *n;

	while ((n = list_pop(&s->dead)))
		conn_free(container_of(n, struct conn, node));
}

void
shard_end_logs(struct shard *s)
{
	log_fini(&s->log);
	if (s->access != &s->log)
		log_fini(s->access);
}

void
shard_fini(struct shard *s)
{
	struct list *n;

	inbox_read(&s->inbox, s);
	while ((n = list_first(&s->conns)) || (n = list_first(&s->idle)))
		conn_abort(container_of(n, struct conn, node));
	free_dead(s);
	relay_fini(&s->relay);
	mem_free(s->doors);
	chunk_pool_fini(&s->chunks);
	peers_fini(&s->peers);
	shard_end_logs(s);
	if (s->access != &s->log)
		mem_free(s->access);
	s->access = &s->log;		/* shard_end_logs() may come again */
	loop_fini(&s->loop);
}

int
shard_listen(struct shard *s)
{
	s->listening = true;
	set_doors(s);
	for (unsigned i = 0; i < s->n_doors; i++)
		if (s->doors[i].of == s->id && !s->doors[i].open)
			return -EINVAL;
	log_hold(&s->log, true);
	log_hold(s->access, true);
	return 0;
}

void
shard_drain(struct shard *s)
{
	struct list *n, *tmp;

	if (s->draining)
		return;
	s->draining = true;
	s->listening = false;
	set_doors(s);
	list_each_safe(n, tmp, &s->conns) {
		struct conn *c = container_of(n, struct conn, node);

		if (c->state == CONN_OPEN)
			c->proto->drain(c);
	}
	timer_set(&s->loop.wheel, &s->drain_grace, s->loop.now +
	    (uint64_t)s->conf->drain_grace_ms * NS_PER_MS);
	timer_set(&s->loop.wheel, &s->drain_end, s->loop.now +
	    (uint64_t)s->conf->graceful_timeout_ms * NS_PER_MS);
}

bool
shard_is_over(const struct shard *s)
{
	return s->over || (s->draining && s->n_conns == 0 && s->n_reqs == 0);
}

bool
shard_is_pending(const struct shard *s)
{
	return !list_empty(&s->loop.work) || !list_empty(&s->again) ||
	    !list_empty(&s->dirty) || !list_empty(&s->sweep) ||
	    !list_empty(&s->dead) || relay_is_ready(&s->relay);
}

/*
 * The epoll was closed over a fork (clofork.h): this is a copy of the process
 * that the application made and let come back.  It has nothing to serve.
 */
_Noreturn static void
end_copy(struct shard *s)
{
	struct log log;

	/* Not the shard's: what waits there is the original's to write. */
	log_init(&log, s->log.fd, s->log.level, NULL);
	log_err(&log, "process %d, which the application forked, came back "
	    "from it to the server: ended; let it call os._exit()",
	    (int)getpid());
	log_fini(&log);
	_exit(EXIT_START);
}

static bool
is_gathering(const struct shard *s)
{
	return !list_empty(&s->sweep) && !s->sweeping;
}

/* How long the coming wait may be. */
static int64_t
patience(const struct shard *s, int64_t timeout_ns)
{
	if (is_gathering(s) && list_empty(&s->loop.work) &&
	    list_empty(&s->again) && list_empty(&s->dirty) &&
	    timeout_ns != 0)
		return timeout_ns < 0 ? GATHER_NS : MIN(timeout_ns, GATHER_NS);
	return shard_is_pending(s) ? 0 : timeout_ns;
}

/* True: nothing came but messages, which need no run step. */
static bool
wait_and_read(struct shard *s, int64_t timeout_ns)
{
	struct list batch, *n;
	unsigned letters;
	int events;

	timeout_ns = patience(s, timeout_ns);
	if (timeout_ns != 0) {
		/* Dekker: see inbox_post() and ear_wake(). */
		atomic_store(&s->loop.sleeping, true);
		if (!inbox_is_empty(&s->inbox) || !relay_sleep(&s->relay))
			timeout_ns = 0;
	}
	/* Whoever uses up its budget in this step reads on in the next. */
	list_init(&batch);
	list_splice(&batch, &s->again);
	s->woken = false;
	events = loop_wait(&s->loop, timeout_ns);
	if (events == -EBADF)
		end_copy(s);
	BUG_ON(events < 0);
	atomic_store_explicit(&s->loop.sleeping, false, memory_order_relaxed);
	relay_rise(&s->relay);
	shard_date(s);
	letters = inbox_read(&s->inbox, s);
	while ((n = list_pop(&batch)))
		conn_read(container_of(n, struct conn, again));
	return events == (s->woken ? 1 : 0) && letters == 0 &&
	    !s->loop.interrupted && !s->draining &&
	    (relay_is_ready(&s->relay) || !list_empty(&s->sweep));
}

void
shard_poll(struct shard *s, int64_t timeout_ns)
{
	uint64_t end = timeout_ns > 0 ? clock_ns() + (uint64_t)timeout_ns : 0;

	while (wait_and_read(s, timeout_ns) && timeout_ns != 0 &&
	    list_empty(&s->loop.work)) {
		shard_flush(s);
		if (!list_empty(&s->loop.work))
			return;
		if (timeout_ns > 0)
			timeout_ns = end > s->loop.now ?
			    (int64_t)(end - s->loop.now) : 0;
	}
}

/*
 * Sends what is ready now.  A connection with input kept is left: what is
 * pipelined behind is answered in the same send.
 */
static void
flush_early(struct shard *s)
{
	struct list *n, *tmp;

	list_each_safe(n, tmp, &s->dirty) {
		struct conn *c = container_of(n, struct conn, dirty);

		if (!list_empty(&c->again))
			continue;
		list_del(&c->dirty);
		conn_flush(c);
	}
}

/* Requests that wait unparsed behind those just answered. */
static void
parse_kept(struct shard *s)
{
	struct list *n, *tmp;

	list_each_safe(n, tmp, &s->again) {
		struct conn *c = container_of(n, struct conn, again);

		if (bytes_len(&c->in) == 0)
			continue;
		list_del(&c->again);
		conn_read(c);
	}
}

static bool
is_small(const struct shard *s)
{
	const struct list *n;
	int k = 0;

	list_each(n, &s->loop.work)
		if (++k > SMALL_RUN)
			return false;
	return true;
}

bool
shard_run(struct shard *s, bool (*between)(void *), void *arg)
{
	uint64_t end = s->loop.now + (uint64_t)s->conf->turn_budget_us * 1000;
	bool small = is_small(s);
	struct list *n;

	while ((n = list_pop(&s->loop.work))) {
		struct work *w = container_of(n, struct work, node);

		w->fn(w);
		if (between && !list_empty(&s->loop.work) && !between(arg))
			return true;
		if (small && !list_empty(&s->dirty))
			flush_early(s);
		if (list_empty(&s->loop.work) && !list_empty(&s->again))
			parse_kept(s);
		if (!list_empty(&s->loop.work) && clock_ns() > end)
			return true;
	}
	return false;
}

/* Whether a sweep that has not begun waits for more messages. */
static bool
gathers(struct shard *s, unsigned calls)
{
	uint64_t now, span;

	if (s->sweeping)
		return false;
	now = clock_ns();
	if (s->gather_end == 0) {
		span = calls * s->send_ns / 8;
		s->gather_end = now + span;
		s->sweeping = span < (uint64_t)GATHER_NS;
	} else {
		s->sweeping = calls == 0 || now >= s->gather_end;
	}
	return !s->sweeping;
}

/* A slice of a sweep. */
static void
sweep(struct shard *s)
{
	uint64_t start = clock_ns(), cost;
	unsigned k = 0;
	struct list *n;

	for (; k < SWEEP_SLICE && (n = list_pop(&s->sweep)); k++)
		conn_flush(container_of(n, struct conn, dirty));
	cost = (clock_ns() - start) / MAX(k, 1);
	s->send_ns = (7 * s->send_ns + cost) / 8;
}

/* Whoever waits for messages cannot see that some did not come. */
static void
tell_lost(struct shard *s)
{
	uint64_t lost = s->relay.cursor.lost - s->lost_told;

	if (lost == 0)
		return;
	s->lost_told = s->relay.cursor.lost;
	log_seldom(&s->log, LEVEL_WARNING, "%llu messages between connections "
	    "were overtaken by others before this shard read them: it was "
	    "long in one call of the application, or --ring-size is small",
	    (unsigned long long)lost);
}

void
shard_flush(struct shard *s)
{
	struct list fresh, *n;
	unsigned calls;

	/* Who has an answer waiting sends the messages with it. */
	list_init(&fresh);
	list_splice(&fresh, &s->dirty);
	calls = relay_deliver(&s->relay);
	tell_lost(s);
	list_splice(calls > SWEEP_MIN ? &s->sweep : &fresh, &s->dirty);
	while ((n = list_pop(&fresh)))
		conn_flush(container_of(n, struct conn, dirty));
	if (!list_empty(&s->sweep) && !gathers(s, calls))
		sweep(s);
	/* Its connections may also have closed meanwhile. */
	if (list_empty(&s->sweep)) {
		s->sweeping = false;
		s->gather_end = 0;
	}
	free_dead(s);
	log_flush(&s->log);
	if (s->access != &s->log)
		log_flush(s->access);
}

const char *
shard_date(struct shard *s)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	if ((uint64_t)t.tv_sec != s->date_s) {
		s->date_s = (uint64_t)t.tv_sec;
		date_imf(t.tv_sec, s->date);
	}
	return s->date;
}
