/* See LICENSE for the terms. */
/*
 * How many connections each client has: a table of the addresses that have
 * any, for --max-connections-per-peer.  Without that option nobody is counted.
 *
 * An IPv6 client is its network of 64 bits, which is what one gets; Unix
 * sockets have no address and are never counted.
 *
 * Thread: the shard's token holder.  Owner: struct shard.  Memory: 24 bytes an
 * address, at most three times as many as there are of them.
 */
#ifndef CORE_PEERS_H
#define CORE_PEERS_H

#include <stdint.h>

#include "core/sock.h"

struct peer_count;

struct peers {
	struct peer_count *v;		/* open addressing; cap is 2^k, or 0 */
	unsigned cap, n;
	uint64_t seed;			/* so that nobody can choose slots */
};

void peers_init(struct peers *t);
void peers_fini(struct peers *t);

/* Connections of that address. */
unsigned peers_count(const struct peers *t, const struct peer *p);
/* One more; 0 or -ENOMEM. */
int peers_enter(struct peers *t, const struct peer *p);
/* One that entered is gone. */
void peers_leave(struct peers *t, const struct peer *p);

#endif
