/* See LICENSE for the terms. */
/*
 * A WebSocket client's bytes, and what the machine makes of them as one line
 * of text, so that a test compares all that happened at once.
 */
#ifndef TESTS_UNIT_WS_KIT_H
#define TESTS_UNIT_WS_KIT_H

#include "core/mem.h"
#include "core/util.h"
#include "proto/ws.h"
#include "tests/unit/t.h"

#define KIT_MAX (1u << 20)

struct kit_bytes {
	unsigned char p[KIT_MAX];
	size_t n;
};

static inline void
kit_add(struct kit_bytes *b, const void *p, size_t n)
{
	if (n > sizeof(b->p) - b->n)
		abort();
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
kit_byte(struct kit_bytes *b, unsigned c)
{
	unsigned char byte = (unsigned char)c;

	kit_add(b, &byte, 1);
}

/* A head with the length in the form that <bytes> says: 0, 2 or 8. */
static inline void
kit_head(struct kit_bytes *b, unsigned first, uint64_t n, unsigned bytes,
    const char *key)
{
	kit_byte(b, first);
	kit_byte(b, 0x80 | (bytes == 0 ? (unsigned)n : bytes == 2 ? 126 :
	    127));
	for (unsigned i = 0; i < bytes; i++)
		kit_byte(b, (unsigned)(n >> 8 * (bytes - 1 - i)) & 0xff);
	kit_add(b, key, 4);
}

/* A frame as a client sends it; <first> is FIN, bits and opcode. */
static inline void
kit_frame(struct kit_bytes *b, unsigned first, const void *p, size_t n)
{
	static const char key[] = "\x12\xe4\x00\x9d";
	const unsigned char *from = p;

	kit_head(b, first, n, n < 126 ? 0 : n < 65536 ? 2 : 8, key);
	for (size_t i = 0; i < n; i++)
		kit_byte(b, from[i] ^ (unsigned char)key[i & 3]);
}

static inline void
kit_text(struct kit_bytes *b, unsigned first, const char *z)
{
	kit_frame(b, first, z, strlen(z));
}

/* Bytes as text: long ones by their length. */
static inline void
kit_show(char *line, size_t size, const char *what, const void *p, size_t n)
{
	size_t at = strlen(line);

	if (n <= 40)
		snprintf(line + at, size - at, "%s(%.*s) ", what, (int)n,
		    (const char *)p);
	else
		snprintf(line + at, size - at, "%s(%zu) ", what, n);
}

static inline void
kit_event(struct ws *w, enum ws_event ev, char *line, size_t size)
{
	struct ws_msg *m;
	struct str why;
	char code[24];

	switch (ev) {
	case WS_GOT_MESSAGE:
		m = ws_take(w);
		OK(m && m->n <= m->cap);
		kit_show(line, size, m->text ? "text" : "binary", m->data,
		    m->n);
		mem_free(m);
		break;
	case WS_GOT_PING:
		kit_show(line, size, "ping", w->control, w->n_control);
		break;
	case WS_GOT_PONG:
		kit_show(line, size, "pong", w->control, w->n_control);
		break;
	case WS_GOT_CLOSE:
		snprintf(code, sizeof(code), "close %u", w->code);
		why = ws_reason(w);
		kit_show(line, size, code, why.p, why.n);
		break;
	case WS_FAILED:
		snprintf(code, sizeof(code), "fail %u", w->code);
		OK(w->why != NULL);
		kit_show(line, size, code, "", 0);
		break;
	case WS_NOTHING:
		break;
	}
}

/* Feeds the bytes from <from> to <to>, in a buffer of exactly that size. */
static inline void
kit_feed(struct ws *w, const struct kit_bytes *b, size_t from, size_t to,
    char *line, size_t size)
{
	size_t n = to - from, used;
	unsigned char *p = malloc(n ? n : 1);
	enum ws_event ev;

	if (n > 0)
		memcpy(p, b->p + from, n);
	for (size_t i = 0; i < n; i += used) {
		ev = ws_read(w, p + i, n - i, &used);
		OK(used <= n - i);
		if (!OK(used > 0 || ev != WS_NOTHING))
			break;
		kit_event(w, ev, line, size);
	}
	free(p);
}

#endif
