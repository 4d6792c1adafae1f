/* See LICENSE for the terms. */
/*
 * A handshake, and frames behind it.  The fields of "GET / HTTP/1.1" and what
 * follows them are the fuzzer's: the application is given a WebSocket exactly
 * if a second reading of RFC 6455, 4.2.1 finds a whole handshake, and the
 * server's bytes, pongs aside, do not depend on how the client's were split.
 * The first byte seeds the pieces; from 128 on the request line is the
 * fuzzer's, too.
 */
#include <ctype.h>

#include "proto/ws_shake.h"
#include "proto/wsock.h"
#include "tests/fuzz/kit.h"

#define LINE "GET / HTTP/1.1\r\nHost: a\r\n"

/* ---- the reader -------------------------------------------------------- */

static bool
is_name(const struct field *f, const char *name)
{
	struct str s = field_name(f);

	return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

/* Whether an element of the list is <token>; counts those that are none. */
static bool
has_token(struct str v, const char *token, unsigned *bad)
{
	bool found = false;

	for (size_t i = 0, end; i < v.n; i = end + 1) {
		size_t k;

		for (end = i; end < v.n && v.p[end] != ','; end++)
			;
		for (k = end; k > i && strchr(" \t", v.p[k - 1]); k--)
			;
		while (i < k && strchr(" \t", v.p[i]))
			i++;
		for (size_t j = i; j < k; j++)
			*bad += !isalnum((unsigned char)v.p[j]) &&
			    !strchr("!#$%&'*+-.^_`|~", v.p[j]);
		found |= k - i == strlen(token) &&
		    strncasecmp(v.p + i, token, k - i) == 0;
	}
	return found;
}

static bool
any_has(const struct req *r, const char *name, const char *token)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < r->n_fields; i++)
		if (is_name(&r->fields[i], name) &&
		    has_token(field_value(&r->fields[i]), token, &bad))
			return true;
	return false;
}

static bool
is_base64_of_16(struct str v)
{
	size_t i;

	for (i = 0; i < v.n && (isalnum((unsigned char)v.p[i]) ||
	    v.p[i] == '+' || v.p[i] == '/'); i++)
		;
	return i == 22 && v.n == 24 && v.p[22] == '=' && v.p[23] == '=';
}

/* A handshake without fault. */
static bool
is_handshake(const struct req *r)
{
	unsigned keys = 0, versions = 0, bad = 0;

	for (unsigned i = 0; i < r->n_fields; i++) {
		const struct field *f = &r->fields[i];
		struct str v = field_value(f);

		if (is_name(f, "sec-websocket-key"))
			keys += is_base64_of_16(v) ? 1 : 100;
		if (is_name(f, "sec-websocket-version"))
			versions += v.n == 2 && !memcmp(v.p, "13", 2) ? 1 :
			    100;
		if (is_name(f, "sec-websocket-protocol"))
			has_token(v, "", &bad);
	}
	return any_has(r, "upgrade", "websocket") &&
	    any_has(r, "connection", "upgrade") && keys == 1 &&
	    versions == 1 && bad == 0 && r->major == 1 && r->minor == 1 &&
	    r->method.n == 3 && !memcmp(r->method.p, "GET", 3) &&
	    !r->chunked && r->length <= 0;
}

/* ---- the application --------------------------------------------------- */

static void
echo(struct wsock *w)
{
	struct ws_msg *m;

	while (wsock_space(w) > 0 && (m = wsock_next(w))) {
		wsock_send(w, m->text, m->data, m->n);
		mem_free(m);
	}
	wsock_want(w);
	if (!wsock_is_open(w))
		wsock_release(w);
}

/*
 * It was a plain request.  What is answered then depends on whether a fault of
 * its body came before the answer, and is another fuzzer's.
 */
static bool was_plain;

/* The first subprotocol offered is taken. */
static void
start(struct req *r)
{
	struct ws_offers at = { 0, 0 };
	struct wsock *w;

	if (!any_has(r, "upgrade", "websocket")) {
		OK(!r->ws);
	} else if (OK(r->ws && is_handshake(r))) {
		w = wsock_accept(r, &r->res, ws_shake_subprotocol(r, &at));
		req_release(r);
		if (w)
			wsock_want(w);
		return;
	}
	was_plain = true;
	OK(res_status(&r->res, 200) == 0);
	OK(res_field(&r->res, STR("connection"), STR("close")) == 0);
	OK(res_start(r, &r->res) == 0);
	res_last(r, 0);
	OK(res_end(r) == 0);
	req_release(r);
}

static void
gone(struct req *r)
{
	req_release(r);
}

static void
nothing(struct req *r)
{
	(void)r;
}

static const struct app_ops ops = {
	.start = start, .body = nothing, .room = nothing, .gone = gone,
	.ws = echo
};

/* ---- the fuzzer -------------------------------------------------------- */

static void
in_pieces(struct stub *s, const struct blob *in, uint32_t rng,
    struct blob *out)
{
	bool open = true;
	struct mem m;

	mem_open(s, &m, in->p, out);
	for (size_t at = 0; at < in->n && open; ) {
		rng = rng * 1664525 + 1013904223;
		at = MIN(at + 1 + (rng >> 8) % 64, in->n);
		open = mem_feed(s, &m, at);
	}
	mem_end(s, &m);
}

/* Bytes of the frame at <p>, of which <left> are there; 0: it is not whole. */
static size_t
frame_size(const char *p, size_t left)
{
	unsigned small = left > 1 ? (unsigned char)p[1] : 0;
	unsigned head = small < 126 ? 2 : small == 126 ? 4 : 10;
	size_t n = small < 126 ? small : 0;

	if (left < head)
		return 0;
	for (unsigned i = 2; i < head; i++)
		n = n << 8 | (unsigned char)p[i];
	return n <= left - head ? head + n : 0;
}

/* A pong overtakes messages that the application has not yet answered. */
static void
drop_pongs(struct blob *out)
{
	char *p = out->n ? strstr(out->p, "\r\n\r\n") : NULL;

	if (!p || fuzz_status(out) != 101)
		return;
	for (p += 4; p < out->p + out->n; ) {
		size_t left = (size_t)(out->p + out->n - p);
		size_t n = frame_size(p, left);

		if (!OK(n > 0))
			return;
		if ((unsigned char)*p == (0x80 | WS_PONG)) {
			memmove(p, p + n, left - n);
			out->n -= n;
		} else {
			p += n;
		}
	}
}

static void
same(struct blob *a, struct blob *b)
{
	drop_pongs(a);
	drop_pongs(b);
	if (!was_plain && !OK(a->n == b->n && (a->n == 0 ||
	    !memcmp(a->p, b->p, a->n))))
		fprintf(stderr, "%.*s\n---\n%.*s\n", (int)a->n, a->p,
		    (int)b->n, b->p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stub *s = fuzz_stub(&ops);
	struct blob in = { NULL, 0, 0 }, whole = { NULL, 0, 0 };
	struct blob out = { NULL, 0, 0 };

	if (n < 1)
		return 0;
	was_plain = false;
	if (data[0] < 128)
		blob_add(&in, LINE, strlen(LINE));
	blob_add(&in, data + 1, n - 1);
	mem_split(s, &in, 0, &whole);
	mem_bytes(s, &in, &out);
	same(&whole, &out);
	out.n = 0;
	in_pieces(s, &in, data[0], &out);
	same(&whole, &out);
	blob_free(&in);
	blob_free(&whole);
	blob_free(&out);
	fuzz_end(s);
	return 0;
}
