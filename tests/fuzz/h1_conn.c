/* See LICENSE for the terms. */
/*
 * A whole connection.  The first byte chooses the application: one that reads
 * and echoes everything, and then whatever comes of the bytes whole must come
 * of them in pieces, too; or the one of h1_stub.h that does what the path says,
 * and then nothing may crash or be left behind.  It chooses, too, whether the
 * bytes come four times: whole, a head is then known from before (section.h).
 * The second byte seeds where the bytes are split, and how the client leaves.
 */
#include "tests/fuzz/kit.h"

static void
echo_start(struct req *r)
{
	struct stub *s = r->shard->py;
	struct stub_app *a = calloc(1, sizeof(*a));

	a->stub = s;
	r->app = a;
	s->seen.started++;
	stub_read(r);
}

static const struct app_ops echo_ops = {
	.start = echo_start,
	.body = stub_read,
	.room = stub_room,
	.gone = stub_gone,
};

static size_t
draw(uint32_t *rng, size_t below)
{
	*rng = *rng * 1664525 + 1013904223;
	return (*rng >> 8) % below;
}

/* false: the server closed. */
static bool
in_pieces(struct stub *s, struct mem *m, size_t n, uint32_t *rng)
{
	size_t at = 0;

	while (at < n) {
		at += 1 + draw(rng, 1 + draw(rng, 64));
		if (!mem_feed(s, m, MIN(at, n)))
			return false;
	}
	return true;
}

/* A 100 depends on when the body comes: left out, for it may be there. */
static void
drop_100(struct blob *out)
{
	static const char said[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t n = sizeof(said) - 1;
	char *p;

	while (out->n > 0 && (p = memmem(out->p, out->n, said, n))) {
		memmove(p, p + n, out->n - (size_t)(p - out->p) - n);
		out->n -= n;
	}
}

static void
compare(struct stub *s, const char *p, size_t n, uint32_t seed)
{
	struct blob whole = { NULL, 0, 0 }, part = { NULL, 0, 0 };
	struct mem m;
	bool open;

	mem_open(s, &m, p, &whole);
	open = mem_feed(s, &m, n);
	mem_end(s, &m);
	OK(s->seen.started == s->seen.released);
	mem_open(s, &m, p, &part);
	OK(in_pieces(s, &m, n, &seed) == open);
	mem_end(s, &m);
	drop_100(&whole);
	drop_100(&part);
	OK(whole.n == part.n && (whole.n == 0 ||
	    !memcmp(whole.p, part.p, whole.n)));
	blob_free(&whole);
	blob_free(&part);
}

static void
survive(struct stub *s, const char *p, size_t n, uint32_t seed)
{
	struct blob out = { NULL, 0, 0 };
	struct mem m;

	mem_open(s, &m, p, &out);
	if (in_pieces(s, &m, n, &seed) && draw(&seed, 2)) {
		m.fin = true;
		mem_feed(s, &m, n);
	}
	mem_end(s, &m);
	OK(s->seen.started == s->seen.released);
	blob_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stub *s = fuzz_stub(&echo_ops);
	struct blob b = { NULL, 0, 0 };

	if (n < 2)
		return 0;
	s->shard->app = data[0] & 1 ? &stub_ops : &echo_ops;
	for (int times = data[0] & 2 ? 4 : 1; times > 0; times--)
		blob_add(&b, data + 2, n - 2);
	(data[0] & 1 ? survive : compare)(s, b.p, b.n, data[1]);
	fuzz_end(s);
	blob_free(&b);
	return 0;
}
