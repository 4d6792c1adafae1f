/* See LICENSE for the terms. */
/*
 * The memory of one request.
 */
#include "core/arena.h"

#include <stdint.h>

#include "tests/unit/t.h"

static bool
is_aligned(const void *p)
{
	return ((uintptr_t)p & 7) == 0;
}

static bool
is_in_first(const struct arena *a, const void *p)
{
	return (const char *)p >= a->first &&
	    (const char *)p < a->first + ARENA_FIRST;
}

static void
a_small_request_allocates_nothing_more(void)
{
	struct arena a;

	OK(arena_init(&a, 0) == 0);
	for (int i = 0; i < ARENA_FIRST / 16; i++)
		OK(is_in_first(&a, arena_alloc(&a, 9)));
	/* Full, and nothing allowed beyond. */
	OK(!arena_alloc(&a, 1));
	OK(a.used == 0);
	arena_fini(&a);
}

static void
allocations_are_aligned_and_apart(void)
{
	struct arena a;
	char *p[300];

	OK(arena_init(&a, 1 << 20) == 0);
	for (size_t i = 0; i < 300; i++) {
		p[i] = arena_alloc(&a, i + 1);
		OK(is_aligned(p[i]));
		memset(p[i], (int)(i & 0xff), i + 1);
	}
	for (size_t i = 0; i < 300; i++)
		for (size_t k = 0; k <= i; k++)
			if (p[i][k] != (char)(i & 0xff))
				OK(!"overwritten");
	arena_fini(&a);
}

static void
beyond_the_limit_is_NULL_and_harms_nothing(void)
{
	struct arena a;
	char *p;

	OK(arena_init(&a, 3 * ARENA_FIRST) == 0);
	p = arena_alloc(&a, 10);
	memset(p, 'x', 10);
	OK(!arena_alloc(&a, 3 * ARENA_FIRST + 1));
	OK(!arena_alloc(&a, SIZE_MAX));
	OK(!arena_alloc(&a, SIZE_MAX - 100));
	OK(a.used == 0);
	OK(arena_alloc(&a, 3 * ARENA_FIRST) != NULL);
	OK(a.used == 3 * ARENA_FIRST);
	OK(!arena_alloc(&a, 1));
	OK(memcmp(p, "xxxxxxxxxx", 10) == 0);
	arena_fini(&a);
}

static void
small_blocks_count_whole_against_the_limit(void)
{
	struct arena a;

	OK(arena_init(&a, 2 * ARENA_FIRST) == 0);
	OK(arena_alloc(&a, ARENA_FIRST) != NULL);
	for (int i = 0; i < 2; i++)
		OK(arena_alloc(&a, ARENA_FIRST - 8) != NULL);
	OK(a.used == 2 * ARENA_FIRST);
	OK(!arena_alloc(&a, ARENA_FIRST - 8));
	arena_fini(&a);
}

static void
reset_forgets_all_but_the_first_block(void)
{
	struct arena a;
	char *first;

	OK(arena_init(&a, 1 << 20) == 0);
	for (int round = 0; round < 3; round++) {
		first = arena_alloc(&a, 100);
		OK(first == a.first);
		for (int i = 0; i < 20; i++)
			OK(arena_alloc(&a, 30000) != NULL);
		OK(a.used == 20 * 30000);
		arena_reset(&a);
		OK(a.used == 0 && !a.more);
	}
	arena_fini(&a);
}

static void
the_newest_grows_in_place_then_moves(void)
{
	struct arena a;
	char *p, *q;

	OK(arena_init(&a, 1 << 20) == 0);
	OK(arena_alloc(&a, 1) != NULL);
	p = arena_grow(&a, NULL, 0, 3);
	OK(p == a.first + 1);		/* text needs no alignment */
	memcpy(p, "abc", 3);
	q = arena_grow(&a, p, 3, 1000);
	OK(q == p);
	q = arena_grow(&a, p, 1000, ARENA_FIRST);
	OK(q != p && !is_in_first(&a, q));
	OK(memcmp(q, "abc", 3) == 0);
	/* It got room to grow on without moving. */
	p = arena_grow(&a, q, ARENA_FIRST, ARENA_FIRST * 3 / 2);
	OK(p == q);
	arena_fini(&a);
}

static void
growing_beyond_the_limit_leaves_what_was(void)
{
	struct arena a;
	char *p;

	OK(arena_init(&a, 2 * ARENA_FIRST) == 0);
	p = arena_grow(&a, NULL, 0, 5);
	memcpy(p, "hello", 5);
	OK(!arena_grow(&a, p, 5, 2 * ARENA_FIRST + 1));
	OK(memcmp(p, "hello", 5) == 0);
	/* Half more does not fit; what is asked for does. */
	p = arena_grow(&a, p, 5, 2 * ARENA_FIRST);
	OK(p && memcmp(p, "hello", 5) == 0);
	OK(a.used == 2 * ARENA_FIRST);
	arena_fini(&a);
}

static void
text_that_comes_bytewise_moves_seldom(void)
{
	struct arena a;
	char *p = NULL;
	int moves = 0;

	OK(arena_init(&a, 1 << 20) == 0);
	for (size_t n = 0; n < 60000; n++) {
		char *q = arena_grow(&a, p, n, n + 1);

		moves += q != p;
		p = q;
		p[n] = (char)('a' + n % 26);
	}
	OK(moves < 12);
	for (size_t n = 0; n < 60000; n++)
		if (p[n] != (char)('a' + n % 26))
			OK(!"lost");
	arena_fini(&a);
}

static void
tests(void)
{
	T(a_small_request_allocates_nothing_more);
	T(allocations_are_aligned_and_apart);
	T(beyond_the_limit_is_NULL_and_harms_nothing);
	T(small_blocks_count_whole_against_the_limit);
	T(reset_forgets_all_but_the_first_block);
	T(the_newest_grows_in_place_then_moves);
	T(growing_beyond_the_limit_leaves_what_was);
	T(text_that_comes_bytewise_moves_seldom);
}

T_MAIN(tests)
