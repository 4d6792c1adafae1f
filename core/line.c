/* See LICENSE for the terms. */
/*
 * Composing one line, escaped while it is copied.
 */
#include "core/line.h"

#include <limits.h>
#include <string.h>

_Static_assert(LOG_LINE <= PIPE_BUF, "lines of writers would mix");

/* Room for "\xNN" or "..." and the line's end is kept back. */
#define ROOM (LOG_LINE - 8)

void
line_put(struct line *ln, const char *p, size_t n)
{
	if (n > ROOM - ln->n) {
		n = ROOM - ln->n;
		ln->full = true;
	}
	/* memcpy() must not see NULL, not even for no bytes. */
	if (n)
		memcpy(ln->text + ln->n, p, n);
	ln->n += n;
}

void
line_text(struct line *ln, const char *z)
{
	line_put(ln, z, strlen(z));
}

void
line_number(struct line *ln, uint64_t v, unsigned width)
{
	char buf[20];
	size_t at = sizeof(buf);

	do {
		buf[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v || sizeof(buf) - at < width);
	line_put(ln, buf + at, sizeof(buf) - at);
}

static void
put_hex(struct line *ln, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char esc[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

	/* An escape is written whole or not at all. */
	if (sizeof(esc) > ROOM - ln->n)
		ln->full = true;
	else
		line_put(ln, esc, sizeof(esc));
}

/*
 * The length of the character at <p> that may be shown as it is, or 0.
 *
 * RFC 3629, section 4: no overlong forms, no surrogates, nothing above
 * U+10FFFF.  U+0080 to U+009F are left out, too: terminals obey them.
 */
static size_t
utf8_shown(const unsigned char *p, size_t n)
{
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	unsigned char lo = 0x80, hi = 0xbf;

	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	if (p[0] == 0xc2 || p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void
line_escaped(struct line *ln, struct str s, bool quoted)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0, run = 0, len;

	while (i < s.n && !ln->full) {
		if (p[i] >= 0x80)
			len = utf8_shown(p + i, s.n - i);
		else
			len = p[i] >= 0x20 && p[i] != 0x7f && !(quoted &&
			      (p[i] == '"' || p[i] == '\\'));
		i += len;
		if (len)
			continue;
		line_put(ln, s.p + run, i - run);
		put_hex(ln, p[i]);
		run = ++i;
	}
	line_put(ln, s.p + run, i - run);
}

void
line_json(struct line *ln, struct str s, size_t most)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)s.p;
	size_t used = 0, n, len;

	for (size_t i = 0; i < s.n; i += n) {
		char esc[6] = { '\\', 'u', '0', '0', hex[p[i] >> 4],
			hex[p[i] & 15] };
		bool plain = p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' &&
		    p[i] != '\\';

		n = p[i] >= 0x80 ? utf8_shown(p + i, s.n - i) : plain;
		len = n ? n : sizeof(esc);
		if (used + len > most - 3) {
			line_put(ln, "...", 3);
			break;
		}
		line_put(ln, n ? s.p + i : esc, len);
		used += len;
		n += !n;
	}
}

void
line_close(struct line *ln)
{
	/* ROOM left place for these.  Half a character is dropped. */
	if (ln->full) {
		while (ln->n && (ln->text[ln->n - 1] & 0xc0) == 0x80)
			ln->n--;
		ln->n -= ln->n && (ln->text[ln->n - 1] & 0x80);
		memcpy(ln->text + ln->n, "...", 3);
		ln->n += 3;
	}
	ln->text[ln->n++] = '\n';
}
