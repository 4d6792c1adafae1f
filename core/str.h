/* See LICENSE for the terms. */
/*
 * A string that somebody else owns: pointer and length, no NUL promised.
 *
 * Passed by value.  It lives as long as the memory it points into, which
 * whoever stores one must say.  Case is ASCII's only: no locale is asked.
 */
#ifndef CORE_STR_H
#define CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* Of a string literal only; also as an initialiser of a static struct. */
#define STR(literal) ((struct str){ "" literal "", sizeof(literal) - 1 })

/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

/* Of a NUL-terminated string; NULL gives the empty one. */
static inline struct str
str_of(const char *z)
{
	return (struct str){ z ? z : "", z ? strlen(z) : 0 };
}

static inline bool
str_eq(struct str a, struct str b)
{
	/* memcmp() must not see NULL, not even for no bytes. */
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline unsigned char
str_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* As str_eq(), with A to Z and a to z the same. */
static inline bool
str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (str_lower((unsigned char)a.p[i]) !=
		    str_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

/* Eight bytes at a time; only ever compared within one process. */
static inline uint32_t
str_hash(struct str s)
{
	const uint64_t k = 0x9fb21c651e98df25ull;
	uint64_t h = s.n * 0x9e3779b97f4a7c15ull, w;

	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		memcpy(&w, s.p, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	if (s.n > 0)
		memcpy(&w, s.p, s.n);
	h = (h ^ w) * k;
	return (uint32_t)(h >> 32);
}

#endif
