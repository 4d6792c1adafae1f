/* See LICENSE for the terms. */
/*
 * The parser's callbacks, and every check that llhttp leaves to its caller:
 * sizes and counts, the request line's spaces, protocol and version, the size
 * line of chunks, trailers; what the fields say is proto/head.c's.  The only
 * file that knows llhttp.
 *
 * Every element may come in pieces, at any split.  Where something stands is
 * counted in bytes from the message's start, so that a verdict does not depend
 * on the splits.  A callback that refuses notes status and reason, and stops
 * the parser; what is to be done about it is h1.c's.
 *
 * llhttp stops (HPE_PAUSED) at a message's end, so that nothing of the next
 * is touched while this one is answered, and before each chunk's size, whose
 * digits it would not count.  A parser is made anew for each message, and so
 * none of its states "after a message" is ever entered.
 */
#include <llhttp.h>

#include "core/bug.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/app.h"
#include "proto/field.h"
#include "proto/h1_priv.h"
#include "proto/head.h"
#include "proto/section.h"
#include "proto/ws_shake.h"

_Static_assert(sizeof(llhttp_t) <= H1_PARSER, "the parser fits into struct h1");

/* 16^16 is the first size that 64 bits do not hold. */
#define SIZE_DIGITS 16
/* Nobody uses chunk extensions; a whole message may have this much. */
#define EXTENSIONS_MAX 4096

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *
h1_parser_version(void)
{
	return TEXT(LLHTTP_VERSION_MAJOR) "." TEXT(LLHTTP_VERSION_MINOR) "."
	    TEXT(LLHTTP_VERSION_PATCH);
}

static const struct str methods[] = {
#define M(number, name, text) [number] = STR(#text),
	HTTP_METHOD_MAP(M)
#undef M
};

static inline struct h1 *
h1_of(llhttp_t *p)
{
	return container_of((unsigned char *)p, struct h1, parser[0]);
}

static inline llhttp_t *
parser_of(struct h1 *h)
{
	return (llhttp_t *)(void *)h->parser;
}

/* Notes the verdict; what a callback returns to stop the parser. */
static int
refuse(struct h1 *h, int status, const char *why)
{
	h->verdict = (uint16_t)status;
	h->why = why;
	return HPE_USER;
}

/* Where <p>, in the input, stands in the message. */
static inline uint64_t
where(const struct h1 *h, const char *p)
{
	return h->at + (uint64_t)(p - h->base);
}

/* ---- the request line -------------------------------------------------- */

static int
on_method(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);

	h->mark = where(h, at) + n;
	return 0;
}

static int
on_method_complete(llhttp_t *p)
{
	struct h1 *h = h1_of(p);
	struct req *r = h->req;

	if (p->method == HTTP_CONNECT)
		return refuse(h, 501, "CONNECT is not for this server");
	if (p->method == HTTP_PRI)
		return refuse(h, 505, "HTTP/2 where HTTP/1 is spoken");
	if (p->method >= ARRAY_LEN(methods) || methods[p->method].n == 0)
		return refuse(h, 501, "a method of another protocol");
	r->method = methods[p->method];
	r->is_head = p->method == HTTP_HEAD;
	return 0;
}

static int
on_url(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);
	int status;

	/* Single spaces (RFC 9112, 3): llhttp skips any number. */
	if (h->req->target.n == 0 && where(h, at) != h->mark + 1)
		return refuse(h, 400, "more than a space behind the method");
	h->mark = where(h, at) + n;
	status = req_target_add(h->req, at, n);
	return status ? refuse(h, status, "request line too long") : 0;
}

static int
on_url_complete(llhttp_t *p)
{
	struct h1 *h = h1_of(p);

	/* llhttp takes a line without a version for HTTP/0.9. */
	if (p->http_minor == 9)
		return refuse(h, 400, "no version");
	if (req_target_end(h->req) != 0)
		return refuse(h, 400, "invalid target");
	return 0;
}

static int
on_protocol(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);

	if (h->protocol == 0 && where(h, at) != h->mark + 1)
		return refuse(h, 400, "more than a space behind the target");
	h->mark = where(h, at) + n;
	/* llhttp knows RTSP and ICE, too. */
	for (size_t i = 0; i < n; i++, h->protocol++)
		if (h->protocol >= 4 || at[i] != "HTTP"[h->protocol])
			return refuse(h, 400, "the protocol is not HTTP");
	return 0;
}

/*
 * The rest of the head is what came before (section.h), and so is the verdict.
 * With a target in absolute form, Host has to be compared with that.
 */
static bool
is_known(struct h1 *h)
{
	struct req *r = h->req;
	struct section *sec;

	if (r->minor != 1 || r->authority.n > 0)
		return false;
	sec = section_find(h->conn->shard, &h->last, (struct str){
	    h->section, (size_t)(h->end - h->section) });
	if (!sec)
		return false;
	section_use(r, sec);
	h->keep = sec->keep;
	h->known = (uint32_t)sec->raw.n;
	h->head_done = true;
	h->whole = true;
	return true;
}

static int
on_version(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);

	/* "1.1": llhttp judges only behind it, and all others alike. */
	h->version += (uint8_t)n;
	if (h->version != 3)
		return 0;
	if (p->http_major >= 2)
		return refuse(h, 505, "HTTP version not supported");
	if (p->http_major != 1 || p->http_minor > 1)
		return refuse(h, 400, "unknown HTTP version");
	h->req->major = p->http_major;
	h->req->minor = p->http_minor;
	h->section = at + n;
	return is_known(h) ? HPE_PAUSED : 0;
}

/* ---- fields ------------------------------------------------------------ */

static int
trailer_bytes(struct h1 *h, size_t n)
{
	const struct conf *conf = h->conn->shard->conf;
	size_t head = h->req ? h->req->head_bytes : 0;
	unsigned fields = h->req ? h->req->n_fields : 0;

	if (head + h->trailers + n > (size_t)conf->limit_request_head ||
	    h->trailer + n > (size_t)conf->limit_request_field ||
	    fields + h->n_trailers > (unsigned)conf->limit_request_fields)
		return refuse(h, 431, "trailer fields too large");
	h->trailers += (uint32_t)n;
	h->trailer += (uint32_t)n;
	return 0;
}

static int
trailer_name(struct h1 *h, const char *at, size_t n)
{
	size_t k;

	if (!h->in_name) {
		h->in_name = true;
		h->n_name = 0;
		h->trailer = 0;
		h->n_trailers++;
	}
	/* Of a longer name only the start is kept: it is none of those. */
	k = MIN(n, sizeof(h->name) - h->n_name);
	field_lower(h->name + h->n_name, at, k);
	h->n_name += (uint8_t)k;
	return trailer_bytes(h, n);
}

/*
 * More fields than may be.  They are counted and not kept: read to its end,
 * such a head can be answered so that the answer arrives.
 */
static int
excess_bytes(struct h1 *h, size_t n)
{
	struct req *r = h->req;

	if (r->head_bytes + n >
	    (size_t)h->conn->shard->conf->limit_request_head)
		return refuse(h, 431, "header fields too large");
	r->head_bytes += (uint32_t)n;
	return 0;
}

static int
excess_name(struct h1 *h, size_t n)
{
	const struct conf *conf = h->conn->shard->conf;

	if (!h->in_name) {
		h->in_name = true;
		h->n_excess++;
		n += 3;
	}
	if (h->req->n_fields + h->n_excess >
	    (unsigned)conf->limit_request_fields_hard) {
		h->hard = true;
		return refuse(h, 431, "far too many header fields");
	}
	return excess_bytes(h, n);
}

/* Whether no field more is kept. */
static inline bool
is_full(const struct h1 *h)
{
	return h->n_excess > 0 || (!h->in_name && h->req->n_fields >=
	    (unsigned)h->conn->shard->conf->limit_request_fields);
}

static int
on_header_field(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);
	int status;

	if (h->head_done)
		return trailer_name(h, at, n);
	h->mark = where(h, at) + n;
	if (is_full(h))
		return excess_name(h, n);
	if (h->in_name) {
		status = req_name_more(h->req, at, n);
	} else {
		h->in_name = true;
		status = req_name_add(h->req, at, n);
	}
	return status ? refuse(h, status, "header fields too large") : 0;
}

static int
trailer_value(struct h1 *h, size_t n)
{
	if (h->in_name && !head_may_trail((struct str){ h->name, h->n_name }))
		return refuse(h, 400, "a field that may not be a trailer");
	h->in_name = false;
	return trailer_bytes(h, n);
}

static int
on_header_value(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);
	size_t gap;
	int status;

	if (h->head_done)
		return trailer_value(h, n);
	/* llhttp skips what is between colon and value, however long. */
	gap = (size_t)(where(h, at) - h->mark);
	if (h->in_name &&
	    gap > (size_t)h->conn->shard->conf->limit_request_field)
		return refuse(h, 431, "header fields too large");
	h->in_name = false;
	h->mark = where(h, at) + n;
	if (h->n_excess > 0)
		return excess_bytes(h, n);
	status = req_value_add(h->req, at, n);
	return status ? refuse(h, status, "header fields too large") : 0;
}

/* ---- the whole head ---------------------------------------------------- */

/* The parser must see the body's framing as we do. */
static bool
agrees(const llhttp_t *p, const struct req *r)
{
	if (!r->chunked != !(p->flags & F_CHUNKED) ||
	    (r->length >= 0) != !!(p->flags & F_CONTENT_LENGTH))
		return false;
	return r->length < 0 || (uint64_t)r->length == p->content_length;
}

static int
on_headers_complete(llhttp_t *p)
{
	struct h1 *h = h1_of(p);
	const char *why;
	int status;

	req_head_end(h->req);
	if (h->protocol != 4 || h->version != 3)
		return refuse(h, 400, "no version");
	if (h->n_excess > 0)
		return refuse(h, 431, "too many header fields");
	status = head_check(h->req, &why);
	if (status)
		return refuse(h, status, why);
	if (!agrees(p, h->req))
		return refuse(h, 400, "unclear framing");
	if (h->conn->shard->app->ws && h->conn->shard->conf->ws)
		status = ws_shake_check(h->req, h->conn->shard->conf, &why);
	if (status)
		return refuse(h, status, why);
	h->keep = !(p->flags & F_CONNECTION_CLOSE) &&
	    (p->http_minor > 0 || (p->flags & F_CONNECTION_KEEP_ALIVE));
	/* An upgrade is asked for, not demanded: this stays HTTP. */
	p->upgrade = 0;
	h->head_done = true;
	h->in_name = false;
	h->notable = p->http_minor == 1 && h->req->authority.n == 0 &&
	    !(p->flags & ~(F_CONNECTION_KEEP_ALIVE | F_CONNECTION_CLOSE));
	if (!h->req->chunked)
		return 0;
	h->in_size = true;
	return HPE_PAUSED;
}

/* ---- the body ---------------------------------------------------------- */

static int
on_chunk_header(llhttp_t *p)
{
	struct h1 *h = h1_of(p);
	int64_t limit = h->conn->shard->conf->limit_request_body;
	uint64_t sofar = h->req ? h->req->received : 0;

	if (p->content_length > INT64_MAX)
		return refuse(h, 400, "chunk too large");
	if (sofar + p->content_length > (uint64_t)limit)
		return refuse(h, 413, "body too large");
	h->last_chunk = p->content_length == 0;
	return 0;
}

static int
on_chunk_complete(llhttp_t *p)
{
	struct h1 *h = h1_of(p);

	/* Behind the last one comes the message's end, without a byte more. */
	if (h->last_chunk)
		return 0;
	h->in_size = true;
	h->digits = 0;
	return HPE_PAUSED;
}

static int
extension_bytes(struct h1 *h, size_t n)
{
	if (h->extensions + n > EXTENSIONS_MAX)
		return refuse(h, 400, "chunk extensions too long");
	h->extensions += (uint32_t)n;
	return 0;
}

static int
on_extension(llhttp_t *p, const char *at, size_t n)
{
	(void)at;
	return extension_bytes(h1_of(p), n);
}

static int
on_extension_value(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);

	if (n > 0 && h->extensions == h->piece_at)
		h->quoted = *at == '"';
	/* llhttp lets a quoted string follow a token: a=b"c". */
	if (n > 0 && !h->quoted && memchr(at, '"', n))
		return refuse(h, 400, "a quote in a chunk extension's token");
	return extension_bytes(h, n);
}

/* A name or a value has ended, and is not nothing; its ";" or "=" counts. */
static int
piece_end(struct h1 *h, const char *why)
{
	int stop;

	if (h->extensions == h->piece_at)
		return refuse(h, 400, why);
	stop = extension_bytes(h, 1);
	h->piece_at = h->extensions;
	return stop;
}

static int
on_extension_name_complete(llhttp_t *p)
{
	/* llhttp lets one pass behind another without a value: ";a;;b". */
	return piece_end(h1_of(p), "empty name of a chunk extension");
}

static int
on_extension_value_complete(llhttp_t *p)
{
	/* A token or a quoted string (RFC 9112, 7.1.1). */
	return piece_end(h1_of(p), "empty value of a chunk extension");
}

static int
on_body(llhttp_t *p, const char *at, size_t n)
{
	struct h1 *h = h1_of(p);
	struct req *r = h->req;

	if (h->state == H1_SKIP) {
		h->skipped += (uint32_t)n;
		return h->skipped > H1_SKIP_MAX ?
		    refuse(h, 413, "unread body too large") : 0;
	}
	r->expects = false;
	if (req_body_add(r, at, n) != 0)
		return refuse(h, 503, "out of memory");
	return 0;
}

static int
on_message_complete(llhttp_t *p)
{
	h1_of(p)->whole = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_method = on_method,
	.on_method_complete = on_method_complete,
	.on_url = on_url,
	.on_url_complete = on_url_complete,
	.on_protocol = on_protocol,
	.on_version = on_version,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
	.on_chunk_header = on_chunk_header,
	.on_chunk_complete = on_chunk_complete,
	.on_chunk_extension_name = on_extension,
	.on_chunk_extension_value = on_extension_value,
	.on_chunk_extension_name_complete = on_extension_name_complete,
	.on_chunk_extension_value_complete = on_extension_value_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* ---- running it -------------------------------------------------------- */

void
h1_in_begin(struct h1 *h)
{
	llhttp_t *p = parser_of(h);

	memset(&h->at, 0, offsetof(struct h1, name) - offsetof(struct h1, at));
	llhttp_init(p, HTTP_REQUEST, &settings);
	/* hardening: not one of llhttp's eleven leniencies. */
	BUG_ON(p->lenient_flags != 0);
}

/* What llhttp itself refused. */
static void
judge(struct h1 *h, const char *end)
{
	const llhttp_t *p = parser_of(h);
	int status = 400;

	if (h->verdict)
		return;
	/* A method in capitals that nobody knows is well-formed. */
	if (p->error == HPE_INVALID_METHOD && p->error_pos < end &&
	    *p->error_pos >= 'A' && *p->error_pos <= 'Z')
		status = 501;
	refuse(h, status, p->reason ? p->reason : "not HTTP/1.1");
}

/*
 * A stretch that llhttp skips without a word (spaces before a value, say) may
 * not go on for ever.
 */
static void
bound_gap(struct h1 *h)
{
	uint64_t gap = h->at - h->mark;

	if (gap > (uint64_t)h->conn->shard->conf->limit_request_field + 4)
		refuse(h, h->protocol < 4 ? 400 : 431, "nothing but spaces");
}

/* Digits of a chunk's size at <p>; false: too many. */
static bool
count_digits(struct h1 *h, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!field_is_hex(p[i])) {
			h->in_size = false;
			return true;
		}
		if (++h->digits > SIZE_DIGITS)
			return false;
	}
	return true;
}

/* The message ends at <end>, and with its fields. */
static void
note_section(struct h1 *h, const char *end)
{
	if (h->whole && h->notable && h->section)
		section_note(h->req, &h->last, (struct str){ h->section,
		    (size_t)(end - h->section) }, h->keep);
}

size_t
h1_in_parse(struct h1 *h, const unsigned char *in, size_t n)
{
	llhttp_t *p = parser_of(h);
	size_t used = 0;

	while (used < n && !h->whole && !h->verdict) {
		const char *end = (const char *)in + n;
		llhttp_errno_t err;

		h->base = (const char *)in + used;
		h->end = end;
		h->section = NULL;
		if (h->in_size && !count_digits(h, in + used, n - used)) {
			refuse(h, 400, "chunk size too long");
			break;
		}
		err = llhttp_execute(p, h->base, n - used);
		if (err == HPE_OK) {
			h->at += n - used;
			used = n;
		} else if (err == HPE_PAUSED) {
			h->at += (uint64_t)(p->error_pos - h->base) + h->known;
			used = (size_t)(p->error_pos - (const char *)in) +
			    h->known;
			note_section(h, p->error_pos);
			llhttp_resume(p);
		} else {
			judge(h, end);
		}
		if (!h->head_done && !h->verdict)
			bound_gap(h);
	}
	return used;
}
