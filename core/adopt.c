/* See LICENSE for the terms. */
/*
 * The adoption decision: see adopt.h.
 */
#include "core/adopt.h"

static bool
serves(const struct adopt_slot *slots, unsigned shards, int64_t at)
{
	return at >= 0 && at < (int64_t)shards * SHM_PARITIES &&
	    slots[at].state == SLOT_READY && !slots[at].stuck;
}

/* The first shard after <shard> that serves in this parity, or -1. */
static int32_t
next(const struct adopt_slot *slots, unsigned shards, unsigned parity,
    unsigned shard)
{
	for (unsigned i = 1; i < shards; i++) {
		unsigned at = parity * shards + (shard + i) % shards;

		if (serves(slots, shards, at))
			return (int32_t)at;
	}
	return -1;
}

static int32_t
choose(const struct adopt_slot *slots, unsigned shards, unsigned parity,
    unsigned shard)
{
	int32_t mine = slots[parity * shards + shard].adopter;
	int32_t other = slots[!parity * shards + shard].adopter;
	int32_t found;

	/* Changing without need would have a connection wait for nothing. */
	if (serves(slots, shards, mine))
		return mine;
	if (serves(slots, shards, other))
		return other;
	found = next(slots, shards, parity, shard);
	return found != -1 ? found : next(slots, shards, !parity, shard);
}

void
adopt_plan(const struct adopt_slot *slots, unsigned shards, unsigned parity,
    int32_t *adopter)
{
	for (unsigned i = 0; i < shards; i++) {
		unsigned mine = parity * shards + i;
		unsigned other = !parity * shards + i;

		adopter[mine] = -1;
		adopter[other] = -1;
		if (!serves(slots, shards, mine) &&
		    !serves(slots, shards, other))
			adopter[mine] = choose(slots, shards, parity, i);
	}
}
