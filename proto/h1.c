/* See LICENSE for the terms. */
/*
 * The life of an HTTP/1 connection: what comes after what.  See h1.h for the
 * states; only this file moves between them.
 *
 * Deadlines: the head of a connection's first request has the time that began
 * with the connection.  There is one timer, and a request that arrives whole
 * never touches it.  It may therefore fire in a state that has no deadline,
 * and is ignored there.
 */
#include "proto/h1.h"

#include <errno.h>
#include <string.h>

#include "core/bug.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/h1_priv.h"

/* A body is at its pace only after this long. */
#define RATE_GRACE_NS (10 * NS_PER_S)

/* Bytes of empty lines before a request that are skipped (RFC 9112, 2.2). */
#define LEAD_MAX 8

static inline const struct conf *
conf_of(const struct h1 *h)
{
	return h->conn->shard->conf;
}

static int
h1_open(struct conn *c)
{
	struct h1 *h = mem_try(sizeof(*h));

	if (!h)
		return -ENOMEM;
	memset(h, 0, sizeof(*h));
	h->conn = c;
	h->opened = c->shard->loop.now;
	h->state = H1_IDLE;
	c->pstate = h;
	/* Silent, it may be shed like one that waits for its next request. */
	conn_set_idle(c, true);
	conn_timeout(c, (uint32_t)conf_of(h)->header_timeout_ms);
	return 0;
}

static void
h1_lost(struct conn *c)
{
	struct h1 *h = c->pstate;
	struct req *r = h->req;

	if (r) {
		/* Cut by the client: what it got is worth a line. */
		if (r->res.sent)
			h1_out_log(c, r, r->res.status, r->res.written);
		else if (h->head_done)
			h1_out_log(c, r, H1_NO_ANSWER, 0);
		req_lost(r);
	}
	c->pstate = NULL;
	mem_free(h);
}

/* ---- ends -------------------------------------------------------------- */

void
h1_close(struct h1 *h)
{
	struct conn *c = h->conn;
	bool unread = h->state != H1_IDLE && !h->whole;

	/* Unread bytes at a close are a reset: the answer would be lost. */
	h->state = H1_OVER;
	conn_close(c, unread || bytes_len(&c->in) > 0 || c->readable);
}

/* The application, if one has it, hears why its body ends, and of the end. */
static void
take_away(struct h1 *h, unsigned status)
{
	struct req *r = h->req;

	h->req = NULL;
	if (!r)
		return;
	req_body_cut(r, status);
	req_lost(r);
}

/*
 * Refused: nothing is parsed any more.  Where an application has the request
 * and has not answered, it is told that nothing it writes arrives; where its
 * answer is on its way, that may be finished, since it can be told from a cut
 * one, but the body never becomes whole.
 */
static void
refuse(struct h1 *h, unsigned status, const char *why)
{
	struct conn *c = h->conn;
	struct req *r = h->req;

	log_info(&c->shard->log, "connection %llu: answered %u: %s",
	    (unsigned long long)c->id, status, why);
	h->keep = false;
	if (r && r->res.sent) {
		h->state = H1_BUSY;
		req_body_cut(r, status);
		req_tell(r, REQ_GONE);
		conn_pause(c);
		return;
	}
	h1_out_refusal(c, status, r && r->is_head);
	h1_out_log(c, r, status, 0);
	take_away(h, status);
	h->state = H1_OVER;
	conn_close(c, true);
}

/*
 * Refused without a word: whoever sends that much reads no answer.  What was
 * answered before it on this connection is to arrive all the same.
 */
static void
refuse_hard(struct h1 *h)
{
	struct conn *c = h->conn;

	log_info(&c->shard->log, "connection %llu: ended: %s",
	    (unsigned long long)c->id, h->why);
	h1_out_log(c, h->req, h->verdict, 0);
	take_away(h, h->verdict);
	h->state = H1_OVER;
	conn_close(c, h->served > 1);
}

/* Ready for another request. */
static void
next(struct h1 *h)
{
	struct conn *c = h->conn;
	struct shard *s = c->shard;

	h->state = H1_IDLE;
	h->lead = 0;
	/* Draining, with the grace for idle connections over; or no client. */
	if (s->cut || (c->eof && bytes_len(&c->in) == 0)) {
		h1_close(h);
		return;
	}
	conn_timeout(c, (uint32_t)s->conf->keep_alive_timeout_ms);
	if (bytes_len(&c->in) == 0)
		conn_set_idle(c, true);
	conn_resume(c);
}

/* The response is out, the request's body is not in. */
static void
skip(struct h1 *h)
{
	h->state = H1_SKIP;
	conn_timeout(h->conn, (uint32_t)conf_of(h)->body_timeout_ms);
	conn_resume(h->conn);
}

void
h1_answered(struct h1 *h, struct req *r)
{
	h->req = NULL;
	req_done(r);
	if (h->conn->state != CONN_OPEN)
		h->state = H1_OVER;
	else if (!h->keep)
		h1_close(h);
	else if (h->whole)
		next(h);
	else
		skip(h);
}

void
h1_upgrade(struct req *r, const struct proto_ops *proto, void *pstate)
{
	struct conn *c = r->conn;
	struct h1 *h = c->pstate;

	h1_out_log(c, r, 101, 0);
	c->proto = proto;
	c->pstate = pstate;
	mem_free(h);
	req_done(r);
}

/* ---- input ------------------------------------------------------------- */

/* Empty lines before a request: whole ones, and few (RFC 9112, 2.2). */
static size_t
skip_lead(struct h1 *h, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		bool half = h->lead & 1;

		if (!half && p[i] != '\r' && p[i] != '\n')
			return i;
		if (p[i] != "\r\n"[half] || h->lead == LEAD_MAX) {
			refuse(h, 400, "empty lines");
			return n;
		}
		h->lead++;
	}
	return i;
}

/* The first byte of a head is there. */
static bool
begin(struct h1 *h)
{
	struct conn *c = h->conn;

	h->req = req_new(c->shard, c);
	if (!h->req) {
		refuse(h, 503, "out of memory");
		return false;
	}
	h->state = H1_HEAD;
	h->served++;
	h1_in_begin(h);
	conn_set_idle(c, false);
	return true;
}

/* The head is complete, and so may be the body. */
static void
hand_over(struct h1 *h)
{
	h->state = H1_BODY;
	req_queue(h->req);
}

/* The message's last byte was parsed. */
static void
whole(struct h1 *h)
{
	if (h->state == H1_SKIP) {
		next(h);
		return;
	}
	h->state = H1_BUSY;
	req_body_end(h->req);
}

/*
 * The client's time to send more of the body that the application waits for:
 * the deadline between two pieces, or less if it does not keep the pace.  What
 * it sent at a stretch buys it time, so that to hold us up for long costs it
 * as much.  0: there is none left.
 */
static uint32_t
time_left(const struct h1 *h)
{
	const struct conf *conf = conf_of(h);
	uint64_t gap = (uint64_t)conf->body_timeout_ms, bought;

	if (conf->body_rate == 0)
		return (uint32_t)gap;
	/* Longer than any gap, it would only overflow. */
	bought = MIN(h->req->received / (uint64_t)conf->body_rate,
	    UINT32_MAX) * NS_PER_S + RATE_GRACE_NS;
	if (bought <= h->waited)
		return 0;
	return (uint32_t)MIN(gap, 1 + (bought - h->waited) / NS_PER_MS);
}

/* The application begins to wait for the client. */
static void
wait_begins(struct h1 *h)
{
	/* With none left it has the shortest there is. */
	conn_timeout(h->conn, MAX(time_left(h), 1u));
	h->wait_from = h->conn->shard->loop.now;
}

/* More of the body was parsed, and it is not all. */
static void
more_body(struct h1 *h)
{
	struct req *r = h->req;
	uint32_t left;

	if (h->state != H1_BODY)
		return;
	if (h->wait_from != 0) {
		uint64_t now = h->conn->shard->loop.now;

		h->waited += now - h->wait_from;
		left = time_left(h);
		if (left == 0) {
			refuse(h, 408, "body too slow");
			return;
		}
		conn_timeout(h->conn, left);
		/* A chunk's size, say, is none of what is waited for. */
		h->wait_from = bytes_len(&r->in) > 0 ? 0 :
		    h->conn->shard->loop.now;
	}
	if (bytes_len(&r->in) >= REQ_BODY_HIGH)
		conn_pause(h->conn);
}

/* Parses on in the message that was begun; bytes used. */
static size_t
parse(struct h1 *h, const unsigned char *p, size_t n, bool fresh)
{
	size_t used = h1_in_parse(h, p, n);

	if (h->verdict && h->state == H1_SKIP) {
		h1_close(h);
	} else if (h->verdict && h->hard) {
		refuse_hard(h);
	} else if (h->verdict) {
		refuse(h, h->verdict, h->why);
	} else {
		if (h->state == H1_HEAD && h->head_done)
			hand_over(h);
		else if (h->state == H1_HEAD && fresh && h->served > 1)
			conn_timeout(h->conn,
			    (uint32_t)conf_of(h)->header_timeout_ms);
		if (h->whole)
			whole(h);
		else
			more_body(h);
	}
	return used;
}

/*
 * Requests wait unparsed while one is answered, and while the client does not
 * take its answers: what it pipelines may not fill our memory with them.
 */
static bool
takes_input(const struct h1 *h)
{
	if (h->state == H1_IDLE)
		return conn_space(h->conn) > 0;
	return h->state == H1_HEAD || h->state == H1_BODY ||
	    h->state == H1_SKIP;
}

static size_t
h1_input(struct conn *c, const unsigned char *p, size_t n)
{
	struct h1 *h = c->pstate;
	size_t used = 0;

	while (used < n && takes_input(h)) {
		bool fresh = h->state == H1_IDLE;

		if (fresh) {
			used += skip_lead(h, p + used, n - used);
			if (used == n || h->state != H1_IDLE)
				break;
			if (!begin(h))
				break;
		}
		used += parse(h, p + used, n - used, fresh);
	}
	if (used == n && h->state == H1_IDLE)
		conn_set_idle(c, true);
	return used;
}

/* ---- what else happens ------------------------------------------------- */

static void
h1_eof(struct conn *c)
{
	struct h1 *h = c->pstate;
	struct req *r = h->req;

	switch ((enum h1_state)h->state) {
	case H1_IDLE:
	case H1_SKIP:
		h1_close(h);
		break;
	case H1_HEAD:
		h->req = NULL;
		req_lost(r);
		h1_close(h);
		break;
	case H1_BODY:
		req_body_cut(r, 400);
		h->state = H1_BUSY;
		req_tell(r, REQ_GONE);
		break;
	case H1_BUSY:
		req_tell(r, REQ_GONE);
		break;
	case H1_OVER:
		break;
	}
}

/*
 * Requests are kept behind one whose answer may take for ever: who sent them
 * has left, and its application may wait for just that.
 */
static void
h1_hup(struct conn *c)
{
	struct h1 *h = c->pstate;

	if (h->state == H1_BUSY && h->req)
		req_tell(h->req, REQ_GONE);
}

static void
h1_flush(struct conn *c)
{
	struct h1 *h = c->pstate;
	struct req *r = h->req;

	/* The application began and then waits: the client gets the head. */
	if (r && r->res.started && !r->res.sent)
		h1_out_head(r);
}

static void
h1_room(struct conn *c)
{
	struct h1 *h = c->pstate;

	if (h->req && h->req->room_owed)
		req_tell(h->req, REQ_ROOM);
	else if (h->state == H1_IDLE)
		conn_resume(c);
}

static void
h1_timeout(struct conn *c)
{
	struct h1 *h = c->pstate;

	switch ((enum h1_state)h->state) {
	case H1_IDLE:
	case H1_SKIP:
		h1_close(h);
		break;
	case H1_HEAD:
		refuse(h, 408, "header timeout");
		break;
	case H1_BODY:
		/* Of a body that nobody waits for the pace is free. */
		if (h->req->wanted)
			refuse(h, 408, "body timeout");
		break;
	case H1_BUSY:
	case H1_OVER:
		break;
	}
}

/* What runs is finished with "connection: close"; see stays_open(). */
static void
h1_drain(struct conn *c)
{
	(void)c;
}

static void
h1_want(struct req *r)
{
	struct conn *c = r->conn;
	struct h1 *h = c->pstate;

	if (h->state != H1_BODY)
		return;
	if (r->wanted) {
		/* Once, before the final head, and only if it is read. */
		if (r->expects && !r->res.sent) {
			r->expects = false;
			conn_put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		}
		if (h->wait_from == 0)
			wait_begins(h);
	}
	if (c->paused && bytes_len(&r->in) < REQ_BODY_HIGH / 2)
		conn_resume(c);
}

static size_t
h1_space(struct req *r)
{
	return conn_space(r->conn);
}

const struct proto_ops proto_h1 = {
	.open = h1_open,
	.input = h1_input,
	.eof = h1_eof,
	.hup = h1_hup,
	.flush = h1_flush,
	.room = h1_room,
	.timeout = h1_timeout,
	.drain = h1_drain,
	.lost = h1_lost,
	.respond = h1_respond,
	.write = h1_write,
	.lend = h1_lend,
	.write_file = h1_write_file,
	.push = h1_push,
	.hint = h1_hint,
	.end = h1_end,
	.abort = h1_abort,
	.want = h1_want,
	.space = h1_space,
};
