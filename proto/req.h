/* See LICENSE for the terms. */
/*
 * A request: head, body, and what is known of its response.
 *
 * Made by a protocol when a head begins, handed to the application (app.h)
 * when it is complete, ended when both have let go: the protocol by req_done()
 * or req_lost(), the application by req_release().
 *
 *   head      the protocol appends target and fields (req_target_add(),
 *             req_name_add()...), each checked against its limit as it comes;
 *             an enum-like HTTP status is the verdict, 0 means go on.
 *   queued    req_queue(): app_ops->start runs in the run step
 *   running   body bytes come by req_body_add(); bounded: at REQ_BODY_HIGH
 *             the protocol stops reading until the application has taken some
 *   ended     response whole (or cut): the protocol goes to its next request
 *
 * Names are lower-cased when they are stored (ASGI and RSGI want them so; WSGI
 * does not mind); values are kept as they came, trimmed of OWS, any bytes.
 * Name and value lie one behind the other, so a cache may look both up at once.
 *
 * Thread: the shard's token holder.  Memory: a slot of the shard's pool with
 * its arena's first block; more from the arena up to the head's limits.
 */
#ifndef PROTO_REQ_H
#define PROTO_REQ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/loop.h"
#include "core/str.h"
#include "proto/res.h"

struct conn;
struct section;
struct shard;
struct sse;

/* Body bytes held for an application that does not read; then we stop. */
#define REQ_BODY_HIGH (64u << 10)
#define REQ_FIELDS_INLINE 32

struct field {
	const char *p;			/* the name, lower case */
	uint32_t n_name;
	uint32_t n_value;		/* behind the name, without a gap */
};

static inline struct str
field_name(const struct field *f)
{
	return (struct str){ f->p, f->n_name };
}

static inline struct str
field_value(const struct field *f)
{
	return (struct str){ f->p + f->n_name, f->n_value };
}

/* What the application is to be told in the next run step. */
enum req_event {
	REQ_START = 1, REQ_BODY = 2, REQ_ROOM = 4, REQ_GONE = 8
};

enum req_body {
	BODY_OPEN = 1,			/* more will come */
	BODY_END,			/* whole: what is queued is the rest */
	BODY_CUT			/* it will never be whole */
};

struct req {
	struct work work;		/* in the run step's list */
	struct conn *conn;		/* NULL once the protocol is done */
	struct shard *shard;
	void *app;			/* the application's side, or NULL */
	struct req *next;		/* in the pool */
	struct sse *sse;		/* its response joined channels */
	uint64_t begun;			/* ns, when its first byte was read */

	struct str method;		/* static, or in the arena */
	struct str target;		/* as sent */
	struct str path;		/* of target: before '?', origin form */
	struct str query;		/* of target: behind '?' */
	struct str authority;		/* absolute form's or :authority */
	uint8_t major, minor;		/* HTTP version */
	bool is_head;			/* HEAD: the response has no body */
	bool has_query;			/* there was a '?' */
	bool chunked;			/* the request's body is */
	bool ws;			/* a WebSocket's valid handshake */
	bool expects;			/* 100-continue is owed on want */
	bool wanted;			/* the application waits for body */
	bool room_owed;			/* it waits for space */
	bool started;			/* app_ops->start was called */
	bool released;			/* the application let go */
	bool done;			/* the protocol did */
	bool lost;			/* nothing we write can arrive */
	uint8_t body;			/* enum req_body */
	uint8_t events;			/* enum req_event, pending */
	uint8_t holds;			/* on the stack: not to be freed yet */
	uint16_t cut_status;		/* why <body> was: 400, 408, 413 */
	int64_t length;			/* Content-Length, -1: none */
	uint64_t received;		/* body bytes so far */
	struct bytes in;		/* body bytes not yet taken */

	struct field *fields;		/* n_fields of them */
	unsigned n_fields;
	unsigned cap_fields;
	uint32_t head_bytes;		/* fields so far, as on the wire */
	struct section *section;	/* whose <fields> are; NULL: ours */
	/* What follows is kept from request to request. */
	struct arena arena;
	struct res res;			/* the response's head and state */
	struct field inline_fields[REQ_FIELDS_INLINE];
};

/* From the pool, empty; NULL without memory. */
struct req *req_new(struct shard *s, struct conn *c);

/*
 * The head, piece by piece as it comes.  Each returns 0, or the status to
 * refuse with: 414 target too long, 431 field or fields too long or too many,
 * 500 without memory.  Pieces of one name or value follow each other.
 */
int req_target_add(struct req *r, const char *p, size_t n);
int req_name_add(struct req *r, const char *p, size_t n);	/* new field */
int req_name_more(struct req *r, const char *p, size_t n);
int req_value_add(struct req *r, const char *p, size_t n);
/* Checks and splits the target: origin, absolute, "*"; 0 or the status. */
int req_target_end(struct req *r);
/* No more fields; the last value is trimmed only now. */
void req_head_end(struct req *r);

/* The first field of that lower-case name, or NULL. */
const struct field *req_field(const struct req *r, struct str name);

/* Hands it to the application in the run step. */
void req_queue(struct req *r);
/* Has <event> told in the run step, unless the application let go. */
void req_tell(struct req *r, enum req_event event);

/* Protocol: body bytes, the end; 0 or -ENOMEM. */
int req_body_add(struct req *r, const void *p, size_t n);
void req_body_end(struct req *r);
/* Protocol: there will be no end; <status> is the answer if none began. */
void req_body_cut(struct req *r, unsigned status);
/*
 * Protocol: the exchange is over for it; frees unless the application holds.
 * A body still open is cut, and an application waiting for it is told.
 */
void req_done(struct req *r);
/* Protocol: the client is lost.  As req_done(), and the application hears. */
void req_lost(struct req *r);

/*
 * Application: nothing that is written can arrive any more, whether gone() was
 * called already or comes in a later step.  Who writes what has no end has to
 * ask: until then everything is taken.
 */
bool req_is_lost(const struct req *r);
/* Application: tell me by body() when there is something. */
void req_want(struct req *r);
/* Application: takes up to <n> body bytes; the number, 0 when none wait. */
size_t req_take(struct req *r, void *to, size_t n);
/* Application: nothing more will be taken and the end was seen. */
static inline bool
req_is_read(const struct req *r)
{
	return r->body == BODY_END && bytes_len(&r->in) == 0;
}
/*
 * Application: lets go.  Without a whole response: 500, or cut; one that has
 * all of its Content-Length, or can have no body, is whole.
 */
void req_release(struct req *r);

/* The shard's slots and sections. */
void req_pool_fini(struct shard *s);

#endif
