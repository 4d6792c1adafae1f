/* See LICENSE for the terms. */
/*
 * The key, turned so that its first byte meets the first one to be unmasked,
 * is repeated over a vector register.  Loads and stores go through memcpy(),
 * which is an unaligned move: there is no prologue to an aligned address.
 */
#include "proto/mask.h"

#include <stdint.h>
#include <string.h>

typedef uint32_t vec __attribute__((vector_size(16)));

static inline void
step(unsigned char *to, const unsigned char *from, vec key)
{
	vec v;

	memcpy(&v, from, sizeof(v));
	v ^= key;
	memcpy(to, &v, sizeof(v));
}

void
mask_copy(unsigned char *to, const unsigned char *from, size_t n,
    const unsigned char key[4], size_t at)
{
	unsigned char turned[4];
	uint32_t word;
	vec wide;
	size_t i = 0;

	for (size_t k = 0; k < 4; k++)
		turned[k] = key[(at + k) & 3];
	memcpy(&word, turned, sizeof(word));
	wide = (vec){ word, word, word, word };
	for (; n - i >= 2 * sizeof(vec); i += 2 * sizeof(vec)) {
		step(to + i, from + i, wide);
		step(to + i + sizeof(vec), from + i + sizeof(vec), wide);
	}
	if (n - i >= sizeof(vec)) {
		step(to + i, from + i, wide);
		i += sizeof(vec);
	}
	for (; i < n; i++)
		to[i] = from[i] ^ turned[i & 3];
}
