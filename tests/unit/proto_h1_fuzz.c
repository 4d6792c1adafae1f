/* See LICENSE for the terms. */
/*
 * Messages broken at random: whatever comes of one whole must come of it in
 * pieces, too, and nothing may crash or be left behind.
 *
 *	FUZZ_ROUNDS=n FUZZ_SEED=s build/asan/tests/unit/proto_h1_fuzz
 */
#include "tests/unit/h1_stub.h"

/* Only of what is answered when it is whole: the rest depends on timing. */
static const char *const seeds[] = {
	"GET /echo?q=1 HTTP/1.1\r\nHost: a.b:80\r\nAccept: */*\r\n\r\n",
	"HEAD http://a/x HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=\"d\"\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n"
	"Content-Type: text/plain\r\n\r\nhello world!",
	"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	"5\r\nhello\r\n06;a=b;c=\"d\"\r\n world\r\n0\r\nX-T: t\r\n\r\n",
	"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
	"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n10\r\n0123456789abcdef\r\n"
	"0\r\n\r\n",
};

static const char *const pieces[] = {
	"\r\n", "\n", "\r", " ", "\t", "\0", ":", ";", ",", "\r\n\r\n", "0",
	"0\r\n\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n",
	"Host: b\r\n", "Expect: x\r\n", "HTTP/1.1", "\x80", "\xff", "#", "%",
	"-", "+", "fffffffffffffffff", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
};

static uint64_t
draw(uint64_t *state, uint64_t below)
{
	/* xorshift64: the same everywhere for the same seed. */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

static void
splice_in(struct blob *b, size_t at, size_t gone, const char *p, size_t n)
{
	struct blob out = { NULL, 0, 0 };

	blob_add(&out, b->p, at);
	blob_add(&out, p, n);
	blob_add(&out, b->p + at + gone, b->n - at - gone);
	blob_free(b);
	*b = out;
}

static void
break_it(struct blob *b, uint64_t *rng)
{
	size_t at = draw(rng, b->n + 1);
	const char *piece = pieces[draw(rng, ARRAY_LEN(pieces))];
	size_t n = *piece ? strlen(piece) : 1;
	size_t gone = draw(rng, 8);
	char byte = (char)draw(rng, 256);

	gone = MIN(gone, b->n - at);
	switch (draw(rng, 6)) {
	case 0:
		splice_in(b, at, at < b->n, &byte, 1);
		break;
	case 1:
		splice_in(b, at, 0, &byte, 1);
		break;
	case 2:
		splice_in(b, at, gone, "", 0);
		break;
	case 3:
		splice_in(b, at, gone, piece, n);
		break;
	default:
		splice_in(b, at, 0, piece, n);
		break;
	}
}

/* Up to three messages behind each other, with up to four faults. */
static void
make(struct blob *b, uint64_t *rng)
{
	size_t n = 1 + draw(rng, 3);

	b->n = 0;
	while (n-- > 0) {
		const char *seed = seeds[draw(rng, ARRAY_LEN(seeds))];

		blob_add(b, seed, strlen(seed));
	}
	for (n = draw(rng, 5); n > 0; n--)
		break_it(b, rng);
}

static void
in_pieces(struct stub *s, const struct blob *in, uint64_t *rng,
    struct blob *out)
{
	int fd = stub_connect(s);
	bool open = true;

	for (size_t at = 0; at < in->n && open;) {
		size_t n = 1 + draw(rng, 1 + draw(rng, 60));

		n = MIN(n, in->n - at);
		open = stub_send(s, fd, in->p + at, n, out);
		at += n;
	}
	close(fd);
	stub_settle(s);
}

static uint64_t
number_of(const char *name, uint64_t otherwise)
{
	const char *z = getenv(name);

	return z ? strtoull(z, NULL, 10) : otherwise;
}

static void
pieces_and_wholes_agree(void)
{
	uint64_t seed = number_of("FUZZ_SEED", 20260131), rng = seed;
	uint64_t rounds = number_of("FUZZ_ROUNDS", 4000);
	struct blob in = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, NULL);
	for (uint64_t i = 0; i < rounds; i++) {
		struct blob whole = { NULL, 0, 0 }, part = { NULL, 0, 0 };

		make(&in, &rng);
		stub_talk(&s, in.p, in.n, 0, &whole);
		in_pieces(&s, &in, &rng, &part);
		if (!OK(whole.n == part.n && (whole.n == 0 ||
		    !memcmp(whole.p, part.p, whole.n)))) {
			fprintf(stderr, "seed %llu, round %llu:\n%s\n--- gave\n"
			    "%s\n--- and\n%s\n", (unsigned long long)seed,
			    (unsigned long long)i, in.p,
			    whole.p ? whole.p : "", part.p ? part.p : "");
			i = rounds;
		}
		OK(s.shard->n_conns == 0 && s.shard->n_reqs == 0);
		OK(s.seen.started == s.seen.released);
		blob_free(&whole);
		blob_free(&part);
	}
	blob_free(&in);
	stub_close(&s);
}

static void
tests(void)
{
	T(pieces_and_wholes_agree);
}

T_MAIN(tests)
