/* See LICENSE for the terms. */
/*
 * Compressed messages, whose bytes are the fuzzer's, against one call of zlib
 * with room for everything: the same messages and verdicts whole, byte by byte
 * and in pieces, and all of the budget is given back.  Then the same bytes as
 * a plain message, which zlib must get back from what we made of it.
 *
 * A client that refers further back than the window it agreed to may be
 * refused or not: zlib sees it where those bytes came by an earlier call, and
 * else does what it says (INFLATE_STRICT is not how it is built).  With output
 * of a byte a call it always sees it, which is how we know.
 *
 * The first byte chooses the terms, the second seeds fragments and pieces.
 * Then messages: a byte of flags (1: text, 2: in fragments), two of length,
 * and that many, or what there is.
 */
#include <limits.h>
#include <zlib.h>

#include "proto/ws_deflate.h"
#include "tests/fuzz/ws_trace.h"

/* Above a message's first memory, below what 4 KiB can inflate to. */
#define MAX_SIZE 5000
#define MESSAGES_MAX 64

static const uint8_t tail[4] = { 0x00, 0x00, 0xff, 0xff };

struct message {
	bool text, fragments;
	const uint8_t *p;
	size_t n;
};

static size_t
read_messages(struct message m[MESSAGES_MAX], const uint8_t *p, size_t n)
{
	size_t count = 0;

	for (; n >= 3 && count < MESSAGES_MAX; count++) {
		size_t size = p[1] | (size_t)p[2] << 8;

		size = MIN(size, n - 3);
		m[count] = (struct message){ .text = p[0] & 1,
			.fragments = p[0] & 2, .p = p + 3, .n = size };
		p += 3 + size;
		n -= 3 + size;
	}
	return count;
}

/* ---- the client -------------------------------------------------------- */

static void
add_frame(struct blob *b, unsigned first, const uint8_t *p, size_t n)
{
	/* A mask of zeros, so that zlib's bytes are the fuzzer's. */
	uint8_t head[8] = { (uint8_t)first, (uint8_t)(0x80 | MIN(n, 126)),
		(uint8_t)(n >> 8), (uint8_t)n };

	if (n >= 126) {
		blob_add(b, head, 4);
		memset(head, 0, 4);
		blob_add(b, head, 4);
	} else {
		memset(head + 2, 0, 4);
		blob_add(b, head, 6);
	}
	blob_add(b, p, n);
}

static void
add_message(struct blob *b, const struct message *m, uint32_t *rng)
{
	unsigned op = m->text ? WS_TEXT : WS_BINARY;
	size_t k = m->n;

	*rng = *rng * 1664525 + 1013904223;
	if (m->fragments)
		k = (*rng >> 8) % (m->n + 1);
	add_frame(b, op | WS_PACKED | (m->fragments ? 0 : 0x80), m->p, k);
	if (m->fragments)
		add_frame(b, 0x80, m->p + k, m->n - k);
}

/* ---- the reader -------------------------------------------------------- */

/*
 * At most <most> bytes a call.  false: it is no deflate.  A stream may end
 * within, and another begin.
 */
static bool
inflate_some(z_stream *z, const uint8_t *p, size_t n, unsigned most)
{
	unsigned room = z->avail_out;
	bool full = false;
	int err = Z_OK;

	z->next_in = (unsigned char *)(uintptr_t)p;
	z->avail_in = (unsigned)n;
	while (err == Z_OK && room > 0 && (z->avail_in > 0 || full)) {
		unsigned k = MIN(room, most);

		z->avail_out = k;
		err = inflate(z, Z_SYNC_FLUSH);
		full = z->avail_out == 0;
		room -= k - z->avail_out;
		if (err == Z_STREAM_END)
			err = inflateResetKeep(z);
	}
	z->avail_out = room;
	return err == Z_OK || err == Z_BUF_ERROR;
}

/* false: it was the last. */
static bool
read_message(struct blob *trace, z_stream *z, const struct message *m,
    unsigned most)
{
	static uint8_t to[MAX_SIZE + 1];
	size_t n;
	int is_text;
	bool ok;

	z->next_out = to;
	z->avail_out = sizeof(to);
	ok = inflate_some(z, m->p, m->n, most) &&
	    inflate_some(z, tail, sizeof(tail), most);
	n = sizeof(to) - z->avail_out;
	is_text = m->text ? trace_utf8(to, MIN(n, MAX_SIZE)) : 1;
	if (is_text < 0)
		trace_add(trace, "fail", 1007, "", 0);
	else if (n > MAX_SIZE)
		trace_add(trace, "fail", 1009, "", 0);
	else if (!ok || is_text == 0)
		trace_add(trace, "fail", 1007, "", 0);
	else
		trace_add(trace, m->text ? "text" : "binary", 0, to, n);
	return ok && is_text == 1 && n <= MAX_SIZE;
}

static void
read_all(struct blob *trace, const struct ws_deflate_terms *terms,
    const struct message *m, size_t count, unsigned most)
{
	z_stream z;

	trace->n = 0;
	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, -terms->client_bits) != Z_OK)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (!read_message(trace, &z, &m[i], most))
			break;
		if (terms->client_forgets && inflateReset(&z) != Z_OK)
			abort();
	}
	inflateEnd(&z);
}

/* ---- the fuzzer -------------------------------------------------------- */

static void
run(struct blob *trace, const struct ws_deflate_terms *terms,
    const struct blob *in, size_t most, uint32_t rng)
{
	size_t used = 0;
	struct ws w;

	trace->n = 0;
	ws_init(&w, MAX_SIZE, 2);
	w.deflate = ws_deflate_new(terms, &used);
	trace_pieces(trace, &w, (const uint8_t *)in->p, in->n, most, rng);
	ws_fini(&w);
	OK(used == 0);
}

/* What we compress is inflated to the same, with the context of before. */
static void
there_and_back(const struct ws_deflate_terms *terms, const struct message *m,
    size_t count)
{
	size_t used = 0, n;
	struct ws_deflate *d = ws_deflate_new(terms, &used);
	uint8_t *back = malloc(1 << 16);
	z_stream z;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, -terms->server_bits) != Z_OK)
		abort();
	for (size_t i = 0; i < count; i++) {
		unsigned char *p;

		if (m[i].n == 0)
			continue;
		p = ws_deflate_pack(d, m[i].p, m[i].n, &n);
		if (!OK(p != NULL))
			break;
		OK((used == 0) == terms->server_forgets);
		if (terms->server_forgets && inflateReset(&z) != Z_OK)
			abort();
		z.next_out = back;
		z.avail_out = 1 << 16;
		OK(inflate_some(&z, p, n, UINT_MAX) &&
		    inflate_some(&z, tail, sizeof(tail), UINT_MAX));
		OK((1 << 16) - z.avail_out == m[i].n);
		OK(memcmp(back, m[i].p, m[i].n) == 0);
		mem_free(p);
	}
	inflateEnd(&z);
	free(back);
	ws_deflate_free(d);
	OK(used == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct blob in = { NULL, 0, 0 }, got = { NULL, 0, 0 };
	struct blob want = { NULL, 0, 0 }, strict = { NULL, 0, 0 };
	struct message m[MESSAGES_MAX];
	struct ws_deflate_terms terms;
	uint32_t rng;
	size_t count;
	bool is_sure;

	if (n < 2)
		return 0;
	terms = (struct ws_deflate_terms){
		.client_bits = (uint8_t)(8 + (data[0] & 7)),
		.server_bits = (uint8_t)(9 + (data[0] >> 3 & 3)),
		.client_forgets = data[0] >> 5 & 1,
		.server_forgets = data[0] >> 6 & 1,
	};
	rng = data[1];
	count = read_messages(m, data + 2, n - 2);
	for (size_t i = 0; i < count; i++)
		add_message(&in, &m[i], &rng);
	read_all(&strict, &terms, m, count, 1);
	read_all(&want, &terms, m, count, UINT_MAX);
	is_sure = is_same(&strict, &want);
	for (unsigned i = 0; i < 3; i++) {
		run(&got, &terms, &in, (unsigned[]){ 0, 1, 64 }[i], rng);
		if (is_sure)
			trace_same(&got, &want);
	}
	there_and_back(&terms, m, count);
	blob_free(&in);
	blob_free(&got);
	blob_free(&want);
	blob_free(&strict);
	if (atomic_load(&t_failures) > 0)
		abort();
	return 0;
}
