/* See LICENSE for the terms. */
/*
 * See wsock.h for the states; only this file moves between them.
 */
#include "proto/wsock.h"

#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/app.h"
#include "proto/h1.h"
#include "proto/req.h"
#include "proto/res.h"
#include "proto/ws_deflate.h"
#include "proto/ws_shake.h"

/* With less than this waiting to be sent, every ping gets its pong. */
#define PONG_SOON 4096
/* A frame up to this is one piece of the output. */
#define ONE_PIECE 4096

static inline const struct conf *
conf_of(const struct wsock *w)
{
	return w->shard->conf;
}

static void
tell(struct wsock *w)
{
	if (!w->released)
		work_queue(&w->shard->loop, &w->work);
}

/* In the run step: one of the things that the application waits for. */
static void
run(struct work *k)
{
	struct wsock *w = container_of(k, struct wsock, work);

	w->wanted = false;
	if (!w->released)
		w->shard->app->ws(w);
}

/* ---- the end ----------------------------------------------------------- */

static void
drop_messages(struct wsock *w)
{
	struct ws_msg *m;

	while ((m = w->first)) {
		w->first = m->next;
		mem_free(m);
	}
	w->waiting = 0;
}

static void
destroy(struct wsock *w)
{
	relay_leave_all(&w->shard->relay, &w->member);
	list_del(&w->work.node);
	drop_messages(w);
	ws_fini(&w->ws);
	mem_free(w);
}

/* OPEN has ended: the first reason counts. */
static void
ended(struct wsock *w, enum wsock_state state, unsigned code,
    struct str reason)
{
	w->state = (uint8_t)state;
	relay_leave_all(&w->shard->relay, &w->member);
	if (w->code)
		return;
	w->code = (uint16_t)code;
	w->reason = reason;
	tell(w);
}

static void
put_control(struct wsock *w, enum ws_op op, const void *p, size_t n)
{
	unsigned char frame[WS_CONTROL_FRAME];

	conn_put(w->conn, frame, ws_control(frame, op, p, n));
}

static void
put_close(struct wsock *w, unsigned code, struct str reason)
{
	unsigned char frame[WS_CONTROL_FRAME];

	conn_put(w->conn, frame, ws_close(frame, code, reason));
}

/* The client's close frame: answered with its own code (RFC 6455, 5.5.1). */
static void
on_close(struct wsock *w)
{
	bool answered = w->state == WSOCK_CLOSING;

	if (!answered && w->ws.code == WS_NO_CODE)
		put_control(w, WS_CLOSE, "", 0);
	else if (!answered)
		put_close(w, w->ws.code, STR(""));
	ended(w, WSOCK_OVER, w->ws.code, ws_reason(&w->ws));
	conn_close(w->conn, true);
}

/* A broken rule (7.1.7): the client is told, and not waited for. */
static void
on_failure(struct wsock *w)
{
	struct conn *c = w->conn;
	struct str why = str_of(w->ws.why);

	log_info(&w->shard->log, "connection %llu: WebSocket closed with %u: "
	    "%s", (unsigned long long)c->id, w->ws.code, w->ws.why);
	if (w->state == WSOCK_OPEN)
		put_close(w, w->ws.code, why);
	ended(w, WSOCK_OVER, w->ws.code, why);
	conn_close(c, true);
}

/* What the client did to end it, which may have waited. */
static void
end(struct wsock *w, enum ws_event ev)
{
	w->pending = 0;
	if (ev == WS_GOT_CLOSE)
		on_close(w);
	else if (ev == WS_FAILED)
		on_failure(w);
}

/* The client's close frame may be behind anything, so we read again. */
static void
begin_close(struct wsock *w, unsigned code, struct str reason)
{
	put_close(w, code, reason);
	ended(w, WSOCK_CLOSING, code, STR(""));
	conn_timeout(w->conn, (uint32_t)conf_of(w)->ws_close_timeout_ms);
	conn_resume(w->conn);
	end(w, w->pending);
}

/* Answers to what came before it are still possible. */
static void
end_in_turn(struct wsock *w, enum ws_event ev)
{
	if (w->state != WSOCK_OPEN || !w->first) {
		end(w, ev);
		return;
	}
	w->pending = (uint8_t)ev;
	conn_timeout(w->conn, (uint32_t)conf_of(w)->ws_close_timeout_ms);
}

void
wsock_close(struct wsock *w, unsigned code, struct str reason)
{
	if (w->state != WSOCK_OPEN)
		return;
	begin_close(w, code, reason);
	/* Nobody asks for what waits. */
	drop_messages(w);
}

void
wsock_release(struct wsock *w)
{
	wsock_close(w, WS_INTERNAL_ERROR, STR(""));
	w->released = true;
	w->shard->n_reqs--;
	drop_messages(w);
	if (!w->conn)
		destroy(w);
}

/* ---- input ------------------------------------------------------------- */

static void
on_message(struct wsock *w)
{
	struct ws_msg *m = ws_take(&w->ws);

	if (w->state != WSOCK_OPEN) {
		mem_free(m);
		return;
	}
	if (w->first)
		w->last->next = m;
	else
		w->first = m;
	w->last = m;
	w->waiting += sizeof(*m) + m->cap;
	if (w->waiting >= WSOCK_IN_HIGH)
		conn_pause(w->conn);
	if (w->wanted)
		tell(w);
}

static void
on_ping(struct wsock *w)
{
	/* Behind our close frame nothing is sent (5.5.1). */
	if (w->state != WSOCK_OPEN)
		return;
	if (!w->owes_pong && bytes_len(&w->conn->out) < PONG_SOON) {
		put_control(w, WS_PONG, w->ws.control, w->ws.n_control);
		return;
	}
	w->owes_pong = true;
	w->n_pong = w->ws.n_control;
	memcpy(w->pong, w->ws.control, w->n_pong);
	conn_dirty(w->conn);
}

static void
on_event(struct wsock *w, enum ws_event ev)
{
	switch (ev) {
	case WS_GOT_MESSAGE:
		on_message(w);
		break;
	case WS_GOT_PING:
		on_ping(w);
		break;
	case WS_GOT_CLOSE:
	case WS_FAILED:
		end_in_turn(w, ev);
		break;
	case WS_GOT_PONG:
	case WS_NOTHING:
		break;
	}
}

static void
set_ping_timer(struct wsock *w)
{
	w->pinged = false;
	conn_timeout(w->conn, (uint32_t)conf_of(w)->ws_ping_interval_ms);
}

static bool
takes_input(const struct wsock *w)
{
	return w->state == WSOCK_CLOSING ||
	    (w->state == WSOCK_OPEN && w->waiting < WSOCK_IN_HIGH);
}

static size_t
wsock_input(struct conn *c, const unsigned char *p, size_t n)
{
	struct wsock *w = c->pstate;
	size_t used = 0, k;

	if (w->pinged && w->state == WSOCK_OPEN && !w->pending)
		set_ping_timer(w);
	while (used < n && takes_input(w)) {
		enum ws_event ev = ws_read(&w->ws, p + used, n - used, &k);

		used += k;
		on_event(w, ev);
	}
	return used;
}

/* The client shut its side without a close frame: it is lost. */
static void
wsock_eof(struct conn *c)
{
	struct wsock *w = c->pstate;

	end(w, w->pending);
	ended(w, WSOCK_OVER, WS_ABNORMAL, STR(""));
	conn_close(c, false);
}

struct ws_msg *
wsock_next(struct wsock *w)
{
	struct ws_msg *m = w->first;
	size_t before = w->waiting;

	if (!m) {
		end(w, w->pending);
		return NULL;
	}
	w->first = m->next;
	m->next = NULL;
	w->waiting -= sizeof(*m) + m->cap;
	if (w->conn && before >= WSOCK_IN_HIGH / 2 &&
	    w->waiting < WSOCK_IN_HIGH / 2)
		conn_resume(w->conn);
	return m;
}

void
wsock_want(struct wsock *w)
{
	w->wanted = true;
}

/* ---- output ------------------------------------------------------------ */

bool
wsock_can_send(const struct wsock *w)
{
	return w->state == WSOCK_OPEN && !conn_is_dead(w->conn);
}

size_t
wsock_space(struct wsock *w)
{
	size_t n = w->state == WSOCK_OPEN ? conn_space(w->conn) : SIZE_MAX;

	if (n == 0)
		w->room_owed = true;
	return n;
}

void
wsock_put(struct wsock *w, const void *frame, size_t n)
{
	if (w->state == WSOCK_OPEN)
		conn_put(w->conn, frame, n);
}

static void
put_frame(struct conn *c, const unsigned char *head, size_t n_head,
    const void *p, size_t n)
{
	unsigned char *to;

	if (n > ONE_PIECE) {
		conn_put(c, head, n_head);
		conn_put(c, p, n);
		return;
	}
	to = conn_reserve(c, n_head + n);
	if (!to)
		return;
	memcpy(to, head, n_head);
	if (n > 0)
		memcpy(to + n_head, p, n);
	conn_commit(c, n_head + n);
}

void
wsock_send(struct wsock *w, bool text, const void *p, size_t n)
{
	struct ws_deflate *d = w->ws.deflate;
	unsigned char head[WS_HEAD_MAX], *packed = NULL;
	size_t n_head;

	if (w->state != WSOCK_OPEN)
		return;
	if (d && ws_deflate_is_worth(d, n))
		packed = ws_deflate_pack(d, p, n, &n);
	n_head = ws_head(head, text ? WS_TEXT : WS_BINARY, n);
	if (packed)
		head[0] |= WS_PACKED;
	put_frame(w->conn, head, n_head, packed ? packed : p, n);
	mem_free(packed);
}

static void
wsock_flush(struct conn *c)
{
	struct wsock *w = c->pstate;

	if (!w->owes_pong || w->state != WSOCK_OPEN || conn_space(c) == 0)
		return;
	w->owes_pong = false;
	put_control(w, WS_PONG, w->pong, w->n_pong);
}

static void
wsock_room(struct conn *c)
{
	struct wsock *w = c->pstate;

	if (w->owes_pong)
		conn_dirty(c);
	if (w->room_owed)
		tell(w);
	w->room_owed = false;
}

/* ---- channels ---------------------------------------------------------- */

static bool
may_wait(const struct wsock *w, size_t n)
{
	return relay_may_wait(bytes_len(&w->conn->out), n,
	    (uint64_t)conf_of(w)->subscriber_buffer);
}

/* Of several messages in one piece none would be seen to be too many. */
static bool
may_all_wait(const struct wsock *w, size_t n)
{
	return bytes_len(&w->conn->out) + n <=
	    (uint64_t)conf_of(w)->subscriber_buffer;
}

/* Frames in <g>: shared with the other sockets, not copied. */
static void
put_shared(struct wsock *w, struct seg *g, struct str frames)
{
	if (relay_may_hold(&w->shard->relay))
		conn_refer(w->conn, g, frames.p, frames.n);
	else
		conn_put(w->conn, frames.p, frames.n);
}

static void
overflow(struct wsock *w)
{
	relay_drop(&w->shard->relay);
	if (conf_of(w)->subscriber_overflow != CONF_OVERFLOW_CLOSE)
		return;
	log_info(&w->shard->log, "connection %llu: too slow for its channels, "
	    "closed with 1013", (unsigned long long)w->conn->id);
	wsock_close(w, WS_TRY_AGAIN_LATER, STR("too slow"));
}

/* member_fn: the publisher has made the frames, and they are one piece. */
static unsigned
deliver(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	struct wsock *w = container_of(m, struct wsock, member);
	const struct str *last = &p[n - 1].wire;
	struct str all = { p->wire.p, (size_t)(last->p + last->n -
		p->wire.p) };

	(void)lost;			/* there is nobody to be told */
	if (w->state == WSOCK_OPEN && may_all_wait(w, all.n)) {
		put_shared(w, p->seg, all);
		return 1;
	}
	for (; n > 0 && w->state == WSOCK_OPEN; n--, p++)
		if (may_wait(w, p->wire.n))
			put_shared(w, p->seg, p->wire);
		else
			overflow(w);
	return 1;
}

int
wsock_join(struct wsock *w, struct str channel)
{
	if (w->state != WSOCK_OPEN)
		return -ENOTCONN;
	return relay_join(&w->shard->relay, &w->member, channel);
}

bool
wsock_leave(struct wsock *w, struct str channel)
{
	return relay_leave(&w->shard->relay, &w->member, channel);
}

/* ---- time, the drain, loss --------------------------------------------- */

/*
 * While we do not read we cannot hear either, unless the client is known to
 * have shut its side.
 */
static bool
is_silent(const struct wsock *w)
{
	const struct conn *c = w->conn;

	return w->pinged && (!c->paused || c->hup);
}

static void
wsock_timeout(struct conn *c)
{
	struct wsock *w = c->pstate;
	uint32_t limit = (uint32_t)conf_of(w)->ws_ping_timeout_ms;

	if (w->pending) {
		end(w, w->pending);
	} else if (w->state != WSOCK_OPEN) {
		conn_abort(c);
	} else if (is_silent(w)) {
		log_debug(&c->shard->log, "connection %llu: no answer to a "
		    "WebSocket ping, closed", (unsigned long long)c->id);
		put_close(w, WS_INTERNAL_ERROR, STR("ping timeout"));
		ended(w, WSOCK_OVER, WS_ABNORMAL, STR("ping timeout"));
		conn_close(c, true);
	} else if (limit > 0) {
		put_control(w, WS_PING, "", 0);
		w->pinged = true;
		conn_timeout(c, limit);
	} else {
		put_control(w, WS_PING, "", 0);
		set_ping_timer(w);
	}
}

static void
wsock_drain(struct conn *c)
{
	struct wsock *w = c->pstate;

	/* What came before is the application's, if it asks. */
	if (w->state == WSOCK_OPEN)
		begin_close(w, WS_SERVICE_RESTART, STR("service restart"));
}

static void
wsock_lost(struct conn *c)
{
	struct wsock *w = c->pstate;

	if (w->pending)
		end(w, w->pending);
	c->pstate = NULL;
	w->conn = NULL;
	ended(w, WSOCK_OVER, WS_ABNORMAL, STR(""));
	if (w->released)
		destroy(w);
}

static const struct proto_ops proto_ws = {
	.input = wsock_input,
	.eof = wsock_eof,
	.flush = wsock_flush,
	.room = wsock_room,
	.timeout = wsock_timeout,
	.drain = wsock_drain,
	.lost = wsock_lost,
};

/* ---- the handshake's answer -------------------------------------------- */

/* The extension that is agreed upon, from whichever field; NULL: none. */
static struct ws_deflate *
choose_deflate(struct req *r, char *answer, size_t *n)
{
	struct shard *s = r->shard;
	struct ws_deflate_terms terms;

	*n = 0;
	if (!s->conf->ws_per_message_deflate ||
	    s->ws_deflate >= WS_DEFLATE_BUDGET)
		return NULL;
	for (unsigned i = 0; i < r->n_fields; i++) {
		const struct field *f = &r->fields[i];
		struct ws_deflate *d;

		if (!str_eq(field_name(f), STR("sec-websocket-extensions")) ||
		    !ws_deflate_choose(field_value(f), &terms))
			continue;
		d = ws_deflate_new(&terms, &s->ws_deflate);
		if (d)
			*n = ws_deflate_answer(answer, &terms);
		return d;
	}
	return NULL;
}

static void
put_field(struct conn *c, struct str name, struct str value)
{
	if (value.n == 0)
		return;
	conn_put(c, name.p, name.n);
	conn_put(c, value.p, value.n);
	conn_put(c, "\r\n", 2);
}

static void
put_head(struct req *r, const struct res *h, struct str protocol,
    struct str extension)
{
	static const struct str status = STR(
	    "HTTP/1.1 101 Switching Protocols\r\n"
	    "upgrade: websocket\r\nconnection: upgrade\r\n");
	struct conn *c = r->conn;
	const struct conf *conf = c->shard->conf;
	char proof[WS_ACCEPT_SIZE];

	ws_shake_accept(r, proof);
	conn_put(c, status.p, status.n);
	put_field(c, STR("sec-websocket-accept: "),
	    (struct str){ proof, sizeof(proof) });
	put_field(c, STR("sec-websocket-protocol: "), protocol);
	put_field(c, STR("sec-websocket-extensions: "), extension);
	if (!h->has_server)
		put_field(c, STR("server: "), str_of(conf->server_header));
	if (!h->has_date && conf->date_header)
		put_field(c, STR("date: "),
		    (struct str){ c->shard->date, 29 });
	conn_put(c, h->buf, h->len);
	conn_put(c, "\r\n", 2);
}

struct wsock *
wsock_accept(struct req *r, struct res *h, struct str protocol)
{
	char extension[WS_DEFLATE_ANSWER];
	struct shard *s = r->shard;
	struct conn *c = r->conn;
	struct wsock *w;
	size_t n;

	w = c ? mem_try(sizeof(*w)) : NULL;
	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	work_init(&w->work, run);
	member_init(&w->member, deliver);
	w->conn = c;
	w->shard = s;
	w->state = WSOCK_OPEN;
	ws_init(&w->ws, (uint64_t)s->conf->ws_max_size,
	    (uint32_t)s->conf->ws_max_fragments);
	w->ws.deflate = choose_deflate(r, extension, &n);
	put_head(r, h, protocol, (struct str){ extension, n });
	s->n_reqs++;
	h1_upgrade(r, &proto_ws, w);
	set_ping_timer(w);
	if (c->eof)
		wsock_eof(c);
	else if (s->draining)
		wsock_drain(c);
	conn_resume(c);
	return w;
}
