/* See LICENSE for the terms. */
/*
 * A publisher is killed after every instruction of ring_publish(): the others
 * go on at once, and its message is there whole or not at all.
 *
 * It is stepped by ptrace.  The sanitizers put many instructions between ours,
 * so their builds take strides.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/ring_kit.h"
#include "tests/unit/t.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 211
#else
#define STRIDE 1
#endif

#define SIZE 40u
#define KILLED 0
#define WELL 1

struct found {
	unsigned killed, well, torn, lost;
};

static unsigned char room[256], copy[256];

static void
publish_stepped(const struct ring *r, uint64_t number)
{
	struct ring_msg m = kit_msg(KILLED, number, SIZE, room);
	struct ring_place where;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	ring_publish(r, KILLED, &m, &where);
	_exit(0);
}

/* Kills one after <steps> instructions; false: it came to its end before. */
static bool
kill_after(const struct ring *r, uint64_t number, unsigned steps)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		publish_stepped(r, number);
	OK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	for (unsigned i = 0; i < steps; i++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) == -1 ||
		    waitpid(pid, &status, 0) != pid || WIFEXITED(status))
			return false;
		/* A breakpoint of its own making would be a bug of ours. */
		if (!OK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP))
			return false;
	}
	OK(kill(pid, SIGKILL) == 0);
	OK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	return true;
}

/* Reads all there is; what came of the <killed> one and the <well> one. */
static struct found
look(const struct ring *r, struct ring_cursor *c, uint64_t number)
{
	struct found f = { 0 };
	enum ring_found found;
	struct ring_item it;
	char name[RING_NAME_MAX];

	while ((found = ring_next(r, c, &it)) != RING_NONE) {
		if (found == RING_LOST || !ring_copy(r, c, &it, name, copy)) {
			f.lost++;
			continue;
		}
		f.torn += !kit_is_whole(&it, copy) || it.origin != number;
		f.killed += it.lane == KILLED;
		f.well += it.lane == WELL;
	}
	return f;
}

static void
killed_after_every_instruction(void)
{
	unsigned before = 0, after = 0, wrong = 0, steps;
	struct ring_cursor c = { 0 };
	struct ring_place where;
	uint64_t number = 0;
	struct ring r;

	/* So small that index and lanes go round many times. */
	kit_ring(&r, 2, 16, RING_LANE_MIN);
	for (steps = 0;; steps += STRIDE) {
		bool killed = kill_after(&r, ++number, steps);
		uint64_t at = ring_tail(&r);
		struct found f;

		/* The next publisher, and the killed one's successor. */
		OK(kit_publish(&r, WELL, number, SIZE, room, &where) == 0);
		OK(where.offset == at);
		f = look(&r, &c, number);
		wrong += f.well != 1 || f.torn || f.lost || f.killed > 1;
		if (!killed) {
			OK(f.killed == 1);
			break;
		}
		before += f.killed == 0;
		after += f.killed == 1;
	}
	OK(wrong == 0);
	OK(before > 0 && after > 0);
	OK(c.lost == 0 && c.at == 2 * number - before);
	printf("%u steps, %u before the swap\n", steps, before * STRIDE);
	kit_ring_free(&r);
}

static void
tests(void)
{
	T(killed_after_every_instruction);
}

T_MAIN(tests)
