/* See LICENSE for the terms. */
/*
 * The ring under everything at once, for as long as it is told: more shards
 * than CPUs, each a process that publishes and reads; small and large
 * messages; readers that sleep, and readers that dawdle until they are lapped;
 * SIGKILL at random.
 *
 *	build/<flavour>/tests/soak/ring [TIMES [SEED]]	of a short slice
 *
 * Every message carries bytes that follow from its lane and number, so one
 * that is torn is seen.  Every reader notes what it found at each offset, in
 * one table: two that differ are seen.  A lane's numbers only grow, so one
 * that comes twice is seen.  At its end every reader must reach the tail, with
 * as many read and lost as there were; one that sleeps for ever hangs, and
 * whoever started this has a limit.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ring_kit.h"

enum { SHARDS = 6, SLOTS = 4096, WITNESSES = 1 << 20 };
#define SLICE 100000		/* messages */
enum { LANE = 256 << 10, ROOM = LANE / 4 + 64 };

struct counts {
	_Atomic uint64_t sent, got, lost, laps, wakes, sleeps;
	_Atomic uint64_t torn, differ, twice, miscounted;
};

struct common {
	struct counts n;
	_Atomic uint64_t number[SHARDS];	/* last one of each lane */
	_Atomic uint64_t witness[WITNESSES];
	_Atomic uint32_t stop;
};

struct soaker {
	const struct ring *r;
	struct common *all;
	const int *fd;
	unsigned me;
	uint64_t seed;
	uint64_t last[SHARDS];
	uint64_t got;
	struct ring_cursor c;
	unsigned char room[ROOM], copy[ROOM];
};

static uint64_t
chance(struct soaker *s)
{
	return s->seed = kit_mix(s->seed + 0x9e3779b97f4a7c15);
}

static size_t
some_size(struct soaker *s)
{
	uint64_t x = chance(s);

	if (x % 512 == 0)
		return (x >> 10) % (ring_data_max(s->r) + 1);
	return (x >> 10) % (x % 16 == 0 ? 4096 : 160);
}

static void
publish(struct soaker *s)
{
	uint64_t number = ++s->all->number[s->me];
	struct ring_place where;

	if (kit_publish(s->r, s->me, number, some_size(s), s->room,
	    &where) != 0)
		abort();
	s->all->n.sent++;
	s->all->n.wakes += ear_wake(s->r, &where, s->me, s->fd);
}

/* What others found at this offset is what we find. */
static void
compare(struct soaker *s, const struct ring_item *it)
{
	_Atomic uint64_t *w = &s->all->witness[it->offset % WITNESSES];
	uint64_t what = kit_mix(kit_seed(it->lane, it->origin)) & 0xffffff;
	uint64_t mine = (it->offset + 1) << 24 | what;
	uint64_t seen = *w;

	while (seen >> 24 < it->offset + 1)
		if (atomic_compare_exchange_weak(w, &seen, mine))
			return;
	s->all->n.differ += seen >> 24 == it->offset + 1 && seen != mine;
}

static bool
read_one(struct soaker *s)
{
	struct counts *n = &s->all->n;
	char name[RING_NAME_MAX];
	uint64_t at = s->c.at;
	struct ring_item it;
	enum ring_found f = ring_next(s->r, &s->c, &it);

	if (f == RING_NONE)
		return false;
	n->laps += s->c.at > at + 1;
	if (f == RING_LOST || !ring_copy(s->r, &s->c, &it, name, s->copy))
		return true;
	s->got++;
	n->torn += !kit_is_whole(&it, s->copy);
	if (it.lane >= SHARDS)
		return true;
	n->twice += it.origin <= s->last[it.lane];
	s->last[it.lane] = it.origin;
	compare(s, &it);
	return true;
}

static void
sleep_a_while(struct soaker *s)
{
	struct pollfd p = { s->fd[s->me], POLLIN, 0 };
	struct ear *e = &s->r->ear[s->me];
	uint64_t n;

	if (ear_sleep(e, s->r, &s->c) && !s->all->stop) {
		s->all->n.sleeps++;
		poll(&p, 1, -1);
	}
	ear_rise(e);
	if (read(s->fd[s->me], &n, sizeof(n)) == -1)
		return;			/* it did not sleep */
}

/* The last message, what was counted, and the end of the process. */
static void
finish(struct soaker *s, uint64_t start)
{
	struct counts *n = &s->all->n;

	n->got += s->got;
	n->lost += s->c.lost;
	n->miscounted += s->got + s->c.lost != s->c.at - start;
}

static void
soak(struct soaker *s)
{
	uint64_t start = ring_tail(s->r);
	bool sleeps = s->me % 2;

	s->c.at = start;
	ear_reset(&s->r->ear[s->me]);
	/* Of every other lane, so some is slept through. */
	for (unsigned i = 0; i < SHARDS; i += 2)
		ear_want(&s->r->ear[s->me], ear_bit(i), true);
	while (!s->all->stop) {
		uint64_t x = chance(s);

		for (uint64_t i = x % 8; i > 0; i--)
			publish(s);
		/* Dawdles for more than a lap, now and then. */
		if (x >> 8 & 1023)
			for (uint64_t i = x >> 20 & 255; i > 0; i--)
				read_one(s);
		else
			for (uint64_t i = 0; i < SLOTS + 100; i++)
				publish(s);
		if (sleeps && !read_one(s))
			sleep_a_while(s);
	}
	while (read_one(s))
		;
	finish(s, start);
}

static pid_t
start(struct soaker *s, unsigned me, uint64_t seed)
{
	pid_t pid = fork();

	if (pid == 0) {
		s->me = me;
		s->seed = seed;
		soak(s);
		_exit(0);
	}
	return pid;
}

/* As the keeper does for whoever died: see ring.h. */
static void
wake_all(const struct soaker *s)
{
	for (unsigned i = 0; i < SHARDS; i++)
		if (write(s->fd[i], &(uint64_t){ 1 }, 8) != 8)
			abort();
}

static bool
report(const struct counts *n, unsigned kills, uint64_t tail)
{
	bool ok = !n->torn && !n->differ && !n->twice && !n->miscounted &&
	    n->got > 0;

	printf("%llu published, %u publishers killed; %llu laps; "
	    "to the end %llu read, %llu lost; %llu sleeps, %llu wake-ups\n"
	    "%llu torn, %llu at another place, %llu twice, %llu miscounted: "
	    "%s\n", (unsigned long long)tail, kills,
	    (unsigned long long)n->laps, (unsigned long long)n->got,
	    (unsigned long long)n->lost, (unsigned long long)n->sleeps,
	    (unsigned long long)n->wakes, (unsigned long long)n->torn,
	    (unsigned long long)n->differ, (unsigned long long)n->twice,
	    (unsigned long long)n->miscounted, ok ? "well" : "NOT SO");
	return ok;
}

/* Kills at random until so many were published; the number of kills. */
static unsigned
run(struct soaker *s, uint64_t messages, uint64_t seed)
{
	pid_t pid[SHARDS];
	unsigned kills = 0;
	int bad = 0;

	for (unsigned i = 0; i < SHARDS; i++)
		pid[i] = start(s, i, kit_mix(seed + i));
	while (ring_tail(s->r) < messages) {
		uint64_t x = kit_mix(seed + ++kills);
		unsigned i = x % SHARDS;
		int status;

		usleep((useconds_t)(x >> 8) % 10000);
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
		bad += !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
		wake_all(s);
		pid[i] = start(s, i, x);
	}
	s->all->stop = 1;
	wake_all(s);
	for (unsigned i = 0; i < SHARDS; i++) {
		int status = 1;

		waitpid(pid[i], &status, 0);
		bad += status != 0;
	}
	s->all->n.miscounted += (unsigned)bad;
	return kills;
}

int
main(int argc, char **argv)
{
	uint64_t times = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) :
	    (uint64_t)getpid();
	struct soaker *s = calloc(1, sizeof(*s));
	int fd[SHARDS];
	struct ring r;
	unsigned kills;
	bool ok;

	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	kit_ring(&r, SHARDS, SLOTS, LANE);
	for (int i = 0; i < SHARDS; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!s)
		return 1;
	s->r = &r;
	s->fd = fd;
	s->all = kit_shared(sizeof(*s->all));
	kills = run(s, times * SLICE, seed);
	ok = report(&s->all->n, kills, ring_tail(&r));
	free(s);
	return ok ? 0 : 1;
}
