/* See LICENSE for the terms. */
/*
 * The sections cited are RFC 6455's.
 */
#include "proto/ws.h"

#include <errno.h>
#include <string.h>

#include "core/bug.h"
#include "core/mem.h"
#include "core/util.h"
#include "proto/mask.h"
#include "proto/ws_deflate.h"

/* What a message gets at once; beyond it grows as bytes come. */
#define FIRST_CAP 4096
/* Unmasked in one go before it is inflated. */
#define PIECE 2048

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f };

void
ws_init(struct ws *w, uint64_t max_size, uint32_t max_fragments)
{
	memset(w, 0, sizeof(*w));
	w->max_size = max_size;
	w->max_fragments = max_fragments;
}

static void
drop_message(struct ws *w)
{
	mem_free(w->msg);
	w->msg = NULL;
}

void
ws_fini(struct ws *w)
{
	drop_message(w);
	ws_deflate_free(w->deflate);
	w->deflate = NULL;
}

struct ws_msg *
ws_take(struct ws *w)
{
	struct ws_msg *m = w->msg;

	w->msg = NULL;
	return m;
}

static enum ws_event
fail(struct ws *w, unsigned code, const char *why)
{
	w->over = true;
	w->code = (uint16_t)code;
	w->why = why;
	drop_message(w);
	return WS_FAILED;
}

/* ---- a frame's head ---------------------------------------------------- */

static inline bool
is_control(unsigned op)
{
	return op & 8;
}

/* Bytes of a head that begins with these two. */
static inline unsigned
head_size(const uint8_t *head)
{
	unsigned n = head[1] & LENGTH;

	return 2 + (n == 126 ? 2 : n == 127 ? 8 : 0) + 4;
}

/* What its first two bytes say already (5.2, 5.4, 5.5). */
static const char *
fault_of(const struct ws *w)
{
	unsigned op = w->head[0] & OPCODE;
	bool fin = w->head[0] & FIN;
	unsigned bits = w->head[0] & RSV;

	/* Compressed: said in a message's first frame (RFC 7692, 6). */
	if (bits && (bits != WS_PACKED || !w->deflate ||
	    op == WS_CONTINUATION || is_control(op)))
		return "reserved bits";
	if (op > WS_PONG || (op > WS_BINARY && op < WS_CLOSE))
		return "an unknown opcode";
	if (!(w->head[1] & MASKED))
		return "a frame without a mask";
	if (is_control(op) && !fin)
		return "a control frame in fragments";
	if (is_control(op) && (w->head[1] & LENGTH) > WS_CONTROL_MAX)
		return "a control frame that is too long";
	if (op == WS_CONTINUATION && !w->message)
		return "a continuation of nothing";
	if ((op == WS_TEXT || op == WS_BINARY) && w->message)
		return "a message inside another";
	return NULL;
}

/* The length, which must be in its shortest form; -1 if it is not. */
static int64_t
frame_length(const uint8_t *head)
{
	unsigned small = head[1] & LENGTH;
	uint64_t n = 0;

	if (small < 126)
		return small;
	for (unsigned i = 0; i < (small == 126 ? 2 : 8); i++)
		n = n << 8 | head[2 + i];
	if (n < 126 || (small == 127 && n <= UINT16_MAX) || n > INT64_MAX)
		return -1;
	return (int64_t)n;
}

/* A frame of a message begins. */
static enum ws_event
begin_data(struct ws *w, unsigned op)
{
	uint64_t have = w->msg ? w->msg->n : 0;

	if (op != WS_CONTINUATION) {
		w->message = (uint8_t)op;
		w->fragments = 0;
		w->packed = w->head[0] & WS_PACKED;
		memset(&w->utf8, 0, sizeof(w->utf8));
	}
	if (!w->packed && w->left > w->max_size - have)
		return fail(w, WS_TOO_BIG, "a message above --ws-max-size");
	if (++w->fragments > w->max_fragments)
		return fail(w, WS_TOO_BIG, "more fragments of a message than "
		    "--ws-max-fragments");
	return WS_NOTHING;
}

/* The head is complete. */
static enum ws_event
begin_frame(struct ws *w)
{
	unsigned op = w->head[0] & OPCODE;
	int64_t n = frame_length(w->head);

	if (n < 0 && (w->head[2] & 0x80) && (w->head[1] & LENGTH) == 127)
		return fail(w, WS_TOO_BIG, "a length above 2^63");
	if (n < 0)
		return fail(w, WS_PROTOCOL_ERROR,
		    "a length that is not in its shortest form");
	w->left = (uint64_t)n;
	w->at = 0;
	w->in_payload = true;
	if (!is_control(op))
		return begin_data(w, op);
	w->n_control = 0;
	return WS_NOTHING;
}

/* More of a head; bytes used. */
static size_t
add_head(struct ws *w, const unsigned char *p, size_t n, enum ws_event *ev)
{
	size_t used = 0;

	while (used < n) {
		w->head[w->n_head++] = p[used++];
		if (w->n_head < 2)
			continue;
		if (w->n_head == 2) {
			const char *why = fault_of(w);

			if (why) {
				*ev = fail(w, WS_PROTOCOL_ERROR, why);
				break;
			}
		}
		if (w->n_head == head_size(w->head)) {
			*ev = begin_frame(w);
			break;
		}
	}
	return used;
}

static inline const uint8_t *
key_of(const struct ws *w)
{
	return w->head + w->n_head - 4;
}

/* ---- a message --------------------------------------------------------- */

/* Room for <n> bytes more; with them <most> is all it can ever have. */
static bool
make_room(struct ws *w, size_t n, uint64_t most)
{
	size_t have = w->msg ? w->msg->n : 0;
	size_t cap = w->msg ? w->msg->cap : 0;
	struct ws_msg *m;

	if (w->msg && cap - have >= n)
		return true;
	cap = MAX(MAX(2 * cap, (size_t)FIRST_CAP), have + n);
	cap = MIN(cap, most);
	m = mem_try_grow(w->msg, sizeof(*m) + cap);
	if (!m)
		return false;
	m->n = have;
	m->cap = cap;
	w->msg = m;
	return true;
}

/*
 * <n> bytes more were written behind the message's last.  Of two faults the
 * first byte's is told, as if they had come one by one.
 */
static enum ws_event
added(struct ws *w, size_t n)
{
	const unsigned char *p = w->msg->data + w->msg->n;
	uint64_t allowed = w->max_size - w->msg->n;

	w->msg->n += n;
	if (w->message == WS_TEXT &&
	    !utf8_add(&w->utf8, p, (size_t)MIN((uint64_t)n, allowed)))
		return fail(w, WS_INVALID_DATA, "text that is not UTF-8");
	if (n > allowed)
		return fail(w, WS_TOO_BIG,
		    "a message that inflates above --ws-max-size");
	return WS_NOTHING;
}

static enum ws_event
add_plain(struct ws *w, const unsigned char *p, size_t n)
{
	uint64_t have = w->msg ? w->msg->n : 0;

	if (!make_room(w, n, w->head[0] & FIN ? have + w->left :
	    w->max_size))
		return fail(w, WS_INTERNAL_ERROR, "out of memory");
	mask_copy(w->msg->data + w->msg->n, p, n, key_of(w), (size_t)w->at);
	return added(w, n);
}

/*
 * One step of inflating <n> bytes from *p, or of the end that goes without
 * saying (NULL).  *more: it is to be called again.  One byte above the limit
 * is taken, so that there is never no room.
 */
static enum ws_event
inflate_step(struct ws *w, const unsigned char **p, size_t *n, bool *more)
{
	enum ws_event ev;
	size_t room, all;
	unsigned char *to;
	int err;

	if (!make_room(w, 1, w->max_size + 1))
		return fail(w, WS_INTERNAL_ERROR, "out of memory");
	to = w->msg->data + w->msg->n;
	all = room = w->msg->cap - w->msg->n;
	err = p ? ws_deflate_unpack(w->deflate, p, n, to, &room) :
	    ws_deflate_unpack_end(w->deflate, to, &room);
	if (err == -ENOMEM)
		return fail(w, WS_INTERNAL_ERROR, "out of memory");
	/* What came before a broken byte is judged before it. */
	ev = added(w, all - room);
	if (ev == WS_NOTHING && err < 0)
		return fail(w, WS_INVALID_DATA, "no valid deflate stream");
	*more = err > 0;
	return ev;
}

static enum ws_event
add_packed(struct ws *w, const unsigned char *p, size_t n)
{
	unsigned char piece[PIECE];
	enum ws_event ev = WS_NOTHING;

	for (size_t i = 0; i < n && ev == WS_NOTHING; ) {
		size_t k = MIN(n - i, sizeof(piece));
		const unsigned char *from = piece;
		bool more = true;

		mask_copy(piece, p + i, k, key_of(w), (size_t)w->at + i);
		i += k;
		while (more && ev == WS_NOTHING)
			ev = inflate_step(w, &from, &k, &more);
	}
	return ev;
}

static enum ws_event
end_packed(struct ws *w)
{
	enum ws_event ev = WS_NOTHING;
	bool more = true;

	while (more && ev == WS_NOTHING)
		ev = inflate_step(w, NULL, NULL, &more);
	if (ev == WS_NOTHING)
		ws_deflate_unpacked(w->deflate);
	return ev;
}

static enum ws_event
end_message(struct ws *w)
{
	if (w->packed && end_packed(w) == WS_FAILED)
		return WS_FAILED;
	if (w->message == WS_TEXT && !utf8_is_whole(&w->utf8))
		return fail(w, WS_INVALID_DATA, "text that is not UTF-8");
	if (!make_room(w, 0, 0))
		return fail(w, WS_INTERNAL_ERROR, "out of memory");
	w->msg->text = w->message == WS_TEXT;
	w->msg->next = NULL;
	w->message = 0;
	return WS_GOT_MESSAGE;
}

/* ---- control frames ---------------------------------------------------- */

bool
ws_code_is_valid(unsigned code)
{
	if (code >= 1000 && code <= 1014)
		return code < 1004 || code > 1006;
	return code >= 3000 && code <= 4999;
}

static enum ws_event
end_close(struct ws *w)
{
	struct utf8 u = { 0, 0, 0 };

	w->code = WS_NO_CODE;
	if (w->n_control > 0) {
		w->code = (uint16_t)(w->control[0] << 8 | w->control[1]);
		if (w->n_control == 1 || !ws_code_is_valid(w->code))
			return fail(w, WS_PROTOCOL_ERROR,
			    "a close frame without a valid code");
		if (!utf8_add(&u, w->control + 2, w->n_control - 2u) ||
		    !utf8_is_whole(&u))
			return fail(w, WS_INVALID_DATA,
			    "a reason that is not UTF-8");
	}
	w->over = true;
	return WS_GOT_CLOSE;
}

struct str
ws_reason(const struct ws *w)
{
	if (w->n_control <= 2)
		return (struct str){ "", 0 };
	return (struct str){ (const char *)w->control + 2,
		w->n_control - 2u };
}

/* ---- reading ----------------------------------------------------------- */

/* The frame's last byte was read. */
static enum ws_event
end_frame(struct ws *w)
{
	unsigned op = w->head[0] & OPCODE;
	bool fin = w->head[0] & FIN;

	w->in_payload = false;
	w->n_head = 0;
	switch (op) {
	case WS_PING:
		return WS_GOT_PING;
	case WS_PONG:
		return WS_GOT_PONG;
	case WS_CLOSE:
		return end_close(w);
	default:
		return fin ? end_message(w) : WS_NOTHING;
	}
}

/* Payload; bytes used. */
static size_t
add_payload(struct ws *w, const unsigned char *p, size_t n, enum ws_event *ev)
{
	if (n > w->left)
		n = (size_t)w->left;
	if (is_control(w->head[0] & OPCODE)) {
		mask_copy(w->control + w->n_control, p, n, key_of(w),
		    (size_t)w->at);
		w->n_control += (uint8_t)n;
	} else if (n > 0) {
		*ev = w->packed ? add_packed(w, p, n) : add_plain(w, p, n);
	}
	w->left -= n;
	w->at += n;
	if (w->left == 0 && *ev == WS_NOTHING)
		*ev = end_frame(w);
	return n;
}

enum ws_event
ws_read(struct ws *w, const unsigned char *p, size_t n, size_t *used)
{
	enum ws_event ev = WS_NOTHING;
	size_t i = 0;

	/* The last message was not taken. */
	if (!w->message)
		drop_message(w);
	while (ev == WS_NOTHING && !w->over && (i < n ||
	    (w->in_payload && w->left == 0))) {
		if (!w->in_payload)
			i += add_head(w, p + i, n - i, &ev);
		else
			i += add_payload(w, p + i, n - i, &ev);
	}
	/* What is behind the end is nobody's. */
	*used = w->over ? n : i;
	return ev;
}

/* ---- writing ----------------------------------------------------------- */

size_t
ws_head(unsigned char to[WS_HEAD_MAX], enum ws_op op, uint64_t n)
{
	unsigned bytes = n < 126 ? 0 : n <= UINT16_MAX ? 2 : 8;

	to[0] = (unsigned char)(FIN | op);
	to[1] = (unsigned char)(bytes == 0 ? n : bytes == 2 ? 126 : 127);
	for (unsigned i = 0; i < bytes; i++)
		to[2 + i] = (unsigned char)(n >> 8 * (bytes - 1 - i));
	return 2 + bytes;
}

size_t
ws_control(unsigned char to[WS_CONTROL_FRAME], enum ws_op op, const void *p,
    size_t n)
{
	size_t head = ws_head(to, op, n);

	BUG_ON_HOT(n > WS_CONTROL_MAX);
	if (n > 0)
		memcpy(to + head, p, n);
	return head + n;
}

size_t
ws_close(unsigned char to[WS_CONTROL_FRAME], unsigned code, struct str reason)
{
	unsigned char body[WS_CONTROL_MAX];
	size_t n = reason.n;

	BUG_ON_HOT(!ws_code_is_valid(code));
	if (n > WS_REASON_MAX) {
		n = WS_REASON_MAX;
		while (n > 0 && ((unsigned char)reason.p[n] & 0xc0) == 0x80)
			n--;
	}
	body[0] = (unsigned char)(code >> 8);
	body[1] = (unsigned char)code;
	if (n > 0)
		memcpy(body + 2, reason.p, n);
	return ws_control(to, WS_CLOSE, body, 2 + n);
}
