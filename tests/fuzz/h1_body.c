/* See LICENSE for the terms. */
/*
 * A chunked body behind a good head, against a decoder that follows RFC 9112,
 * 7.1 line by line and knows nothing of the server's parser: a body is handed
 * over as whole only if it is, with the same bytes, and the second time when
 * it comes byte by byte.
 */
#include <ctype.h>

#include "tests/fuzz/kit.h"
#include "tests/unit/h1_vector.h"

/* What the application was given. */
static struct blob got;
static unsigned wholes;

static void
take(struct req *r)
{
	char buf[512];
	size_t n;

	while ((n = req_take(r, buf, sizeof(buf))) > 0)
		blob_add(&got, buf, n);
	if (r->body == BODY_OPEN) {
		req_want(r);
		return;
	}
	wholes += req_is_read(r);
	/* An answer that ends the connection: what follows is not parsed. */
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

static const struct app_ops ops = {
	.start = take, .body = take, .room = take, .gone = gone
};

/* ---- the decoder ------------------------------------------------------- */

struct text {
	const uint8_t *p, *end;
};

static bool
skip(struct text *t, const char *what)
{
	size_t n = strlen(what);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, what, n) != 0)
		return false;
	t->p += n;
	return true;
}

static bool
is_tchar(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t
token(struct text *t)
{
	const uint8_t *from = t->p;

	while (t->p < t->end && is_tchar(*t->p))
		t->p++;
	return (size_t)(t->p - from);
}

static bool
quoted(struct text *t)
{
	while (t->p < t->end && *t->p != '"') {
		if (*t->p == '\\' && ++t->p == t->end)
			return false;
		if ((*t->p < ' ' && *t->p != '\t') || *t->p == 0x7f)
			return false;
		t->p++;
	}
	return skip(t, "\"");
}

/* *( ";" token [ "=" ( token / quoted-string ) ] ) */
static bool
extensions(struct text *t)
{
	while (skip(t, ";")) {
		if (token(t) == 0)
			return false;
		if (skip(t, "=") &&
		    !(skip(t, "\"") ? quoted(t) : token(t) > 0))
			return false;
	}
	return true;
}

static bool
size(struct text *t, uint64_t *n)
{
	unsigned digits = 0;

	*n = 0;
	for (; t->p < t->end && isxdigit(*t->p); t->p++) {
		char digit[2] = { (char)*t->p, 0 };

		if (++digits > 16)
			return false;
		*n = *n << 4 | strtoul(digit, NULL, 16);
	}
	return digits > 0;
}

/* Lines of fields up to an empty one; which may be trailers is not asked. */
static bool
trailers(struct text *t)
{
	while (!skip(t, "\r\n")) {
		if (token(t) == 0 || !skip(t, ":"))
			return false;
		while (t->p < t->end && (*t->p >= ' ' || *t->p == '\t') &&
		    *t->p != 0x7f)
			t->p++;
		if (!skip(t, "\r\n"))
			return false;
	}
	return true;
}

/* A whole body; its bytes go to <to>. */
static bool
decode(struct text t, struct blob *to)
{
	uint64_t n;

	for (;;) {
		if (!size(&t, &n) || !extensions(&t) || !skip(&t, "\r\n"))
			return false;
		if (n == 0)
			return trailers(&t);
		if (n > (uint64_t)(t.end - t.p))
			return false;
		blob_add(to, t.p, (size_t)n);
		t.p += n;
		if (!skip(&t, "\r\n"))
			return false;
	}
}

/* ---- the fuzzer -------------------------------------------------------- */

/* What came of it must be what should; refused may be more than must be. */
static void
judge(bool whole, const struct blob *want, const struct blob *out)
{
	OK(wholes <= 1);
	if (wholes == 1) {
		OK(whole && got.n == want->n && (got.n == 0 ||
		    !memcmp(got.p, want->p, got.n)));
		OK(fuzz_status(out) == 200);
	} else if (whole) {
		/* Trailers that may not be, or beyond some limit. */
		OK(fuzz_status(out) == 400 || fuzz_status(out) == 431);
	}
	got.n = 0;
	wholes = 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stub *s = fuzz_stub(&ops);
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	struct blob want = { NULL, 0, 0 };
	bool whole = decode((struct text){ data, data + n }, &want);

	blob_add(&in, CHUNKED, strlen(CHUNKED));
	blob_add(&in, data, n);
	mem_split(s, &in, 0, &out);
	judge(whole, &want, &out);
	out.n = 0;
	mem_bytes(s, &in, &out);
	judge(whole, &want, &out);
	blob_free(&in);
	blob_free(&out);
	blob_free(&want);
	fuzz_end(s);
	return 0;
}
