/* See LICENSE for the terms. */
/*
 * The access log's one format; a choice of fields belongs here when there is
 * one.
 */
#include "core/alog.h"

#include <errno.h>
#include <string.h>

#include "core/line.h"
#include "core/util.h"

/* A long target must not push out what stands behind it. */
#define TARGET_MAX 800

void
alog_write(struct log *l, const struct access_line *a)
{
	struct line ln;
	struct str target = a->target;
	const char *query = target.n ? memchr(target.p, '?', target.n) : NULL;
	int saved = errno;

	if (query)
		target.n = (size_t)(query - target.p);
	log_begin(l, &ln, "[ACCESS] ");
	line_escaped(&ln, a->addr, true);
	line_put(&ln, " \"", 2);
	line_escaped(&ln, a->method, true);
	line_put(&ln, " ", 1);
	line_escaped(&ln, (struct str){ target.p, MIN(target.n, TARGET_MAX) },
	    true);
	if (target.n > TARGET_MAX)
		line_put(&ln, "...", 3);
	line_put(&ln, " ", 1);
	line_escaped(&ln, a->version, true);
	line_put(&ln, "\" ", 2);
	line_number(&ln, a->status, 3);
	line_put(&ln, " ", 1);
	line_number(&ln, a->bytes, 1);
	line_put(&ln, " ", 1);
	line_number(&ln, a->us / 1000, 1);
	line_put(&ln, ".", 1);
	line_number(&ln, a->us % 1000, 3);
	line_put(&ln, "ms", 2);
	log_end(l, &ln, false);
	errno = saved;
}
