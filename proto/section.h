/* See LICENSE for the terms. */
/*
 * Header sections that came before (RFC 9110, 6.3): a client mostly sends the
 * same fields with every request of a connection, whatever the target.  What
 * follows the request line is compared with what it was the last time, and if
 * that is the same to the last byte, so is all that parser and checks would
 * find; then they are not asked again.  HTTP/2 and HPACK have this by design.
 *
 * Only sections of which nothing depends on the request line, and that end the
 * message: HTTP/1.1, no body, no upgrade (h1_in.c decides).
 *
 *   noted   a connection remembers the hash of its last one
 *   made    it comes again: parsed once more, now it is kept, in the shard's
 *           table, for all connections
 *   used    by requests, each of which holds a reference
 *   gone    another took its place in the table, and no request uses it
 *
 * A connection is compared with nothing but what has the hash of its own last
 * section, so that how long a comparison takes tells nobody about others'.
 *
 * Thread: the shard's token holder; a section itself never changes.  Memory:
 * SECTIONS a shard of at most three times SECTION_MAX bytes each.
 */
#ifndef PROTO_SECTION_H
#define PROTO_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct field;
struct req;
struct shard;

#define SECTIONS 64
/* Longer ones are not kept. */
#define SECTION_MAX 2048

struct section {
	uint64_t id;			/* of this shard, never 0 */
	struct str raw;			/* CRLF ... CRLF CRLF, as sent */
	uint32_t refs;			/* the table's and the requests' */
	uint32_t hash;			/* of <raw> */
	uint32_t head_bytes;		/* as struct req has them */
	unsigned n_fields;
	struct field *fields;
	bool keep;			/* the connection lives on */
};

/* What a connection knows of its last one; zero at its beginning. */
struct section_last {
	uint32_t hash;
	uint16_t changes;		/* one after the other */
};

/* What <s> begins with, if that was the last one, and is kept; or NULL. */
struct section *section_find(const struct shard *s,
    const struct section_last *last, struct str in);

/*
 * The section <raw> of <r>, which has the fields in it, was parsed: to be known
 * the next time.  Without memory it is not.
 */
void section_note(const struct req *r, struct section_last *last,
    struct str raw, bool keep);

/* <r> has the fields of <sec> from now on; until section_drop(). */
void section_use(struct req *r, struct section *sec);
void section_drop(struct section *sec);

/* The shard's table. */
void section_fini(struct shard *s);

#endif
