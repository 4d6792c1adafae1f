/* See LICENSE for the terms. */
/*
 * A response of text/event-stream that listens to channels (WHATWG HTML, 9.2,
 * "Server-sent events"): each message is an event, with its offset for an id,
 *
 *	id: 4711
 *	data: a line of the message
 *	data: the next one
 *
 * sent by the deliver step without the application.  The application may write
 * events of its own all the while: a piece of its own that is not yet all
 * taken (res->midway) stays whole, and the messages follow it.
 *
 * What waits for a slow client is bounded by --subscriber-buffer; beyond it
 * the connection is reset (the browser comes again, and tells the last id it
 * has seen) or messages are skipped, as --subscriber-overflow says.  Bytes
 * that are no UTF-8 cannot be sent as an event, and are dropped; all of this
 * is counted (relay_drop()).
 *
 * Thread: the shard's token holder.  Memory: from the first join to the
 * request's end.
 */
#ifndef PROTO_SSE_H
#define PROTO_SSE_H

#include <stdbool.h>

#include "core/str.h"

struct req;

/*
 * 0, also if it is in already, or answers a HEAD, to which nothing is sent;
 * -ENOTCONN: the response has not begun, or is over; -EPROTOTYPE: it is no
 * text/event-stream, or has a length or a coding; -EINVAL: <channel> is no name
 * of one; -ENOMEM.
 */
int sse_join(struct req *r, struct str channel);
/* False: it was not in. */
bool sse_leave(struct req *r, struct str channel);

/* For res.c and req.c; r->sse is there. */
/* The application's piece is whole: what came meanwhile follows. */
void sse_resume(struct req *r);
void sse_end(struct req *r);

#endif
