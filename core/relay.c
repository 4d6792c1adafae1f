/* See LICENSE for the terms. */
/*
 * Publishing and delivering: see relay.h.
 */
#include "core/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bug.h"
#include "core/shm.h"
#include "core/util.h"

enum { PAGE = 4096 };

/* One writer at a time, whom a mutex or the token makes the only one. */
static void
count(_Atomic uint64_t *n, uint64_t more)
{
	atomic_store_explicit(n, atomic_load_explicit(n,
	    memory_order_relaxed) + more, memory_order_relaxed);
}

/*
 * A page that is empty in a child of ours.  The application may fork; two
 * processes in one lane would write over each other's records, and neither
 * has the other's mutex.
 */
static _Atomic uint32_t *
new_alive(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, PAGE, MADV_WIPEONFORK) == -1) {
		munmap(p, PAGE);
		return NULL;
	}
	atomic_store((_Atomic uint32_t *)p, 1);
	return p;
}

int
relay_init(struct relay *r, const struct shm *m, unsigned index,
    const int *wake)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->alive = new_alive();
	if (!r->alive)
		return -ENOMEM;
	r->ring = &m->ring;
	r->wake = wake;
	r->slot = shm_slot_at(m, index);
	r->lane = index;
	r->ear = &m->ring.ear[index];
	ear_reset(r->ear);
	pthread_mutex_init(&r->lock, NULL);
	seglog_init(&r->log);
	err = topics_init(&r->topics, m->epoch, r->ear);
	if (err)
		relay_fini(r);
	return err;
}

void
relay_fini(struct relay *r)
{
	if (!r->alive || !atomic_exchange(r->alive, 0))
		return;
	topic_walk_end(&r->topics, &r->walk);
	topics_fini(&r->topics);
	seg_unref(r->post.seg);
	r->post.seg = NULL;
	seglog_fini(&r->log);
	ear_reset(r->ear);
	/* The lock and <alive> stay: a thread may still try to publish. */
}

/* ---- publishing -------------------------------------------------------- */

int
relay_publish(struct relay *r, struct ring_msg *m, uint64_t *offset)
{
	struct ring_place where;
	int err;

	if (!atomic_load_explicit(r->alive, memory_order_acquire))
		return -ECHILD;
	m->hash = topic_hash(m->channel, r->topics.seed);
	pthread_mutex_lock(&r->lock);
	err = ring_publish(r->ring, r->lane, m, &where);
	if (!err) {
		count(&r->slot->published, 1);
		count(&r->slot->published_bytes, m->data.n);
		count(&r->slot->wakes, ear_wake(r->ring, &where, m->hash,
		    r->wake));
	}
	pthread_mutex_unlock(&r->lock);
	if (!err && offset)
		*offset = where.offset;
	return err;
}

/* ---- members ----------------------------------------------------------- */

int
relay_join(struct relay *r, struct member *m, struct str channel)
{
	uint64_t tail = ring_tail(r->ring);
	struct sub *sub;
	int n;

	if (channel.n < 1 || channel.n > RING_NAME_MAX)
		return -EINVAL;
	/* Nobody has listened so far: nothing was missed. */
	if (r->topics.n_subs == 0 && !r->walk.topic)
		r->cursor.at = tail;
	n = topic_join(&r->topics, m, channel,
	    topic_hash(channel, r->topics.seed), &sub);
	if (n == 1) {
		sub->since = tail;
		sub->lost = r->cursor.lost;
	}
	return MIN(n, 0);
}

bool
relay_leave(struct relay *r, struct member *m, struct str channel)
{
	struct topic *topic = topic_find(&r->topics, channel,
	    topic_hash(channel, r->topics.seed));
	struct sub *sub = topic ? topic_sub(&r->topics, m, topic) : NULL;

	if (!sub)
		return false;
	topic_leave(&r->topics, sub);
	return true;
}

void
relay_leave_all(struct relay *r, struct member *m)
{
	struct list *n;

	while ((n = list_first(&m->subs)))
		topic_leave(&r->topics, container_of(n, struct sub, mine));
}

void
relay_drop(struct relay *r)
{
	count(&r->slot->dropped, 1);
}

/* ---- delivering -------------------------------------------------------- */

/* The message of <it> becomes r->post, and its members are to be called. */
static void
take(struct relay *r, const struct ring_item *it)
{
	uint32_t n = it->head + it->size;
	unsigned char *to;
	struct str name;
	struct topic *topic;

	if (!topic_is_likely(&r->topics, it->hash))
		return;
	to = seglog_reserve(&r->log, n);
	if (!to) {
		/* Members hear of it as of a message that was overtaken. */
		r->cursor.lost++;
		return;
	}
	if (!ring_copy(r->ring, &r->cursor, it, r->name, to))
		return;
	name = (struct str){ r->name, it->name };
	topic = topic_find(&r->topics, name, it->hash);
	if (!topic)
		return;
	seglog_commit(&r->log, n);
	seg_ref(r->log.seg);
	r->post = (struct post){ .seg = r->log.seg, .channel = name,
		.wire = { (char *)to, n },
		.data = { (char *)to + it->head, it->size },
		.offset = it->offset, .origin = it->origin,
		.kind = (enum ring_kind)it->kind };
	topic_walk(&r->walk, topic);
}

/*
 * Looks for a message that a member wants, at <looks> records at most; false:
 * there is none (yet).
 */
static bool
find_post(struct relay *r, unsigned *looks)
{
	uint64_t lost = r->cursor.lost;
	struct ring_item it;

	for (; *looks > 0 && !r->walk.topic; --*looks) {
		enum ring_found f = ring_next(r->ring, &r->cursor, &it);

		if (f == RING_NONE)
			break;
		if (f == RING_ITEM)
			take(r, &it);
	}
	count(&r->slot->lost, r->cursor.lost - lost);
	return r->walk.topic != NULL;
}

/* Goes through members of r->post, at most *budget; how many it called. */
static unsigned
call_members(struct relay *r, unsigned *budget)
{
	unsigned calls = 0;

	for (; *budget > 0; --*budget) {
		struct sub *s;
		uint64_t lost;

		s = topic_walk_next(&r->topics, &r->walk);
		if (!s) {
			seg_unref(r->post.seg);
			r->post.seg = NULL;
			break;
		}
		/* It joined after this was published. */
		if ((int64_t)(r->post.offset - s->since) < 0)
			continue;
		lost = r->cursor.lost - s->lost;
		s->lost = r->cursor.lost;
		calls++;
		s->member->fn(s->member, &r->post, lost);
	}
	count(&r->slot->delivered, calls);
	return calls;
}

unsigned
relay_deliver(struct relay *r)
{
	unsigned calls = 0, budget = RELAY_BUDGET, looks = RELAY_LOOKS;

	while (budget > 0 && (r->walk.topic ||
	    (r->topics.n_subs > 0 && find_post(r, &looks))))
		calls += call_members(r, &budget);
	return calls;
}

bool
relay_is_ready(const struct relay *r)
{
	return r->walk.topic || (r->topics.n_subs > 0 &&
	    ring_is_ready(r->ring, &r->cursor));
}

/* ---- sleeping ---------------------------------------------------------- */

bool
relay_sleep(struct relay *r)
{
	if (r->walk.topic)
		return false;
	return r->topics.n_subs == 0 ||
	    ear_sleep(r->ear, r->ring, &r->cursor);
}

void
relay_rise(struct relay *r)
{
	ear_rise(r->ear);
}
