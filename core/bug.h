/* See LICENSE for the terms. */
/*
 * Broken invariants: things that cannot happen unless Shoal itself is wrong.
 * Never for input from outside, which is refused politely.
 *
 * BUG_ON(x) stays in release builds and belongs on cold paths.  BUG_ON_HOT(x)
 * vanishes with NDEBUG, and so does the evaluation of x.  Any thread.
 */
#ifndef CORE_BUG_H
#define CORE_BUG_H

#include <stdio.h>
#include <stdlib.h>

/*
 * Says what broke and aborts, so that there is a core dump.  dprintf, because
 * a buffered stream may be locked or half written when an invariant is broken.
 */
_Noreturn static inline __attribute__((cold, unused)) void
bug_die(const char *what, const char *file, int line)
{
	dprintf(2, "BUG: %s:%d: %s\n", file, line, what);
	abort();
}

#define BUG_ON(x) do { \
	if (__builtin_expect(!!(x), 0)) \
		bug_die(#x, __FILE__, __LINE__); \
} while (0)

#ifdef NDEBUG
#define BUG_ON_HOT(x) do { (void)sizeof(!!(x)); } while (0)
#else
#define BUG_ON_HOT(x) BUG_ON(x)
#endif

#endif
