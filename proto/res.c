/* See LICENSE for the terms. */
/*
 * The builder of a response's head, and the functions by which applications
 * answer, which hand over to the connection's protocol.
 *
 * A request whose client is lost, or whose response was cut, takes everything
 * and drops it: applications need not look before each call.
 */
#include "proto/res.h"

#include <errno.h>
#include <string.h>

#include "core/bug.h"
#include "core/conn.h"
#include "core/mem.h"
#include "core/util.h"
#include "proto/field.h"
#include "proto/req.h"
#include "proto/sse.h"

/* The usual head fits. */
#define FIRST_CAP 512

#define LINE(status, reason) \
	[(status) - 200] = STR("HTTP/1.1 " #status " " reason "\r\n")
/* Of such a line: what is before the reason and behind it. */
#define BEFORE (sizeof("HTTP/1.1 200 ") - 1)
#define BEHIND (sizeof("\r\n") - 1)

/* The registry of RFC 9110, 16.2.1, but for 1xx. */
static const struct str lines[] = {
	LINE(200, "OK"), LINE(201, "Created"), LINE(202, "Accepted"),
	LINE(203, "Non-Authoritative Information"),
	LINE(204, "No Content"), LINE(205, "Reset Content"),
	LINE(206, "Partial Content"), LINE(207, "Multi-Status"),
	LINE(208, "Already Reported"), LINE(226, "IM Used"),
	LINE(300, "Multiple Choices"), LINE(301, "Moved Permanently"),
	LINE(302, "Found"), LINE(303, "See Other"),
	LINE(304, "Not Modified"), LINE(305, "Use Proxy"),
	LINE(307, "Temporary Redirect"), LINE(308, "Permanent Redirect"),
	LINE(400, "Bad Request"), LINE(401, "Unauthorized"),
	LINE(402, "Payment Required"), LINE(403, "Forbidden"),
	LINE(404, "Not Found"), LINE(405, "Method Not Allowed"),
	LINE(406, "Not Acceptable"),
	LINE(407, "Proxy Authentication Required"),
	LINE(408, "Request Timeout"), LINE(409, "Conflict"),
	LINE(410, "Gone"), LINE(411, "Length Required"),
	LINE(412, "Precondition Failed"), LINE(413, "Content Too Large"),
	LINE(414, "URI Too Long"), LINE(415, "Unsupported Media Type"),
	LINE(416, "Range Not Satisfiable"), LINE(417, "Expectation Failed"),
	LINE(418, "I'm a teapot"), LINE(421, "Misdirected Request"),
	LINE(422, "Unprocessable Content"), LINE(423, "Locked"),
	LINE(424, "Failed Dependency"), LINE(425, "Too Early"),
	LINE(426, "Upgrade Required"), LINE(428, "Precondition Required"),
	LINE(429, "Too Many Requests"),
	LINE(431, "Request Header Fields Too Large"),
	LINE(451, "Unavailable For Legal Reasons"),
	LINE(500, "Internal Server Error"), LINE(501, "Not Implemented"),
	LINE(502, "Bad Gateway"), LINE(503, "Service Unavailable"),
	LINE(504, "Gateway Timeout"),
	LINE(505, "HTTP Version Not Supported"),
	LINE(506, "Variant Also Negotiates"),
	LINE(507, "Insufficient Storage"), LINE(508, "Loop Detected"),
	LINE(510, "Not Extended"),
	LINE(511, "Network Authentication Required"),
};

struct str
res_status_line(unsigned status)
{
	if (status < 200 || status - 200 >= ARRAY_LEN(lines))
		return (struct str){ "", 0 };
	return lines[status - 200];
}

struct str
res_reason(unsigned status)
{
	struct str s = res_status_line(status);

	if (s.n == 0)
		return STR("Unknown");
	return (struct str){ s.p + BEFORE, s.n - BEFORE - BEHIND };
}

const char *
res_error_text(int err)
{
	switch ((enum res_error)err) {
	case RES_OK:
		return "no error";
	case RES_BAD_STATUS:
		return "the status must be a number from 200 to 999";
	case RES_BAD_NAME:
		return "a header name must be a token of RFC 9110";
	case RES_BAD_VALUE:
		return "a header value has a control character in it";
	case RES_BAD_LENGTH:
		return "Content-Length must be a number";
	case RES_TWO_LENGTHS:
		return "Content-Length is given twice and differs";
	case RES_BAD_TRAILER:
		return "this field may not stand behind a body";
	case RES_TOO_LARGE:
		return "the headers are too large";
	case RES_NO_MEMORY:
		return "out of memory";
	case RES_TWICE:
		return "the response was already started";
	}
	return "unknown error";
}

/* ---- the builder ------------------------------------------------------- */

void
res_reset(struct res *h)
{
	char *buf = h->buf;
	uint32_t cap = h->cap;

	mem_free(h->reason);
	memset(h, 0, sizeof(*h));
	h->buf = buf;
	h->cap = cap;
	h->length = -1;
}

void
res_fini(struct res *h)
{
	mem_free(h->buf);
	h->buf = NULL;
	h->cap = 0;
	res_reset(h);
}

int
res_status(struct res *h, unsigned status)
{
	/* A 1xx is no response, and 101 would change the protocol. */
	if (status < 200 || status > 999)
		return RES_BAD_STATUS;
	h->status = status;
	return RES_OK;
}

int
res_set_reason(struct res *h, struct str reason)
{
	size_t n = reason.n < RES_REASON_MAX ? reason.n : RES_REASON_MAX;

	if (!field_is_value(reason))
		return RES_BAD_VALUE;
	if (str_eq(reason, res_reason(h->status)))
		return RES_OK;
	h->reason = mem_try(n + 1);
	if (!h->reason)
		return RES_NO_MEMORY;
	memcpy(h->reason, reason.p, n);
	h->reason[n] = '\0';
	return RES_OK;
}

static int
note_length(struct res *h, struct str value)
{
	int64_t n = field_number(field_trim(value));

	if (n < 0)
		return RES_BAD_LENGTH;
	if (h->length >= 0 && h->length != n)
		return RES_TWO_LENGTHS;
	h->length = n;
	return RES_OK;
}

/*
 * Fields that are not passed on as they are.  RES_OK: it is dealt with;
 * 1: it is a field like any other; else an error.
 */
static int
special(struct res *h, struct str name, struct str value)
{
	switch (name.n) {
	case 4:
		h->has_date |= str_ieq(name, STR("date"));
		break;
	case 6:
		h->has_server |= str_ieq(name, STR("server"));
		break;
	case 7:
		if (str_ieq(name, STR("upgrade")))
			return RES_OK;
		break;
	case 10:
		if (str_ieq(name, STR("connection"))) {
			h->close |= field_lists(value, STR("close"));
			return RES_OK;
		}
		if (str_ieq(name, STR("keep-alive")))
			return RES_OK;
		break;
	case 14:
		if (str_ieq(name, STR("content-length")))
			return note_length(h, value);
		break;
	case 16:
		if (str_ieq(name, STR("proxy-connection")))
			return RES_OK;
		break;
	case 17:
		if (str_ieq(name, STR("transfer-encoding")))
			return RES_OK;
		break;
	default:
		break;
	}
	return 1;
}

static int
make_room(struct res *h, size_t n)
{
	size_t want = (size_t)h->len + h->trailers + n;
	size_t cap = MAX(h->cap, (uint32_t)FIRST_CAP);
	char *buf;

	if (n > RES_HEAD_MAX || want > RES_HEAD_MAX)
		return RES_TOO_LARGE;
	while (cap < want)
		cap *= 2;
	buf = mem_try_grow(h->buf, cap);
	if (!buf)
		return RES_NO_MEMORY;
	h->buf = buf;
	h->cap = (uint32_t)cap;
	return RES_OK;
}

static inline int
check(struct str name, struct str value)
{
	if (!field_is_token(name))
		return RES_BAD_NAME;
	return field_is_value(value) ? RES_OK : RES_BAD_VALUE;
}

/* A line behind all that is in <h>; its length, or an error. */
static inline int
append(struct res *h, struct str name, struct str value)
{
	size_t n = name.n + value.n + 4;
	char *p;
	int err;

	if (n > h->cap - h->len - h->trailers) {
		err = make_room(h, n);
		if (err)
			return err;
	}
	p = h->buf + h->len + h->trailers;
	memcpy(p, name.p, name.n);
	p += name.n;
	*p++ = ':';
	*p++ = ' ';
	if (value.n > 0)
		memcpy(p, value.p, value.n);
	p += value.n;
	*p++ = '\r';
	*p++ = '\n';
	return (int)n;
}

int
res_field(struct res *h, struct str name, struct str value)
{
	int n = check(name, value);

	if (n)
		return n;
	n = special(h, name, value);
	if (n <= 0)
		return n;
	n = append(h, name, value);
	if (n < 0)
		return n;
	h->len += (uint32_t)n;
	return RES_OK;
}

/* What says how to read the message, or the request's way (RFC 9110, 6.5.1). */
static bool
is_of_the_head(struct str name)
{
	static const struct str names[] = {
		STR("age"), STR("authorization"), STR("cache-control"),
		STR("connection"), STR("content-encoding"),
		STR("content-length"), STR("content-range"),
		STR("content-type"), STR("date"), STR("expires"), STR("host"),
		STR("keep-alive"), STR("location"), STR("proxy-authenticate"),
		STR("proxy-connection"), STR("retry-after"),
		STR("set-cookie"), STR("te"), STR("trailer"),
		STR("transfer-encoding"), STR("upgrade"), STR("vary"),
		STR("www-authenticate"),
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

int
res_trailer(struct res *h, struct str name, struct str value)
{
	int n = check(name, value);

	if (n)
		return n;
	if (is_of_the_head(name))
		return RES_BAD_TRAILER;
	n = append(h, name, value);
	if (n < 0)
		return n;
	h->trailers += (uint32_t)n;
	return RES_OK;
}

/* ---- the way out ------------------------------------------------------- */

/* What another thread built becomes the request's own. */
static void
take_over(struct res *own, struct res *h)
{
	struct res old = *own;

	own->buf = h->buf;
	own->len = h->len;
	own->cap = h->cap;
	own->status = h->status;
	own->reason = h->reason;
	own->length = h->length;
	own->close = h->close;
	own->has_date = h->has_date;
	own->has_server = h->has_server;
	own->has_trailers = h->has_trailers;
	h->buf = old.buf;
	h->cap = old.cap;
	h->reason = NULL;
	res_reset(h);
}

bool
res_has_no_body(const struct res *h, const struct req *r)
{
	return r->is_head || h->status == 204 || h->status == 205 ||
	    h->status == 304;
}

int
res_start(struct req *r, struct res *h)
{
	if (r->res.started)
		return RES_TWICE;
	if (h->status == 0)
		return RES_BAD_STATUS;
	if (h != &r->res)
		take_over(&r->res, h);
	h = &r->res;
	h->started = true;
	h->no_body = res_has_no_body(h, r);
	/* No length may be sent with 204; 205 has an empty body. */
	if (h->status == 204)
		h->length = -1;
	if (h->status == 205)
		h->length = 0;
	return r->conn ? r->conn->proto->respond(r, h) : RES_OK;
}

void
res_hint(struct req *r, struct res *h)
{
	if (r->conn && !r->res.started)
		r->conn->proto->hint(r, h);
	res_reset(h);
}

size_t
res_excess(const struct req *r, size_t n)
{
	const struct res *h = &r->res;
	uint64_t left;

	if (h->length < 0 || h->no_body)
		return 0;
	left = (uint64_t)h->length - h->written;
	return n > left ? n - (size_t)left : 0;
}

static bool
goes_nowhere(const struct req *r)
{
	return !r->conn || !r->res.started || r->res.ended || r->res.no_body;
}

/* <took> of <n> bytes are on their way. */
static void
note_written(struct req *r, size_t took, size_t n)
{
	r->res.written += took;
	r->res.midway = took < n;
	if (r->sse && took == n)
		sse_resume(r);
}

size_t
res_write(struct req *r, const void *p, size_t n)
{
	size_t took;

	if (goes_nowhere(r))
		return n;
	n -= res_excess(r, n);
	took = r->conn->proto->write(r, p, n);
	note_written(r, took, n);
	return took;
}

size_t
res_lend(struct req *r, void *owner, const void *p, size_t n, bool *lent)
{
	size_t took;

	if (goes_nowhere(r))
		return n;
	n -= res_excess(r, n);
	took = r->conn->proto->lend(r, owner, p, n, lent);
	note_written(r, took, n);
	return took;
}

size_t
res_write_file(struct req *r, struct file *f, uint64_t at, size_t n)
{
	size_t took;

	if (goes_nowhere(r))
		return n;
	n -= res_excess(r, n);
	took = r->conn->proto->write_file(r, f, at, n);
	note_written(r, took, n);
	return took;
}

struct str
res_find(const struct res *h, struct str name)
{
	const char *at = h->buf, *end = at ? at + h->len : NULL;

	while (at < end) {
		const char *line = memchr(at, '\r', (size_t)(end - at));
		const char *colon = memchr(at, ':', (size_t)(line - at));

		if (str_ieq((struct str){ at, (size_t)(colon - at) }, name))
			return (struct str){ colon + 2,
				(size_t)(line - colon) - 2 };
		at = line + 2;
	}
	return (struct str){ NULL, 0 };
}

void
res_last(struct req *r, size_t n)
{
	struct res *h = &r->res;

	if (h->sent || h->length >= 0 || h->written > 0 || h->has_trailers)
		return;
	/* An empty answer to HEAD says nothing of the length of GET's. */
	if (h->no_body && (!r->is_head || n == 0 || h->status == 204 ||
	    h->status == 304))
		return;
	h->length = (int64_t)n;
}

size_t
res_space(struct req *r)
{
	if (!r->conn || r->res.ended || r->res.no_body)
		return SIZE_MAX;
	return r->conn->proto->space(r);
}

static bool
is_short(const struct res *h)
{
	return !h->no_body && h->length >= 0 &&
	    h->written < (uint64_t)h->length;
}

int
res_end(struct req *r)
{
	struct res *h = &r->res;

	BUG_ON_HOT(!h->started);
	if (h->ended)
		return h->cut ? -EPIPE : 0;
	if (!is_short(h)) {
		h->ended = true;
		if (r->conn)
			r->conn->proto->end(r);
		return 0;
	}
	res_fail(r, 500);
	return -EPIPE;
}

/* A head and a body of our own, instead of one that never left. */
static void
answer(struct req *r, unsigned status)
{
	struct res *h = &r->res;
	struct str text = res_reason(status);

	res_reset(h);
	if (res_status(h, status) != RES_OK ||
	    res_field(h, STR("content-type"), STR("text/plain")) != RES_OK) {
		h->ended = true;
		h->cut = true;
		r->conn->proto->abort(r);
		return;
	}
	res_start(r, h);
	res_last(r, text.n);
	res_write(r, text.p, text.n);
	h->cut = !h->no_body && h->written < text.n;
	h->ended = true;
	if (h->cut)
		r->conn->proto->abort(r);
	else
		r->conn->proto->end(r);
}

void
res_fail(struct req *r, unsigned status)
{
	struct res *h = &r->res;

	if (h->ended)
		return;
	if (r->conn && !h->sent) {
		answer(r, status);
		return;
	}
	h->ended = true;
	h->cut = true;
	if (r->conn)
		r->conn->proto->abort(r);
}
