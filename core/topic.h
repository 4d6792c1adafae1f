/* See LICENSE for the terms. */
/*
 * Which of a shard's members hear which channels.
 *
 * A member is whoever wants messages: a WebSocket, an event stream, an
 * iterator of the application's.  It embeds a struct member and is in as many
 * topics as it joins.  A topic is a channel with at least one member; it comes
 * with the first and goes with the last.
 *
 * Two hash tables, topics by name and memberships by (member, topic), so that
 * joining and leaving take the same few steps with a hundred thousand of each;
 * a delivery touches the topic's members and no others.
 *
 * While topic_walk() goes through a topic any member may join and leave, also
 * the one that is called, and also this topic.
 *
 * Thread: the shard's token holder.  Memory: 80 bytes a membership, 64 and
 * the name a topic, both sized by clients: they may be refused.
 */
#ifndef CORE_TOPIC_H
#define CORE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list.h"
#include "core/str.h"

struct ear;
struct member;
struct sub;
struct post;				/* core/relay.h */

/*
 * <n> messages for a member, in their order, side by side in one segment; <p>
 * is valid during the call.  <lost>: how many messages were lost just before
 * the first, of all channels.  Returns what it cost: 1 where their number does
 * not count, else <n>.  In the deliver step, so without Python's lock: what
 * needs it is queued as work.
 */
typedef unsigned (*member_fn)(struct member *m, const struct post *p,
    unsigned n, uint64_t lost);

struct member {
	member_fn fn;
	struct list subs;		/* of struct sub.mine */
};

struct topic {
	struct topic *next;		/* of the same place in the table */
	struct list subs;		/* of struct sub.node */
	uint64_t hash;
	uint32_t n;			/* members */
	bool walked;			/* topic_walk() is in it */
	uint8_t len;			/* of the name */
	char name[];
};

struct sub {
	struct list node;		/* in its topic */
	struct list mine;		/* in its member */
	struct sub *next;		/* of the same place in the table */
	struct topic *topic;
	struct member *member;
	uint64_t since;			/* what is published later is for it */
	uint64_t lost;			/* of what the member was told of */
};

struct topics {
	struct topic **topic;		/* table; NULL as long as it is empty */
	struct sub **sub;
	size_t topic_room;		/* powers of two */
	size_t sub_room;
	size_t n_topics;
	size_t n_subs;
	uint64_t seed;			/* of topic_hash() */
	struct ear *ear;		/* told what is wanted; or NULL */
	uint32_t *bits;			/* topics of each bit of it */
	uint64_t steps;			/* entries looked at, ever */
};

static inline void
member_init(struct member *m, member_fn fn)
{
	m->fn = fn;
	list_init(&m->subs);
}

/*
 * Of a channel's name; <seed>, so that nobody can choose names that meet in
 * one place.  All shards of a keeper use its epoch.
 */
uint64_t topic_hash(struct str name, uint64_t seed);

/* 0 or -ENOMEM. */
int topics_init(struct topics *t, uint64_t seed, struct ear *ear);
/* Members must have left. */
void topics_fini(struct topics *t);

/* NULL: nobody here hears it.  <name> of 1..255 bytes. */
struct topic *topic_find(struct topics *t, struct str name, uint64_t hash);
/* Some topic has this hash: worth a look at the name. */
bool topic_is_likely(struct topics *t, uint64_t hash);

/* The membership in <sub>: 1 if it is new, 0 if it was there; or -ENOMEM. */
int topic_join(struct topics *t, struct member *m, struct str name,
    uint64_t hash, struct sub **sub);
/* The membership, or NULL. */
struct sub *topic_sub(struct topics *t, const struct member *m,
    const struct topic *topic);
/* True: the topic went with it. */
bool topic_leave(struct topics *t, struct sub *sub);

/*
 * A walk through a topic's members, in the order of joining, in as many steps
 * as one likes: topic_walk_next() until NULL.  Whoever joins meanwhile is met,
 * too; whoever leaves is not.  One walk a topic at a time.
 */
struct walk {
	struct topic *topic;		/* NULL: none under way */
	struct list mark;		/* behind the last one */
};

void topic_walk(struct walk *w, struct topic *topic);
/* NULL: that was the last; the topic goes if it is empty now. */
struct sub *topic_walk_next(struct topics *t, struct walk *w);
/* Before the end, or when there is none. */
void topic_walk_end(struct topics *t, struct walk *w);

#endif
