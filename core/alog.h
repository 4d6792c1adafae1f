/* See LICENSE for the terms. */
/*
 * The access log: a line a request, in the log of the shard that answered it.
 *
 * Thread: the log's.
 */
#ifndef CORE_ALOG_H
#define CORE_ALOG_H

#include <stdint.h>

#include "core/log.h"
#include "core/str.h"

/*
 * A request that was answered.  Bytes are escaped as everywhere, and quotes
 * and backslashes too, so that a client cannot end its field.  The target is
 * written without its query, which may hold secrets.
 */
struct access_line {
	struct str addr;
	struct str method;
	struct str target;
	struct str version;	/* as in the request: HTTP/1.1 */
	unsigned status;
	uint64_t bytes;		/* of the body sent */
	uint64_t us;		/* from the request's first byte to the end */
};

/* Written at every level: who wants no access log does not call this. */
void alog_write(struct log *l, const struct access_line *a);

#endif
