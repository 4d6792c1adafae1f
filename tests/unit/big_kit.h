/* See LICENSE for the terms. */
/*
 * A megabyte that no two parts of are alike, and its way through a connection
 * of a shard_kit.h shard.
 */
#ifndef TESTS_UNIT_BIG_KIT_H
#define TESTS_UNIT_BIG_KIT_H

#include "tests/unit/shard_kit.h"

#define BIG (1u << 20)

static struct kit k;
static char big[BIG];

static inline void
fill(void)
{
	uint32_t x = 7;

	for (size_t i = 0; i < BIG; i++) {
		x = x * 1664525 + 1013904223;
		big[i] = (char)(x >> 24);
	}
}

static inline void
shrink(int fd, int option)
{
	OK(setsockopt(fd, SOL_SOCKET, option, &(int){ 4096 },
	    sizeof(int)) == 0);
}

/* Turns and reading until <n> bytes came; whether they are <want>. */
static inline bool
receives(int fd, const char *want, size_t n)
{
	static char got[BIG];
	size_t have = 0;

	for (int idle = 0; have < n && idle < 1000;) {
		ssize_t r = recv(fd, got + have, n - have, 0);

		if (r > 0) {
			have += (size_t)r;
			idle = 0;
		} else if (r == 0 || errno != EAGAIN) {
			break;
		} else {
			/* TCP may wait for an acknowledgement. */
			usleep(idle++ < 100 ? 0 : 1000);
		}
		kit_turn(&k);
	}
	return have == n && memcmp(got, want, n) == 0;
}

#endif
