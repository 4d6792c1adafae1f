/* See LICENSE for the terms. */
#include "proto/sha1.h"

#include <stdint.h>
#include <string.h>

#include "core/bug.h"

#define BLOCK 64

static inline uint32_t
turn(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

/* The round's function and constant (4.1.1, 4.2.1). */
static inline uint32_t
mix(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (t < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void
block(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], v[5];

	for (unsigned t = 0; t < 16; t++, p += 4)
		w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
	for (unsigned t = 16; t < 80; t++)
		w[t] = turn(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
	memcpy(v, h, sizeof(v));
	for (unsigned t = 0; t < 80; t++) {
		uint32_t x = turn(v[0], 5) + mix(t, v[1], v[2], v[3]) + v[4] +
		    w[t];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = turn(v[1], 30);
		v[1] = v[0];
		v[0] = x;
	}
	for (unsigned i = 0; i < 5; i++)
		h[i] += v[i];
}

void
sha1(unsigned char out[SHA1_SIZE], const void *p, size_t n)
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	unsigned char buf[2 * BLOCK] = { 0 };
	size_t end = n + 9 <= BLOCK ? BLOCK : 2 * BLOCK;

	BUG_ON_HOT(n + 9 > sizeof(buf));
	memcpy(buf, p, n);
	buf[n] = 0x80;
	/* The length in bits; it fits two bytes. */
	buf[end - 2] = (unsigned char)(n * 8 >> 8);
	buf[end - 1] = (unsigned char)(n * 8);
	for (size_t i = 0; i < end; i += BLOCK)
		block(h, buf + i);
	for (unsigned i = 0; i < SHA1_SIZE; i++)
		out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i & 3)));
}
