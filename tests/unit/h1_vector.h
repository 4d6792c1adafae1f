/* See LICENSE for the terms. */
/*
 * A message, what must come of it, and the section that decides: of RFC 9110,
 * 9112 or 9113.  The tables are in h1_bad_heads.h, h1_bad_bodies.h and
 * h1_good.h; the unit tests go through them, and the fuzzers' corpus is made
 * of them.
 */
#ifndef TESTS_UNIT_H1_VECTOR_H
#define TESTS_UNIT_H1_VECTOR_H

#include <stddef.h>

/* Other than a status to refuse with: */
enum {
	SERVED = 1,		/* answered with 200, and so is what follows */
	LAST			/* answered with 200, and that is the end */
};

struct vector {
	const char *rfc;
	int want;
	const char *p;
	size_t n;
};

/* What follows each of them: a whole and good request. */
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

#define V(rfc, want, text) { rfc, want, text, sizeof(text) - 1 }
/* A request line before a good field; fields behind a good line. */
#define LINE(rfc, want, text) V(rfc, want, text "\r\nHost: a\r\n\r\n")
#define FIELD(rfc, want, text) \
	V(rfc, want, "POST / HTTP/1.1\r\nHost: a\r\n" text "\r\n\r\n")
#define HOST(rfc, want, text) \
	V(rfc, want, "GET / HTTP/1.1\r\n" text "\r\n\r\n")
#define CHUNKED \
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CHUNK(rfc, want, text) V(rfc, want, CHUNKED text)

#endif
