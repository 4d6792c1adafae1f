/* See LICENSE for the terms. */
/*
 * Looking after the shards: who is stuck, and who adopts its listeners.
 *
 * The keeper runs this every 100 ms and whenever a slot's state changed.  What
 * it reads of a shard, busy_since, is one number that any value may have: at
 * worst a shard is taken for stuck, and another accepts for it.
 */
#include "core/family.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/adopt.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/util.h"

/* Nobody may wait for a reader: a full counter wakes it as well. */
static void
wake(const struct family *f, int64_t index)
{
	uint64_t one = 1;

	if (shm_slot_at(&f->shm, index) &&
	    write(f->wake[index], &one, sizeof(one)) == -1)
		return;
}

/* How long the shard has been in its run step; 0 if it is not. */
static uint64_t
busy_ns(const struct family *f, const struct slot *s, uint64_t *since)
{
	*since = atomic_load_explicit(&s->busy_since, memory_order_relaxed);
	return *since && *since < f->now ? f->now - *since : 0;
}

static struct child *
child_of(const struct family *f, unsigned index)
{
	const struct gen *g = &f->gen[index / f->shm.shards];
	unsigned shard = index % f->shm.shards;

	if (!g->n)
		return NULL;
	return &g->child[g->isolation == ISOLATION_PROCESS ? shard : 0];
}

/* Once a stall: it lasts as long as busy_since stays the same. */
static void
report(struct family *f, unsigned index, uint64_t busy, uint64_t since)
{
	struct watched *w = &f->watched[index];
	unsigned shard = index % f->shm.shards;
	struct child *c = child_of(f, index);

	if (w->reported == since || !c || c->control == -1)
		return;
	w->reported = since;
	log_warn(f->log, "shard %u (process %d) has been in one call of the "
	    "application for %.1f s", shard, (int)c->pid, (double)busy / 1e9);
	ctl_send(c->control, CTL_STACK, shard, NULL);
}

/* A start that takes so many times as long as a call may is told, once. */
#define SLOW_START 10

/* Which of its shards is long in Python while it starts, or one that waits. */
static unsigned
starting_shard(const struct family *f, const struct gen *g,
    const struct child *c, uint64_t report_ns, bool *runs)
{
	unsigned found = c->first;
	uint64_t since;

	*runs = false;
	for (unsigned i = c->count; i-- > 0 && !*runs;) {
		struct slot *s = shm_slot(&f->shm, g->number, c->first + i);

		if (slot_state(s) != SLOT_STARTING)
			continue;
		found = c->first + i;
		*runs = busy_ns(f, s, &since) > report_ns;
	}
	return found;
}

static void
judge_start(const struct family *f, const struct gen *g, struct child *c,
    uint64_t report_ns)
{
	uint64_t taken = f->now - c->started_at;
	unsigned shard;
	bool runs;

	if (c->state != CHILD_STARTING || c->slow || c->control == -1 ||
	    report_ns == 0 || taken < report_ns * SLOW_START)
		return;
	c->slow = true;
	shard = starting_shard(f, g, c, report_ns, &runs);
	log_warn(f->log, "shard %u (process %d) is not ready after %.1f s: %s",
	    shard, (int)c->pid, (double)taken / 1e9, runs ?
	    "it is importing the application, or in its start-up code" :
	    "it waits for the application's start-up (lifespan)");
	if (runs)
		ctl_send(c->control, CTL_STACK, shard, NULL);
}

static void
judge(struct family *f, unsigned index, uint64_t adopt_ns, uint64_t report_ns)
{
	struct slot *s = &f->shm.slots[index];
	struct watched *w = &f->watched[index];
	enum slot_state state = slot_state(s);
	bool lives = state == SLOT_READY || state == SLOT_DRAINING;
	uint64_t since, busy = lives ? busy_ns(f, s, &since) : 0;
	bool stuck = state == SLOT_READY && busy > adopt_ns;

	if (report_ns && busy > report_ns)
		report(f, index, busy, since);
	if (stuck && !w->stuck_since)
		w->stuck_since = since;
	if (!stuck && w->stuck_since) {
		if (state == SLOT_READY && w->reported == w->stuck_since)
			log_info(f->log, "shard %u is well again",
			    index % f->shm.shards);
		w->stuck_since = 0;
	}
	/* Only when it changes: shards read this line. */
	if (atomic_load_explicit(&s->stuck, memory_order_relaxed) != stuck)
		atomic_store(&s->stuck, stuck);
	f->view[index] = (struct adopt_slot){ .state = state, .stuck = stuck,
		.adopter = atomic_load(&s->adopter) };
}

static void
apply(const struct family *f, unsigned index)
{
	struct slot *s = &f->shm.slots[index];
	int32_t was = f->view[index].adopter;
	int32_t now = f->adopter[index];

	if (was == now)
		return;
	/* The wake is a system call: whoever wakes sees the new value. */
	atomic_store(&s->adopter, now);
	log_debug(f->log, "shard %u: listeners polled by slot %d, was %d",
	    index % f->shm.shards, now, was);
	wake(f, was);
	wake(f, now);
	wake(f, index);
}

void
watch_run(struct family *f, unsigned adopt_ms, unsigned report_ms)
{
	unsigned n = shm_n_slots(&f->shm);

	for (unsigned i = 0; i < n; i++)
		judge(f, i, adopt_ms * NS_PER_MS, report_ms * NS_PER_MS);
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		for (unsigned k = 0; k < f->gen[i].n; k++)
			judge_start(f, &f->gen[i], &f->gen[i].child[k],
			    report_ms * NS_PER_MS);
	adopt_plan(f->view, f->shm.shards, f->current & 1, f->adopter);
	for (unsigned i = 0; i < n; i++)
		apply(f, i);
}

void
watch_wake_all(const struct family *f)
{
	for (unsigned i = 0; i < shm_n_slots(&f->shm); i++)
		wake(f, i);
}

int
watch_open(struct family *f)
{
	unsigned n = shm_n_slots(&f->shm);

	f->watched = mem_try_zero(n * sizeof(*f->watched));
	f->view = mem_try_zero(n * sizeof(*f->view));
	f->adopter = mem_try_zero(n * sizeof(*f->adopter));
	f->wake = mem_try(n * sizeof(*f->wake));
	if (!f->watched || !f->view || !f->adopter || !f->wake) {
		mem_free(f->wake);
		f->wake = NULL;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		f->wake[i] = -1;
	for (unsigned i = 0; i < n; i++) {
		f->wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (f->wake[i] == -1)
			return -errno;
	}
	return 0;
}

void
watch_close(struct family *f)
{
	for (unsigned i = 0; f->wake && i < shm_n_slots(&f->shm); i++)
		if (f->wake[i] != -1)
			close(f->wake[i]);
	mem_free(f->wake);
	mem_free(f->adopter);
	mem_free(f->view);
	mem_free(f->watched);
	f->wake = NULL;
}
