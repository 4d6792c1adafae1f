/* See LICENSE for the terms. */
/*
 * A response: its head as the application gives it, checked once for every
 * protocol, and its way out.
 *
 * struct res is a builder over memory of its own, so a thread without the
 * shard's token may fill one (WSGI).  Fields lie as "name: value\r\n" one
 * behind the other: HTTP/1 copies them whole, and since no name has a colon
 * and no value a line's end, HTTP/2 can take them apart again.
 *
 * The server owns framing: Transfer-Encoding from the application is dropped;
 * Content-Length is noted and checked against what is written (RFC 9112, 6.3);
 * Connection is dropped but for "close", and so are the other fields that are
 * for one hop only (Keep-Alive, Proxy-Connection, Upgrade).  A control in a
 * value, a name that is no token, a status outside 200-999 are refused:
 * nothing of such a head ever reaches the wire.
 */
#ifndef PROTO_RES_H
#define PROTO_RES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

struct file;
struct req;

/* Bytes of fields that an application may give; beyond: refused. */
#define RES_HEAD_MAX (64u << 10)
#define RES_REASON_MAX 80

struct res {
	char *buf;			/* fields, in wire form for HTTP/1 */
	uint32_t len;
	uint32_t cap;
	unsigned status;
	char *reason;			/* the application's own, or NULL */
	int64_t length;			/* Content-Length given, -1: none */
	bool close;			/* "Connection: close" given */
	bool has_date;
	bool has_server;
	bool has_trailers;		/* fields are to come behind the body */
	uint32_t trailers;		/* bytes of them, behind <len> of buf */

	/* Progress, kept by the protocol. */
	bool started;			/* accepted by res_start() */
	bool sent;			/* the head is in the output */
	bool chunked;
	bool no_body;			/* HEAD, 204, 205, 304 */
	bool ended;			/* whole */
	bool cut;			/* ended before it was whole */
	bool midway;			/* res_write() did not take all */
	uint64_t written;		/* body bytes, without framing */
};

enum res_error {
	RES_OK = 0,
	RES_BAD_STATUS = -1000,		/* not 200..999 */
	RES_BAD_NAME,			/* not a token */
	RES_BAD_VALUE,			/* NUL, CR, LF or a control but HTAB */
	RES_BAD_LENGTH,			/* Content-Length is no number */
	RES_TWO_LENGTHS,		/* Content-Length twice, differing */
	RES_BAD_TRAILER,		/* a field that none may be */
	RES_TOO_LARGE,			/* above RES_HEAD_MAX */
	RES_NO_MEMORY,
	RES_TWICE			/* a response was already started */
};

/* What is wrong, for the application's developer; ends in no full stop. */
const char *res_error_text(int err);

/* Empty, ready for another response; keeps its memory. */
void res_reset(struct res *h);
void res_fini(struct res *h);

/* Builder; any thread.  RES_OK or an error; then <h> is to be reset. */
int res_status(struct res *h, unsigned status);
/* A phrase other than the usual one; refused with a control character in it,
 * and cut at RES_REASON_MAX. */
int res_set_reason(struct res *h, struct str reason);
int res_field(struct res *h, struct str name, struct str value);

/*
 * A field behind the body, of which res_start() was told by h->has_trailers.
 * Refused as of res_field(), and where its place is in a head (RFC 9110,
 * 6.5.1).  It is sent if the body is in chunks, and else dropped.
 */
int res_trailer(struct res *h, struct str name, struct str value);

/*
 * The token holder's side.
 *
 * res_start() accepts a head: <h> may be r->res itself or another, whose
 * fields are then swapped in.  The head is held until the first res_write()
 * or res_end(), or the end of the step, so that a response in one piece gets
 * its length and leaves in one send.
 */
int res_start(struct req *r, struct res *h);

/*
 * Sends the fields of <h>, which is reset, as 103 (Early Hints) at once: before
 * res_start(), any number of times.  Dropped for a client that knows no 1xx.
 */
void res_hint(struct req *r, struct res *h);

/*
 * Appends body bytes, at most what there is space for; how many were taken.
 * Fewer than <n>: app_ops->room() tells when to go on.  Bytes above a declared
 * Content-Length are not taken: the caller asks res_excess() first.
 */
size_t res_write(struct req *r, const void *p, size_t n);
/*
 * The same of bytes of <owner>'s that stay as they are.  *lent, false before:
 * they were not copied, and <owner> comes back by chunk_pool_back() of the
 * shard's pool when they have left.
 */
size_t res_lend(struct req *r, void *owner, const void *p, size_t n,
    bool *lent);
/* The same of <n> bytes of a file from <at> on, which are not read here. */
size_t res_write_file(struct req *r, struct file *f, uint64_t at, size_t n);
/* Bytes of <n> more that a declared Content-Length does not allow. */
size_t res_excess(const struct req *r, size_t n);
/*
 * Exactly <n> bytes more are to come.  Said before the first res_write() it
 * gives the response its Content-Length; later it does nothing.
 */
void res_last(struct req *r, size_t n);
/* Bytes that res_write() would take now. */
size_t res_space(struct req *r);

/*
 * The response is whole.  With fewer bytes than declared: it is cut (the
 * connection ends), and -EPIPE is returned so that it can be logged.
 */
int res_end(struct req *r);

/*
 * Answers with a short text and the status, or cuts the response where a part
 * of it is already out.  For refused requests and failed applications.
 */
void res_fail(struct req *r, unsigned status);

/* The value of the first field of that name; NULL: there is none. */
struct str res_find(const struct res *h, struct str name);

/* Whether what <h> answers <r> with has no body, whatever is written. */
bool res_has_no_body(const struct res *h, const struct req *r);

/* "OK" for 200; "Unknown" for what has no name. */
struct str res_reason(unsigned status);
/* "HTTP/1.1 200 OK\r\n"; an empty one for what has no name. */
struct str res_status_line(unsigned status);

#endif
