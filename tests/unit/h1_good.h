/* See LICENSE for the terms. */
/* Messages that must work; see h1_vector.h. */
#ifndef TESTS_UNIT_H1_GOOD_H
#define TESTS_UNIT_H1_GOOD_H

#include "tests/unit/h1_vector.h"

static const struct vector well_formed[] = {
	/* What must work. */
	LINE("9112 3", SERVED, "DELETE / HTTP/1.1"),
	LINE("9112 3", SERVED, "PATCH / HTTP/1.1"),
	LINE("9112 3", SERVED, "PUT /a/b/c HTTP/1.1"),
	LINE("9112 3", SERVED, "OPTIONS / HTTP/1.1"),
	LINE("9112 3", SERVED, "TRACE / HTTP/1.1"),
	LINE("9112 3", SERVED, "M-SEARCH / HTTP/1.1"),
	LINE("9112 3", SERVED, "PROPFIND / HTTP/1.1"),
	LINE("9112 3.2.1", SERVED, "GET //a//b HTTP/1.1"),
	LINE("9112 3.2.1", SERVED, "GET /..;/%00%0d%0a%2e HTTP/1.1"),
	LINE("9112 3.2.1", SERVED, "GET /?a=b?c=/d HTTP/1.1"),
	LINE("9112 3.2.1", SERVED, "GET /\\<>^`{|}\" HTTP/1.1"),
	LINE("9112 3.2.1", SERVED, "GET /a:b@c HTTP/1.1"),
	LINE("9112 3.2.2", SERVED, "GET http://a/ HTTP/1.1"),
	LINE("9112 3.2.2", SERVED, "GET HTTP://A HTTP/1.1"),
	LINE("9112 3.2.2", SERVED, "GET https://a?q HTTP/1.1"),
	LINE("9112 3.2.2", SERVED, "GET http://a//b?c HTTP/1.1"),
	LINE("9112 3.2.4", SERVED, "OPTIONS * HTTP/1.1"),
	V("9112 2.2", SERVED, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	V("9112 2.2", SERVED,
	    "\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n"
	    "\r\n"),
	V("9112 2.2", SERVED, "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n"),
	V("9112 2.2", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "\r\nhi\r\n"),
	V("9112 9.3", SERVED,
	    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n"
	    "\r\n"),
	V("9112 9.3", SERVED,
	    "GET / HTTP/1.0\r\nHost: a\r\nConnection: x, Keep-Alive\r\n"
	    "\r\n"),
	V("9112 9.6", LAST, "GET / HTTP/1.0\r\n\r\n"),
	V("9112 9.6", LAST, "GET / HTTP/1.0\r\nHost: a\r\n\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	    "\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\t\r\n"
	    "\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close \r\n"
	    "\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: x,close\r\n"
	    "\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n"
	    "\r\n"),
	V("9112 9.6", LAST,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	    "Connection: keep-alive\r\n\r\n"),
	V("9112 9.6", LAST,
	    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	    "Content-Length: 2\r\n\r\nhi"),
	V("9112 9.6", LAST, "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi"),
	FIELD("9110 5.1", SERVED, "X_Y: z"),
	FIELD("9110 5.1", SERVED, "Content_Length: 5"),
	FIELD("9110 5.1", SERVED, "Transfer_Encoding: chunked"),
	FIELD("9110 5.1", SERVED, "Proxy: x"),
	FIELD("9110 5.1", SERVED, "!#$%&'*+-.^_`|~09: x"),
	FIELD("9110 5.5", SERVED, "A: \x80\xff"),
	FIELD("9110 5.5", SERVED, "A:"),
	FIELD("9110 5.5", SERVED, "A: \t "),
	FIELD("9110 5.5", SERVED, "A:b"),
	FIELD("9110 5.5", SERVED, "A: b\tc  d"),
	FIELD("9110 5.5", SERVED, "A: \"\\,;:()<>@[]{}/?="),
	FIELD("9110 5.5", SERVED, "X: y\r\nX: z"),
	FIELD("9110 5.5", SERVED, "Cookie: a\r\nCookie: b"),
	FIELD("9110 7.8", SERVED,
	    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
	    "HTTP2-Settings: x"),
	FIELD("9110 7.8", SERVED, "Upgrade: TLS/1.2\r\nConnection: upgrade"),
	HOST("9110 7.2", SERVED, "Host: a"),
	HOST("9110 7.2", SERVED, "Host: A.b"),
	HOST("9110 7.2", SERVED, "Host: a_b"),
	HOST("9110 7.2", SERVED, "Host: a:80"),
	HOST("9110 7.2", SERVED, "Host: a:"),
	HOST("9110 7.2", SERVED, "Host: a:65535"),
	HOST("9110 7.2", SERVED, "Host: a:0"),
	HOST("9110 7.2", SERVED, "Host: 1.2.3.4:5"),
	HOST("9110 7.2", SERVED, "Host: [::1]"),
	HOST("9110 7.2", SERVED, "Host: [::1]:80"),
	HOST("9110 7.2", SERVED, "Host: [::ffff:1.2.3.4]"),
	HOST("9110 7.2", SERVED, "Host: a~b"),
	HOST("9110 7.2", SERVED, "Host: a!$&'()*+;=b"),
	HOST("9110 7.2", SERVED, "Host: a%20b"),
	HOST("9110 7.2", SERVED, "Host: -"),
	HOST("9110 7.2", SERVED, "Host: localhost"),
	HOST("9110 7.2", SERVED, "Host:  \ta\t "),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
	    "\r\nhello"),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n"
	    "\r\nhello"),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000"
	    "0005\r\n\r\nhello"),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t5\r\n"
	    "\r\nhello"),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\t\r\n"
	    "\r\nhello"),
	V("9110 8.6", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:   5  \r\n"
	    "\r\nhello"),
	V("9110 9.3.1", SERVED,
	    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n"
	    "\r\nGET / HTTP/1.1\r\nHost: a\r\n"),
	V("9110 9.3.1", SERVED,
	    "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
	    "\r\nhello"),
	V("9110 9.3.1", SERVED,
	    "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
	    "\r\nhello"),
	V("9110 9.3.1", SERVED,
	    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"
	    "\r\n"),
	V("9110 9.3.1", SERVED,
	    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	    "\r\n5\r\nhello\r\n0\r\n\r\n"),
	V("9110 9.3.1", SERVED,
	    "POST /early?5 HTTP/1.1\r\nHost: a\r\nContent-Length: 25\r\n"
	    "\r\nGET / HTTP/1.1\r\nHost: a\r\n"),
	V("9110 7.8", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
	    "Connection: Upgrade\r\nContent-Length: 5\r\n"
	    "\r\nhello"),
	V("9112 6.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n"
	    "\r\n0\r\n\r\n"),
	V("9112 6.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:Chunked\r\n"
	    "\r\n0\r\n\r\n"),
	V("9112 6.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:CHUNKED\r\n"
	    "\r\n0\r\n\r\n"),
	V("9112 6.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n"
	    "\r\n0\r\n\r\n"),
	V("9112 6.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked  \r\n"
	    "\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED, "5\r\nhello\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED, "A\r\n0123456789\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED, "a\r\n0123456789\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED,
	    "0000000000000005\r\nhello\r\n0000000000000000\r\n"
	    "\r\n"),
	CHUNK("9112 7.1", SERVED, "1\r\n\n\r\n1\r\n\r\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED, "5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
	CHUNK("9112 7.1", SERVED,
	    "19\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n0\r\n"
	    "\r\n"),
	CHUNK("9112 7.1", SERVED, "0\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED, "5;a\r\nhello\r\n0;a\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED, "5;a=b\r\nhello\r\n0;a=b\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED,
	    "5;a=\"b c\"\r\nhello\r\n0;a=\"b c\"\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED,
	    "5;a=\"b\\\"c;\"\r\nhello\r\n0;a=\"b\\\"c;\"\r\n"
	    "\r\n"),
	CHUNK("9112 7.1.1", SERVED, "5;a;b=c\r\nhello\r\n0;a;b=c\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED, "5;a=\"\"\r\nhello\r\n0;a=\"\"\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED, "5;a=b;c\r\nhello\r\n0;a=b;c\r\n\r\n"),
	CHUNK("9112 7.1.1", SERVED,
	    "5;!#$%&'*+-.^_`|~=0\r\nhello\r\n0;!#$%&'*+-.^_`|~=0\r\n"
	    "\r\n"),
	CHUNK("9112 7.1.1", SERVED,
	    "5;a=\"\t\x80\"\r\nhello\r\n0;a=\"\t\x80\"\r\n"
	    "\r\n"),
	CHUNK("9112 7.1.2", SERVED, "0\r\nX-T: t\r\n\r\n"),
	CHUNK("9112 7.1.2", SERVED, "0\r\nX-T:\r\nX-U: \x80 \r\n\r\n"),
	CHUNK("9112 7.1.2", SERVED,
	    "5\r\nhello\r\n0\r\nETag: a\r\nServer-Timing: b\r\n"
	    "\r\n"),
	V("9110 10.1.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Expect: 100-continue\r\n\r\nhi"),
	V("9110 10.1.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Expect: 100-Continue\r\n\r\nhi"),
	V("9110 10.1.1", SERVED,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
	    "Expect: 100-CONTINUE \r\n\r\nhi"),
	V("9110 10.1.1", SERVED,
	    "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	    "\r\n"),
};

#endif
