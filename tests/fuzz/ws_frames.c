/* See LICENSE for the terms. */
/*
 * A client's frames, against a reader that has them all in memory and follows
 * RFC 6455 sentence by sentence: the same events with the same bytes, whole,
 * byte by byte and in pieces.  The first byte chooses the limits, and whether
 * permessage-deflate was agreed upon (then pieces are only compared with the
 * whole: ws_inflate.c has the reader); the second seeds the pieces.
 */
#include "proto/ws_deflate.h"
#include "tests/fuzz/ws_trace.h"

struct limits {
	uint64_t size;
	uint32_t fragments;
};

static const struct limits all_limits[] = {
	{ 1 << 20, 1024 }, { 100, 3 }, { 126, 8 }, { 5000, 1024 },
};

/* ---- the reader -------------------------------------------------------- */

struct reader {
	struct blob *trace;
	struct limits max;
	struct blob msg;
	unsigned kind;			/* of the message; 0: in none */
	uint32_t fragments;
};

struct frame {
	bool fin, rsv, masked;
	unsigned op, len7;
	uint64_t n;
	const uint8_t *key, *data;
	size_t have;			/* of its data */
};

/* false: it failed. */
static bool
fails(struct reader *r, unsigned code)
{
	trace_add(r->trace, "fail", code, "", 0);
	return false;
}

static unsigned
head_fault(const struct reader *r, const struct frame *f)
{
	if (f->rsv || !f->masked)
		return 1002;
	if (f->op >= 8 && (f->op > 10 || !f->fin || f->len7 > 125))
		return 1002;
	if (f->op > 2 && f->op < 8)
		return 1002;
	if (f->op < 8 && (f->op == 0) != (r->kind != 0))
		return 1002;
	return 0;
}

static unsigned
length_fault(const struct frame *f)
{
	if (f->n > INT64_MAX)
		return 1009;
	if ((f->len7 == 126 && f->n < 126) || (f->len7 == 127 &&
	    f->n < 65536))
		return 1002;
	return 0;
}

static void
unmask(struct blob *to, const struct frame *f)
{
	for (size_t i = 0; i < f->have; i++) {
		char c = (char)(f->data[i] ^ f->key[i % 4]);

		blob_add(to, &c, 1);
	}
}

static bool
read_data(struct reader *r, const struct frame *f)
{
	int is_text;

	if (f->op)
		r->kind = f->op;
	if (r->msg.n + f->n > r->max.size)
		return fails(r, 1009);
	if (++r->fragments > r->max.fragments)
		return fails(r, 1009);
	unmask(&r->msg, f);
	is_text = trace_utf8((uint8_t *)r->msg.p, r->msg.n);
	if (r->kind == 1 && is_text < 0)
		return fails(r, 1007);
	if (!f->fin || f->have < f->n)
		return true;
	if (r->kind == 1 && is_text == 0)
		return fails(r, 1007);
	trace_add(r->trace, r->kind == 1 ? "text" : "binary", 0, r->msg.p,
	    r->msg.n);
	r->kind = r->fragments = 0;
	r->msg.n = 0;
	return true;
}

static bool
read_close(struct reader *r, const struct blob *b)
{
	const uint8_t *p = (const uint8_t *)b->p;
	unsigned code = 1005;

	if (b->n == 1)
		return fails(r, 1002);
	if (b->n >= 2) {
		code = p[0] * 256u + p[1];
		if (code < 1000 || code > 4999 || code == 1004 ||
		    code == 1005 || code == 1006 ||
		    (code > 1014 && code < 3000))
			return fails(r, 1002);
		if (trace_utf8(p + 2, b->n - 2) != 1)
			return fails(r, 1007);
	}
	trace_add(r->trace, "close", code, b->n > 2 ? b->p + 2 : "",
	    b->n > 2 ? b->n - 2 : 0);
	return false;
}

static bool
read_control(struct reader *r, const struct frame *f)
{
	struct blob b = { NULL, 0, 0 };
	bool goes_on = true;

	if (f->have < f->n)
		return true;
	unmask(&b, f);
	if (f->op == 8)
		goes_on = read_close(r, &b);
	else
		trace_add(r->trace, f->op == 9 ? "ping" : "pong", 0, b.p,
		    b.n);
	blob_free(&b);
	return goes_on;
}

/* The next frame; false: it was the last. */
static bool
read_frame(struct reader *r, const uint8_t **p, const uint8_t *end)
{
	size_t n = (size_t)(end - *p), head;
	const uint8_t *at = *p;
	struct frame f = { 0 };
	unsigned code;

	if (n < 2)
		return false;
	f.fin = at[0] & 0x80;
	f.rsv = at[0] & 0x70;
	f.op = at[0] & 15;
	f.masked = at[1] & 0x80;
	f.len7 = at[1] & 127;
	code = head_fault(r, &f);
	if (code)
		return fails(r, code);
	head = f.len7 == 126 ? 8 : f.len7 == 127 ? 14 : 6;
	if (n < head)
		return false;
	f.n = head == 6 ? f.len7 : 0;
	for (size_t i = 2; i < head - 4; i++)
		f.n = f.n << 8 | at[i];
	code = length_fault(&f);
	if (code)
		return fails(r, code);
	f.key = at + head - 4;
	f.data = at + head;
	f.have = (size_t)MIN(f.n, (uint64_t)(n - head));
	*p = f.data + f.have;
	return f.op < 8 ? read_data(r, &f) : read_control(r, &f);
}

static void
read_all(struct blob *trace, struct limits max, const uint8_t *p, size_t n)
{
	struct reader r = { .trace = trace, .max = max };
	const uint8_t *end = p + n;

	while (read_frame(&r, &p, end))
		;
	blob_free(&r.msg);
}

/* ---- the fuzzer -------------------------------------------------------- */

static void
run(struct blob *trace, unsigned choice, const uint8_t *p, size_t n,
    size_t most, uint32_t rng)
{
	static const struct ws_deflate_terms terms = {
		.server_bits = 12, .client_bits = 15 };
	struct limits max = all_limits[choice >> 1 & 3];
	size_t used = 0;
	struct ws w;

	trace->n = 0;
	ws_init(&w, max.size, max.fragments);
	if (choice & 1)
		w.deflate = ws_deflate_new(&terms, &used);
	trace_pieces(trace, &w, p, n, most, rng);
	ws_fini(&w);
	OK(used == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct blob whole = { NULL, 0, 0 }, other = { NULL, 0, 0 };

	if (n < 2)
		return 0;
	run(&whole, data[0], data + 2, n - 2, 0, 0);
	if (!(data[0] & 1)) {
		read_all(&other, all_limits[data[0] >> 1 & 3], data + 2,
		    n - 2);
		trace_same(&whole, &other);
	}
	run(&other, data[0], data + 2, n - 2, 1, 0);
	trace_same(&other, &whole);
	run(&other, data[0], data + 2, n - 2, 64, data[1]);
	trace_same(&other, &whole);
	blob_free(&whole);
	blob_free(&other);
	if (atomic_load(&t_failures) > 0)
		abort();
	return 0;
}
