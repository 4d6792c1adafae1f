/* See LICENSE for the terms. */
/*
 * The shared mapping is made here: see shm.h.
 */
#include "core/shm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "core/bug.h"

enum { PAGE = 4096 };

_Static_assert(sizeof(struct shm_head) <= PAGE, "the head is one page");
_Static_assert(SHM_SHARDS_MAX * SHM_PARITIES <= RING_LANES_MAX,
    "a lane a slot");
_Static_assert(sizeof(struct slot) == 3 * 128, "three parts of 128 bytes");

static uint64_t
round_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* Never 0; differs between keepers, so an old offset is known as old. */
static uint64_t
new_epoch(void)
{
	struct timespec ts;
	uint64_t e = 0;

	if (getrandom(&e, sizeof(e), GRND_NONBLOCK) != (ssize_t)sizeof(e)) {
		clock_gettime(CLOCK_REALTIME, &ts);
		e = (uint64_t)ts.tv_sec << 32 ^ (uint64_t)ts.tv_nsec << 8 ^
		    (uint64_t)getpid();
	}
	return e ? e : 1;
}

static uint64_t
slots_size(const struct shm *m)
{
	return round_up(shm_n_slots(m) * sizeof(struct slot));
}

static int
fill(struct shm *m, uint64_t lane)
{
	struct shm_head *h = m->head;
	struct shm_region *slots = &h->region[SHM_SLOTS];
	struct shm_region *ring = &h->region[SHM_RING];

	h->magic = SHM_MAGIC;
	h->version = SHM_VERSION;
	h->shards = m->shards;
	h->epoch = m->epoch;
	h->size = m->size;
	h->ring_slots = SHM_RING_SLOTS;
	h->ring_lane = lane;
	slots->offset = PAGE;
	slots->size = slots_size(m);
	ring->offset = PAGE + slots->size;
	ring->size = m->size - ring->offset;
	m->slots = (struct slot *)(void *)((char *)h + PAGE);
	for (unsigned i = 0; i < shm_n_slots(m); i++)
		atomic_store(&m->slots[i].adopter, -1);
	return ring_init(&m->ring, (char *)h + ring->offset, ring->size,
	    shm_n_slots(m), SHM_RING_SLOTS, lane);
}

int
shm_new(struct shm *m, unsigned shards, uint64_t lane)
{
	void *p;
	int err;

	if (shards < 1 || shards > SHM_SHARDS_MAX ||
	    lane < RING_LANE_MIN || lane > RING_LANE_MAX)
		return -EINVAL;
	memset(m, 0, sizeof(*m));
	m->shards = shards;
	m->epoch = new_epoch();
	lane = round_up(lane);
	m->size = PAGE + slots_size(m) +
	    ring_size(shm_n_slots(m), SHM_RING_SLOTS, lane);
	m->fd = memfd_create("shoal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd == -1)
		return -errno;
	/* Sealed: nobody can shrink it and have the others die of SIGBUS. */
	if (ftruncate(m->fd, (off_t)m->size) == -1 ||
	    fcntl(m->fd, F_ADD_SEALS,
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1)
		goto fail;
	p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	m->head = p;
	err = fill(m, lane);
	BUG_ON(err);
	return 0;

fail:
	err = -errno;
	close(m->fd);
	m->fd = -1;
	return err;
}

void
shm_free(struct shm *m)
{
	if (!m->head)
		return;
	munmap(m->head, m->size);
	close(m->fd);
	m->head = NULL;
	m->slots = NULL;
	m->fd = -1;
}

void *
shm_region(const struct shm *m, enum shm_region_id id, size_t *size)
{
	uint64_t offset, n;

	if ((unsigned)id >= SHM_REGIONS_MAX)
		return NULL;
	/* Read once each: what was checked is what is used. */
	offset = *(volatile uint64_t *)&m->head->region[id].offset;
	n = *(volatile uint64_t *)&m->head->region[id].size;
	if (!n || offset < PAGE || offset % PAGE ||
	    offset > m->size || n > m->size - offset)
		return NULL;
	*size = n;
	return (char *)m->head + offset;
}

struct slot *
shm_slot(const struct shm *m, unsigned generation, unsigned shard)
{
	BUG_ON(shard >= m->shards);
	return &m->slots[shm_index(m, generation, shard)];
}

struct slot *
shm_slot_at(const struct shm *m, int64_t index)
{
	if (index < 0 || index >= (int64_t)shm_n_slots(m))
		return NULL;
	return &m->slots[index];
}

enum slot_state
slot_state(const struct slot *s)
{
	/* Pairs with the keeper's release: a READY slot's fields are set. */
	uint32_t v = atomic_load_explicit(&s->state, memory_order_acquire);

	return v <= SLOT_DEAD ? (enum slot_state)v : SLOT_DEAD;
}
