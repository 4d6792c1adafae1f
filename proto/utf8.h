/* See LICENSE for the terms. */
/*
 * Is it UTF-8 (RFC 3629)?  Asked piece by piece, and answered with "no" at the
 * first byte with which nothing valid can begin any more.
 *
 * Pure functions over a state that the caller keeps.  Any thread.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed before the first piece. */
struct utf8 {
	uint8_t left;		/* bytes of the character still to come */
	uint8_t lo, hi;		/* bounds of the next of them */
};

/* false: it is none, and nothing behind it can help. */
bool utf8_add(struct utf8 *u, const unsigned char *p, size_t n);

/* No character is left half. */
static inline bool
utf8_is_whole(const struct utf8 *u)
{
	return u->left == 0;
}

#endif
