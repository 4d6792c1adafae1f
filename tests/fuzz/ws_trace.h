/* See LICENSE for the terms. */
/*
 * For the fuzzers of WebSocket: all that comes of a client's bytes, as bytes,
 * so that two ways of feeding them are compared at once.
 */
#ifndef TESTS_FUZZ_WS_TRACE_H
#define TESTS_FUZZ_WS_TRACE_H

#include "core/mem.h"
#include "proto/ws.h"
#include "tests/fuzz/kit.h"

static inline void
trace_add(struct blob *t, const char *what, unsigned code, const void *p,
    size_t n)
{
	char head[48];

	snprintf(head, sizeof(head), "%s %u %zu ", what, code, n);
	blob_add(t, head, strlen(head));
	blob_add(t, p, n);
}

static inline void
trace_event(struct blob *t, struct ws *w, enum ws_event ev)
{
	struct ws_msg *m;
	struct str why;

	switch (ev) {
	case WS_GOT_MESSAGE:
		m = ws_take(w);
		OK(m && m->n <= m->cap && m->n <= w->max_size);
		trace_add(t, m->text ? "text" : "binary", 0, m->data, m->n);
		mem_free(m);
		break;
	case WS_GOT_PING:
		trace_add(t, "ping", 0, w->control, w->n_control);
		break;
	case WS_GOT_PONG:
		trace_add(t, "pong", 0, w->control, w->n_control);
		break;
	case WS_GOT_CLOSE:
		why = ws_reason(w);
		trace_add(t, "close", w->code, why.p, why.n);
		break;
	case WS_FAILED:
		OK(w->why != NULL && w->over);
		trace_add(t, "fail", w->code, "", 0);
		break;
	case WS_NOTHING:
		break;
	}
}

/* A piece, in memory of exactly its size. */
static inline void
trace_feed(struct blob *t, struct ws *w, const uint8_t *from, size_t n)
{
	unsigned char *p = malloc(n ? n : 1);
	enum ws_event ev;
	size_t used;

	if (n > 0)
		memcpy(p, from, n);
	for (size_t i = 0; i < n; i += used) {
		ev = ws_read(w, p + i, n - i, &used);
		OK(used <= n - i);
		if (!OK(used > 0 || ev != WS_NOTHING))
			break;
		trace_event(t, w, ev);
	}
	free(p);
}

/* All of it, in pieces of at most <most> bytes, by chance; 0: whole. */
static inline void
trace_pieces(struct blob *t, struct ws *w, const uint8_t *p, size_t n,
    size_t most, uint32_t rng)
{
	for (size_t k; n > 0; p += k, n -= k) {
		rng = rng * 1664525 + 1013904223;
		k = most ? 1 + (rng >> 8) % most : n;
		k = MIN(k, n);
		trace_feed(t, w, p, k);
	}
}

static inline bool
is_same(const struct blob *a, const struct blob *b)
{
	return a->n == b->n && (a->n == 0 || !memcmp(a->p, b->p, a->n));
}

/* Two have to be the same; says what they are if not. */
static inline void
trace_same(const struct blob *got, const struct blob *want)
{
	if (OK(is_same(got, want)))
		return;
	fprintf(stderr, "got  %.*s\nwant %.*s\n", (int)MIN(got->n, 2000u),
	    got->n ? got->p : "", (int)MIN(want->n, 2000u),
	    want->n ? want->p : "");
}

/* What is so far of a text: 1 whole, 0 in the middle of a character, -1 no
 * UTF-8, by arithmetic on code points. */
static inline int
trace_utf8(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; ) {
		uint8_t c = p[i++];
		unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 :
		    3;
		uint32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 :
		    0x10000;
		uint32_t lo = more ? c & (0x3fu >> more) : c;

		if (more && (c < 0xc0 || c > 0xf7))
			return -1;
		for (; more > 0; more--, i++) {
			uint32_t span = (1u << 6 * more) - 1;
			uint32_t from = lo << 6 * more;

			/* Can what follows still make it one? */
			if (from + span < least || from > 0x10ffff ||
			    (from >= 0xd800 && from + span <= 0xdfff))
				return -1;
			if (i == n)
				return 0;
			if ((p[i] & 0xc0) != 0x80)
				return -1;
			lo = lo << 6 | (p[i] & 0x3f);
		}
		if ((c >= 0x80 && lo < least) || lo > 0x10ffff ||
		    (lo >= 0xd800 && lo <= 0xdfff))
			return -1;
	}
	return 1;
}

#endif
