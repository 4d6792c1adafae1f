/* See LICENSE for the terms. */
/* The shared mapping: its layout, what readers may rely on, and sharing. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/shm.h"
#include "tests/unit/t.h"

static void
the_head_says_what_is_there(void)
{
	struct shm m;
	struct stat st;
	size_t size = 0;

	OK(shm_new(&m, 3, RING_LANE_MIN) == 0);
	OK(m.head->magic == SHM_MAGIC && m.head->version == SHM_VERSION);
	OK(m.head->shards == 3 && m.head->epoch == m.epoch && m.epoch);
	OK(fstat(m.fd, &st) == 0 && (size_t)st.st_size == m.size);
	OK(shm_region(&m, SHM_SLOTS, &size) == m.slots);
	OK(size >= 6 * sizeof(struct slot));
	OK((uintptr_t)m.slots % 128 == 0);
	OK(fcntl(m.fd, F_GETFD) & FD_CLOEXEC);
	shm_free(&m);
	shm_free(&m);
}

static void
slots_are_found_by_generation_and_index(void)
{
	struct shm m;

	OK(shm_new(&m, 3, RING_LANE_MIN) == 0);
	OK(shm_n_slots(&m) == 6);
	OK(shm_slot(&m, 0, 2) == &m.slots[2]);
	OK(shm_slot(&m, 7, 2) == &m.slots[5]);
	OK(shm_slot(&m, 8, 0) == &m.slots[0]);
	OK(shm_slot_at(&m, 5) == &m.slots[5]);
	OK(!shm_slot_at(&m, 6));
	OK(!shm_slot_at(&m, -1));
	OK(!shm_slot_at(&m, INT64_MAX));
	for (unsigned i = 0; i < 6; i++) {
		OK(slot_state(&m.slots[i]) == SLOT_EMPTY);
		OK(atomic_load(&m.slots[i].adopter) == -1);
	}
	shm_free(&m);
}

static void
numbers_of_another_process_are_not_believed(void)
{
	struct shm m;
	size_t size;
	struct shm_region *r;

	OK(shm_new(&m, 1, RING_LANE_MIN) == 0);
	r = &m.head->region[3];
	OK(!shm_region(&m, 3, &size));
	OK(!shm_region(&m, SHM_REGIONS_MAX, &size));
	*r = (struct shm_region){ 0, 64 };
	OK(!shm_region(&m, 3, &size));
	*r = (struct shm_region){ 4097, 64 };
	OK(!shm_region(&m, 3, &size));
	*r = (struct shm_region){ 4096, m.size };
	OK(!shm_region(&m, 3, &size));
	*r = (struct shm_region){ m.size, 64 };
	OK(!shm_region(&m, 3, &size));
	*r = (struct shm_region){ 4096, UINT64_MAX - 4095 };
	OK(!shm_region(&m, 3, &size));
	*r = (struct shm_region){ 4096, 64 };
	OK(shm_region(&m, 3, &size) && size == 64);
	m.head->shards = 900;
	OK(shm_n_slots(&m) == 2);
	atomic_store(&m.slots[0].state, 77u);
	OK(slot_state(&m.slots[0]) == SLOT_DEAD);
	shm_free(&m);
}

static void
the_ring_has_a_lane_and_an_ear_a_slot(void)
{
	struct ring_msg msg = { .channel = STR("room"), .data = STR("hello"),
		.kind = RING_TEXT };
	struct ring_cursor c = { 0 };
	struct ring_place where;
	struct ring_item it;
	size_t size = 0;
	struct shm m;
	char *start;

	/* To whole pages. */
	OK(shm_new(&m, 3, RING_LANE_MIN + 1) == 0);
	OK(m.head->ring_slots == SHM_RING_SLOTS);
	OK(m.head->ring_lane == RING_LANE_MIN + 4096);
	OK(m.ring.n == 6);
	start = shm_region(&m, SHM_RING, &size);
	OK(start && size == ring_size(6, SHM_RING_SLOTS, m.head->ring_lane));
	/* It begins behind the slots and ends with the mapping. */
	OK(start >= (char *)(m.slots + 6));
	OK(start + size == (char *)m.head + m.size);
	OK((void *)m.ring.hint == start);
	for (unsigned i = 0; i < 6; i++)
		OK(ring_publish(&m.ring, i, &msg, &where) == 0);
	for (unsigned i = 0; i < 6; i++)
		OK(ring_next(&m.ring, &c, &it) == RING_ITEM && it.lane == i);
	/* The last of its words is in the mapping. */
	atomic_store(&m.ring.words[6 * m.ring.units * 8 - 1], 1);
	OK(start[size - 8] == 1);
	OK(slot_state(&m.slots[5]) == SLOT_EMPTY);
	shm_free(&m);
}

static void
a_forked_process_sees_and_is_seen(void)
{
	struct shm m;
	int status = 0;
	pid_t pid;

	OK(shm_new(&m, 2, RING_LANE_MIN) == 0);
	atomic_store(&m.slots[1].generation, 41u);
	pid = fork();
	if (pid == 0) {
		atomic_store(&m.slots[1].requests,
		    (uint64_t)atomic_load(&m.slots[1].generation) + 1);
		_exit(0);
	}
	OK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	OK(atomic_load(&m.slots[1].requests) == 42);
	shm_free(&m);
}

static void
nobody_can_change_its_size(void)
{
	struct shm m;

	OK(shm_new(&m, 1, RING_LANE_MIN) == 0);
	OK(ftruncate(m.fd, 0) == -1 && errno == EPERM);
	OK(ftruncate(m.fd, (off_t)m.size * 2) == -1 && errno == EPERM);
	shm_free(&m);
}

static void
numbers_have_bounds(void)
{
	struct shm m;

	OK(shm_new(&m, 0, RING_LANE_MIN) == -EINVAL);
	OK(shm_new(&m, SHM_SHARDS_MAX + 1, RING_LANE_MIN) == -EINVAL);
	OK(shm_new(&m, 1, RING_LANE_MIN - 1) == -EINVAL);
	OK(shm_new(&m, 1, RING_LANE_MAX + 1) == -EINVAL);
	OK(shm_new(&m, SHM_SHARDS_MAX, RING_LANE_MIN) == 0);
	atomic_store(&m.slots[2 * SHM_SHARDS_MAX - 1].drops, 1u);
	shm_free(&m);
}

static void
tests(void)
{
	T(the_head_says_what_is_there);
	T(slots_are_found_by_generation_and_index);
	T(numbers_of_another_process_are_not_believed);
	T(the_ring_has_a_lane_and_an_ear_a_slot);
	T(a_forked_process_sees_and_is_seen);
	T(nobody_can_change_its_size);
	T(numbers_have_bounds);
}

T_MAIN(tests)
