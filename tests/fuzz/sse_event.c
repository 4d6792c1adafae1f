/* See LICENSE for the terms. */
/*
 * Messages to a response that is an event stream, against a reader as the
 * WHATWG's HTML, 9.2.6 has it in every browser: an event for each message that
 * is UTF-8, in order, with its offset for an id, and the same text but for how
 * its lines end.
 *
 * Messages are: a byte of the kind (1: text, 0: bytes), two of length, and
 * that many, or what there is.  What is no UTF-8 is no text to be published.
 */
#include "proto/sse.h"
#include "proto/utf8.h"
#include "tests/fuzz/kit.h"

#define MESSAGES_MAX 64
#define REQUEST "GET / HTTP/1.0\r\n\r\n"

static struct req *current;

static void
start(struct req *r)
{
	OK(res_status(&r->res, 200) == 0);
	OK(res_field(&r->res, STR("content-type"),
	    STR("text/event-stream")) == 0);
	OK(res_start(r, &r->res) == 0);
	OK(sse_join(r, STR("room")) == 0);
	current = r;
}

static void
gone(struct req *r)
{
	current = NULL;
	req_release(r);
}

static void
nothing(struct req *r)
{
	(void)r;
}

static const struct app_ops ops = {
	.start = start, .body = nothing, .room = nothing, .gone = gone
};

/* ---- what must come ---------------------------------------------------- */

/* An event: its id, its data with LF for every end of a line, and NUL. */
static void
add_event(struct blob *b, uint64_t id, const char *p, size_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu ", (unsigned long long)id);
	blob_add(b, text, strlen(text));
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			continue;
		blob_add(b, p[i] == '\r' ? "\n" : p + i, 1);
	}
	blob_add(b, "", 1);
}

static bool
is_utf8(const char *p, size_t n)
{
	struct utf8 u = { 0, 0, 0 };

	return utf8_add(&u, (const unsigned char *)p, n) &&
	    utf8_is_whole(&u);
}

/* ---- the reader -------------------------------------------------------- */

struct reader {
	struct blob data;
	char id[32];
	bool has_data;
	struct blob *events;
};

static void
read_line(struct reader *r, const char *p, size_t n)
{
	const char *colon = n ? memchr(p, ':', n) : NULL;
	size_t name = colon ? (size_t)(colon - p) : n, at = name + 1;

	if (n == 0) {
		/* Dispatched without the last line's end. */
		if (r->has_data)
			add_event(r->events, strtoull(r->id, NULL, 10),
			    r->data.p, r->data.n - 1);
		r->has_data = false;
		r->data.n = 0;
		return;
	}
	if (at < n && p[at] == ' ')
		at++;
	at = MIN(at, n);
	if (name == 4 && memcmp(p, "data", 4) == 0) {
		blob_add(&r->data, p + at, n - at);
		blob_add(&r->data, "\n", 1);
		r->has_data = true;
	} else if (OK(name == 2 && memcmp(p, "id", 2) == 0)) {
		snprintf(r->id, sizeof(r->id), "%.*s", (int)(n - at), p + at);
	}
}

static void
read_stream(struct blob *events, const char *p, size_t n)
{
	struct reader r = { .events = events };
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\n' && p[i] != '\r')
			continue;
		read_line(&r, p + from, i - from);
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			i++;
		from = i + 1;
	}
	/* No event is left half. */
	OK(from == n && !r.has_data);
	blob_free(&r.data);
}

/* ---- the fuzzer -------------------------------------------------------- */

static void
publish(struct stub *s, struct blob *want, bool text, const char *p, size_t n)
{
	struct ring_msg m = { .channel = STR("room"), .data = { p, n },
		.kind = text ? RING_TEXT : RING_BYTES };
	uint64_t offset;

	if (text && !is_utf8(p, n))
		return;
	OK(relay_publish(&s->shard->relay, &m, &offset) == 0);
	if (is_utf8(p, n))
		add_event(want, offset, p, n);
	stub_settle(s);
}

static void
judge(const struct blob *out, const struct blob *want)
{
	struct blob got = { NULL, 0, 0 };
	char *body = out->n ? strstr(out->p, "\r\n\r\n") : NULL;

	OK(fuzz_status(out) == 200);
	if (!OK(body != NULL))
		return;
	body += 4;
	read_stream(&got, body, out->n - (size_t)(body - out->p));
	OK(got.n == want->n && (got.n == 0 ||
	    memcmp(got.p, want->p, got.n) == 0));
	blob_free(&got);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stub *s = fuzz_stub(&ops);
	struct blob out = { NULL, 0, 0 }, want = { NULL, 0, 0 };
	const char *p = (const char *)data;
	struct mem m;

	mem_open(s, &m, REQUEST, &out);
	mem_feed(s, &m, strlen(REQUEST));
	OK(current != NULL);
	for (size_t k = 0; n >= 3 && k < MESSAGES_MAX; k++) {
		size_t size = data[1] | (size_t)data[2] << 8;

		size = MIN(size, n - 3);
		publish(s, &want, data[0] & 1, p + 3, size);
		p += 3 + size;
		data += 3 + size;
		n -= 3 + size;
	}
	OK(current && res_end(current) == 0);
	if (current)
		gone(current);
	mem_end(s, &m);
	judge(&out, &want);
	blob_free(&out);
	blob_free(&want);
	fuzz_end(s);
	return 0;
}
