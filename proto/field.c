/* See LICENSE for the terms. */
/*
 * One table says for each byte where it may stand; the functions walk it.
 */
#include "proto/field.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/util.h"

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

#define ALNUM (TOKEN | VALUE | TARGET | HOST)	/* and - . _ ~ ! $ & ' * + */
#define MARK (TOKEN | VALUE | TARGET)		/* ^ ` | : tchar, no host */
#define DELIM (VALUE | TARGET | HOST)		/* ( ) ; = : sub-delims */
#define OTHER (VALUE | TARGET)

static const unsigned char class[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['0' ... '9'] = ALNUM, ['A' ... 'Z'] = ALNUM, ['a' ... 'z'] = ALNUM,
	['-'] = ALNUM, ['.'] = ALNUM, ['_'] = ALNUM, ['~'] = ALNUM,
	['!'] = ALNUM, ['$'] = ALNUM, ['&'] = ALNUM, ['\''] = ALNUM,
	['*'] = ALNUM, ['+'] = ALNUM,
	['^'] = MARK, ['`'] = MARK, ['|'] = MARK, ['%'] = MARK,
	['#'] = TOKEN | VALUE,
	['('] = DELIM, [')'] = DELIM, [';'] = DELIM, ['='] = DELIM,
	['"'] = OTHER, [','] = OTHER, ['/'] = OTHER, [':'] = OTHER,
	['<'] = OTHER, ['>'] = OTHER, ['?'] = OTHER, ['@'] = OTHER,
	['['] = OTHER, ['\\'] = OTHER, [']'] = OTHER, ['{'] = OTHER,
	['}'] = OTHER,
	[0x80 ... 0xff] = VALUE,
};

/* All bytes of <s> are of the class; true for none. */
static inline bool
all(struct str s, unsigned char which)
{
	const unsigned char *p = (const unsigned char *)s.p;
	unsigned char common = which;

	for (size_t i = 0; i < s.n; i++)
		common &= class[p[i]];
	return common == which;
}

bool
field_is_token(struct str s)
{
	return s.n > 0 && all(s, TOKEN);
}

bool
field_is_value(struct str s)
{
	return all(s, VALUE);
}

bool
field_is_target(struct str s)
{
	return s.n > 0 && all(s, TARGET);
}

/* Behind the host: nothing, or a colon and a port, which may be empty. */
static bool
is_port(const char *p, const char *end)
{
	unsigned port = 0;

	if (p == end)
		return true;
	if (*p++ != ':' || end - p > 5)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		port = port * 10 + (unsigned)(*p - '0');
	}
	return port <= 65535;
}

/* "[::1]:80" */
static bool
is_ip6_host(struct str s)
{
	const char *close = memchr(s.p, ']', s.n);
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;
	size_t n;

	if (!close)
		return false;
	n = (size_t)(close - s.p) - 1;
	if (n >= sizeof(text) || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p + 1, n);
	text[n] = 0;
	return inet_pton(AF_INET6, text, &a) == 1 &&
	    is_port(close + 1, s.p + s.n);
}

bool
field_is_host(struct str s)
{
	size_t i;

	if (s.n == 0)
		return false;
	if (s.p[0] == '[')
		return is_ip6_host(s);
	for (i = 0; i < s.n && s.p[i] != ':'; i++) {
		if (class[(unsigned char)s.p[i]] & HOST)
			continue;
		if (s.p[i] != '%' || s.n - i < 3 ||
		    !field_is_hex((unsigned char)s.p[i + 1]) ||
		    !field_is_hex((unsigned char)s.p[i + 2]))
			return false;
		i += 2;
	}
	return i > 0 && is_port(s.p + i, s.p + s.n);
}

int64_t
field_number(struct str s)
{
	uint64_t v = 0;

	/* 19 digits cannot overflow 64 bits without a sign. */
	if (s.n == 0 || s.n > 19)
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return v > INT64_MAX ? -1 : (int64_t)v;
}

static bool
is_ows(char c)
{
	return c == ' ' || c == '\t';
}

struct str
field_trim(struct str s)
{
	while (s.n > 0 && is_ows(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_ows(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
field_lists(struct str list, struct str token)
{
	while (list.n > 0) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;

		if (str_ieq(field_trim((struct str){ list.p, n }), token))
			return true;
		n = MIN(n + 1, list.n);
		list.p += n;
		list.n -= n;
	}
	return false;
}

void
field_lower(char *to, const char *from, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	/*
	 * Eight bytes at a time: adding sets the top bit of those from 'A' on
	 * and of those behind 'Z'; ASCII only, so nothing is carried over.
	 */
	for (; n >= 8; n -= 8, from += 8, to += 8) {
		uint64_t v, from_a, past_z;

		memcpy(&v, from, 8);
		from_a = v + ones * (0x80 - 'A');
		past_z = v + ones * (0x80 - 'Z' - 1);
		v |= (from_a & ~past_z & ones * 0x80) >> 2;
		memcpy(to, &v, 8);
	}
	for (; n > 0; n--)
		*to++ = (char)str_lower((unsigned char)*from++);
}
