/* See LICENSE for the terms. */
/*
 * WebSocket's frames (RFC 6455), as a server reads and writes them: bytes in,
 * events out.  Knows no connection; what is to be done about an event is
 * wsock.c's.
 *
 * Reading.  A frame's head is gathered, judged, and its payload unmasked
 * straight into the message that it belongs to, whose memory grows with the
 * bytes that came and not with what a head claims.  Verdicts do not depend on
 * how the bytes were split:
 *
 *   1002  unmasked, reserved bits or opcodes, a control frame in fragments or
 *         above 125 bytes, a length not in its shortest form, a continuation
 *         of nothing, a new message inside another, a close frame with one
 *         byte or a code that may not be sent
 *   1007  text, or a close frame's reason, that is no UTF-8: at the byte where
 *         it shows, not at the message's end; what cannot be inflated
 *   1009  a message above its limit, before anything is allocated for it or as
 *         it is inflated, or in too many fragments (empty ones cost us, too)
 *   1011  no memory
 *
 * After a failure or a close frame nothing more is read.
 *
 * Thread: the shard's token holder.  Owner: struct wsock.
 */
#ifndef PROTO_WS_H
#define PROTO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"
#include "proto/utf8.h"

enum ws_op {
	WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8,
	WS_PING = 9, WS_PONG = 10
};

/* Section 7.4.1, and the registry. */
enum ws_code {
	WS_NORMAL = 1000, WS_GOING_AWAY = 1001, WS_PROTOCOL_ERROR = 1002,
	WS_UNSUPPORTED_DATA = 1003, WS_NO_CODE = 1005, WS_ABNORMAL = 1006,
	WS_INVALID_DATA = 1007, WS_POLICY_VIOLATION = 1008,
	WS_TOO_BIG = 1009, WS_INTERNAL_ERROR = 1011,
	WS_SERVICE_RESTART = 1012, WS_TRY_AGAIN_LATER = 1013
};

#define WS_CONTROL_MAX 125
/* A close frame's reason, behind the code. */
#define WS_REASON_MAX (WS_CONTROL_MAX - 2)
/* The head of a frame that we send, and of one that a client does. */
#define WS_HEAD_MAX 10
#define WS_HEAD_IN 14
/* A control frame that we send, whole. */
#define WS_CONTROL_FRAME (2 + WS_CONTROL_MAX)

struct ws_deflate;

/* A message, whole or growing. */
struct ws_msg {
	struct ws_msg *next;		/* its owner's */
	size_t n;
	size_t cap;
	bool text;
	unsigned char data[];
};

enum ws_event {
	WS_NOTHING = 0,			/* all input is used */
	WS_GOT_MESSAGE,			/* ws_take() */
	WS_GOT_PING,			/* control[0, n_control) */
	WS_GOT_PONG,			/* the same */
	WS_GOT_CLOSE,			/* <code>; ws_reason() */
	WS_FAILED			/* to be closed with <code>; <why> */
};

struct ws {
	struct ws_msg *msg;		/* growing, or whole: ws_take() */
	struct ws_deflate *deflate;	/* agreed upon; ours.  NULL: not */
	uint64_t left;			/* of the frame's payload */
	uint64_t at;			/* in it: the mask's phase */
	uint64_t max_size;		/* of a message */
	const char *why;		/* it failed, for the log */
	uint32_t max_fragments;
	uint32_t fragments;		/* of this message so far */
	struct utf8 utf8;		/* of the text so far */
	uint8_t n_head;
	uint8_t head[WS_HEAD_IN];
	uint8_t n_control;
	bool in_payload;
	bool packed;			/* this message is compressed */
	bool over;			/* closed or failed */
	uint8_t message;		/* WS_TEXT, WS_BINARY; 0: in none */
	uint16_t code;
	unsigned char control[WS_CONTROL_MAX];
};

void ws_init(struct ws *w, uint64_t max_size, uint32_t max_fragments);
void ws_fini(struct ws *w);

/*
 * Reads up to the next event; *<used> of the <n> bytes are done with.  A
 * message that was not taken is dropped by the next call.
 */
enum ws_event ws_read(struct ws *w, const unsigned char *p, size_t n,
    size_t *used);

/* The message of WS_GOT_MESSAGE, now the caller's: mem_free(). */
struct ws_msg *ws_take(struct ws *w);

/* The reason of WS_GOT_CLOSE; it lives as long as <w>. */
struct str ws_reason(const struct ws *w);

/* Whether a close frame may carry <code> (7.4). */
bool ws_code_is_valid(unsigned code);

/* The head of a whole message's frame with <n> bytes; its length. */
size_t ws_head(unsigned char to[WS_HEAD_MAX], enum ws_op op, uint64_t n);
/* Makes it the head of a compressed message (RFC 7692, 6). */
#define WS_PACKED 0x40

/* A whole control frame; n <= WS_CONTROL_MAX.  Its length. */
size_t ws_control(unsigned char to[WS_CONTROL_FRAME], enum ws_op op,
    const void *p, size_t n);

/*
 * A close frame; a reason too long is cut between two characters.  The codes
 * that only stand for something (1005, 1006, 1015) never get here.
 */
size_t ws_close(unsigned char to[WS_CONTROL_FRAME], unsigned code,
    struct str reason);

#endif
