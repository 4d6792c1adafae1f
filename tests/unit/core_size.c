/* See LICENSE for the terms. */
/*
 * What one of each costs, in bytes: a struct that there are many of does not
 * grow unnoticed.  A budget is raised on purpose, with a reason.
 */
#include "core/inbox.h"
#include "core/shard.h"
#include "core/shm.h"
#include "proto/h1_priv.h"
#include "proto/req.h"
#include "proto/wsock.h"
#include "tests/unit/t.h"

#define BUDGET(type, bytes) \
	_Static_assert(sizeof(type) <= (bytes), #type " is over its budget")

/* A connection, also an idle one: these two and no chunk. */
BUDGET(struct conn, 320);
BUDGET(struct h1, 288);

/* One that is a WebSocket: instead of struct h1, and no chunk either. */
BUDGET(struct wsock, 512);

/* A request: a slot of the pool, and the arena's first block. */
BUDGET(struct req, 896);
BUDGET(struct res, 72);
BUDGET(struct field, 16);

/* Parts of these. */
BUDGET(struct io, 16);
BUDGET(struct peer, 28);
BUDGET(struct timer, 40);
BUDGET(struct bytes, 24);
BUDGET(struct arena, 48);
BUDGET(struct work, 24);
BUDGET(struct letter, 16);

/* A shard, most of it the read buffer and the log's. */
BUDGET(struct shard, 96 << 10);
BUDGET(struct wheel, 8300);

/* Known to the kernel's or the processor's pages and lines. */
_Static_assert(sizeof(struct chunk) == CHUNK_SIZE, "a chunk is two pages");
_Static_assert(sizeof(struct slot) == 3 * 128, "a slot is three line pairs");

static void
an_idle_connection_costs_less_than_six_hundred_bytes(void)
{
	OK(sizeof(struct conn) + sizeof(struct h1) < 600);
}

static void
tests(void)
{
	T(an_idle_connection_costs_less_than_six_hundred_bytes);
}

T_MAIN(tests)
