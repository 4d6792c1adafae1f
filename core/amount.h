/* See LICENSE for the terms. */
/*
 * Amounts as people write them: "8k", "1h30m", "500ms", and back.
 *
 * Pure functions, any thread.  No locale is asked and no floating point is
 * used, so that 1.5s means the same everywhere.
 */
#ifndef CORE_AMOUNT_H
#define CORE_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

/* A text that amount_print_*() writes fits in this. */
#define AMOUNT_TEXT 32

/* Microseconds of a second and of a millisecond. */
#define AMOUNT_S  INT64_C(1000000)
#define AMOUNT_MS INT64_C(1000)

/* Decimal digits and nothing else.  -EINVAL, or -ERANGE beyond 64 bits. */
int amount_number(const char *s, int64_t *n);

/*
 * Bytes: a number, or one with k, m or g (of 1024; also kb and kib, in either
 * case).  -EINVAL or -ERANGE.
 */
int amount_size(const char *s, int64_t *bytes);

/*
 * Microseconds: numbers with the units d, h, m, s, ms, us, the larger before
 * the smaller ("1h30m"), a decimal point allowed ("1.5s").  A number alone is
 * in units of <bare> microseconds.  Parts of a microsecond are rounded down.
 * -EINVAL or -ERANGE.
 */
int amount_time(const char *s, int64_t bare, int64_t *us);

/* The shortest exact spelling; at least AMOUNT_TEXT bytes at <buf>. */
void amount_print_size(char *buf, int64_t bytes);
void amount_print_time(char *buf, int64_t us);

#endif
