/* See LICENSE for the terms. */
/*
 * The shared mapping: what the keeper and all shards of all generations see.
 *
 * A sealed memfd, mapped MAP_SHARED by the keeper before the first fork, so
 * every server process inherits it at the same place.  It holds no pointers.
 * Its header has a table of regions (offset and size): the slots, and the
 * broadcast ring (core/ring.h) with a lane and an ear a slot.  Whoever reads a
 * number from the mapping treats it as another process's word for it: lengths
 * and positions come from the private copies in struct shm, never from the
 * mapping.
 *
 * A slot is a shard of a generation: generation g has the slots of parity
 * g & 1, so two generations can live at once, and the keeper starts g only
 * when nothing of g - 2 is left.  Slot index = parity * shards + shard.
 *
 * States of a slot; the keeper is the only one who writes them:
 *
 *   EMPTY     never used
 *   STARTING  its process was forked          -> READY, DRAINING, DEAD
 *   READY     CTL_READY came: it serves       -> DRAINING, DEAD
 *   DRAINING  CTL_DRAIN or CTL_STOP was sent  -> DEAD
 *   DEAD      its process was reaped          -> STARTING
 *
 * Thread: any, of any process; each field says who writes it.
 */
#ifndef CORE_SHM_H
#define CORE_SHM_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ring.h"

#define SHM_MAGIC UINT64_C(0x006c616f68532180)
#define SHM_VERSION 3

/* Messages that the ring knows of at once, if their lanes hold as many. */
#define SHM_RING_SLOTS 65536

enum { SHM_PARITIES = 2, SHM_SHARDS_MAX = 1024 };

enum shm_region_id { SHM_SLOTS, SHM_RING, SHM_REGIONS_MAX = 16 };

/* Both a multiple of 4096 within the mapping, or both 0: not there. */
struct shm_region {
	uint64_t offset;
	uint64_t size;
};

/* The first page.  Written before the first fork, read-only from then on. */
struct shm_head {
	uint64_t magic;
	uint32_t version;		/* of the whole layout */
	uint32_t shards;
	uint64_t epoch;			/* of this keeper: in every offset */
	uint64_t size;			/* of the mapping */
	uint64_t ring_slots;
	uint64_t ring_lane;		/* bytes of each */
	struct shm_region region[SHM_REGIONS_MAX];
};

enum slot_state {
	SLOT_EMPTY, SLOT_STARTING, SLOT_READY, SLOT_DRAINING, SLOT_DEAD
};

/*
 * 128 bytes apart: a fetch takes two lines of 64.  The first part changes
 * seldom, the second at every run step, the third at every request.
 */
struct slot {
	/* Written by the keeper. */
	alignas(128) _Atomic uint32_t state;	/* enum slot_state */
	_Atomic uint32_t stuck;			/* 1: long in its run step */
	_Atomic int32_t adopter;		/* slot that polls for it, -1 */
	_Atomic uint32_t generation;
	_Atomic int32_t pid;			/* of its process, 0: none */

	/*
	 * Written by the shard: CLOCK_MONOTONIC ns, 0 outside a run step.
	 * While it starts: 0 while it waits.
	 */
	alignas(128) _Atomic uint64_t busy_since;
	_Atomic int32_t tid;			/* of its thread */

	/* Written by the shard; they go on counting over its restarts. */
	alignas(128) _Atomic uint64_t accepted;
	_Atomic uint64_t requests;
	_Atomic uint64_t open;			/* connections; keeper: 0 */
	_Atomic uint64_t drops;
	/* Of shard 0: when a shard of the generation last failed to start. */
	_Atomic uint64_t failed;
	/* Messages; the first three by whoever publishes for the shard. */
	_Atomic uint64_t published;
	_Atomic uint64_t published_bytes;
	_Atomic uint64_t wakes;			/* eventfds written for them */
	_Atomic uint64_t delivered;		/* once a subscriber */
	_Atomic uint64_t lost;			/* overtaken, all channels */
	_Atomic uint64_t dropped;		/* by subscribers too slow */
};

/* This process's view.  Private, frozen after shm_new(). */
struct shm {
	struct shm_head *head;
	struct slot *slots;
	size_t size;
	uint64_t epoch;
	unsigned shards;
	struct ring ring;		/* lane and ear: slot index */
	int fd;				/* CLOEXEC; for a later upgrade */
};

/*
 * <lane>: bytes of a lane of the ring, rounded up to pages.  Only what is used
 * of it takes memory.  0 or -errno; -EINVAL: <shards> is not in
 * 1..SHM_SHARDS_MAX, <lane> not in RING_LANE_MIN..RING_LANE_MAX.
 */
int shm_new(struct shm *m, unsigned shards, uint64_t lane);
void shm_free(struct shm *m);

/* The start of a region, and its size; NULL when the mapping has none. */
void *shm_region(const struct shm *m, enum shm_region_id id, size_t *size);

static inline unsigned
shm_n_slots(const struct shm *m)
{
	return m->shards * SHM_PARITIES;
}

static inline unsigned
shm_index(const struct shm *m, unsigned generation, unsigned shard)
{
	return (generation & 1) * m->shards + shard;
}

/* <shard> below m->shards; anything else is a bug and aborts. */
struct slot *shm_slot(const struct shm *m, unsigned generation, unsigned shard);
/* By index, as in slot->adopter; NULL when there is no such slot. */
struct slot *shm_slot_at(const struct shm *m, int64_t index);
/* The state as the enum; what is none of them is SLOT_DEAD. */
enum slot_state slot_state(const struct slot *s);

#endif
