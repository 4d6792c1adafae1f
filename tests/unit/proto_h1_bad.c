/* See LICENSE for the terms. */
/*
 * What HTTP/1 refuses and what it must not (RFC 9112, RFC 9110): each message
 * is followed by a second request, that must never be answered behind a bad
 * one, and has the same verdict whole, byte by byte and split anywhere.
 */
#include "tests/unit/h1_bad_bodies.h"
#include "tests/unit/h1_bad_heads.h"
#include "tests/unit/h1_good.h"
#include "tests/unit/h1_stub.h"

static const struct {
	const struct vector *v;
	size_t n;
} tables[] = {
	{ bad_heads, ARRAY_LEN(bad_heads) },
	{ bad_bodies, ARRAY_LEN(bad_bodies) },
	{ well_formed, ARRAY_LEN(well_formed) },
};

_Static_assert(ARRAY_LEN(bad_heads) + ARRAY_LEN(bad_bodies) >= 400,
    "the issue's number");

/* As many whole answers of 200 as there should be, and open as it should. */
static bool
is_served(const struct blob *out, bool open, int want)
{
	unsigned n = want == SERVED ? 2 : 1;

	return open == (want == SERVED) &&
	    blob_count(out, "HTTP/1.1 200 OK\r\n") == n &&
	    !blob_has(out, "HTTP/1.1 4") && !blob_has(out, "HTTP/1.1 5") &&
	    blob_count(out, "GET /smuggled 1.1\n") == n - 1;
}

/* One refusal, nothing before it, nothing behind it, and the end. */
static bool
is_refused(const struct blob *out, bool open, int status)
{
	char line[32];

	if (open || blob_count(out, "HTTP/1.1 ") != 1 ||
	    !blob_has(out, "connection: close\r\n"))
		return false;
	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	return out->n > 13 && !memcmp(out->p, line, 13);
}

static bool
is_right(const struct vector *v, const struct blob *out, bool open)
{
	return v->want < 200 ? is_served(out, open, v->want) :
	    is_refused(out, open, v->want);
}

static void
complain(const struct vector *v, const char *how, const struct blob *out)
{
	fprintf(stderr, "RFC %s, %s, wanted %d:\n---\n", v->rfc, how, v->want);
	fwrite(v->p, 1, v->n, stderr);
	fprintf(stderr, "\n--- gave\n%s\n", out->p ? out->p : "");
}

static bool
split_is_right(struct stub *s, const struct vector *v, const struct blob *in,
    size_t k, struct blob *out)
{
	int fd = stub_connect(s);
	bool open;

	out->n = 0;
	open = stub_send(s, fd, in->p, k, out);
	if (open)
		open = stub_send(s, fd, in->p + k, in->n - k, out);
	close(fd);
	stub_settle(s);
	return is_right(v, out, open);
}

static void
try(struct stub *s, const struct vector *v)
{
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	bool open;

	blob_add(&in, v->p, v->n);
	blob_add(&in, SMUGGLED, strlen(SMUGGLED));
	open = stub_talk(s, in.p, in.n, 0, &out);
	if (!OK(is_right(v, &out, open)))
		complain(v, "whole", &out);
	/* Whole, the application never heard of a bad one. */
	if (!OK(v->want < 200 || s->seen.started == 0))
		complain(v, "the application was called", &out);
	out.n = 0;
	open = stub_talk(s, in.p, in.n, 1, &out);
	if (!OK(is_right(v, &out, open)))
		complain(v, "byte by byte", &out);
	for (size_t k = 1; k < in.n; k++)
		if (!OK(split_is_right(s, v, &in, k, &out))) {
			complain(v, "split", &out);
			fprintf(stderr, "at %zu\n", k);
			break;
		}
	OK(s->seen.started == s->seen.released);
	memset(&s->seen, 0, sizeof(s->seen));
	blob_free(&in);
	blob_free(&out);
}

static void
every_message_has_its_verdict_however_it_comes(void)
{
	struct stub s;

	stub_open(&s, NULL);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++)
			try(&s, &tables[t].v[i]);
	stub_close(&s);
}

static void
good_requests_before_a_bad_one_are_answered(void)
{
	const char *one = "GET /early?3 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct stub s;

	stub_open(&s, NULL);
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++) {
			const struct vector *v = &tables[t].v[i];
			struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };

			if (v->want < 200)
				continue;
			blob_add(&in, one, strlen(one));
			blob_add(&in, one, strlen(one));
			blob_add(&in, v->p, v->n);
			blob_add(&in, SMUGGLED, strlen(SMUGGLED));
			OK(!stub_talk(&s, in.p, in.n, 0, &out));
			OK(blob_count(&out, "HTTP/1.1 200 OK\r\n") == 2);
			OK(blob_count(&out, "HTTP/1.1 ") == 3);
			OK(s.seen.started == 2);
			memset(&s.seen, 0, sizeof(s.seen));
			blob_free(&in);
			blob_free(&out);
		}
	stub_close(&s);
}

static void
tests(void)
{
	T(every_message_has_its_verdict_however_it_comes);
	T(good_requests_before_a_bad_one_are_answered);
}

T_MAIN(tests)
