/* See LICENSE for the terms. */
/*
 * Who polls the listeners of a shard that cannot: the decision alone.
 *
 * Thread: any; a pure function.  core/watch.h applies it.
 */
#ifndef CORE_ADOPT_H
#define CORE_ADOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/shm.h"

/* What the decision looks at, of one slot. */
struct adopt_slot {
	enum slot_state state;
	bool stuck;
	int32_t adopter;		/* now; anything, it is checked */
};

/*
 * Decides for all slots (two parities of <shards>), <parity> being that of
 * the generation which serves.
 *
 * A shard needs nobody while one of its two slots serves, which is to be
 * READY and not stuck.  Otherwise its adopter is the next shard that serves,
 * counted from it and around, in the current generation or else the other;
 * an adopter that still serves is kept.  Of the two slots of a shard only
 * the current one gets an adopter.  -1: none needed, or nobody is left.
 */
void adopt_plan(const struct adopt_slot *slots, unsigned shards,
    unsigned parity, int32_t *adopter);

#endif
