/* See LICENSE for the terms. */
/*
 * RFC 3629, section 4, read as a machine: the first byte says how many follow
 * and what the second may be (no overlong form, no surrogate, nothing above
 * U+10FFFF); the others are 80 to BF.  ASCII goes sixteen bytes at a time.
 */
#include "proto/utf8.h"

#include <string.h>

/* How many of the bytes from <p> are ASCII for sure. */
static inline size_t
ascii_run(const unsigned char *p, size_t n)
{
	const uint64_t high = 0x8080808080808080ull;
	uint64_t a, b;
	size_t i;

	for (i = 0; n - i >= 16; i += 16) {
		memcpy(&a, p + i, 8);
		memcpy(&b, p + i + 8, 8);
		if ((a | b) & high)
			break;
	}
	return i;
}

/* The first byte of a character that is not ASCII. */
static bool
lead(struct utf8 *u, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	u->left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	u->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	u->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool
utf8_add(struct utf8 *u, const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (u->left > 0) {
			if (p[i] < u->lo || p[i] > u->hi)
				return false;
			u->left--;
			u->lo = 0x80;
			u->hi = 0xbf;
			i++;
		} else if (p[i] < 0x80) {
			i += ascii_run(p + i, n - i);
			if (i < n && p[i] < 0x80)
				i++;
		} else {
			if (!lead(u, p[i]))
				return false;
			i++;
		}
	}
	return true;
}
