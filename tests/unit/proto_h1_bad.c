/* See LICENSE for the terms. */
/*
 * What HTTP/1 refuses (RFC 9112, RFC 9110): each message is followed by a
 * second request that must never be answered, and has the same verdict whole,
 * byte by byte and split anywhere.
 */
#include "tests/unit/h1_stub.h"

#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

struct bad {
	unsigned status;
	const char *p;
	size_t n;
};

#define BAD(status, text) { status, text SMUGGLED, sizeof(text SMUGGLED) - 1 }
/* A request line before a good field; fields behind a good line. */
#define LINE(status, text) BAD(status, text "\r\nHost: a\r\n\r\n")
#define FIELD(status, text) \
	BAD(status, "POST / HTTP/1.1\r\nHost: a\r\n" text "\r\n\r\n")
#define HOST(text) BAD(400, "GET / HTTP/1.1\r\n" text "\r\n\r\n")
#define CODING(text) FIELD(400, text "\r\nX: y")
#define CHUNK(text) \
	BAD(400, "POST / HTTP/1.1\r\nHost: a\r\n" \
	    "Transfer-Encoding: chunked\r\n\r\n" text)

#define ZEROS "0000000000000000"
#define S64 "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS"

static const struct bad table[] = {
	/* Request line: RFC 9112, 3. */
	LINE(400, "GET  / HTTP/1.1"), LINE(400, "GET /  HTTP/1.1"),
	LINE(400, "GET\t/ HTTP/1.1"), LINE(400, "GET /\tHTTP/1.1"),
	LINE(400, " GET / HTTP/1.1"), LINE(400, "GET / HTTP/1.1 "),
	LINE(400, "GET / HTTP/1.1\t"), LINE(400, "GET /"),
	LINE(400, "GET / "), LINE(400, "GET"), LINE(400, "GET "),
	LINE(400, "GET HTTP/1.1"), LINE(400, "GET /a b HTTP/1.1"),
	LINE(400, "GET /a\0b HTTP/1.1"), LINE(400, "GET /a\x7f HTTP/1.1"),
	LINE(400, "GET /\x80 HTTP/1.1"), LINE(400, "GET /#f HTTP/1.1"),
	LINE(400, "GET #f HTTP/1.1"), LINE(400, "GET /?q#f HTTP/1.1"),
	LINE(400, "GET ! HTTP/1.1"), LINE(400, "GET a HTTP/1.1"),
	LINE(400, "GET a/b HTTP/1.1"), LINE(400, "GET ?q HTTP/1.1"),
	LINE(400, "GET * HTTP/1.1"), LINE(400, "OPTIONS *a HTTP/1.1"),
	LINE(400, "OPTIONS ** HTTP/1.1"), LINE(400, "GET a:80 HTTP/1.1"),
	LINE(400, "GET http:///x HTTP/1.1"),
	LINE(400, "GET http://u@a/ HTTP/1.1"),
	LINE(400, "GET http://u:p@a/ HTTP/1.1"),
	LINE(400, "GET http://b/ HTTP/1.1"),
	LINE(400, "GET http://a:x/ HTTP/1.1"),
	LINE(400, "GET http:/a HTTP/1.1"), LINE(400, "GET http: HTTP/1.1"),
	LINE(400, "GET ftp://a/ HTTP/1.1"), LINE(400, "GET //"),
	LINE(501, "CONNECT a:80 HTTP/1.1"), LINE(501, "CONNECT / HTTP/1.1"),
	LINE(400, "get / HTTP/1.1"), LINE(400, "Get / HTTP/1.1"),
	LINE(501, "GETX / HTTP/1.1"), LINE(501, "FOO / HTTP/1.1"),
	LINE(400, "G\0T / HTTP/1.1"), LINE(400, "(GET) / HTTP/1.1"),
	LINE(400, "\x16\x03\x01\x02"), LINE(501, S64 S64),
	LINE(400, "GET / HTTP/0.9"), LINE(400, "GET / HTTP/1.2"),
	LINE(400, "GET / HTTP/1.9"), LINE(505, "GET / HTTP/2.0"),
	LINE(505, "GET / HTTP/9.9"), LINE(400, "GET / HTTP/01.1"),
	LINE(400, "GET / HTTP/1.01"), LINE(400, "GET / HTTP/1"),
	LINE(400, "GET / HTTP/1."), LINE(400, "GET / HTTP/.1"),
	LINE(400, "GET / HTTP/11"), LINE(400, "GET / HTTP/1,1"),
	LINE(400, "GET / HTTP/1.1x"), LINE(400, "GET / http/1.1"),
	LINE(400, "GET / HTTP 1.1"), LINE(400, "GET / HTTPS/1.1"),
	LINE(400, "GET / RTSP/1.0"), LINE(400, "GET / ICE/1.0"),
	LINE(400, "SOURCE / ICE/1.0"), LINE(501, "PLAY / HTTP/1.1"),
	LINE(501, "PLAY / RTSP/1.0"), LINE(400, "GET / ICY/1.1"),
	BAD(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	/* Ends of lines: RFC 9112, 2.2. */
	BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
	BAD(400, "GET / HTTP/1.1\nHost: a\n\n"),
	BAD(400, "GET / HTTP/1.1\rHost: a\r\r"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\rX"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
	BAD(400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
	BAD(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(400, " \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	/* Fields: RFC 9110, 5; RFC 9112, 5. */
	FIELD(400, ": v"), FIELD(400, "A B: v"), FIELD(400, "A : v"),
	FIELD(400, "A\t: v"), FIELD(400, "A"), FIELD(400, "A\0: v"),
	FIELD(400, "A\x01: v"), FIELD(400, "\x80: v"), FIELD(400, "A(: v"),
	FIELD(400, "\"A\": v"), FIELD(400, "A: \0"), FIELD(400, "A: b\0c"),
	FIELD(400, "A: \x01"), FIELD(400, "A: \x7f"), FIELD(400, "A: b\x0b"),
	FIELD(400, "A: b\r\n c"), FIELD(400, "A: b\r\n\tc"),
	FIELD(400, "A: b\r\n "), FIELD(400, " A: b"), FIELD(400, "\tA: b"),
	BAD(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	FIELD(400, "Content-Type: a\r\nContent-Type: a"),
	FIELD(400, "Authorization: a\r\nAuthorization: a"),
	FIELD(400, "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: a"),
	/* Host: RFC 9112, 3.2. */
	BAD(400, "GET / HTTP/1.1\r\n\r\n"), BAD(400, "GET / HTTP/1.1\r\nX: y"
	    "\r\n\r\n"), BAD(400, "GET http://a/ HTTP/1.1\r\n\r\n"),
	HOST("Host:"), HOST("Host: "), HOST("Host: a\r\nHost: a"),
	HOST("Host: a\r\nhost: b"), HOST("Host: a, b"), HOST("Host: a,b"),
	HOST("Host: a b"), HOST("Host: a/b"), HOST("Host: a?b"),
	HOST("Host: a#b"), HOST("Host: u@a"), HOST("Host: a:x"),
	HOST("Host: a:65536"), HOST("Host: a:1:2"), HOST("Host: a:-1"),
	HOST("Host: :80"), HOST("Host: [::1"), HOST("Host: [::1]x"),
	HOST("Host: [x]"), HOST("Host: []"), HOST("Host: [1:2]"),
	HOST("Host: [::1]:x"), HOST("Host: http://a"), HOST("Host: a\\b"),
	HOST("Host: a<b>"), HOST("Host: \x80"), HOST("Host: a%2"),
	HOST("Host: a%zz"), HOST("Host: [::1%25eth0]"), HOST("Host: ::1"),
	/* Content-Length: RFC 9110, 8.6; RFC 9112, 6.3. */
	CODING("Content-Length:"), CODING("Content-Length: "),
	CODING("Content-Length: +5"), CODING("Content-Length: -5"),
	CODING("Content-Length: 0x5"), CODING("Content-Length: 5_0"),
	CODING("Content-Length: 5 0"), CODING("Content-Length: a"),
	CODING("Content-Length: 5a"), CODING("Content-Length: 5.0"),
	CODING("Content-Length: \"5\""), CODING("Content-Length: 5;"),
	CODING("Content-Length: 5, 5"), CODING("Content-Length: 5,6"),
	CODING("Content-Length: ,5"), CODING("Content-Length: \x0b" "5"),
	CODING("Content-Length: 5\x0c"), CODING("Content-Length: \xa0" "5"),
	CODING("Content-Length: \xb2"), CODING("Content-Length: 5\r\n"
	    "Content-Length: 5"), CODING("Content-Length: 5\r\n"
	    "Content-Length: 6"), CODING("Content-Length: 0\r\n"
	    "Content-Length: 0"),
	CODING("Content-Length: 9223372036854775808"),
	CODING("Content-Length: 18446744073709551615"),
	CODING("Content-Length: 18446744073709551616"),
	CODING("Content-Length: 18446744073709551621"),
	CODING("Content-Length: 00000000000000000005"),
	CODING("Content-Length: 99999999999999999999999"),
	FIELD(413, "Content-Length: 1073741825"),
	FIELD(413, "Content-Length: 9223372036854775807"),
	FIELD(400, "Content-Length : 5"), FIELD(400, "Content-Length\r\n: 5"),
	/* Transfer-Encoding: RFC 9112, 6.1. */
	CODING("Transfer-Encoding: chunked\r\nContent-Length: 5"),
	CODING("Content-Length: 5\r\nTransfer-Encoding: chunked"),
	CODING("Transfer-Encoding: xchunked"), CODING("Transfer-Encoding:"),
	CODING("Transfer-Encoding: identity"),
	CODING("Transfer-Encoding: gzip"),
	CODING("Transfer-Encoding: gzip, chunked"),
	CODING("Transfer-Encoding: chunked, identity"),
	CODING("Transfer-Encoding: chunked, chunked"),
	CODING("Transfer-Encoding: ,chunked"),
	CODING("Transfer-Encoding: , chunked"),
	CODING("Transfer-Encoding: chunked,"),
	CODING("Transfer-Encoding: chunked;q=1"),
	CODING("Transfer-Encoding: \"chunked\""),
	CODING("Transfer-Encoding: chunked\x0b"),
	CODING("Transfer-Encoding: \x0c" "chunked"),
	CODING("Transfer-Encoding: chunked\0"),
	CODING("Transfer-Encoding: \xa0" "chunked"),
	CODING("Transfer-Encoding: chunked\x85"),
	CODING("Transfer-Encoding: chunked\b"),
	CODING("Transfer-Encoding: chu\rnked"),
	CODING("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	CODING("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
	CODING("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
	CODING("Transfer-Encoding:\r\n chunked"),
	CODING("Transfer-Encoding : chunked"),
	CODING("Transfer-Encoding\t: chunked"),
	CODING(" Transfer-Encoding: chunked"),
	CODING("X: y\nTransfer-Encoding: chunked"),
	CODING("X: y\rTransfer-Encoding: chunked"),
	CODING("X: y\0Transfer-Encoding: chunked"),
	BAD(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "0\r\n\r\n"),
	BAD(400, "POST / HTTP/1.0\r\nConnection: keep-alive\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	/* Expect: RFC 9110, 10.1.1. */
	FIELD(417, "Expect: 200-ok\r\nContent-Length: 1"),
	FIELD(417, "Expect:\r\nContent-Length: 1"),
	FIELD(417, "Expect: y 100-continue\r\nContent-Length: 1"),
	FIELD(417, "Expect: 100-continue, x\r\nContent-Length: 1"),
	FIELD(400, "Expect: 100-continue\r\nExpect: 100-continue"),
	/* Chunks: RFC 9112, 7.1. */
	CHUNK("+5\r\nhello\r\n0\r\n\r\n"), CHUNK("-5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("0x5\r\nhello\r\n0\r\n\r\n"), CHUNK("5_\r\nhello\r\n0\r\n\r\n"),
	CHUNK("\r\nhello\r\n0\r\n\r\n"), CHUNK(" 5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5 \r\nhello\r\n0\r\n\r\n"), CHUNK("\t5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5\t\r\nhello\r\n0\r\n\r\n"), CHUNK("5g\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5\0\r\nhello\r\n0\r\n\r\n"), CHUNK("5,\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5.0\r\nhello\r\n0\r\n\r\n"), CHUNK("g\r\n\r\n"),
	CHUNK("FFFFFFFFFFFFFFFF\r\nhello"), CHUNK("8000000000000000\r\nh"),
	CHUNK("10000000000000005\r\nhello\r\n0\r\n\r\n"),
	CHUNK("0" ZEROS "5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5\r\nhello\r\n0" ZEROS "\r\n\r\n"),
	CHUNK(ZEROS ZEROS ZEROS ZEROS "5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5\nhello\r\n0\r\n\r\n"), CHUNK("5\rXhello\r\n0\r\n\r\n"),
	CHUNK("5\r\nhello\n0\r\n\r\n"), CHUNK("5\r\nhello\r0\r\n\r\n"),
	CHUNK("5\r\nhelloXX0\r\n\r\n"), CHUNK("5\r\nhello0\r\n\r\n"),
	CHUNK("5\r\nhello world\r\n0\r\n\r\n"),
	CHUNK("5\r\nhello\r\n0\n\n"), CHUNK("5\r\nhello\r\n0\r\n\n"),
	CHUNK("5\r\nhello\r\n0\n\r\n"), CHUNK("5\r\nhello\r\n0\r\nX\r\n\r\n"),
	CHUNK("5;\r\nhello\r\n0\r\n\r\n"), CHUNK("5;a\nhello\r\n0\r\n\r\n"),
	CHUNK("5;a\rXhello\r\n0\r\n\r\n"), CHUNK("5;a\0\r\nhello\r\n0\r\n\r\n"),
	CHUNK("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), CHUNK("5;=b\r\nhello\r\n"),
	CHUNK("5; a\r\nhello\r\n0\r\n\r\n"), CHUNK("5;a =b\r\nhello\r\n"),
	CHUNK("5;a=\"b\r\nhello\r\n0\r\n\r\n"), CHUNK("5;(=b\r\nhello\r\n"),
	CHUNK("5;a=\r\nhello\r\n0\r\n\r\n"), CHUNK("5;a;\r\nhello\r\n"),
	CHUNK("5;a=;b\r\nhello\r\n0\r\n\r\n"), CHUNK("5;;b\r\nhello\r\n"),
	CHUNK("5;a=\"b\"c\r\nhello\r\n"), CHUNK("5;a=b=c\r\nhello\r\n"),
	/* Trailers: RFC 9110, 6.5.1. */
	CHUNK("0\r\nContent-Length: 5\r\n\r\n"),
	CHUNK("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	CHUNK("0\r\nHost: b\r\n\r\n"), CHUNK("0\r\nAuthorization: b\r\n\r\n"),
	CHUNK("0\r\ncontent-type: b\r\n\r\n"), CHUNK("0\r\nCookie: b\r\n\r\n"),
	CHUNK("0\r\nX: y\r\nExpect:\r\n\r\n"), CHUNK("0\r\nTrailer: b\r\n\r\n"),
	CHUNK("0\r\nProxy-Authorization: b\r\n\r\n"),
	CHUNK("0\r\nA : b\r\n\r\n"), CHUNK("0\r\nA: b\r\n c\r\n\r\n"),
	CHUNK("0\r\nA: \0\r\n\r\n"), CHUNK("0\r\n: b\r\n\r\n"),
	CHUNK("0\r\nA: b\n\r\n"), CHUNK("0\r\n A: b\r\n\r\n"),
};

/* One refusal, nothing before it, nothing behind it, and the end. */
static bool
refused(const struct blob *out, bool open, unsigned status)
{
	char line[32];

	if (open || blob_count(out, "HTTP/1.1 ") != 1 ||
	    !blob_has(out, "connection: close\r\n"))
		return false;
	snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	return out->n > 13 && !memcmp(out->p, line, 13);
}

static void
complain(const struct bad *b, const char *how, const struct blob *out)
{
	fprintf(stderr, "%s, wanted %u:\n---\n", how, b->status);
	fwrite(b->p, 1, b->n, stderr);
	fprintf(stderr, "\n--- gave\n%s\n", out->p ? out->p : "");
}

static bool
split_is_refused(struct stub *s, const struct bad *b, size_t k,
    struct blob *out)
{
	int fd = stub_connect(s);
	bool open;

	out->n = 0;
	open = stub_send(s, fd, b->p, k, out);
	if (open)
		open = stub_send(s, fd, b->p + k, b->n - k, out);
	close(fd);
	stub_settle(s);
	return refused(out, open, b->status);
}

static void
try(struct stub *s, const struct bad *b)
{
	struct blob out = { NULL, 0, 0 };
	bool open = stub_talk(s, b->p, b->n, 0, &out);

	if (!OK(refused(&out, open, b->status)))
		complain(b, "whole", &out);
	/* Whole, the application never heard of it. */
	if (!OK(s->seen.started == 0))
		complain(b, "the application was called", &out);
	out.n = 0;
	open = stub_talk(s, b->p, b->n, 1, &out);
	if (!OK(refused(&out, open, b->status)))
		complain(b, "byte by byte", &out);
	for (size_t k = 1; k < b->n; k++)
		if (!OK(split_is_refused(s, b, k, &out))) {
			complain(b, "split", &out);
			fprintf(stderr, "at %zu\n", k);
			break;
		}
	OK(s->seen.started == s->seen.released);
	memset(&s->seen, 0, sizeof(s->seen));
	blob_free(&out);
}

static void
bad_messages_end_the_connection(void)
{
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		try(&s, &table[i]);
	stub_close(&s);
}

static void
good_requests_before_a_bad_one_are_answered(void)
{
	const char *good = "GET /early?3 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };

		blob_add(&in, good, strlen(good));
		blob_add(&in, good, strlen(good));
		blob_add(&in, table[i].p, table[i].n);
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

/* Every byte at a place where some are allowed: a verdict for each. */
struct place {
	const char *before, *behind;
	const char *allowed;		/* besides letters and digits */
	bool high;			/* 0x80 to 0xff are */
	bool alnum;
};

static const struct place places[] = {
	{ "GE", "T / HTTP/1.1\r\nHost: a\r\n\r\n", "", false, false },
	{ "GET", "/ HTTP/1.1\r\nHost: a\r\n\r\n", " ", false, false },
	{ "GET /x", "y HTTP/1.1\r\nHost: a\r\n\r\n",
	  "!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~", false, true },
	{ "GET /", "HTTP/1.1\r\nHost: a\r\n\r\n", " ", false, false },
	{ "GET / HTTP/1.1", "\r\nHost: a\r\n\r\n", "", false, false },
	{ "GET / HTTP/1.1\r", "Host: a\r\n\r\n", "\n", false, false },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX", "Y: v\r\n\r\n",
	  "!#$%&'*+-.^_`|~:", false, true },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX", " v\r\n\r\n", ":", false, false },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX: v", "w\r\n\r\n",
	  "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true, true },
	{ "GET / HTTP/1.1\r\nHost: a\r\nX:", "\r\n\r\n",
	  "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true, true },
	{ "GET / HTTP/1.1\r\nHost: a\r", "\r\n", "\n", false, false },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r", "", "\n", false, false },
	{ "GET / HTTP/1.1\r\nHost: a", "b\r\n\r\n",
	  "!$&'()*+-._~;=", false, true },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:", " 0\r\n\r\n",
	  " \t", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked",
	  "\r\n\r\n0\r\n\r\n", " ", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5\r", "hello\r\n0\r\n\r\n", "\n", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5\r\nhello", "\n0\r\n\r\n", "\r", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5\r\nhello\r", "0\r\n\r\n", "\n", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5\r\nhello\r\n0\r", "\r\n", "\n", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5\r\nhello\r\n0\r\n\r", "", "\n", false, false },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "5;x", "\r\nhello\r\n0\r\n\r\n", "!#$%&'*+-.^_`|~", false, true },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "0\r\nX-T: v", "w\r\n\r\n",
	  "\t !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true, true },
};

static bool
is_allowed(const struct place *p, int c)
{
	if (c >= 0x80)
		return p->high;
	if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
		return p->alnum || (c && strchr(p->allowed, c));
	return c && strchr(p->allowed, c);
}

static void
try_byte(struct stub *s, const struct place *p, int c)
{
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	char byte = (char)c;

	blob_add(&in, p->before, strlen(p->before));
	blob_add(&in, &byte, 1);
	blob_add(&in, p->behind, strlen(p->behind));
	blob_add(&in, SMUGGLED, strlen(SMUGGLED));
	for (size_t step = 0; step < 2; step++) {
		bool open, good;

		out.n = 0;
		blob_add(&out, "", 0);
		open = stub_talk(s, in.p, in.n, step, &out);
		good = open && blob_count(&out, "HTTP/1.1 200 OK") == 2 &&
		    blob_count(&out, "HTTP/1.1 ") == 2;
		if (!OK(is_allowed(p, c) ? good : !open &&
		    blob_count(&out, "HTTP/1.1 ") == 1 &&
		    !blob_has(&out, " 200 ")))
			fprintf(stderr, "byte %#x behind \"%s\" (step %zu):\n"
			    "%s\n", c, p->before, step, out.p);
	}
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
	T(bad_messages_end_the_connection);
	T(good_requests_before_a_bad_one_are_answered);
	T(every_byte_has_its_places);
}

T_MAIN(tests)
