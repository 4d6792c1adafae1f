/* See LICENSE for the terms. */
/*
 * A hash table with linear probing.  Nothing is marked as deleted: those
 * behind a freed slot move up, so a look-up ends at the first free one.
 */
#include "core/peers.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/bug.h"
#include "core/mem.h"

#define FIRST_CAP 64

struct peer_count {
	uint64_t high, low;		/* of the address */
	unsigned n;			/* 0: free */
};

/* false: it has none. */
static bool
key_of(const struct peer *p, struct peer_count *key)
{
	const struct in6_addr *a = &p->in6.sin6_addr;

	memset(key, 0, sizeof(*key));
	if (p->sa.sa_family == AF_INET) {
		key->low = UINT64_C(1) << 32 | p->in4.sin_addr.s_addr;
		return true;
	}
	if (p->sa.sa_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		uint32_t in4;

		memcpy(&in4, &a->s6_addr[12], sizeof(in4));
		key->low = UINT64_C(1) << 32 | in4;
		return true;
	}
	memcpy(&key->high, a->s6_addr, sizeof(key->high));
	return true;
}

/* Where it begins to look: the finaliser of MurmurHash3, seeded. */
static unsigned
home(const struct peers *t, const struct peer_count *key)
{
	uint64_t h = key->high ^ (key->low * UINT64_C(0x9e3779b97f4a7c15)) ^
	    t->seed;

	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (unsigned)(h ^ h >> 33) & (t->cap - 1);
}

/* Its slot, or the free one where it would be. */
static struct peer_count *
find(const struct peers *t, const struct peer_count *key)
{
	unsigned i = home(t, key);

	while (t->v[i].n > 0 && (t->v[i].high != key->high ||
	    t->v[i].low != key->low))
		i = (i + 1) & (t->cap - 1);
	return &t->v[i];
}

static int
grow(struct peers *t)
{
	struct peers old = *t;

	t->cap = old.cap > 0 ? old.cap * 2 : FIRST_CAP;
	t->v = mem_try(t->cap * sizeof(*t->v));
	if (!t->v) {
		*t = old;
		return -ENOMEM;
	}
	memset(t->v, 0, t->cap * sizeof(*t->v));
	for (unsigned i = 0; i < old.cap; i++)
		if (old.v[i].n > 0)
			*find(t, &old.v[i]) = old.v[i];
	mem_free(old.v);
	return 0;
}

void
peers_init(struct peers *t)
{
	memset(t, 0, sizeof(*t));
	/* Without it (a kernel at its very start) the hash is a known one. */
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) == -1)
		t->seed = 1;
}

void
peers_fini(struct peers *t)
{
	mem_free(t->v);
	t->v = NULL;
	t->cap = t->n = 0;
}

unsigned
peers_count(const struct peers *t, const struct peer *p)
{
	struct peer_count key;

	return t->cap > 0 && key_of(p, &key) ? find(t, &key)->n : 0;
}

int
peers_enter(struct peers *t, const struct peer *p)
{
	struct peer_count key, *c;

	if (!key_of(p, &key))
		return 0;
	/* At most three quarters full, or probing would get long. */
	if (t->n >= t->cap / 4 * 3 && grow(t) != 0)
		return -ENOMEM;
	c = find(t, &key);
	if (c->n == 0) {
		*c = key;
		t->n++;
	}
	c->n++;
	return 0;
}

/* Frees slot <i>: whoever would not be found any more moves up. */
static void
move_up(struct peers *t, unsigned i)
{
	unsigned mask = t->cap - 1, k = i;

	for (;;) {
		k = (k + 1) & mask;
		if (t->v[k].n == 0)
			break;
		/* Its way from home does not pass <i>. */
		if (((k - home(t, &t->v[k])) & mask) < ((k - i) & mask))
			continue;
		t->v[i] = t->v[k];
		i = k;
	}
	t->v[i].n = 0;
	t->n--;
}

void
peers_leave(struct peers *t, const struct peer *p)
{
	struct peer_count key, *c;

	if (!key_of(p, &key))
		return;
	c = find(t, &key);
	BUG_ON(c->n == 0);
	if (c->n == 1)
		move_up(t, (unsigned)(c - t->v));
	else
		c->n--;
}
