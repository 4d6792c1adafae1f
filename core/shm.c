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

static void
fill(struct shm *m)
{
	struct shm_head *h = m->head;

	h->magic = SHM_MAGIC;
	h->version = SHM_VERSION;
	h->shards = m->shards;
	h->epoch = m->epoch;
	h->size = m->size;
	h->region[SHM_SLOTS].offset = PAGE;
	h->region[SHM_SLOTS].size = m->size - PAGE;
	m->slots = (struct slot *)(void *)((char *)h + PAGE);
	for (unsigned i = 0; i < shm_n_slots(m); i++)
		atomic_store(&m->slots[i].adopter, -1);
}

int
shm_new(struct shm *m, unsigned shards)
{
	void *p;
	int err;

	if (shards < 1 || shards > SHM_SHARDS_MAX)
		return -EINVAL;
	memset(m, 0, sizeof(*m));
	m->shards = shards;
	m->epoch = new_epoch();
	m->size = PAGE + round_up(shm_n_slots(m) * sizeof(struct slot));
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
	fill(m);
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
