/* See LICENSE for the terms. */
/*
 * How a reader of the ring sleeps and is woken.
 *
 * Each reader has an ear in the mapping: whether it sleeps, and which channels
 * it wants to be woken for, as bits of their hashes.  A publisher swaps its
 * descriptor in, then looks at the ears; a reader says that it sleeps, then
 * looks at the index: Dekker's pair, so one of the two sees the other.  Of
 * several publishers who find it asleep one writes to its eventfd.
 *
 * Thread: an ear belongs to one reader; ear_wake() any, of any process.
 */
#ifndef CORE_EAR_H
#define CORE_EAR_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EAR_BITS 4096u

struct ring;
struct ring_cursor;
struct ring_place;

/* In the mapping. */
struct ear {
	alignas(128) _Atomic uint32_t sleeping;
	_Atomic uint32_t wants_any;
	/* Of channels' hashes; may have more than is wanted, never less. */
	alignas(128) _Atomic uint64_t wants[EAR_BITS / 64];
};

/* Awake and wanting nothing: before a shard's first turn. */
void ear_reset(struct ear *e);

static inline unsigned
ear_bit(uint64_t hash)
{
	return hash % EAR_BITS;
}

/* What hashes like this is wanted from now on, or not any more. */
void ear_want(struct ear *e, unsigned bit, bool wanted);

/*
 * About to sleep.  False: there is something to read; do not.  In either case
 * ear_rise() afterwards.
 */
bool ear_sleep(struct ear *e, const struct ring *r,
    const struct ring_cursor *c);
void ear_rise(struct ear *e);

/*
 * Behind every ring_publish(): writes to the eventfds of those who sleep and
 * want <hash>, and when a quarter of the ring is full also of those who want
 * anything, before it comes round.  <fd> has one an ear.  How many.
 */
unsigned ear_wake(const struct ring *r, const struct ring_place *where,
    uint64_t hash, const int *fd);

#endif
