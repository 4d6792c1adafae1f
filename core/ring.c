/* See LICENSE for the terms. */
/*
 * The ring's algorithm: see ring.h.
 *
 * A record, in words of 8 bytes:
 *
 *	0  its position in the lane, in units, written last
 *	1  since: the index's first free position when it was begun
 *	2  the channel's hash
 *	3  lengths and kind
 *	4  origin
 *	5  the channel's name, padded at its end
 *	   the head, padded at its start, so that the data is aligned
 *	   the data, padded at its end
 *
 * A descriptor has only the low bits of a position, so a reader that is late
 * may come to a later record of the same lane.  That one was begun after the
 * reader's index position was filled: <since> tells.  A record half written
 * does not have its position yet.  And a lane that ran over a record while it
 * was copied has moved its end, which is written before anything else, more
 * than a lane beyond.
 *
 * Memory orders.  Payload words are relaxed, between fences: the writer's
 * release fence follows its store of lane->end, the reader's acquire fence
 * stands before it loads lane->end again; a reader that saw a word of the new
 * record sees the new end, too.  The swap releases the record to whoever
 * acquires the descriptor.  tests/model/loom executes all that and core/ear.c's
 * for every value that a load may see, and knows that none of it is too much.
 */
#include "core/ring.h"

#include <errno.h>
#include <string.h>

#include "core/util.h"

/* It does not know fences; what they order is atomic without exception. */
#ifdef __SANITIZE_THREAD__
#pragma GCC diagnostic ignored "-Wtsan"
#endif

enum { W_POS, W_SINCE, W_HASH, W_SHAPE, W_ORIGIN, W_BODY };
#define UNIT_WORDS (RING_UNIT / 8)
#define PAGE UINT64_C(4096)
#define POS_MASK ((UINT64_C(1) << RING_POS_BITS) - 1)
/* Steps along the index: only one that holds nonsense needs as many. */
#define STEPS_MAX (1u << 26)
#define SLOTS_MAX (UINT64_C(1) << 24)
_Static_assert(RING_POS_BITS + RING_LANE_BITS == 32, "the lap has the rest");

static uint64_t
load(_Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void
store(_Atomic uint64_t *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_relaxed);
}

static uint64_t
words_of(uint64_t bytes)
{
	return (bytes + 7) / 8;
}

static uint64_t
front_size(unsigned n, uint64_t slots)
{
	uint64_t size = sizeof(struct ring_hint) +
	    n * (sizeof(struct ear) + sizeof(struct ring_lane)) +
	    slots * sizeof(uint64_t);

	return (size + PAGE - 1) / PAGE * PAGE;
}

size_t
ring_size(unsigned n, uint64_t slots, uint64_t lane)
{
	return front_size(n, slots) + n * lane;
}

int
ring_init(struct ring *r, void *mem, size_t size, unsigned n, uint64_t slots,
    uint64_t lane)
{
	if (n < 1 || n > RING_LANES_MAX || slots < 4 || slots > SLOTS_MAX ||
	    (slots & (slots - 1)) != 0 || lane < RING_LANE_MIN ||
	    lane > RING_LANE_MAX || lane % RING_UNIT != 0 ||
	    size < ring_size(n, slots, lane))
		return -EINVAL;
	r->n = n;
	r->slots = slots;
	r->units = lane / RING_UNIT;
	r->hint = mem;
	r->ear = (struct ear *)(r->hint + 1);
	r->lane = (struct ring_lane *)(r->ear + n);
	r->index = (_Atomic uint64_t *)(r->lane + n);
	r->words = (_Atomic uint64_t *)(void *)
	    ((char *)mem + front_size(n, slots));
	return 0;
}

uint64_t
ring_data_max(const struct ring *r)
{
	return r->units * RING_UNIT / 4;
}

/* ---- the index --------------------------------------------------------- */

static _Atomic uint64_t *
slot_at(const struct ring *r, uint64_t at)
{
	return &r->index[at & (r->slots - 1)];
}

/* Of the first round it is 1, so zeroes are an empty index.  It wraps. */
static uint32_t
lap_of(const struct ring *r, uint64_t at)
{
	return (uint32_t)(at / r->slots) + 1;
}

/*
 * What stands in <at>'s slot: 0 its descriptor, negative an earlier one (so
 * <at> is free), positive one that many laps later.
 */
static int32_t
lead(const struct ring *r, uint64_t descriptor, uint64_t at)
{
	return (int32_t)((uint32_t)(descriptor >> 32) - lap_of(r, at));
}

/* Positions are filled in order: the next that may be free, behind <by>. */
static uint64_t
beyond(const struct ring *r, uint64_t at, int32_t by)
{
	return at + (uint64_t)by * r->slots + 1;
}

uint64_t
ring_tail(const struct ring *r)
{
	uint64_t at = load(&r->hint->tail);

	int32_t by = 0;

	for (unsigned i = 0; i < STEPS_MAX && by >= 0; i++) {
		by = lead(r, load(slot_at(r, at)), at);
		at = by < 0 ? at : beyond(r, at, by);
	}
	return at;
}

/* The publication of <what>, at <at> or later. */
static int
append(const struct ring *r, uint64_t at, uint32_t what, uint64_t *offset)
{
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		_Atomic uint64_t *slot = slot_at(r, at);
		uint64_t seen = load(slot);
		int32_t by = lead(r, seen, at);

		if (by >= 0) {
			at = beyond(r, at, by);
			continue;
		}
		/* Pairs with the acquire in ring_next(). */
		if (atomic_compare_exchange_strong_explicit(slot, &seen,
		    (uint64_t)lap_of(r, at) << 32 | what,
		    memory_order_release, memory_order_relaxed)) {
			store(&r->hint->tail, at + 1);
			*offset = at;
			return 0;
		}
	}
	return -EIO;
}

/* ---- publishing -------------------------------------------------------- */

static _Atomic uint64_t *
words_at(const struct ring *r, unsigned lane, uint64_t pos)
{
	return r->words + (lane * r->units + pos % r->units) * UNIT_WORDS;
}

/* <n> bytes, and zeroes to the word's end; where to go on. */
static _Atomic uint64_t *
put(_Atomic uint64_t *to, const void *from, size_t n)
{
	const char *p = from;
	uint64_t v;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&v, p, 8);
		store(to++, v);
	}
	if (n > 0) {
		v = 0;
		memcpy(&v, p, n);
		store(to++, v);
	}
	return to;
}

static uint64_t
units_of(uint64_t name, uint64_t head, uint64_t data)
{
	return (W_BODY + words_of(name) + words_of(head) + words_of(data) +
	    UNIT_WORDS - 1) / UNIT_WORDS;
}

/* In one piece: what does not fit before the lane's end begins it anew. */
static uint64_t
reserve(const struct ring *r, struct ring_lane *lane, uint64_t units,
    bool *quarter)
{
	uint64_t old = load(&lane->end), pos = old;

	if (pos % r->units + units > r->units)
		pos += r->units - pos % r->units;
	store(&lane->end, pos + units);
	/* Pairs with the fence in is_whole(). */
	atomic_thread_fence(memory_order_release);
	*quarter = old / (r->units / 4) != (pos + units) / (r->units / 4);
	return pos;
}

static void
write_record(_Atomic uint64_t *w, const struct ring_msg *m, uint64_t pos,
    uint64_t since)
{
	char head[RING_HEAD_MAX] = { 0 };
	size_t room = words_of(m->head.n) * 8;
	_Atomic uint64_t *to;

	store(&w[W_SINCE], since);
	store(&w[W_HASH], m->hash);
	store(&w[W_SHAPE], (uint64_t)m->data.n << 32 |
	    (uint64_t)m->channel.n << 16 | (uint64_t)m->head.n << 8 |
	    (uint64_t)m->kind);
	store(&w[W_ORIGIN], m->origin);
	to = put(&w[W_BODY], m->channel.p, m->channel.n);
	if (room > 0)
		memcpy(head + room - m->head.n, m->head.p, m->head.n);
	to = put(to, head, room);
	put(to, m->data.p, m->data.n);
	/* Last: pairs with the acquire in find(). */
	atomic_store_explicit(&w[W_POS], pos, memory_order_release);
}

int
ring_publish(const struct ring *r, unsigned lane, const struct ring_msg *m,
    struct ring_place *where)
{
	uint64_t since, pos;
	int err;

	if (m->data.n > ring_data_max(r))
		return -EMSGSIZE;
	if (lane >= r->n || m->channel.n < 1 || m->channel.n > RING_NAME_MAX ||
	    m->head.n > RING_HEAD_MAX)
		return -EINVAL;
	/* Behind all that this lane has published. */
	since = ring_tail(r);
	pos = reserve(r, &r->lane[lane], units_of(m->channel.n,
	    m->head.n, m->data.n), &where->quarter);
	write_record(words_at(r, lane, pos), m, pos, since);
	err = append(r, since, (uint32_t)(lane << RING_POS_BITS |
	    (pos & POS_MASK)), &where->offset);
	if (!err && where->offset % (r->slots / 4) == 0)
		where->quarter = true;
	return err;
}

/* ---- reading ----------------------------------------------------------- */

/* Nothing that was read of the record has been written over. */
static bool
is_whole(const struct ring *r, const struct ring_item *it)
{
	/* Pairs with the fence in reserve(). */
	atomic_thread_fence(memory_order_acquire);
	return load(&r->lane[it->lane].end) - it->pos <= r->units;
}

/* The record of index position <at>; false: it is not there any more. */
static bool
find(const struct ring *r, uint64_t what, uint64_t at, struct ring_item *it)
{
	uint64_t last, shape;
	_Atomic uint64_t *w;

	it->lane = (unsigned)(what >> RING_POS_BITS & (RING_LANES_MAX - 1));
	if (it->lane >= r->n)
		return false;
	last = load(&r->lane[it->lane].end) - 1;
	it->pos = last - ((last - what) & POS_MASK);
	w = words_at(r, it->lane, it->pos);
	/* Pairs with the release in write_record(). */
	if (atomic_load_explicit(&w[W_POS], memory_order_acquire) != it->pos ||
	    (int64_t)(at - load(&w[W_SINCE])) < 0)
		return false;
	it->offset = at;
	it->hash = load(&w[W_HASH]);
	it->origin = load(&w[W_ORIGIN]);
	shape = load(&w[W_SHAPE]);
	it->size = (uint32_t)(shape >> 32);
	it->name = (uint8_t)(shape >> 16);
	it->head = (uint8_t)(shape >> 8);
	it->kind = (uint8_t)shape;
	return is_whole(r, it) && it->name >= 1 &&
	    it->name <= RING_NAME_MAX && it->head <= RING_HEAD_MAX &&
	    it->size <= ring_data_max(r) &&
	    it->pos % r->units +
	    units_of(it->name, it->head, it->size) <= r->units;
}

/*
 * To the oldest position that is left.  Overtaken there again and again, one
 * leaves ever more room before those who publish, up to half the index.
 */
static void
skip_lap(const struct ring *r, struct ring_cursor *c)
{
	uint64_t to = ring_tail(r) - r->slots;

	if (c->laps > 0)
		to += r->slots >> (7 - MIN(c->laps, 6));
	if ((int64_t)(to - c->at) < 1)
		to = c->at + 1;
	c->laps++;
	c->lost += to - c->at;
	c->at = to;
}

bool
ring_is_ready(const struct ring *r, const struct ring_cursor *c)
{
	return lead(r, load(slot_at(r, c->at)), c->at) >= 0;
}

enum ring_found
ring_next(const struct ring *r, struct ring_cursor *c, struct ring_item *it)
{
	/* Pairs with the release in append(). */
	uint64_t d = atomic_load_explicit(slot_at(r, c->at),
	    memory_order_acquire);
	int32_t by = lead(r, d, c->at);

	if (by < 0)
		return RING_NONE;
	if (by > 0) {
		skip_lap(r, c);
		return RING_LOST;
	}
	if (find(r, d, c->at++, it)) {
		c->laps = 0;
		return RING_ITEM;
	}
	c->lost++;
	return RING_LOST;
}

/* <n> bytes, after <skip> of the first word; where to go on. */
static _Atomic uint64_t *
get(_Atomic uint64_t *from, unsigned skip, void *to, size_t n)
{
	char *p = to;

	while (n > 0) {
		uint64_t v = load(from++);
		size_t part = MIN(n, 8 - skip);

		memcpy(p, (char *)&v + skip, part);
		p += part;
		n -= part;
		skip = 0;
	}
	return from;
}

bool
ring_copy(const struct ring *r, struct ring_cursor *c,
    const struct ring_item *it, char name[RING_NAME_MAX], void *to)
{
	_Atomic uint64_t *w = words_at(r, it->lane, it->pos);
	bool whole;

	w = get(w + W_BODY, 0, name, it->name);
	/* The head is padded at its start, so the data follows it. */
	get(w, -it->head & 7u, to, (size_t)it->head + it->size);
	whole = is_whole(r, it);
	c->lost += !whole;
	return whole;
}
