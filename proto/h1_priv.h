/* See LICENSE for the terms. */
/*
 * What h1.c, h1_in.c and h1_out.c share; nobody else includes this.
 *
 * Thread: the shard's token holder.  Owner: conn->pstate.
 */
#ifndef PROTO_H1_PRIV_H
#define PROTO_H1_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conn.h"
#include "proto/h1.h"
#include "proto/req.h"
#include "proto/section.h"

enum h1_state {
	H1_IDLE = 1, H1_HEAD, H1_BODY, H1_BUSY, H1_SKIP, H1_OVER
};

/* Bytes of the parser, whose type only h1_in.c knows. */
#define H1_PARSER 96

struct h1 {
	struct conn *conn;
	struct req *req;		/* read or answered; NULL: none, SKIP */
	uint64_t opened;		/* ns, when it was accepted */
	uint32_t served;		/* requests, this one included */
	uint8_t state;			/* enum h1_state */
	uint8_t lead;			/* bytes of empty lines before a head */
	struct section_last last;	/* the last head's fields */

	/* Of one message; h1_in_begin() clears it. */
	uint64_t at;			/* bytes of it parsed so far */
	uint64_t mark;			/* where its last element ended */
	const char *base;		/* of the input being parsed */
	const char *end;		/* of that input */
	const char *section;		/* in it: its fields; or NULL */
	const char *why;		/* of the verdict, for the log */
	uint64_t waited;		/* ns that its body was waited for */
	uint64_t wait_from;		/* it is now, from then on; 0: not */
	uint16_t verdict;		/* status to refuse with; 0: none */
	uint16_t n_trailers;
	uint16_t n_excess;		/* fields beyond the soft limit */
	uint32_t trailers;		/* bytes of trailer fields */
	uint32_t trailer;		/* of the last one */
	uint32_t extensions;		/* bytes of chunk extensions */
	uint32_t piece_at;		/* of them, before the last part */
	uint32_t skipped;		/* bytes of body thrown away in SKIP */
	uint32_t known;			/* bytes that need no parsing */
	uint8_t protocol;		/* bytes seen of "HTTP" */
	uint8_t version;		/* bytes seen of "1.1" */
	uint8_t digits;			/* of this chunk's size */
	uint8_t n_name;			/* bytes in <name> */
	bool in_name;			/* more of a field's name may come */
	bool hard;			/* the verdict's answer is not given */
	bool head_done;			/* from here on fields are trailers */
	bool in_size;			/* at a chunk's size */
	bool last_chunk;
	bool quoted;			/* the value of a chunk extension is */
	bool whole;			/* the message is parsed to its end */
	bool keep;			/* the connection lives on behind it */
	bool notable;			/* its section may be kept */
	char name[24];			/* of a trailer field, lower case */
	_Alignas(8) unsigned char parser[H1_PARSER];
};

/* h1_in.c: a new message begins. */
void h1_in_begin(struct h1 *h);
/*
 * Parses; returns the bytes used: all of them, or up to the message's end
 * (h->whole), or an unknown number with h->verdict set.
 */
size_t h1_in_parse(struct h1 *h, const unsigned char *p, size_t n);

/* h1_out.c: the vtable's part of the response. */
int h1_respond(struct req *r, struct res *h);
size_t h1_write(struct req *r, const void *p, size_t n);
size_t h1_lend(struct req *r, void *owner, const void *p, size_t n, bool *lent);
size_t h1_write_file(struct req *r, struct file *f, uint64_t at, size_t n);
void h1_push(struct req *r, const void *p, size_t n);
void h1_hint(struct req *r, const struct res *h);
void h1_end(struct req *r);
void h1_abort(struct req *r);
/* The head goes out now, if it is held. */
void h1_out_head(struct req *r);
/* A whole answer of the server's own, with "connection: close". */
void h1_out_refusal(struct conn *c, unsigned status, bool is_head);
/* A status for the log alone: nothing was answered before the end. */
#define H1_NO_ANSWER 499

/* One line in the access log, if there is one; <r> may be NULL. */
void h1_out_log(const struct conn *c, const struct req *r, unsigned status,
    uint64_t bytes);

/* h1.c: the response's last byte is in the output; <r> may be gone after. */
void h1_answered(struct h1 *h, struct req *r);
/* Closes, with linger where input may be unread. */
void h1_close(struct h1 *h);

#endif
