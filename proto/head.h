/* See LICENSE for the terms. */
/*
 * What must be right about a request's head as a whole, beyond the syntax of
 * its parts: the fields that decide where a request goes and where it ends.
 *
 * Pure functions.  Thread: the shard's token holder.
 */
#ifndef PROTO_HEAD_H
#define PROTO_HEAD_H

#include <stdbool.h>

#include "core/str.h"

struct req;

/*
 * Once all fields and the version are there: one valid Host, single fields
 * given once, a clear framing within the limit, a known expectation.  Fills
 * r->chunked, r->length and r->expects.  0, or the status to refuse with; then
 * *<why> says it for the log.
 */
int head_check(struct req *r, const char **why);

/* Whether a field of that lower-case name may come behind the body. */
bool head_may_trail(struct str name);

#endif
