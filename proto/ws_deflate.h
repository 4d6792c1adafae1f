/* See LICENSE for the terms. */
/*
 * permessage-deflate (RFC 7692): what is agreed upon in the handshake, and a
 * connection's two streams.
 *
 * Nothing is allocated before the first message that is compressed, and a
 * stream whose context is not carried over ends with its message.  A shard
 * spends WS_DEFLATE_BUDGET on streams; beyond it nothing more is agreed upon,
 * and what we send goes uncompressed, as the extension allows for any message
 * (6.1).  So do messages below WS_DEFLATE_MIN, which would hardly shrink.
 *
 * zlib, not zlib-ng: neither Debian 12 nor 13, with backports, has a package of
 * the latter (November 2026; its ITP, Debian bug 1002056, is open since 2021).
 *
 * The only file that knows zlib is ws_deflate.c.  Thread: the shard's token
 * holder.  Owner: struct ws.
 */
#ifndef PROTO_WS_DEFLATE_H
#define PROTO_WS_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

#define WS_DEFLATE_BUDGET (64u << 20)
#define WS_DEFLATE_MIN 256
/* Room for an answer: all four parameters and their numbers. */
#define WS_DEFLATE_ANSWER 160

struct ws_deflate_terms {
	uint8_t server_bits;		/* log2 of our window, 9..15 */
	uint8_t client_bits;		/* of the client's, 8..15 */
	bool server_forgets;		/* no context take-over: ours */
	bool client_forgets;		/* the client's */
	bool client_bits_offered;	/* so they may be in the answer */
};

/*
 * The first of a field's offers (Sec-WebSocket-Extensions) that we can take;
 * false: none.
 */
bool ws_deflate_choose(struct str offers, struct ws_deflate_terms *terms);
/* "permessage-deflate; ..." of up to WS_DEFLATE_ANSWER bytes; its length. */
size_t ws_deflate_answer(char *to, const struct ws_deflate_terms *terms);

/* "1.2.13" */
const char *ws_deflate_version(void);

struct ws_deflate;

/* <used>: bytes of streams, the shard's.  NULL without memory. */
struct ws_deflate *ws_deflate_new(const struct ws_deflate_terms *terms,
    size_t *used);
void ws_deflate_free(struct ws_deflate *d);

/* Whether a message of <n> bytes is worth it, and there is budget for it. */
bool ws_deflate_is_worth(const struct ws_deflate *d, size_t n);

/*
 * A message's bytes (n > 0), compressed, in memory for mem_free(); NULL
 * without memory: then it is to be sent as it is.
 */
unsigned char *ws_deflate_pack(struct ws_deflate *d, const void *p, size_t n,
    size_t *packed);

/*
 * A client that refers further back than its window is not always found out:
 * zlib sees that only where those bytes came by an earlier call.  What it gets
 * then is what it meant.
 *
 * Inflates from *p (*n bytes left) to at most *room bytes at <to>; all three
 * are moved on.  1: there may be more for the same input; 0: the input is
 * used up; -EINVAL: it is no deflate; -ENOMEM.
 */
int ws_deflate_unpack(struct ws_deflate *d, const unsigned char **p,
    size_t *n, unsigned char *to, size_t *room);
/* The same for a message's end, which the client left out (7.2.2). */
int ws_deflate_unpack_end(struct ws_deflate *d, unsigned char *to,
    size_t *room);
/* A message's last byte was inflated. */
void ws_deflate_unpacked(struct ws_deflate *d);

#endif
