/* See LICENSE for the terms. */
#include "proto/sse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/conn.h"
#include "core/mem.h"
#include "core/relay.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/req.h"
#include "proto/utf8.h"

/* "id: ", an offset, and two ends of lines. */
#define ID_MAX 32

struct sse {
	struct member member;
	struct req *req;
	struct bytes held;		/* behind the application's piece */
};

/* ---- an event's text --------------------------------------------------- */

/* Up to the next end of a line: LF, CR or both; what is behind it in <rest>. */
static struct str
line_of(struct str text, struct str *rest)
{
	const char *end = text.p + text.n, *at = text.p;

	while (at < end && *at != '\n' && *at != '\r')
		at++;
	text.n = (size_t)(at - text.p);
	if (at < end)
		at += at[0] == '\r' && end - at > 1 && at[1] == '\n' ? 2 : 1;
	*rest = (struct str){ at, (size_t)(end - at) };
	return text;
}

static size_t
count_lines(struct str text)
{
	size_t n = 1;
	struct str rest;

	for (; line_of(text, &rest).n < text.n; text = rest)
		n++;
	return n;
}

static size_t
room_for(const struct post *p)
{
	return ID_MAX + p->data.n + count_lines(p->data) * STR("data: \n").n;
}

/* The text at <to>, where there is room for it; how long it is. */
static size_t
write_event(char *to, const struct post *p)
{
	char *at = to + snprintf(to, ID_MAX, "id: %llu\n",
	    (unsigned long long)p->offset);
	struct str text = p->data;

	for (size_t n = count_lines(text); n > 0; n--) {
		struct str line = line_of(text, &text);

		at = mempcpy(at, "data: ", 6);
		at = mempcpy(at, line.p, line.n);
		*at++ = '\n';
	}
	*at++ = '\n';
	return (size_t)(at - to);
}

static void
push(struct req *r, const char *text, size_t n)
{
	r->res.written += n;
	r->conn->proto->push(r, text, n);
}

/* ---- deliveries -------------------------------------------------------- */

static bool
is_text(const struct post *p)
{
	struct utf8 u = { 0 };

	return p->kind == RING_TEXT || (utf8_add(&u,
	    (const unsigned char *)p->data.p, p->data.n) &&
	    utf8_is_whole(&u));
}

/* <n> bytes more are too many for it; true if that is so. */
static bool
overflows(struct sse *e, size_t n)
{
	struct conn *c = e->req->conn;
	const struct conf *conf = c->shard->conf;

	if (relay_may_wait(bytes_len(&c->out) + bytes_len(&e->held), n,
	    (uint64_t)conf->subscriber_buffer))
		return false;
	relay_drop(&c->shard->relay);
	if (conf->subscriber_overflow != CONF_OVERFLOW_CLOSE)
		return true;
	log_info(&c->shard->log, "connection %llu: too slow for its channels, "
	    "reset", (unsigned long long)c->id);
	conn_reset(c);
	return true;
}

static void
send_event(struct sse *e, const char *text, size_t n)
{
	struct req *r = e->req;
	struct conn *c = r->conn;

	if (!r->res.midway)
		push(r, text, n);
	else if (bytes_put(&e->held, &c->shard->chunks, text, n) != 0)
		conn_reset(c);		/* half of an event may be in it */
}

static void
deliver_one(struct sse *e, const struct post *p)
{
	struct req *r = e->req;
	char small[1024], *text = small;
	size_t room = room_for(p);

	if (!r->conn || r->conn->state != CONN_OPEN || r->res.ended ||
	    overflows(e, room))
		return;
	if (room > sizeof(small))
		text = mem_try(room);
	if (!text || !is_text(p))
		relay_drop(&r->shard->relay);
	else
		send_event(e, text, write_event(text, p));
	if (text != small)
		mem_free(text);
}

/* member_fn */
static unsigned
deliver(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	struct sse *e = container_of(m, struct sse, member);

	(void)lost;			/* there is nobody to be told */
	for (unsigned i = 0; i < n; i++)
		deliver_one(e, &p[i]);
	return n;
}

void
sse_resume(struct req *r)
{
	struct bytes *held = &r->sse->held;

	while (bytes_len(held) > 0) {
		struct iovec v;

		bytes_iov(held, &v, 1);
		push(r, v.iov_base, v.iov_len);
		bytes_drop(held, &r->shard->chunks, v.iov_len);
	}
}

/* ---- joining and leaving ----------------------------------------------- */

static bool
is_event_stream(const struct res *h)
{
	struct str kind = STR("text/event-stream");
	struct str given = res_find(h, STR("content-type"));

	/* Events in plain text, between what a middleware has packed? */
	if (given.n < kind.n || h->length >= 0 ||
	    res_find(h, STR("content-encoding")).n > 0)
		return false;
	return str_ieq((struct str){ given.p, kind.n }, kind) &&
	    (given.n == kind.n || given.p[kind.n] == ';' ||
	     given.p[kind.n] == ' ');
}

int
sse_join(struct req *r, struct str channel)
{
	if (!r->conn || !r->res.started || r->res.ended)
		return -ENOTCONN;
	if (!is_event_stream(&r->res) || (r->res.no_body && !r->is_head))
		return -EPROTOTYPE;
	/* Applications answer HEAD as they do GET; nobody hears it. */
	if (r->is_head)
		return 0;
	if (!r->sse) {
		r->sse = mem_try(sizeof(*r->sse));
		if (!r->sse)
			return -ENOMEM;
		member_init(&r->sse->member, deliver);
		r->sse->req = r;
		bytes_init(&r->sse->held);
	}
	return relay_join(&r->shard->relay, &r->sse->member, channel);
}

bool
sse_leave(struct req *r, struct str channel)
{
	return r->sse && relay_leave(&r->shard->relay, &r->sse->member,
	    channel);
}

void
sse_end(struct req *r)
{
	relay_leave_all(&r->shard->relay, &r->sse->member);
	bytes_fini(&r->sse->held, &r->shard->chunks);
	mem_free(r->sse);
	r->sse = NULL;
}
