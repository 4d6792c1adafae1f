/* See LICENSE for the terms. */
/*
 * Every byte at every kind of place of a request, with a second request
 * behind it: the same verdict whole, byte by byte and at every split point.
 */
#include "tests/unit/h1_mem.h"
#include "tests/unit/h1_vector.h"

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n\r\n"
#define HELLO "5\r\nhello\r\n"
#define HOST_A "Host: a\r\n"
/* tchar but letters and digits (RFC 9110, 5.6.2). */
#define TCHAR "!#$%&'*+-.^_`|~"
#define VISIBLE "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
#define HEX "0123456789abcdefABCDEF"
#define DIGITS "0123456789"
/* All but 0, with which a size stays as it is. */
#define HEX_MORE "123456789abcdefABCDEF"

/* A place, and the bytes with which both requests are answered. */
struct place {
	const char *rfc;
	const char *before, *behind;
	const char *good;		/* NULL: all */
	/*
	 * With these the message is another, so that its body takes in what
	 * was the second request, of which nothing may be answered: it is
	 * refused, or more of it is waited for.
	 */
	const char *more;
	bool alnum, high;		/* letters and digits; 0x80 to 0xff */
};

static const struct place places[] = {
	/* The request line. */
	{ "9112 2.2", "", GET HOST_A "\r\n", "", "", 0, 0 },
	{ "9110 9.1", "G", "ET / HTTP/1.1\r\n" HOST_A "\r\n", "", "", 0, 0 },
	{ "9110 9.1", "GE", "T / HTTP/1.1\r\n" HOST_A "\r\n", "", "", 0, 0 },
	{ "9112 3", "GET", "/ HTTP/1.1\r\n" HOST_A "\r\n", " ", "", 0, 0 },
	{ "9112 3", "GET ", "/ HTTP/1.1\r\n" HOST_A "\r\n", "/", "", 0, 0 },
	{ "9112 3.2", "GET ", " HTTP/1.1\r\n" HOST_A "\r\n", "/", "", 0, 0 },
	{ "9112 3.2.1", "GET /x", "y HTTP/1.1\r\n" HOST_A "\r\n",
	  "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "", 1, 0 },
	{ "9112 3.2.1", "GET /?", " HTTP/1.1\r\n" HOST_A "\r\n",
	  "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "", 1, 0 },
	{ "9112 3.2.2", "GET http://a", "/ HTTP/1.1\r\n" HOST_A "\r\n",
	  "/?", "", 0, 0 },
	{ "9112 3", "GET /", "HTTP/1.1\r\n" HOST_A "\r\n", " ", "", 0, 0 },
	{ "9112 2.3", "GET / ", "TTP/1.1\r\n" HOST_A "\r\n", "H", "", 0, 0 },
	{ "9112 2.3", "GET / HTTP", "1.1\r\n" HOST_A "\r\n", "/", "", 0, 0 },
	{ "9112 2.3", "GET / HTTP/", ".1\r\n" HOST_A "\r\n", "1", "", 0, 0 },
	{ "9112 2.3", "GET / HTTP/1", "1\r\n" HOST_A "\r\n", ".", "", 0, 0 },
	{ "9112 2.3", "GET / HTTP/1.1", "\r\n" HOST_A "\r\n", "", "", 0, 0 },
	{ "9112 2.2", "GET / HTTP/1.1", "\n" HOST_A "\r\n", "\r", "", 0, 0 },
	{ "9112 2.2", "GET / HTTP/1.1\r", HOST_A "\r\n", "\n", "", 0, 0 },
	/* Names. */
	{ "9110 5.1", GET HOST_A, ": v" END, TCHAR, "", 1, 0 },
	{ "9110 5.1", GET HOST_A, "X: v" END, TCHAR, "", 1, 0 },
	{ "9110 5.1", GET HOST_A "X", "Y: v" END, TCHAR ":", "", 1, 0 },
	{ "9110 5.1", GET HOST_A "X", ": v" END, TCHAR ":", "", 1, 0 },
	{ "9112 5.1", GET HOST_A "X", " v" END, ":", "", 0, 0 },
	{ "9112 5.1", GET HOST_A "X", END, ":", "", 0, 0 },
	/* Values. */
	{ "9110 5.5", GET HOST_A "X:", "v" END, "\t " VISIBLE, "", 1, 1 },
	{ "9110 5.5", GET HOST_A "X: v", "w" END, "\t " VISIBLE, "", 1, 1 },
	{ "9110 5.5", GET HOST_A "X: v", END, "\t " VISIBLE, "", 1, 1 },
	{ "9110 5.5", GET HOST_A "X:", END, "\t " VISIBLE, "", 1, 1 },
	{ "9112 2.2", GET HOST_A "X: v", "\nY: z" END, "\r", "", 0, 0 },
	{ "9112 2.2", GET HOST_A "X: v\r", "Y: z" END, "\n", "", 0, 0 },
	{ "9112 5.2", GET HOST_A "X: v\r\n", "Y: z" END, TCHAR, "", 1, 0 },
	{ "9112 2.1", GET "Host: a\r", "\r\n", "\n", "", 0, 0 },
	{ "9112 2.1", GET HOST_A, "\n", "\r", "", 0, 0 },
	{ "9112 2.1", GET HOST_A "\r", "", "\n", "", 0, 0 },
	/* Host. */
	{ "9110 7.2", GET "Host: ", END, "!$&'()*+-._~;=", "", 1, 0 },
	{ "9110 7.2", GET "Host: a", "b" END, "!$&'()*+-._~;=", "", 1, 0 },
	{ "9110 7.2", GET "Host: a:", END, "\t " DIGITS, "", 0, 0 },
	{ "9110 7.2", GET "Host: [::", "]" END, HEX, "", 0, 0 },
	/* Lengths and codings. */
	{ "9110 8.6", POST "Content-Length:", " 0" END, " \t", "",
	  0, 0 },
	{ "9110 8.6", POST "Content-Length: 0", END, " \t0", "123456789",
	  0, 0 },
	{ "9110 8.6", POST "Content-Length: ", "0" END, " \t0", "123456789",
	  0, 0 },
	{ "9112 6.1", POST "Transfer-Encoding:", "chunked" END "0" END, " \t",
	  "", 0, 0 },
	{ "9112 6.1", POST "Transfer-Encoding: chunked", END "0" END, " ", "",
	  0, 0 },
	{ "9112 6.1", POST "Transfer-Encoding: chu", "ked" END "0" END, "nN",
	  "", 0, 0 },
	/* Chunk sizes. */
	{ "9112 7.1", CHUNKED, "5\r\nhello\r\n0" END, "0", HEX_MORE, 0, 0 },
	{ "9112 7.1", CHUNKED "0", "5\r\nhello\r\n0" END, "0", HEX_MORE, 0, 0 },
	{ "9112 7.1", CHUNKED "5", "\r\nhello\r\n0" END, "", HEX, 0, 0 },
	{ "9112 7.1", CHUNKED, "\r\nhello\r\n0" END, "5", HEX, 0, 0 },
	{ "9112 7.1", CHUNKED HELLO, "0" END, "0", HEX_MORE, 0, 0 },
	{ "9112 7.1", CHUNKED HELLO "0", END, "0", HEX_MORE, 0, 0 },
	/* Extensions of chunks. */
	{ "9112 7.1.1", CHUNKED "5;", "\r\nhello\r\n0" END, TCHAR, "", 1, 0 },
	{ "9112 7.1.1", CHUNKED "5;x", "\r\nhello\r\n0" END, TCHAR, "", 1, 0 },
	{ "9112 7.1.1", CHUNKED "5;x=", "\r\nhello\r\n0" END, TCHAR, "", 1,
	  0 },
	{ "9112 7.1.1", CHUNKED "5;x=\"", "\"\r\nhello\r\n0" END,
	  "\t !#$%&'()*+,-./:;<=>?@[]^_`{|}~", "", 1, 1 },
	/* Ends of chunks. */
	{ "9112 7.1", CHUNKED "5", "\nhello\r\n0" END, "\r", HEX, 0, 0 },
	{ "9112 7.1", CHUNKED "5\r", "hello\r\n0" END, "\n", "", 0, 0 },
	{ "9112 7.1", CHUNKED "5\r\nhello", "\n0" END, "\r", "", 0, 0 },
	{ "9112 7.1", CHUNKED "5\r\nhello\r", "0" END, "\n", "", 0, 0 },
	{ "9112 7.1", CHUNKED HELLO "0", "\n\r\n", "\r", HEX, 0, 0 },
	{ "9112 7.1", CHUNKED HELLO "0\r", "\r\n", "\n", "", 0, 0 },
	{ "9112 7.1", CHUNKED HELLO "0\r\n", "\n", "\r", "", 0, 0 },
	{ "9112 7.1", CHUNKED HELLO "0\r\n\r", "", "\n", "", 0, 0 },
	/* Data and trailers. */
	{ "9112 7.1", CHUNKED "5\r\nhe", "lo\r\n0" END, NULL, "", 1, 1 },
	{ "9112 7.1.2", CHUNKED "0\r\nX", "T: v" END, TCHAR ":", "", 1, 0 },
	{ "9112 7.1.2", CHUNKED "0\r\nX-T: v", "w" END, "\t " VISIBLE, "", 1,
	  1 },
};

enum verdict { BAD, GOOD, MORE };

static enum verdict
wanted(const struct place *p, int c)
{
	if (!p->good || (c && strchr(p->good, c)) || (c >= 0x80 && p->high))
		return GOOD;
	if (p->alnum && ((c >= '0' && c <= '9') ||
	    ((c | 32) >= 'a' && (c | 32) <= 'z')))
		return GOOD;
	return c && strchr(p->more, c) ? MORE : BAD;
}

/* Of the output: nothing of the second request but where both are good. */
static bool
is_so(enum verdict v, const struct blob *out, bool open)
{
	unsigned answers = blob_count(out, "HTTP/1.1 ");
	unsigned good = blob_count(out, "HTTP/1.1 200 OK\r\n");
	unsigned second = blob_count(out, "GET /smuggled 1.1\n");

	if (v == GOOD)
		return open && answers == 2 && good == 2 && second == 1;
	if (v == BAD)
		return !open && answers == 1 && good == 0;
	return second == 0 && answers - good == !open;
}

static void
complain(const struct place *p, int c, const char *how, size_t k,
    const struct blob *out)
{
	fprintf(stderr, "RFC %s: byte %#x behind \"%s\", %s %zu: %s\n", p->rfc,
	    c, p->before, how, k, out->p ? out->p : "");
}

/*
 * Whether a split there is tried: anywhere, but under the sanitizer, for the
 * sake of time, only near the byte.
 */
static bool
is_tried(const struct place *p, size_t k)
{
#ifdef __SANITIZE_ADDRESS__
	size_t at = strlen(p->before);

	return k == 0 || (k + 3 > at && k < at + 5);
#else
	(void)p;
	(void)k;
	return true;
#endif
}

static void
try_byte(struct stub *s, const struct place *p, int c)
{
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	enum verdict v = wanted(p, c);
	char byte = (char)c;
	bool open;

	blob_add(&in, p->before, strlen(p->before));
	blob_add(&in, &byte, 1);
	blob_add(&in, p->behind, strlen(p->behind));
	blob_add(&in, SMUGGLED, strlen(SMUGGLED));
	open = mem_bytes(s, &in, &out);
	if (!OK(is_so(v, &out, open)))
		complain(p, c, "byte by byte", 0, &out);
	/* 0: whole. */
	for (size_t k = 0; k < in.n; k++) {
		if (!is_tried(p, k))
			continue;
		out.n = 0;
		blob_add(&out, "", 0);
		open = mem_split(s, &in, k, &out);
		if (!OK(is_so(v, &out, open))) {
			complain(p, c, "split at", k, &out);
			break;
		}
	}
	OK(s->seen.started == s->seen.released);
	blob_free(&in);
	blob_free(&out);
}

static void
every_byte_has_its_places(void)
{
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		for (int c = 0; c < 256; c++)
			try_byte(&s, &places[i], c);
	stub_close(&s);
}

static void
tests(void)
{
	T(every_byte_has_its_places);
}

T_MAIN(tests)
