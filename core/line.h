/* See LICENSE for the terms. */
/*
 * A line of the log while it is composed, on the stack.
 *
 * Pure functions, any thread.  What does not fit is left out, and line_close()
 * says so with "...".
 */
#ifndef CORE_LINE_H
#define CORE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"
#include "core/str.h"

struct line {
	size_t n;
	bool full;			/* something was left out */
	char text[LOG_LINE];
};

/* Bytes that are known to be harmless. */
void line_put(struct line *ln, const char *p, size_t n);
void line_text(struct line *ln, const char *z);
/* Decimal, with zeros before it up to <width>. */
void line_number(struct line *ln, uint64_t v, unsigned width);
/*
 * Bytes from outside: control bytes and what is not UTF-8 as \xNN; with
 * <quoted> also what would end or fake a quoted field.
 */
void line_escaped(struct line *ln, struct str s, bool quoted);
/*
 * Bytes from outside as the inside of a JSON string of at most <most> bytes,
 * "..." at its end included: what is not UTF-8 as the character of that
 * number.  Whole if there is room for <most>.
 */
void line_json(struct line *ln, struct str s, size_t most);
/* The line's end. */
void line_close(struct line *ln);

#endif
