/* See LICENSE for the terms. */
/*
 * One server process as the keeper forks and buries it, and what becomes of
 * the ring: messages go between processes and generations, a lane goes on
 * where its last owner was killed, and a death wakes everybody.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/family.h"
#include "core/log.h"
#include "tests/unit/t.h"

enum { SHARDS = 2 };

static struct family f;
static struct log log_;
static struct ring_cursor cursor;

/* A server process: each shard says hello; then it is killed, or leaves. */
static int
say_hello(const struct child_start *start)
{
	for (unsigned i = start->first; i < start->first + start->count; i++) {
		unsigned lane = shm_index(start->shm, start->generation, i);
		struct ring_msg m = { .channel = STR("all"), .hash = 1,
			.data = STR("hello"), .kind = RING_TEXT,
			.origin = start->generation };
		struct ring_place where;

		if (ring_publish(&start->shm->ring, lane, &m, &where) != 0)
			return 5;
	}
	if (start->generation == 0)
		kill(getpid(), SIGKILL);
	return 0;
}

static void
begin(void)
{
	memset(&f, 0, sizeof(f));
	memset(&cursor, 0, sizeof(cursor));
	log_init(&log_, 2, LEVEL_CRITICAL, "");
	OK(shm_new(&f.shm, SHARDS, RING_LANE_MIN) == 0);
	OK(watch_open(&f) == 0);
	f.log = &log_;
	f.fn = say_hello;
	f.epfd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < 3; i++)
		f.private_fd[i] = -1;
	f.common = (struct child_start){ .shm = &f.shm, .wake = f.wake,
		.log = &log_ };
	sigemptyset(&f.mask);
}

static void
end(void)
{
	close(f.epfd);
	watch_close(&f);
	shm_free(&f.shm);
	log_fini(&log_);
}

static unsigned
n_woken(void)
{
	unsigned n = 0;
	uint64_t times;

	for (unsigned i = 0; i < shm_n_slots(&f.shm); i++)
		n += read(f.wake[i], &times, sizeof(times)) == sizeof(times);
	return n;
}

/* Reaps every child of <g>; their number. */
static unsigned
bury(struct gen *g)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->n; i++) {
		int status = 0;

		if (!g->child[i].pid)
			continue;
		OK(waitpid(g->child[i].pid, &status, 0) == g->child[i].pid);
		OK(g->number == 0 ? WIFSIGNALED(status) : status == 0);
		child_end(&f, g, &g->child[i], status);
		n++;
	}
	return n;
}

static unsigned
heard(unsigned generation)
{
	struct ring_item it;
	unsigned n = 0;

	while (ring_next(&f.shm.ring, &cursor, &it) == RING_ITEM) {
		char name[RING_NAME_MAX], text[16];

		OK(ring_copy(&f.shm.ring, &cursor, &it, name, text));
		OK(it.size == 5 && memcmp(text, "hello", 5) == 0);
		OK(it.origin == generation);
		OK(it.lane / SHARDS == (generation & 1));
		n++;
	}
	OK(cursor.lost == 0);
	return n;
}

static void
messages_cross_processes_and_generations(void)
{
	begin();
	for (unsigned number = 0; number < 4; number++) {
		struct gen *g = gen_of(&f, number);

		OK(gen_start(&f, number, number % 2 ? ISOLATION_PROCESS :
		    ISOLATION_INTERP) == 0);
		OK(bury(g) == (number % 2 ? SHARDS : 1));
		OK(heard(number) == SHARDS);
		gen_end(&f, g);
	}
	end();
}

static void
a_lane_goes_on_where_its_owner_was_killed(void)
{
	struct gen *g;

	begin();
	g = gen_of(&f, 0);
	OK(gen_start(&f, 0, ISOLATION_INTERP) == 0);
	for (int i = 0; i < 3; i++) {
		OK(bury(g) == 1);
		OK(heard(0) == SHARDS);
		OK(child_fork(&f, g, &g->child[0]) == 0);
	}
	OK(bury(g) == 1);
	OK(atomic_load(&f.shm.ring.lane[0].end) == 4);
	gen_end(&f, g);
	end();
}

/* Killed between its message and its wake-ups, it has woken nobody. */
static void
whoever_dies_all_look_at_the_ring(void)
{
	struct gen *g;

	begin();
	g = gen_of(&f, 0);
	OK(gen_start(&f, 0, ISOLATION_INTERP) == 0);
	OK(n_woken() == 0);
	OK(bury(g) == 1);
	OK(n_woken() == shm_n_slots(&f.shm));
	gen_end(&f, g);
	end();
}

static void
tests(void)
{
	T(messages_cross_processes_and_generations);
	T(a_lane_goes_on_where_its_owner_was_killed);
	T(whoever_dies_all_look_at_the_ring);
}

T_MAIN(tests)
