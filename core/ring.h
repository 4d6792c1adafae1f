/* See LICENSE for the terms. */
/*
 * The broadcast ring: every shard of every generation publishes into it and
 * reads all of it.  It lies in the keeper's shared mapping.
 *
 * Each publisher has a lane, a byte ring that only it writes.  All share the
 * index, a ring of 8-byte descriptors (lap, lane, low bits of the position).
 * To publish: copy the record into the lane, then put its descriptor into the
 * first free slot of the index by one compare-and-swap.  The swap is the
 * publication.  Killed before it, nothing happened; after it, the message is
 * whole.  Nothing is reserved that another would have to wait for.
 *
 * What it promises:
 *
 * 1. One total order of all messages: an index position is a message's offset.
 * 2. A message is read whole or not at all, and never twice.
 * 3. Publishing never waits for readers or other publishers, alive or dead.
 * 4. A reader that falls behind goes on at the oldest message that is still
 *    there, and knows how many it missed.
 * 5. Only a reader that sleeps and wants the channel is woken, once.  One that
 *    sleeps through what it does not want is woken every quarter of the ring,
 *    so that it never misses what it wants for having slept (core/ear.h).
 * 6. The bytes for the wire are made once, by the publisher; a reader knows
 *    the channel's hash before it copies.
 * 7. A record carries channel, kind, origin and length.  The largest message
 *    is a quarter of a lane.
 *
 * A publisher that was killed between its swap and its wake-ups has woken
 * nobody: whoever reaps a server process wakes all shards.
 *
 * Whoever reads the mapping takes its numbers for another process's word:
 * sizes are the private ones in struct ring, positions are checked before
 * they are used, and a walk along the index has an end.
 *
 * tests/model has the algorithm as a model that is checked for every
 * interleaving and every place where a publisher may be killed.
 *
 * Thread: ring_publish() one at a time a lane; a cursor and an ear one reader.
 */
#ifndef CORE_RING_H
#define CORE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ear.h"
#include "core/str.h"

/* The bits that a descriptor has for the lane, and for the position. */
#define RING_LANE_BITS 11
#define RING_POS_BITS (32 - RING_LANE_BITS)
#define RING_LANES_MAX (1u << RING_LANE_BITS)
/* Records begin at multiples of this, in their lane. */
#define RING_UNIT 64u
#define RING_LANE_MIN (UINT64_C(64) << 10)
#define RING_LANE_MAX ((uint64_t)RING_UNIT << RING_POS_BITS)
#define RING_NAME_MAX 200u
#define RING_HEAD_MAX 16u

enum ring_kind { RING_TEXT = 1, RING_BYTES };

/* ---- in the mapping: all zero is an empty ring ------------------------- */

struct ring_hint {
	alignas(128) _Atomic uint64_t tail;	/* not behind it: walk on */
};

struct ring_lane {
	alignas(128) _Atomic uint64_t end;	/* reserved so far, in units */
};

/* ---- private ----------------------------------------------------------- */

/* This process's view, frozen. */
struct ring {
	struct ring_hint *hint;
	struct ear *ear;			/* one a lane: of its shard */
	struct ring_lane *lane;
	_Atomic uint64_t *index;
	_Atomic uint64_t *words;	/* of all lanes */
	uint64_t slots;			/* of the index: a power of two */
	uint64_t units;			/* of a lane */
	unsigned n;			/* lanes */
};

/* What is published.  Nothing of it is kept. */
struct ring_msg {
	struct str channel;		/* 1..RING_NAME_MAX bytes */
	uint64_t hash;			/* topic_hash(channel) */
	struct str head;		/* before the data on the wire; may */
					/* be empty; to RING_HEAD_MAX bytes */
	struct str data;
	uint64_t origin;		/* who it comes from, for bridges */
	enum ring_kind kind;
};

/* A message that was found, and not yet copied. */
struct ring_item {
	uint64_t offset;		/* its index position */
	uint64_t hash;
	uint64_t origin;
	uint64_t pos;			/* in its lane, in units */
	unsigned lane;
	uint32_t size;			/* of the data */
	uint8_t name;			/* length of the channel's name */
	uint8_t head;			/* length of the head */
	uint8_t kind;			/* enum ring_kind */
};

/* A reader's place; all zero but <at>. */
struct ring_cursor {
	uint64_t at;			/* the next index position */
	uint64_t lost;			/* missed so far, of all channels */
	unsigned laps;			/* overtaken, since the last item */
};

/* Where a message went. */
struct ring_place {
	uint64_t offset;
	bool quarter;			/* a quarter of lane or index is full */
};

enum ring_found { RING_NONE, RING_ITEM, RING_LOST };

/* Bytes of a mapping for <n> lanes of <lane> bytes, and <slots>. */
size_t ring_size(unsigned n, uint64_t slots, uint64_t lane);
/*
 * A view of <mem>, at a page's start.  0; -EINVAL: <n>, <slots> or <lane> is
 * out of bounds (the lane a multiple of RING_UNIT), or <size> too small.
 */
int ring_init(struct ring *r, void *mem, size_t size, unsigned n,
    uint64_t slots, uint64_t lane);

/* Bytes of the largest data. */
uint64_t ring_data_max(const struct ring *r);

/*
 * 0; -EMSGSIZE: the data is larger than ring_data_max(); -EINVAL: another
 * length is out of bounds; -EIO: the mapping was overwritten by somebody.
 */
int ring_publish(const struct ring *r, unsigned lane, const struct ring_msg *m,
    struct ring_place *where);
/* The first free position: what is published from now on is there or later. */
uint64_t ring_tail(const struct ring *r);
bool ring_is_ready(const struct ring *r, const struct ring_cursor *c);
/* RING_LOST: c->lost has grown; ask again. */
enum ring_found ring_next(const struct ring *r, struct ring_cursor *c,
    struct ring_item *it);

/*
 * The channel's name into <name>; the head and the data, one behind the other,
 * into <to>, and not a byte more.  False: it was overtaken meanwhile and is
 * lost, and c->lost has grown.
 */
bool ring_copy(const struct ring *r, struct ring_cursor *c,
    const struct ring_item *it, char name[RING_NAME_MAX], void *to);

#endif
