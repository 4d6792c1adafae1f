/* See LICENSE for the terms. */
/*
 * A ring without a keeper, and messages that are their own proof, for the
 * tests of core/ring and for tests/soak.
 */
#ifndef TESTS_UNIT_RING_KIT_H
#define TESTS_UNIT_RING_KIT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/ring.h"

/* Shared with what is forked later. */
static inline void *
kit_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static inline void
kit_ring(struct ring *r, unsigned lanes, uint64_t slots, uint64_t lane)
{
	size_t size = ring_size(lanes, slots, lane);

	if (ring_init(r, kit_shared(size), size, lanes, slots, lane) != 0)
		abort();
}

static inline void
kit_ring_free(struct ring *r)
{
	munmap(r->hint, ring_size(r->n, r->slots, r->units * RING_UNIT));
}

static inline uint64_t
kit_mix(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x7fb5d329728ea185);
	x = (x ^ x >> 27) * UINT64_C(0x81dadef4bc2dd44d);
	return x ^ x >> 33;
}

/* Bytes that follow from <seed>: <n> of them. */
static inline void
kit_fill(unsigned char *to, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(kit_mix(seed + i / 8) >> i % 8 * 8);
}

static inline bool
kit_is_filled(const unsigned char *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] !=
		    (unsigned char)(kit_mix(seed + i / 8) >> i % 8 * 8))
			return false;
	return true;
}

/* What message <number> of <lane> says. */
static inline uint64_t
kit_seed(unsigned lane, uint64_t number)
{
	return kit_mix((uint64_t)lane << 48 ^ number);
}

/* A message of <n> bytes in <room>, numbered in <origin>; hash: the lane. */
static inline struct ring_msg
kit_msg(unsigned lane, uint64_t number, size_t n, unsigned char *room)
{
	kit_fill(room, n, kit_seed(lane, number));
	return (struct ring_msg){ .channel = STR("kit"), .hash = lane,
		.head = STR("hd"), .origin = number, .kind = RING_BYTES,
		.data = { (const char *)room, n } };
}

static inline int
kit_publish(const struct ring *r, unsigned lane, uint64_t number, size_t n,
    unsigned char *room, struct ring_place *where)
{
	struct ring_msg m = kit_msg(lane, number, n, room);

	return ring_publish(r, lane, &m, where);
}

/* It is the message it says it is, to the last byte. */
static inline bool
kit_is_whole(const struct ring_item *it, const unsigned char *copy)
{
	return it->name == 3 && it->head == 2 && it->kind == RING_BYTES &&
	    it->hash == it->lane && memcmp(copy, "hd", 2) == 0 &&
	    kit_is_filled(copy + 2, it->size,
	    kit_seed(it->lane, it->origin));
}

#endif
