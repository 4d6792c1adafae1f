/* See LICENSE for the terms. */
/*
 * Loops over "allocation n fails, for every n": the body of
 *
 *	for (struct faults f = faults_of(1); faults_next(&f);) {
 *		faults_begin(&f);
 *		... what may fail ...
 *		faults_end(&f);
 *		... what has to be true all the same ...
 *	}
 *
 * runs until it was passed without a failure.  The count is that of
 * allocations that fail from the n-th on: UINT_MAX is a shortage that lasts.
 * The release build's allocator cannot be made to fail; it runs once.
 */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <limits.h>

#include "core/mem.h"
#include "tests/unit/t.h"

#ifndef SHOAL_MEM_FAULTS
static inline unsigned
mem_fail(unsigned first, unsigned count)
{
	(void)first;
	(void)count;
	return 0;
}
#endif

/* More than anything here allocates: a loop without end is a failure. */
#define FAULTS_MAX 10000

struct faults {
	unsigned n, count;
	bool failed;			/* something did in this round */
};

static inline struct faults
faults_of(unsigned count)
{
	return (struct faults){ .count = count };
}

static inline bool
faults_next(struct faults *f)
{
	if (f->n > 0 && !f->failed)
		return false;
	return OK(++f->n < FAULTS_MAX);
}

static inline void
faults_begin(const struct faults *f)
{
	mem_fail(f->n, f->count);
}

static inline void
faults_end(struct faults *f)
{
	f->failed = mem_fail(0, 0) > 0;
}

/* After the loop: it met at least <least> allocations. */
static inline void
faults_report(const struct faults *f, unsigned least)
{
#ifdef SHOAL_MEM_FAULTS
	OK(f->n > least);
#else
	(void)f;
	(void)least;
#endif
}

#endif
