/* See LICENSE for the terms. */
/*
 * The ring's promises (core/ring.h), each by its number, and what it does with
 * a mapping full of nonsense.  core_ring_kill.c kills publishers, tests/soak
 * does all at once.
 */
#include "core/ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/util.h"
#include "tests/unit/ring_kit.h"
#include "tests/unit/t.h"

static struct ring r;
static unsigned char room[1 << 20], copy[1 << 20];
static char name[RING_NAME_MAX];

/* Publishes a message of <n> bytes; its offset. */
static uint64_t
publish(unsigned lane, uint64_t number, size_t n)
{
	struct ring_place where = { UINT64_MAX, false };

	OK(kit_publish(&r, lane, number, n, room, &where) == 0);
	return where.offset;
}

/* The number of the next whole message; 0: none.  Lost ones are skipped. */
static uint64_t
next(struct ring_cursor *c)
{
	struct ring_item it;

	for (;;) {
		enum ring_found found = ring_next(&r, c, &it);

		if (found == RING_NONE)
			return 0;
		if (found == RING_LOST ||
		    !ring_copy(&r, c, &it, name, copy))
			continue;
		OK(kit_is_whole(&it, copy));
		OK(it.offset == c->at - 1);
		return it.origin;
	}
}

/* ---- 1: one order ------------------------------------------------------ */

static void
offsets_are_the_order_in_which_all_read(void)
{
	struct ring_cursor a = { 0 }, b = { 0 };

	kit_ring(&r, 2, 16, RING_LANE_MIN);
	for (uint64_t i = 1; i <= 10; i++)
		OK(publish(i % 2, i, 20) == i - 1);
	OK(ring_tail(&r) == 10);
	for (uint64_t i = 1; i <= 10; i++) {
		OK(next(&a) == i);
		OK(next(&b) == i);
	}
	OK(next(&a) == 0 && a.lost == 0 && a.at == 10);
	kit_ring_free(&r);
}

enum { CROWD = 3, EACH = 5000 };
static uint64_t seen[2][CROWD * EACH];

static void *
publish_many(void *arg)
{
	unsigned lane = *(unsigned *)arg;
	unsigned char own[64];
	struct ring_place where;

	for (uint64_t i = 1; i <= EACH; i++)
		OK(kit_publish(&r, lane, i, i % 64, own, &where) == 0);
	return NULL;
}

static void *
read_many(void *arg)
{
	uint64_t *to = arg;
	struct ring_cursor c = { 0 };
	struct ring_item it;
	unsigned char own[128];
	char channel[RING_NAME_MAX];

	while (c.at < CROWD * EACH) {
		if (ring_next(&r, &c, &it) != RING_ITEM)
			continue;
		if (!OK(it.size < 64) ||
		    !ring_copy(&r, &c, &it, channel, own))
			continue;
		OK(kit_is_whole(&it, own));
		to[it.offset] = (uint64_t)it.lane << 32 | it.origin;
	}
	return NULL;
}

static void
threads_that_read_agree_on_the_order(void)
{
	unsigned lane[CROWD], differ = 0, twice = 0, all = 0;
	uint64_t last[2][CROWD] = { { 0 } };
	pthread_t t[CROWD + 2];

	/* As large as all there is: nothing can be lost. */
	kit_ring(&r, CROWD, 65536, UINT64_C(8) << 20);
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 2; i++)
		OK(pthread_create(&t[CROWD + i], NULL, read_many,
		    seen[i]) == 0);
	for (unsigned i = 0; i < CROWD; i++) {
		lane[i] = i;
		OK(pthread_create(&t[i], NULL, publish_many, &lane[i]) == 0);
	}
	for (unsigned i = 0; i < CROWD + 2; i++)
		OK(pthread_join(t[i], NULL) == 0);
	for (unsigned i = 0; i < CROWD * EACH; i++) {
		uint64_t v = seen[0][i];

		all += v != 0;
		differ += v != seen[1][i];
		/* Of one publisher in its own order, so none comes twice. */
		twice += (uint32_t)v != ++last[0][v >> 32];
	}
	OK(all == CROWD * EACH && differ == 0 && twice == 0);
	kit_ring_free(&r);
}

/* ---- 2: whole or not at all -------------------------------------------- */

static void
what_is_overrun_between_finding_and_copying_is_lost(void)
{
	struct ring_cursor c = { 0 };
	struct ring_item it;

	kit_ring(&r, 1, 1024, RING_LANE_MIN);
	publish(0, 1, 100);
	OK(ring_next(&r, &c, &it) == RING_ITEM && it.origin == 1);
	/* 4 of these and the first leave room for no fifth. */
	for (uint64_t i = 2; i <= 5; i++)
		publish(0, i, 16000);
	OK(ring_copy(&r, &c, &it, name, copy) && kit_is_whole(&it, copy));
	publish(0, 6, 16000);
	OK(!ring_copy(&r, &c, &it, name, copy));
	OK(c.lost == 1);
	kit_ring_free(&r);
}

static void
a_record_being_written_hides_the_one_it_covers(void)
{
	struct ring_cursor c = { 0 };
	struct ring_item it;

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	publish(0, 1, 100);
	/* The next one would begin there: reserved, and nothing written. */
	atomic_store(&r.lane[0].end, r.units + 1);
	OK(ring_next(&r, &c, &it) == RING_LOST);
	OK(ring_next(&r, &c, &it) == RING_NONE);
	kit_ring_free(&r);
	/* One with the same low bits, 128 MiB later. */
	memset(&c, 0, sizeof(c));
	kit_ring(&r, 1, 16, RING_LANE_MIN);
	publish(0, 1, 100);
	atomic_store(&r.lane[0].end, (UINT64_C(1) << RING_POS_BITS) + 3);
	atomic_store(&r.words[7], 0x5555);
	OK(ring_next(&r, &c, &it) == RING_LOST);
	kit_ring_free(&r);
}

static void
a_later_record_with_the_same_low_bits_is_not_taken_for_it(void)
{
	struct ring_cursor c = { 0 };
	struct ring_item it;

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	publish(0, 1, 100);
	publish(0, 2, 100);
	/* Killed publishers reserved 128 MiB in between. */
	atomic_store(&r.lane[0].end, UINT64_C(1) << RING_POS_BITS);
	publish(0, 3, 100);
	OK(ring_next(&r, &c, &it) == RING_LOST);
	OK(ring_next(&r, &c, &it) == RING_LOST);
	OK(ring_next(&r, &c, &it) == RING_ITEM && it.origin == 3);
	OK(next(&c) == 0 && c.lost == 2);
	kit_ring_free(&r);
}

/* ---- 3: nobody is waited for ------------------------------------------- */

static void
publishing_needs_no_reader(void)
{
	kit_ring(&r, 2, 4, RING_LANE_MIN);
	for (uint64_t i = 0; i < 1000; i++)
		OK(publish(i % 2, i, i * 16) == i);
	kit_ring_free(&r);
}

static void
a_hint_that_was_never_written_or_is_old_costs_a_walk(void)
{
	struct ring_cursor c = { 0 };

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	for (uint64_t i = 1; i <= 100; i++) {
		/* Killed after its swap. */
		atomic_store(&r.hint->tail, i % 3 ? 0 : i / 2);
		OK(publish(0, i, 8) == i - 1);
		OK(next(&c) == i);
	}
	OK(c.lost == 0);
	kit_ring_free(&r);
}

/* ---- 4: falling behind ------------------------------------------------- */

static void
a_late_reader_learns_how_many_it_missed(void)
{
	struct ring_cursor c = { 0 };

	kit_ring(&r, 1, 4, RING_LANE_MIN);
	for (uint64_t i = 1; i <= 10; i++)
		publish(0, i, 8);
	OK(next(&c) == 7);
	OK(c.lost == 6);
	for (uint64_t i = 8; i <= 10; i++)
		OK(next(&c) == i);
	OK(next(&c) == 0 && c.lost == 6);
	kit_ring_free(&r);
}

static void
a_reader_whose_lane_was_overrun_does_so_too(void)
{
	struct ring_cursor c = { 0 };
	uint64_t got = 0, n;

	kit_ring(&r, 2, 1024, RING_LANE_MIN);
	publish(1, 1, 8);
	for (uint64_t i = 2; i <= 11; i++)
		publish(0, i, ring_data_max(&r) - 64);
	/* The other lane's are still there. */
	OK(next(&c) == 1 && c.lost == 0);
	OK(next(&c) == 8 && c.lost == 6);
	while ((n = next(&c)))
		got = n;
	OK(got == 11 && c.lost == 6);
	kit_ring_free(&r);
}

static void
one_who_is_overtaken_again_and_again_leaves_more_room(void)
{
	struct ring_cursor c = { 0 };
	struct ring_item it;
	uint64_t room_left = 0;

	kit_ring(&r, 1, 1024, RING_LANE_MIN);
	for (uint64_t i = 1; i <= 4096; i++)
		publish(0, i, 8);
	for (int lap = 0; lap < 10; lap++) {
		uint64_t left;

		OK(ring_next(&r, &c, &it) == RING_LOST);
		left = c.at - (ring_tail(&r) - 1024);
		OK(lap == 0 ? left == 0 : left > 0 && left <= 512);
		OK(left >= room_left);
		room_left = left;
		for (uint64_t i = 0; i <= 1024; i++)
			publish(0, 1, 8);
	}
	OK(room_left == 512);
	/* One that was taken makes it forget. */
	while (ring_next(&r, &c, &it) == RING_LOST)
		;
	OK(c.laps == 0);
	kit_ring_free(&r);
}

static void
positions_read_and_lost_are_all_positions(void)
{
	uint64_t seed = 1, sent = 0, got = 0;
	struct ring_cursor c = { 0 };

	kit_ring(&r, 2, 64, RING_LANE_MIN);
	for (int i = 0; i < 2000; i++) {
		seed = kit_mix(seed + 1);
		for (uint64_t k = seed % 100; k > 0; k--)
			publish(seed >> 20 & 1, ++sent,
			    (seed >> k % 32) % 4000);
		for (uint64_t k = seed >> 32 & 63; k > 0; k--)
			got += next(&c) != 0;
		OK(got + c.lost == c.at);
	}
	while (next(&c))
		got++;
	OK(c.at == sent && got + c.lost == sent && got > 0 && c.lost > 0);
	kit_ring_free(&r);
}

/* ---- the wrap of the laps ---------------------------------------------- */

static void
laps_may_wrap_around(void)
{
	uint64_t start = (UINT64_C(1) << 34) - 16;
	struct ring_cursor c = { .at = start }, late = { .at = start };

	/* Four slots: laps end at position 2^34. */
	kit_ring(&r, 1, 4, RING_LANE_MIN);
	for (uint64_t i = 0; i < 4; i++)
		atomic_store(&r.index[i],
		    (((start - 4) / 4 + 1) & UINT32_MAX) << 32);
	atomic_store(&r.hint->tail, start);
	OK(ring_tail(&r) == start);
	for (uint64_t i = 1; i <= 40; i++) {
		OK(publish(0, i, 8) == start + i - 1);
		OK(next(&c) == i);
	}
	OK(c.lost == 0);
	OK(next(&late) == 37 && late.lost == 36);
	/* A walk from far behind. */
	atomic_store(&r.hint->tail, start - 1);
	OK(ring_tail(&r) == start + 40);
	kit_ring_free(&r);
}

/* ---- 5: waking --------------------------------------------------------- */

static unsigned
written(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? (unsigned)n : 0;
}

static void
only_who_sleeps_and_wants_it_is_woken_and_once(void)
{
	struct ring_cursor c = { 0 };
	struct ring_place where;
	int fd[3];

	kit_ring(&r, 3, 1024, RING_LANE_MIN);
	for (int i = 0; i < 3; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* 0 sleeps and wants, 1 sleeps and does not, 2 wants and is awake. */
	ear_want(&r.ear[0], ear_bit(77), true);
	ear_want(&r.ear[1], ear_bit(78), true);
	ear_want(&r.ear[2], ear_bit(77), true);
	OK(ear_sleep(&r.ear[0], &r, &c));
	OK(ear_sleep(&r.ear[1], &r, &c));
	OK(kit_publish(&r, 0, 1, 8, room, &where) == 0);
	where.quarter = false;
	OK(ear_wake(&r, &where, 77, fd) == 1);
	OK(ear_wake(&r, &where, 77, fd) == 0);
	OK(written(fd[0]) == 1 && !written(fd[1]) && !written(fd[2]));
	OK(ear_wake(&r, &where, 78, fd) == 1 && written(fd[1]) == 1);
	/* There is something to read. */
	OK(!ear_sleep(&r.ear[2], &r, &c));
	ear_rise(&r.ear[2]);
	OK(ear_wake(&r, &where, 77, fd) == 0);
	/* Left again. */
	c.at = ring_tail(&r);
	ear_want(&r.ear[0], ear_bit(77), false);
	OK(!atomic_load(&r.ear[0].wants_any));
	OK(ear_sleep(&r.ear[0], &r, &c));
	OK(ear_wake(&r, &where, 77, fd) == 0);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_ring_free(&r);
}

/* Sleeps through <n> messages of <size> that it does not want. */
static void
sleep_through(uint64_t n, size_t size)
{
	struct ring_cursor c = { 0 };
	unsigned woken = 0;
	int fd[2];

	kit_ring(&r, 2, 256, RING_LANE_MIN);
	fd[0] = -1;
	fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ear_want(&r.ear[1], ear_bit(5), true);
	OK(ear_sleep(&r.ear[1], &r, &c));
	for (uint64_t i = 1; i <= n; i++) {
		struct ring_place where;

		OK(kit_publish(&r, 0, i, size, room, &where) == 0);
		if (ear_wake(&r, &where, 99, fd) == 0)
			continue;
		woken++;
		while (next(&c))
			;
		OK(ear_sleep(&r.ear[1], &r, &c));
	}
	OK(c.lost == 0);
	OK(woken >= 4 && woken < n / 2);
	close(fd[1]);
	kit_ring_free(&r);
}

static void
one_who_sleeps_is_not_lapped_by_what_it_does_not_want(void)
{
	sleep_through(2000, 8);		/* the index goes round */
	sleep_through(200, 4000);	/* the lane does */
}

struct sleeper {
	const int *fd;
	unsigned me;
	uint64_t rounds;
};

/* Answers what the other says: both sleep whenever there is nothing. */
static void *
answer(void *arg)
{
	struct sleeper *s = arg;
	struct ring_cursor c = { 0 };
	struct ring_place where;
	struct ring_item it;
	unsigned char own[8];

	while (c.at < 2 * s->rounds) {
		if (ring_next(&r, &c, &it) == RING_NONE) {
			struct pollfd p = { s->fd[s->me], POLLIN, 0 };

			if (ear_sleep(&r.ear[s->me], &r, &c) &&
			    poll(&p, 1, -1) == 1)
				written(s->fd[s->me]);
			ear_rise(&r.ear[s->me]);
		} else if (it.lane != s->me && it.origin < s->rounds) {
			OK(kit_publish(&r, s->me, it.origin + (s->me == 0), 8,
			    own, &where) == 0);
			ear_wake(&r, &where, s->me, s->fd);
		}
	}
	return NULL;
}

static void
two_who_answer_each_other_never_sleep_for_ever(void)
{
	struct sleeper s[2];
	struct ring_place where;
	pthread_t t[2];
	int fd[2];

	kit_ring(&r, 2, 1 << 16, UINT64_C(8) << 20);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		/* Each wants what the other publishes. */
		ear_want(&r.ear[i], ear_bit(1 - i), true);
		s[i] = (struct sleeper){ fd, i, 5000 };
	}
	for (unsigned i = 0; i < 2; i++)
		OK(pthread_create(&t[i], NULL, answer, &s[i]) == 0);
	OK(kit_publish(&r, 0, 0, 8, room, &where) == 0);
	ear_wake(&r, &where, 0, fd);
	/* A wake-up that is lost hangs here; the runner has a limit. */
	for (unsigned i = 0; i < 2; i++) {
		OK(pthread_join(t[i], NULL) == 0);
		close(fd[i]);
	}
	kit_ring_free(&r);
}

/* ---- 6 and 7: the record ----------------------------------------------- */

static void
the_hash_is_known_before_the_copy_and_the_rest_comes_with_it(void)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 15, 16, 17, 1000 };
	struct ring_cursor c = { 0 };
	struct ring_place where;
	struct ring_item it;
	unsigned char text[256];
	uint64_t n = 0;

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	kit_fill(text, sizeof(text), 5);
	for (size_t len = 1; len <= RING_NAME_MAX; len += 1 + len / 9)
	for (size_t head = 0; head <= RING_HEAD_MAX; head++)
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++, n++) {
		struct ring_msg m = { .channel = { (char *)text, len },
			.hash = kit_mix(n), .head = { (char *)text + 1, head },
			.data = { (char *)room, sizes[i] },
			.origin = ~n, .kind = n % 2 ? RING_TEXT : RING_BYTES };
		/* Aligned or not. */
		unsigned char *to = copy + 1 + n % 8;

		kit_fill(room, sizes[i], n);
		OK(ring_publish(&r, 0, &m, &where) == 0 && where.offset == n);
		if (!OK(ring_next(&r, &c, &it) == RING_ITEM))
			return;
		OK(it.hash == m.hash && it.origin == ~n && it.kind == m.kind);
		OK(it.name == len && it.head == head && it.size == sizes[i]);
		OK(it.offset == n);
		memset(copy, 1, 2048);
		memset(name, '!', sizeof(name));
		OK(ring_copy(&r, &c, &it, name, to));
		OK(memcmp(name, text, len) == 0);
		OK(len == RING_NAME_MAX || name[len] == '!');
		OK(memcmp(to, text + 1, head) == 0);
		OK(kit_is_filled(to + head, it.size, n));
		OK(to[-1] == 1 && to[head + it.size] == 1);
	}
	kit_ring_free(&r);
}

static void
lengths_have_bounds(void)
{
	struct ring_cursor c = { 0 };
	struct ring_place where;
	struct ring_item it;
	struct ring_msg m = { .channel = { (char *)room, RING_NAME_MAX },
		.head = { (char *)room, RING_HEAD_MAX },
		.data = { (char *)room, 0 }, .kind = RING_TEXT };

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	OK(ring_data_max(&r) == RING_LANE_MIN / 4);
	m.data.n = RING_LANE_MIN / 4;
	for (int i = 0; i < 10; i++) {
		OK(ring_publish(&r, 0, &m, &where) == 0);
		OK(ring_next(&r, &c, &it) == RING_ITEM);
		OK(it.size == RING_LANE_MIN / 4);
		OK(ring_copy(&r, &c, &it, name, copy));
	}
	m.data.n++;
	OK(ring_publish(&r, 0, &m, &where) == -EMSGSIZE);
	m.data.n = 1;
	m.channel.n = RING_NAME_MAX + 1;
	OK(ring_publish(&r, 0, &m, &where) == -EINVAL);
	m.channel.n = 0;
	OK(ring_publish(&r, 0, &m, &where) == -EINVAL);
	m.channel.n = 1;
	m.head.n = RING_HEAD_MAX + 1;
	OK(ring_publish(&r, 0, &m, &where) == -EINVAL);
	m.head.n = 0;
	OK(ring_publish(&r, 1, &m, &where) == -EINVAL);
	/* What was refused was not begun. */
	OK(ring_tail(&r) == 10 && ring_next(&r, &c, &it) == RING_NONE);
	kit_ring_free(&r);
}

static void
rings_have_bounds(void)
{
	size_t size = ring_size(2, 16, RING_LANE_MIN);
	void *mem = kit_shared(size);

	OK(ring_init(&r, mem, size, 2, 16, RING_LANE_MIN) == 0);
	OK(ring_init(&r, mem, size - 1, 2, 16, RING_LANE_MIN) == -EINVAL);
	OK(ring_init(&r, mem, size, 0, 16, RING_LANE_MIN) == -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, RING_LANES_MAX + 1, 16,
	    RING_LANE_MIN) == -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, 2, 15, RING_LANE_MIN) == -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, 2, 2, RING_LANE_MIN) == -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, 2, 16, RING_LANE_MIN - 64) ==
	    -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, 2, 16, RING_LANE_MIN + 8) == -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, 2, 16, RING_LANE_MAX + 64) ==
	    -EINVAL);
	OK(ring_init(&r, mem, SIZE_MAX, RING_LANES_MAX, 16, RING_LANE_MAX) ==
	    0);
	munmap(mem, size);
}

/* ---- another process's word -------------------------------------------- */

/* All the words of record <n> become what <seed> says, one after the other. */
static void
nonsense_in_a_record_is_a_lost_message(void)
{
	uint64_t seed = 9;

	kit_ring(&r, 1, 16, RING_LANE_MIN);
	for (int i = 0; i < 5000; i++) {
		struct ring_cursor c = { .at = ring_tail(&r) };
		struct ring_item it;
		uint64_t pos;

		publish(0, 1, 40);
		pos = (atomic_load(&r.lane[0].end) - 2) % r.units;
		seed = kit_mix(seed + 1);
		/* Any but the payload: position, since, lengths. */
		r.words[pos * 8 + (i % 3 == 2 ? 3 : i % 3)] = seed;
		if (ring_next(&r, &c, &it) == RING_ITEM) {
			OK(it.size <= ring_data_max(&r));
			OK(it.name <= RING_NAME_MAX && it.name > 0);
			ring_copy(&r, &c, &it, name, copy);
		}
		OK(c.at == ring_tail(&r));
	}
	kit_ring_free(&r);
}

static void
a_mapping_full_of_nonsense_harms_nobody(void)
{
	uint64_t seed = 3;

	kit_ring(&r, 3, 64, RING_LANE_MIN);
	for (int round = 0; round < 300; round++) {
		struct ring_cursor c = { 0 };
		struct ring_place where;
		struct ring_item it;

		for (size_t i = 0; i < 64; i++) {
			seed = kit_mix(seed + i);
			/* Now and then a likely lap. */
			r.index[i] = round % 2 ? seed :
			    (seed & UINT32_MAX) | UINT64_C(1) << 32;
		}
		for (size_t i = 0; i < 3; i++)
			r.lane[i].end = kit_mix(seed + i) >> seed % 60;
		r.hint->tail = round % 3 ? seed >> 30 : 0;
		for (size_t i = 0; i < 3 * r.units * 8; i += 1 + seed % 5)
			r.words[i] = i % 8 ? kit_mix(i) : i / 8 % r.units;
		for (int i = 0; i < 200; i++) {
			if (i % 20 == 0)
				kit_publish(&r, (unsigned)i % 3, 1, 8, room,
				    &where);
			if (ring_next(&r, &c, &it) == RING_ITEM)
				ring_copy(&r, &c, &it, name, copy);
		}
	}
	kit_ring_free(&r);
}

static void
another_process_is_another_reader(void)
{
	struct ring_cursor c = { 0 };
	int status = 1;
	pid_t pid;

	kit_ring(&r, 2, 16, RING_LANE_MIN);
	publish(0, 1, 100);
	pid = fork();
	if (pid == 0) {
		bool ok = next(&c) == 1 && publish(1, 2, 50) == 1;

		_exit(ok ? 0 : 1);
	}
	OK(waitpid(pid, &status, 0) == pid && status == 0);
	OK(next(&c) == 1 && next(&c) == 2);
	kit_ring_free(&r);
}

static void
tests(void)
{
	T(offsets_are_the_order_in_which_all_read);
	T(threads_that_read_agree_on_the_order);
	T(what_is_overrun_between_finding_and_copying_is_lost);
	T(a_record_being_written_hides_the_one_it_covers);
	T(a_later_record_with_the_same_low_bits_is_not_taken_for_it);
	T(publishing_needs_no_reader);
	T(a_hint_that_was_never_written_or_is_old_costs_a_walk);
	T(a_late_reader_learns_how_many_it_missed);
	T(a_reader_whose_lane_was_overrun_does_so_too);
	T(one_who_is_overtaken_again_and_again_leaves_more_room);
	T(positions_read_and_lost_are_all_positions);
	T(laps_may_wrap_around);
	T(only_who_sleeps_and_wants_it_is_woken_and_once);
	T(one_who_sleeps_is_not_lapped_by_what_it_does_not_want);
	T(two_who_answer_each_other_never_sleep_for_ever);
	T(the_hash_is_known_before_the_copy_and_the_rest_comes_with_it);
	T(lengths_have_bounds);
	T(rings_have_bounds);
	T(nonsense_in_a_record_is_a_lost_message);
	T(a_mapping_full_of_nonsense_harms_nobody);
	T(another_process_is_another_reader);
}

T_MAIN(tests)
