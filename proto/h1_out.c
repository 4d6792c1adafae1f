/* See LICENSE for the terms. */
/*
 * A response as HTTP/1.1 writes it: framing, the fields that are the server's,
 * and everything appended to conn->out in as few pieces as can be.
 *
 * The head is held until the body's first bytes are there, so that a response
 * in one piece is one stretch of memory: the head's parts and the body are
 * each copied once, and nothing is formatted that is not a number.
 */
#include <string.h>

#include "core/alog.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/h1_priv.h"

/* Status line, Date, framing and connection, with room to spare. */
#define HEAD_ROOM 256
/* A chunk's size line and the end of its data. */
#define CHUNK_ROOM 24
/* The largest stretch that a reservation can be. */
#define STRETCH (sizeof(((struct chunk *)0)->data))
/* What is taken of a new response's body, however full the output is. */
#define FIRST_MIN 1024
/* Less is copied: beside its head it is one piece to be sent, not two. */
#define LEND_MIN CHUNK_SIZE

static inline char *
put(char *at, struct str s)
{
	memcpy(at, s.p, s.n);
	return at + s.n;
}

static char *
put_decimal(char *at, uint64_t v)
{
	char text[20];
	size_t n = sizeof(text);

	do {
		text[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return put(at, (struct str){ text + n, sizeof(text) - n });
}

/* A chunk's size and the end of its line. */
static char *
put_size(char *at, size_t v)
{
	char text[16];
	size_t n = sizeof(text);

	do {
		text[--n] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v > 0);
	at = put(at, (struct str){ text + n, sizeof(text) - n });
	return put(at, STR("\r\n"));
}

static char *
put_status(char *at, unsigned status, const char *reason)
{
	struct str line = res_status_line(status);

	if (line.n > 0 && !reason)
		return put(at, line);
	at = put(at, STR("HTTP/1.1 "));
	at = put_decimal(at, status);
	at = put(at, STR(" "));
	at = put(at, reason ? str_of(reason) : STR("Unknown"));
	return put(at, STR("\r\n"));
}

/* Fields of every response: --header. */
static inline struct str
common_of(const struct shard *s)
{
	return (struct str){ s->conf->fields, s->conf->n_fields };
}

/* Date and Server, where the application gave none. */
static char *
put_common(char *at, const struct shard *s, struct str server, bool date)
{
	if (server.n > 0) {
		at = put(at, STR("server: "));
		at = put(at, server);
		at = put(at, STR("\r\n"));
	}
	if (date && s->conf->date_header) {
		at = put(at, STR("date: "));
		/* Renewed at each poll; IMF-fixdate has 29 bytes. */
		at = put(at, (struct str){ s->date, 29 });
		at = put(at, STR("\r\n"));
	}
	return at;
}

/* Whether the rest of the request's body stands in the way of another. */
static bool
blocks_the_next(const struct h1 *h, const struct req *r)
{
	/* A client that did not wait for its answer sent frames behind it. */
	if (r->ws)
		return true;
	if (h->whole)
		return false;
	/*
	 * The client waits for a 100 that will not come: whether it sends the
	 * body now nobody knows (RFC 9110, 10.1.1).
	 */
	if (r->expects || r->body == BODY_CUT)
		return true;
	return r->length >= 0 &&
	    (uint64_t)r->length - r->received > H1_SKIP_MAX;
}

static bool
is_old(const struct h1 *h)
{
	const struct shard *s = h->conn->shard;
	uint64_t most = (uint64_t)s->conf->keep_alive_age_ms * NS_PER_MS;

	return most > 0 && s->loop.now - h->opened > most;
}

static bool
stays_open(const struct h1 *h, const struct req *r)
{
	const struct conn *c = h->conn;
	const struct conf *conf = c->shard->conf;

	return h->keep && !r->res.close && !c->shard->draining && !c->eof &&
	    h->served < (uint32_t)conf->keep_alive_requests &&
	    conf->keep_alive_timeout_ms > 0 && !is_old(h) &&
	    !blocks_the_next(h, r);
}

/*
 * How the end of the body will be known (RFC 9112, 6): a length, chunks, or
 * for HTTP/1.0 without a length the connection's end.
 */
static void
choose_framing(struct h1 *h, struct req *r)
{
	struct res *res = &r->res;

	h->keep = stays_open(h, r);
	if (res->no_body || res->length >= 0)
		return;
	if (r->minor > 0)
		res->chunked = true;
	else
		h->keep = false;
}

static char *
put_framing(char *at, const struct h1 *h, const struct req *r)
{
	const struct res *res = &r->res;

	if (res->length >= 0) {
		at = put(at, STR("content-length: "));
		at = put_decimal(at, (uint64_t)res->length);
		at = put(at, STR("\r\n"));
	} else if (res->chunked) {
		at = put(at, STR("transfer-encoding: chunked\r\n"));
	}
	if (!h->keep)
		at = put(at, STR("connection: close\r\n"));
	else if (r->minor == 0)
		at = put(at, STR("connection: keep-alive\r\n"));
	return put(at, STR("\r\n"));
}

static struct str
server_of(const struct conn *c, bool given)
{
	return given ? (struct str){ "", 0 } :
	    str_of(c->shard->conf->server_header);
}

/* Fields or a Server text too large for one stretch: in parts. */
static void
put_large_head(struct h1 *h, struct req *r, struct str server)
{
	struct conn *c = h->conn;
	const struct res *res = &r->res;
	char text[HEAD_ROOM];
	char *at = put_status(text, res->status, res->reason);

	at = put_common(at, c->shard, (struct str){ "", 0 }, !res->has_date);
	conn_put(c, text, (size_t)(at - text));
	if (server.n > 0) {
		conn_put(c, "server: ", 8);
		conn_put(c, server.p, server.n);
		conn_put(c, "\r\n", 2);
	}
	conn_put(c, common_of(c->shard).p, common_of(c->shard).n);
	conn_put(c, res->buf, res->len);
	at = put_framing(text, h, r);
	conn_put(c, text, (size_t)(at - text));
}

/*
 * The head, and behind it in the same stretch the <n> bytes that the body
 * begins with, if they fit: true then.
 */
static bool
put_head(struct req *r, const void *p, size_t n)
{
	struct conn *c = r->conn;
	struct h1 *h = c->pstate;
	struct res *res = &r->res;
	struct str server = server_of(c, res->has_server);
	struct str common = common_of(c->shard);
	size_t room = HEAD_ROOM + server.n + common.n + res->len;
	bool with;
	char *start, *at;

	choose_framing(h, r);
	res->sent = true;
	if (room > STRETCH) {
		put_large_head(h, r, server);
		return false;
	}
	with = n > 0 && n + CHUNK_ROOM <= STRETCH - room;
	start = (char *)conn_reserve(c, with ? room + n + CHUNK_ROOM : room);
	if (!start)
		return false;
	at = put_status(start, res->status, res->reason);
	at = put_common(at, c->shard, server, !res->has_date);
	at = put(at, common);
	if (res->len > 0)
		at = put(at, (struct str){ res->buf, res->len });
	at = put_framing(at, h, r);
	if (with) {
		if (res->chunked)
			at = put_size(at, n);
		at = put(at, (struct str){ p, n });
		if (res->chunked)
			at = put(at, STR("\r\n"));
	}
	conn_commit(c, (size_t)(at - start));
	return with;
}

void
h1_out_head(struct req *r)
{
	put_head(r, NULL, 0);
}

static void
put_chunk(struct conn *c, const void *p, size_t n)
{
	char text[CHUNK_ROOM];
	char *start, *at;

	if (n + CHUNK_ROOM > STRETCH) {
		at = put_size(text, n);
		conn_put(c, text, (size_t)(at - text));
		conn_put(c, p, n);
		conn_put(c, "\r\n", 2);
		return;
	}
	start = (char *)conn_reserve(c, n + CHUNK_ROOM);
	if (!start)
		return;
	at = put_size(start, n);
	at = put(at, (struct str){ p, n });
	at = put(at, STR("\r\n"));
	conn_commit(c, (size_t)(at - start));
}

/* ---- the vtable's part ------------------------------------------------- */

int
h1_respond(struct req *r, struct res *h)
{
	(void)h;
	/* So that flush() is called at the step's end. */
	conn_dirty(r->conn);
	return 0;
}

void
h1_push(struct req *r, const void *p, size_t n)
{
	if (!r->res.sent && put_head(r, p, n))
		return;
	if (r->res.chunked)
		put_chunk(r->conn, p, n);
	else
		conn_put(r->conn, p, n);
}

/* Of <n> bytes those that there is space for. */
static size_t
take(struct req *r, size_t n)
{
	struct conn *c = r->conn;
	size_t space = conn_space(c);
	size_t k;

	/*
	 * Framing may go beyond the limit, so what is short of <n> has filled
	 * the output, and room() will be called.
	 */
	if (!r->res.sent && r->res.written == 0)
		space = MAX(space, (size_t)FIRST_MIN);
	k = MIN(n, space);
	if (k < n) {
		r->room_owed = true;
		c->full = true;
	}
	return k;
}

size_t
h1_write(struct req *r, const void *p, size_t n)
{
	size_t k = take(r, n);

	if (k > 0)
		h1_push(r, p, k);
	return k;
}

size_t
h1_lend(struct req *r, void *owner, const void *p, size_t n, bool *lent)
{
	struct conn *c = r->conn;
	size_t k = take(r, n);
	char text[CHUNK_ROOM];

	if (k < LEND_MIN) {
		if (k > 0)
			h1_push(r, p, k);
		return k;
	}
	if (!r->res.sent)
		put_head(r, NULL, 0);
	if (r->res.chunked)
		conn_put(c, text, (size_t)(put_size(text, k) - text));
	*lent = conn_lend(c, owner, p, k);
	if (r->res.chunked)
		conn_put(c, "\r\n", 2);
	return k;
}

size_t
h1_write_file(struct req *r, struct file *f, uint64_t at, size_t n)
{
	struct conn *c = r->conn;
	size_t k = take(r, n);
	char text[CHUNK_ROOM];

	if (k == 0)
		return 0;
	if (!r->res.sent)
		put_head(r, NULL, 0);
	if (r->res.chunked)
		conn_put(c, text, (size_t)(put_size(text, k) - text));
	conn_refer_file(c, f, at, k);
	if (r->res.chunked)
		conn_put(c, "\r\n", 2);
	return k;
}

/*
 * HTTP/1.0 has no interim responses (RFC 9110, 15.2).  A client that reads
 * nothing needs no hint: they may not fill our memory.
 */
void
h1_hint(struct req *r, const struct res *h)
{
	struct conn *c = r->conn;

	if (r->minor == 0 || conn_space(c) == 0)
		return;
	conn_put(c, "HTTP/1.1 103 Early Hints\r\n", 26);
	conn_put(c, h->buf, h->len);
	conn_put(c, "\r\n", 2);
}

void
h1_end(struct req *r)
{
	struct conn *c = r->conn;
	struct res *res = &r->res;

	if (!res->sent) {
		if (res->length < 0 && !res->no_body && !res->has_trailers)
			res->length = 0;
		h1_out_head(r);
	}
	if (res->chunked) {
		conn_put(c, "0\r\n", 3);
		if (res->trailers > 0)
			conn_put(c, res->buf + res->len, res->trailers);
		conn_put(c, "\r\n", 2);
	}
	h1_out_log(c, r, res->status, res->written);
	h1_answered(c->pstate, r);
}

/*
 * A part is out and no more will come.  The client can tell: chunks or bytes
 * are missing; but where the end of the connection is the end of the body, a
 * clean end would pass for one, so the connection is reset.
 */
void
h1_abort(struct req *r)
{
	struct conn *c = r->conn;
	struct h1 *h = c->pstate;
	bool delimited = r->res.no_body || r->res.chunked ||
	    r->res.length >= 0;

	h1_out_log(c, r, r->res.status, r->res.written);
	h->keep = false;
	h->req = NULL;
	req_done(r);
	if (delimited)
		h1_close(h);
	else
		conn_reset(c);
}

void
h1_out_refusal(struct conn *c, unsigned status, bool is_head)
{
	struct str server = server_of(c, false);
	struct str common = common_of(c->shard);
	struct str text = res_reason(status);
	char *start, *at;

	/* We may be in the poll that ends a long sleep, or in a timer of it. */
	shard_date(c->shard);
	/* Texts that large are nobody's; they may be left out. */
	if (server.n > STRETCH / 4)
		server.n = 0;
	if (common.n > STRETCH / 4)
		common.n = 0;
	start = (char *)conn_reserve(c, 2 * HEAD_ROOM + server.n + common.n);
	if (!start)
		return;
	at = put_status(start, status, NULL);
	at = put_common(at, c->shard, server, true);
	at = put(at, common);
	at = put(at, STR("content-type: text/plain\r\ncontent-length: "));
	at = put_decimal(at, text.n);
	/* RFC 6455, 4.4; RFC 9110, 15.5.22: what it should be, instead. */
	if (status == 426)
		at = put(at, STR("\r\nsec-websocket-version: 13\r\n"
		    "upgrade: websocket\r\nconnection: upgrade"));
	at = put(at, STR("\r\nconnection: close\r\n\r\n"));
	if (!is_head)
		at = put(at, text);
	conn_commit(c, (size_t)(at - start));
}

/* For core/alog.c. */
static struct str
field_of(const void *req, struct str name, bool response)
{
	const struct req *r = req;

	if (response)
		return res_find(&r->res, name);
	for (unsigned i = 0; i < r->n_fields; i++)
		if (str_ieq(field_name(&r->fields[i]), name))
			return field_value(&r->fields[i]);
	return (struct str){ NULL, 0 };
}

static void
write_line(const struct conn *c, const struct req *r, unsigned status,
    uint64_t bytes)
{
	static const struct str versions[] = {
		STR("HTTP/1.0"), STR("HTTP/1.1")
	};
	struct access_line a = { .method = STR("-"), .target = STR("-"),
		.version = STR("-"), .scheme = c->xport->name,
		.shard = c->shard->id, .status = status, .bytes = bytes,
		.length = r ? r->res.length : -1, .field = field_of, .req = r };
	char addr[SOCK_TEXT];

	a.addr = str_of(sock_host_text(&c->peer, addr));
	if (a.addr.n == 0)
		a.addr = STR("-");
	if (r) {
		if (r->method.n > 0)
			a.method = r->method;
		if (r->target.n > 0)
			a.target = r->target;
		if (r->major == 1)
			a.version = versions[r->minor & 1];
		a.us = (clock_ns() - r->begun) / 1000;
		a.cut = status == H1_NO_ANSWER || (r->res.sent &&
		    (r->res.cut || !r->res.ended));
	}
	alog_write(c->shard->access, c->shard->conf->access_form, &a);
}

void
h1_out_log(const struct conn *c, const struct req *r, unsigned status,
    uint64_t bytes)
{
	if (c->shard->conf->access_log)
		write_line(c, r, status, bytes);
}
