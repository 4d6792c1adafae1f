/* See LICENSE for the terms. */
/*
 * Small helpers that the C language lacks.  Any thread; no state.
 */
#ifndef CORE_UTIL_H
#define CORE_UTIL_H

#include <stddef.h>

/* Plain macros: an argument with a side effect may run it twice. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Of an array only; given a pointer, gcc refuses to compile it. */
#define ARRAY_LEN(a) \
	(sizeof(a) / sizeof((a)[0]) + 0 * sizeof(char[1 - 2 * \
	!!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

/* The struct of <type> whose <member> is at <ptr>.  <ptr> is not NULL. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - \
	offsetof(type, member)))

#endif
