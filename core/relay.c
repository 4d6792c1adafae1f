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

/* Its messages were delivered, or are not to be any more. */
static void
end_run(struct relay *r)
{
	if (r->n_posts > 0)
		seg_unref(r->post[0].seg);
	r->n_posts = 0;
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
	end_run(r);
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

	if (!relay_is_alive(r))
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
	if (!relay_is_alive(r))
		return -ECHILD;
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

	if (!sub || !relay_is_alive(r))
		return false;
	topic_leave(&r->topics, sub);
	return true;
}

void
relay_leave_all(struct relay *r, struct member *m)
{
	struct list *n;

	while (relay_is_alive(r) && (n = list_first(&m->subs)))
		topic_leave(&r->topics, container_of(n, struct sub, mine));
}

struct seg *
relay_keep(const struct relay *r, const struct post *p, struct str *data)
{
	struct seg *own;

	*data = p->data;
	if (relay_may_hold(r)) {
		seg_ref(p->seg);
		return p->seg;
	}
	own = seg_new((uint32_t)p->data.n, NULL);
	if (!own)
		return NULL;
	data->p = memcpy(own->data, p->data.p, p->data.n);
	return own;
}

void
relay_drop(struct relay *r)
{
	count(&r->slot->dropped, 1);
}

/* ---- delivering -------------------------------------------------------- */

/*
 * The message of <it>, copied to <to>, becomes one of the run.  The channel's
 * name is at <name>.
 */
static void
add_post(struct relay *r, const struct ring_item *it, unsigned char *to,
    const char *name)
{
	uint32_t n = it->head + it->size;

	seglog_commit(&r->log, n);
	r->post[r->n_posts++] = (struct post){ .seg = r->log.seg,
		.channel = { name, it->name }, .wire = { (char *)to, n },
		.data = { (char *)to + it->head, it->size },
		.offset = it->offset, .origin = it->origin,
		.kind = (enum ring_kind)it->kind };
}

/* The message of <it> begins a run, and its members are to be called. */
static void
take(struct relay *r, const struct ring_item *it)
{
	unsigned char *to;
	struct topic *topic;

	if (!topic_is_likely(&r->topics, it->hash))
		return;
	to = seglog_reserve(&r->log, it->head + it->size);
	if (!to) {
		/* Members hear of it as of a message that was overtaken. */
		r->cursor.lost++;
		return;
	}
	if (!ring_copy(r->ring, &r->cursor, it, r->name, to))
		return;
	topic = topic_find(&r->topics, (struct str){ r->name, it->name },
	    it->hash);
	if (!topic)
		return;
	add_post(r, it, to, r->name);
	seg_ref(r->log.seg);
	r->lost = r->cursor.lost;
	topic_walk(&r->walk, topic);
}

/*
 * The message of <it> joins the run; false: it does not, being for another
 * channel of ours, or not side by side with the others, or lost.
 */
static bool
join_run(struct relay *r, const struct ring_item *it)
{
	const struct post *first = &r->post[0];
	uint32_t n = it->head + it->size;
	unsigned char *to = r->log.seg->data + r->log.used;
	char name[RING_NAME_MAX];

	if (it->hash != r->walk.topic->hash ||
	    n > r->log.seg->size - r->log.used ||
	    !ring_copy(r->ring, &r->cursor, it, name, to) ||
	    !str_eq((struct str){ name, it->name }, first->channel))
		return false;
	add_post(r, it, to, r->name);
	return true;
}

/* What follows in the ring, as long as it joins the run. */
static void
extend_run(struct relay *r, unsigned *looks)
{
	struct ring_cursor before = r->cursor;
	struct ring_item it;

	for (; *looks > 0 && r->n_posts < RELAY_RUN; --*looks) {
		if (ring_next(r->ring, &r->cursor, &it) != RING_ITEM)
			break;
		if (topic_is_likely(&r->topics, it.hash) && !join_run(r, &it))
			break;
		before = r->cursor;
	}
	/* It will be found again; but what is lost, is. */
	if (r->cursor.lost == before.lost)
		r->cursor = before;
}

/*
 * Looks for a message that a member wants, at <looks> records at most; false:
 * there is none (yet).
 */
static bool
find_run(struct relay *r, unsigned *looks)
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
	if (r->walk.topic)
		extend_run(r, looks);
	count(&r->slot->lost, r->cursor.lost - lost);
	return r->walk.topic != NULL;
}

/* The first of the run that is for <s>: it joined after the ones before. */
static unsigned
first_for(const struct relay *r, const struct sub *s)
{
	unsigned i = 0;

	while (i < r->n_posts &&
	    (int64_t)(r->post[i].offset - s->since) < 0)
		i++;
	return i;
}

/* Goes through members of the run's channel; what it cost, of *budget. */
static unsigned
call_members(struct relay *r, unsigned *budget)
{
	unsigned calls = 0, delivered = 0;
	struct sub *s = NULL;

	while (calls < *budget && (s = topic_walk_next(&r->topics, &r->walk))) {
		unsigned i = first_for(r, s), n = r->n_posts - i;
		uint64_t lost = r->lost - s->lost;

		if (n == 0)
			continue;
		s->lost = r->lost;
		delivered += n;
		calls += s->member->fn(s->member, &r->post[i], n, lost);
	}
	if (!s)
		end_run(r);
	count(&r->slot->delivered, delivered);
	*budget -= MIN(*budget, calls);
	return calls;
}

unsigned
relay_deliver(struct relay *r)
{
	unsigned calls = 0, budget = RELAY_BUDGET, looks = RELAY_LOOKS;

	/* A copy's members may have gone without leaving. */
	if (!relay_is_alive(r))
		return 0;
	while (budget > 0 && (r->walk.topic ||
	    (r->topics.n_subs > 0 && find_run(r, &looks))))
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
