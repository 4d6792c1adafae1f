/* See LICENSE for the terms. */
#include "interp/wpool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/title.h"
#include "core/shard.h"
#include "core/util.h"
#include "interp/exc.h"
#include "interp/state.h"
#include "interp/wsgi.h"

#define WATCH_NS (1 * NS_PER_MS)
/* Looks without any traffic after which the watcher sleeps. */
#define WATCH_QUIET 2
/* How slow calls are of late: raised by a late call, lowered by a quick one. */
#define SLOW_MAX 64
#define SLOW_STEP 16
#define QUICK_NS (300 * 1000)
#define THREAD_STACK (16u << 20)
/* In so small a batch each response is sent at once. */
#define SMALL_BATCH 8

/* URGENT: offered, and its thread will not be back soon: take it at once. */
enum { HELD, OFFERED, URGENT };

struct wthread {
	struct wpool *pool;
	PyThreadState *ts;
	sem_t wake;			/* watcher and idle */
	sem_t done;			/* wpool_wait() */
	struct wthread *below;		/* in the stack of the idle */
	unsigned number;
	atomic_bool watch;		/* woken to be the watcher */
};

struct wpool {
	struct pystate *st;
	struct shard *shard;
	unsigned max_calls;
	struct wthread *own;		/* the shard's own thread */
	unsigned n_threads;		/* token */
	int slow;			/* token */
	unsigned arena;
	_Atomic uint32_t token;
	_Atomic uint32_t offers;	/* how many there were */
	atomic_bool asleep;		/* the watcher is */
	atomic_bool over;
	atomic_bool full;		/* all that may are in a call */
	_Atomic unsigned gil_waiters;
	_Atomic unsigned alive;		/* threads beside the shard's own */
	pthread_mutex_t lock;		/* of the two below */
	struct wthread *watcher;
	struct wthread *idle;
};

/* ---- the token ---- */

void
wpool_set_full(struct wpool *p, bool full)
{
	atomic_store(&p->full, full);
	atomic_store_explicit(&p->shard->slot->busy_since,
	    full ? p->shard->loop.now : 0, memory_order_relaxed);
}

bool
wpool_take(struct wpool *p)
{
	uint32_t seen = OFFERED;

	/* Acquire: all that the last holder did to the shard. */
	while (!atomic_compare_exchange_weak(&p->token, &seen, HELD))
		if (seen == HELD)
			return false;
	return true;
}

static void
wake_watcher(struct wpool *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->watcher)
		sem_post(&p->watcher->wake);
	pthread_mutex_unlock(&p->lock);
}

void
wpool_offer(struct wpool *p, bool now)
{
	atomic_store_explicit(&p->offers, p->offers + 1,
	    memory_order_relaxed);
	/* seq_cst with the load behind it: a Dekker pair with sleep_deep(). */
	atomic_store(&p->token, now ? URGENT : OFFERED);
	if (now || (atomic_load(&p->asleep) &&
	    atomic_exchange(&p->asleep, false)))
		wake_watcher(p);
}

/* ---- the GIL ---- */

/*
 * A thread that waits for the GIL marks the shard busy; who gets it marks it
 * well, or busy anew for the next in line.  So a call that never lets the GIL
 * go is seen (keeper: stuck), and one that only takes long is not, unless no
 * thread is left for another call.
 */
static void
gil_enter(struct wthread *w)
{
	struct wpool *p = w->pool;
	struct slot *slot = p->shard->slot;
	uint64_t none = 0;

	atomic_fetch_add(&p->gil_waiters, 1);
	atomic_compare_exchange_strong(&slot->busy_since, &none, clock_ns());
	PyEval_RestoreThread(w->ts);
	atomic_store_explicit(&slot->busy_since,
	    atomic_fetch_sub(&p->gil_waiters, 1) > 1 ||
	    atomic_load(&p->full) ? clock_ns() : 0,
	    memory_order_relaxed);
	atomic_store_explicit(&slot->tid, (int32_t)syscall(SYS_gettid),
	    memory_order_relaxed);
}

static void
gil_leave(void)
{
	PyEval_SaveThread();
}

/* ---- threads ---- */

static void *thread_main(void *arg);

static struct wthread *
thread_new(struct wpool *p)
{
	struct wthread *w = mem_try(sizeof(*w));

	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->pool = p;
	w->number = p->n_threads++;
	sem_init(&w->wake, 0, 0);
	sem_init(&w->done, 0, 0);
	return w;
}

static int
spawn(struct wthread *w)
{
	pthread_attr_t attr;
	pthread_t t;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&t, &attr, thread_main, w);
	pthread_attr_destroy(&attr);
	return err;
}

/* A new thread that begins as the watcher; false: there is none to be had. */
static bool
add_watcher(struct wpool *p)
{
	struct wthread *w = thread_new(p);

	if (!w)
		return false;
	atomic_fetch_add(&p->alive, 1);
	pthread_mutex_lock(&p->lock);
	p->watcher = w;
	pthread_mutex_unlock(&p->lock);
	if (spawn(w) == 0)
		return true;
	pthread_mutex_lock(&p->lock);
	p->watcher = NULL;
	pthread_mutex_unlock(&p->lock);
	atomic_fetch_sub(&p->alive, 1);
	p->n_threads--;
	mem_free(w);
	return false;
}

/* The token is held.  False: nobody could take it if we offered it. */
static bool
ensure_watcher(struct wpool *p)
{
	struct wthread *w;
	bool there;

	pthread_mutex_lock(&p->lock);
	there = p->watcher != NULL;
	w = p->idle;
	if (!there && w) {
		p->idle = w->below;
		p->watcher = w;
		w->watch = true;
		sem_post(&w->wake);
		there = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (there)
		return true;
	/* One that is between a call and park() will watch in a moment. */
	if (p->n_threads > wsgi_n_running(p->st) + 1)
		return true;
	/* One keeps the turns going when all others call. */
	return p->n_threads < p->max_calls + 1 && add_watcher(p);
}

static void
sleep_tick(struct wthread *w)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long)WATCH_NS;
	if (t.tv_nsec >= (long)NS_PER_S) {
		t.tv_nsec -= (long)NS_PER_S;
		t.tv_sec++;
	}
	while (sem_clockwait(&w->wake, CLOCK_MONOTONIC, &t) == -1 &&
	    errno == EINTR)
		;
}

static void
sleep_deep(struct wthread *w)
{
	struct wpool *p = w->pool;

	atomic_store(&p->asleep, true);
	/* Dekker: see wpool_offer(). */
	if (atomic_load(&p->token) != HELD || atomic_load(&p->over)) {
		atomic_store(&p->asleep, false);
		return;
	}
	while (sem_wait(&w->wake) == -1 && errno == EINTR)
		;
	atomic_store(&p->asleep, false);
}

/* The watcher's duty; true: it holds the token.  False: serving is over. */
static bool
watch(struct wthread *w)
{
	struct wpool *p = w->pool;
	uint32_t seen = atomic_load(&p->offers);
	int quiet = 0;

	/* Wake-ups of an earlier watch would make this one impatient. */
	while (sem_trywait(&w->wake) == 0)
		;
	while (!atomic_load(&p->over)) {
		uint32_t offers;
		bool urgent;

		if (quiet >= WATCH_QUIET) {
			sleep_deep(w);
			quiet = 0;
			seen = atomic_load(&p->offers);
		}
		if (atomic_load(&p->token) != URGENT)
			sleep_tick(w);
		urgent = atomic_load(&p->token) == URGENT;
		offers = atomic_load(&p->offers);
		if ((urgent || offers == seen) && wpool_take(p)) {
			if (!urgent)
				p->slow = MIN(p->slow + SLOW_STEP, SLOW_MAX);
			return true;
		}
		quiet = offers == seen ? quiet + 1 : 0;
		seen = offers;
	}
	return false;
}

static void
leave_watch(struct wpool *p)
{
	pthread_mutex_lock(&p->lock);
	p->watcher = NULL;
	pthread_mutex_unlock(&p->lock);
}

/* Until this thread holds the token (true), or all is over. */
static bool
park(struct wthread *w)
{
	struct wpool *p = w->pool;

	for (;;) {
		bool mine;

		pthread_mutex_lock(&p->lock);
		mine = w->watch || !p->watcher || p->watcher == w;
		if (mine) {
			p->watcher = w;
			w->watch = false;
		} else {
			w->below = p->idle;
			p->idle = w;
		}
		pthread_mutex_unlock(&p->lock);
		if (mine) {
			bool got = watch(w);

			leave_watch(p);
			return got;
		}
		/* A late wake-up of its time as the watcher is none. */
		while (!atomic_load(&w->watch) && !atomic_load(&p->over))
			sem_wait(&w->wake);
		if (atomic_load(&p->over))
			return false;
	}
}

/* ---- the holder ---- */

static void
end_all(struct wpool *p)
{
	atomic_store(&p->over, true);
	pthread_mutex_lock(&p->lock);
	if (p->watcher)
		sem_post(&p->watcher->wake);
	for (struct wthread *w = p->idle; w; w = w->below)
		sem_post(&w->wake);
	pthread_mutex_unlock(&p->lock);
}

/* One call, with the GIL; false: the token is another's now. */
static bool
run_call(struct wthread *w, struct call *c)
{
	struct wpool *p = w->pool;
	bool slow = p->slow > 0;
	uint64_t begun = slow ? clock_ns() : 0;

	wsgi_run(c, w);
	if (!wpool_take(p)) {
		wsgi_hand_over(c);
		return false;
	}
	if (slow && clock_ns() - begun < QUICK_NS)
		p->slow--;
	wsgi_end(c);
	return true;
}

/* The calls that are due, within the turn budget; false: the token is lost. */
static bool
run_calls(struct wthread *w)
{
	struct wpool *p = w->pool;
	struct shard *s = p->shard;
	uint64_t end = s->loop.now + (uint64_t)s->conf->turn_budget_us * 1000;
	bool small = wsgi_n_waiting(p->st) <= SMALL_BATCH;
	bool have_gil = false, held = true;
	struct call *c;

	while (held && (c = wsgi_next(p->st, p->max_calls))) {
		wpool_offer(p, p->slow > 0);
		if (!have_gil)
			gil_enter(w);
		have_gil = true;
		held = run_call(w, c);
		if (!held || !ensure_watcher(p))
			break;
		if (small)
			shard_flush(s);
		if (clock_ns() > end)
			break;
	}
	if (have_gil)
		gil_leave();
	return held;
}

/* Turns, until the token is lost (true) or all is over (false). */
static bool
hold(struct wthread *w)
{
	struct wpool *p = w->pool;
	struct shard *s = p->shard;
	bool fresh = true;

	for (;;) {
		bool due = wsgi_is_due(p->st, p->max_calls);

		/* Taken from a slow call while others wait: they go first. */
		if (fresh && due && ensure_watcher(p)) {
			fresh = false;
			if (!run_calls(w))
				return true;
			continue;
		}
		fresh = false;
		if (shard_is_over(s)) {
			/* Those who wait for a client hear that it is over. */
			shard_flush(s);
			shard_run(s, NULL, NULL);
			end_all(p);
			return false;
		}
		shard_flush(s);
		/* It may have freed the last connection of a drain. */
		shard_poll(s, due || shard_is_over(s) ? 0 : -1);
		shard_run(s, NULL, NULL);
		if (!wsgi_is_due(p->st, p->max_calls) || !ensure_watcher(p))
			continue;
		if (!run_calls(w))
			return true;
	}
}

/* A name for people, and what Python should think of the thread. */
static int
enter_python(struct wthread *w)
{
	PyObject *r;

	w->ts = PyThreadState_New(PyThreadState_GetInterpreter(
	    w->pool->st->shard_ts));
	if (!w->ts)
		return -1;
	PyEval_RestoreThread(w->ts);
	r = PyObject_CallMethod(w->pool->st->boot, "adopt_thread", "I",
	    w->number);
	if (!r)
		exc_log(w->pool->st, "A thread could not be named", NULL);
	Py_XDECREF(r);
	PyEval_SaveThread();
	return 0;
}

static void
leave_python(struct wthread *w)
{
	PyEval_RestoreThread(w->ts);
	PyThreadState_Clear(w->ts);
	PyThreadState_DeleteCurrent();
}

static void *
thread_main(void *arg)
{
	struct wthread *w = arg;
	struct wpool *p = w->pool;
	char suffix[12];

	snprintf(suffix, sizeof(suffix), "%u-%u", p->shard->id % 1000,
	    w->number % 1000);
	title_thread(p->shard->conf->process_name, suffix);
	mem_join_arena(p->arena);
	if (enter_python(w) == 0) {
		while (park(w) && hold(w))
			;
		leave_python(w);
	}
	atomic_fetch_sub(&p->alive, 1);
	return NULL;
}

struct wpool *
wpool_new(struct pystate *st, unsigned calls)
{
	struct wpool *p = mem_try_zero(sizeof(*p));

	if (!p)
		return NULL;
	p->st = st;
	p->shard = st->shard;
	p->max_calls = calls;
	p->arena = st->arena;
	pthread_mutex_init(&p->lock, NULL);
	/* Before the shard is ready: it could not serve without. */
	p->own = thread_new(p);
	if (p->own && add_watcher(p))
		return p;
	mem_free(p->own);
	mem_free(p);
	return NULL;
}

/* Others may still be in a call that never ends: not waited for long. */
static void
wait_for_threads(struct wpool *p)
{
	for (int i = 0; i < 500 && atomic_load(&p->alive) > 0; i++)
		usleep(2000);
}

void
wpool_serve(struct wpool *p)
{
	struct wthread *own = p->own;

	own->ts = PyEval_SaveThread();
	if (hold(own))
		while (park(own) && hold(own))
			;
	wait_for_threads(p);
	PyEval_RestoreThread(own->ts);
}

void
wpool_wait(struct wthread *w)
{
	PyThreadState *ts = PyEval_SaveThread();

	while (sem_wait(&w->done) == -1 && errno == EINTR)
		;
	PyEval_RestoreThread(ts);
}

void
wpool_signal(struct wthread *w)
{
	sem_post(&w->done);
}
