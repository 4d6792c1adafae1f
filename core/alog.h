/* See LICENSE for the terms. */
/*
 * The access log: a line a response, made without Python, by the shard that
 * answered.
 *
 * Its form is one of ours (ALOG_SHOAL: as the log's other lines, ALOG_JSON),
 * or parts compiled from a text with Granian's and gunicorn's atoms; see
 * core/alog_fmt.c for those.  Lines of these two kinds are nothing but the
 * form, without date and level before them.
 *
 * Bytes from outside are escaped as everywhere, and quotes and backslashes
 * too, so that a client cannot end its field.  Our own forms, "common" and
 * "combined" write targets and referrers without their query, which may hold
 * secrets; what a text asks for by name is written.
 *
 * Thread: writing, the log's; a form is const once it is compiled.
 */
#ifndef CORE_ALOG_H
#define CORE_ALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/log.h"
#include "core/str.h"

/* A request that was answered, or that nobody waits for any more. */
struct access_line {
	struct str addr;
	struct str method;
	struct str target;
	struct str version;	/* as in the request: HTTP/1.1 */
	struct str scheme;
	unsigned shard;
	unsigned status;
	bool cut;		/* it ended before all was there to be sent */
	uint64_t bytes;		/* of the body sent */
	uint64_t us;		/* from the request's first byte to the end */
	int64_t length;		/* the answer's Content-Length, -1: none */
	/* Another field, of its head or of what the application answered. */
	struct str (*field)(const void *req, struct str name, bool response);
	const void *req;	/* for <field>, which may give NULL in <p> */
};

enum alog_kind { ALOG_SHOAL, ALOG_JSON, ALOG_PARTS };

/* More atoms and texts between them than anybody has asked for. */
#define ALOG_PARTS_MAX 64

struct alog_part {
	struct str text;	/* between atoms; or a field's name */
	uint8_t atom;		/* enum alog_atom of core/alog_priv.h */
	uint8_t width;
	int8_t precision;	/* -1: none given */
	char conversion;	/* s, d or f */
	bool left;		/* aligned to the left */
	bool zero;		/* filled with zeros */
};

struct alog_form {
	enum alog_kind kind;
	unsigned n;
	struct alog_part part[ALOG_PARTS_MAX];
};

/*
 * Compiles "shoal", "common", "combined", "json", or a text with atoms, which
 * has to live as long as <f>.  0, or -EINVAL and in <err> what is wrong.
 */
int alog_compile(struct alog_form *f, const char *text, char *err,
    size_t n_err);

/* Written at every level: who wants no access log does not call this. */
void alog_write(struct log *l, const struct alog_form *f,
    const struct access_line *a);

#endif
