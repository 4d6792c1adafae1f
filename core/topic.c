/* See LICENSE for the terms. */
/*
 * Two chained hash tables that double when they are full: see topic.h.
 */
#include "core/topic.h"

#include <errno.h>
#include <string.h>

#include "core/bug.h"
#include "core/ear.h"
#include "core/mem.h"
#include "core/util.h"

#define FIRST_ROOM 16

/* ---- hashes ------------------------------------------------------------ */

/* All bits of both in every bit: the two halves of the product. */
static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

uint64_t
topic_hash(struct str name, uint64_t seed)
{
	uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15), w;
	const char *p = name.p;
	size_t n = name.n;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = mix(h ^ w, seed ^ UINT64_C(0xd6e8feb86659fd93));
	}
	w = 0;
	if (n > 0)
		memcpy(&w, p, n);
	h = mix(h ^ w, seed ^ UINT64_C(0xa0761d6478bd642f));
	return mix(h ^ name.n, UINT64_C(0xe7037ed1a0b428db));
}

static uint64_t
sub_hash(const struct member *m, const struct topic *topic)
{
	return mix((uintptr_t)m, topic->hash | 1);
}

/* ---- tables ------------------------------------------------------------ */

static struct topic **
topic_place(const struct topics *t, uint64_t hash)
{
	return &t->topic[hash & (t->topic_room - 1)];
}

static struct sub **
sub_place(const struct topics *t, const struct member *m,
    const struct topic *topic)
{
	return &t->sub[sub_hash(m, topic) & (t->sub_room - 1)];
}

/* Room for one more topic.  A larger table that fails is not missed. */
static int
make_topic_room(struct topics *t)
{
	size_t room = t->topic_room, more = MAX(2 * room, FIRST_ROOM);
	struct topic **old = t->topic, **table, *p, *next;

	if (t->n_topics < room)
		return 0;
	table = mem_try_zero(more * sizeof(*table));
	if (!table)
		return old ? 0 : -ENOMEM;
	t->topic = table;
	t->topic_room = more;
	for (size_t i = 0; i < room; i++)
		for (p = old[i]; p; p = next) {
			struct topic **to = topic_place(t, p->hash);

			next = p->next;
			p->next = *to;
			*to = p;
			t->steps++;
		}
	mem_free(old);
	return 0;
}

static int
make_sub_room(struct topics *t)
{
	size_t room = t->sub_room, more = MAX(2 * room, FIRST_ROOM);
	struct sub **old = t->sub, **table, *p, *next;

	if (t->n_subs < room)
		return 0;
	table = mem_try_zero(more * sizeof(*table));
	if (!table)
		return old ? 0 : -ENOMEM;
	t->sub = table;
	t->sub_room = more;
	for (size_t i = 0; i < room; i++)
		for (p = old[i]; p; p = next) {
			struct sub **to = sub_place(t, p->member, p->topic);

			next = p->next;
			p->next = *to;
			*to = p;
			t->steps++;
		}
	mem_free(old);
	return 0;
}

int
topics_init(struct topics *t, uint64_t seed, struct ear *ear)
{
	memset(t, 0, sizeof(*t));
	t->seed = seed;
	t->ear = ear;
	t->bits = mem_try_zero(EAR_BITS * sizeof(*t->bits));
	return t->bits ? 0 : -ENOMEM;
}

void
topics_fini(struct topics *t)
{
	BUG_ON(t->n_subs > 0 || t->n_topics > 0);
	mem_free(t->topic);
	mem_free(t->sub);
	mem_free(t->bits);
	t->topic = NULL;
	t->sub = NULL;
	t->bits = NULL;
	t->topic_room = 0;
	t->sub_room = 0;
}

/* ---- topics ------------------------------------------------------------ */

struct topic *
topic_find(struct topics *t, struct str name, uint64_t hash)
{
	struct topic *p = t->topic ? *topic_place(t, hash) : NULL;

	for (; p; p = p->next) {
		t->steps++;
		if (p->hash == hash &&
		    str_eq((struct str){ p->name, p->len }, name))
			return p;
	}
	return NULL;
}

bool
topic_is_likely(struct topics *t, uint64_t hash)
{
	struct topic *p = t->topic ? *topic_place(t, hash) : NULL;

	for (; p; p = p->next) {
		t->steps++;
		if (p->hash == hash)
			return true;
	}
	return false;
}

/* One topic more, or less, of those with <hash>. */
static void
count(struct topics *t, uint64_t hash, bool more)
{
	unsigned bit = ear_bit(hash);
	uint32_t before = t->bits[bit];

	t->bits[bit] += more ? 1u : -1u;
	t->n_topics += more ? 1u : -(size_t)1;
	if (t->ear && (before == 0 || t->bits[bit] == 0))
		ear_want(t->ear, bit, more);
}

static struct topic *
add_topic(struct topics *t, struct str name, uint64_t hash)
{
	struct topic *p, **place;

	if (make_topic_room(t) != 0)
		return NULL;
	p = mem_try_zero(sizeof(*p) + name.n);
	if (!p)
		return NULL;
	list_init(&p->subs);
	p->hash = hash;
	p->len = (uint8_t)name.n;
	memcpy(p->name, name.p, name.n);
	place = topic_place(t, hash);
	p->next = *place;
	*place = p;
	count(t, hash, true);
	return p;
}

/* True: it was empty, and is freed. */
static bool
drop_if_empty(struct topics *t, struct topic *topic)
{
	struct topic **p;

	if (topic->n > 0 || topic->walked)
		return false;
	for (p = topic_place(t, topic->hash); *p != topic; p = &(*p)->next)
		t->steps++;
	*p = topic->next;
	count(t, topic->hash, false);
	mem_free(topic);
	return true;
}

/* ---- memberships ------------------------------------------------------- */

struct sub *
topic_sub(struct topics *t, const struct member *m, const struct topic *topic)
{
	struct sub *p = t->sub ? *sub_place(t, m, topic) : NULL;

	for (; p; p = p->next) {
		t->steps++;
		if (p->member == m && p->topic == topic)
			return p;
	}
	return NULL;
}

static struct sub *
add_sub(struct topics *t, struct member *m, struct topic *topic)
{
	struct sub *p, **place;

	if (make_sub_room(t) != 0)
		return NULL;
	p = mem_try_zero(sizeof(*p));
	if (!p)
		return NULL;
	p->member = m;
	p->topic = topic;
	list_init(&p->node);
	list_init(&p->mine);
	list_add_tail(&topic->subs, &p->node);
	list_add_tail(&m->subs, &p->mine);
	place = sub_place(t, m, topic);
	p->next = *place;
	*place = p;
	topic->n++;
	t->n_subs++;
	return p;
}

int
topic_join(struct topics *t, struct member *m, struct str name, uint64_t hash,
    struct sub **sub)
{
	struct topic *topic = topic_find(t, name, hash);

	BUG_ON(name.n < 1 || name.n > UINT8_MAX);
	*sub = topic ? topic_sub(t, m, topic) : NULL;
	if (*sub)
		return 0;
	if (!topic)
		topic = add_topic(t, name, hash);
	if (!topic)
		return -ENOMEM;
	*sub = add_sub(t, m, topic);
	if (*sub)
		return 1;
	drop_if_empty(t, topic);
	return -ENOMEM;
}

bool
topic_leave(struct topics *t, struct sub *sub)
{
	struct topic *topic = sub->topic;
	struct sub **p;

	for (p = sub_place(t, sub->member, topic); *p != sub; p = &(*p)->next)
		t->steps++;
	*p = sub->next;
	list_del(&sub->node);
	list_del(&sub->mine);
	mem_free(sub);
	t->n_subs--;
	topic->n--;
	return drop_if_empty(t, topic);
}

/* ---- walks ------------------------------------------------------------- */

void
topic_walk(struct walk *w, struct topic *topic)
{
	BUG_ON(topic->walked);
	w->topic = topic;
	topic->walked = true;
	list_init(&w->mark);
	list_add_head(&topic->subs, &w->mark);
}

struct sub *
topic_walk_next(struct topics *t, struct walk *w)
{
	struct topic *topic = w->topic;
	struct list *n = w->mark.next;

	list_del(&w->mark);
	if (n != &topic->subs) {
		/* In the list, wherever its neighbours go. */
		list_insert(&w->mark, n, n->next);
		t->steps++;
		return container_of(n, struct sub, node);
	}
	topic_walk_end(t, w);
	return NULL;
}

void
topic_walk_end(struct topics *t, struct walk *w)
{
	struct topic *topic = w->topic;

	if (!topic)
		return;
	list_del(&w->mark);
	topic->walked = false;
	w->topic = NULL;
	drop_if_empty(t, topic);
}
