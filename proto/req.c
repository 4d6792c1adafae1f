/* See LICENSE for the terms. */
/*
 * A request's memory, its head as it grows, its body's queue, and the telling
 * of events to the application.  See req.h for who calls what.
 *
 * It is freed when three let go: the protocol (done), the application, if it
 * ever had it (released), and frames on the stack that still touch it (holds).
 */
#include "proto/req.h"

#include <errno.h>
#include <string.h>

#include "core/bug.h"
#include "core/conn.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/app.h"
#include "proto/field.h"
#include "proto/section.h"
#include "proto/sse.h"

/* Slots kept a shard: more requests at once than this are rare. */
#ifdef __SANITIZE_ADDRESS__
#define KEEP 0
#else
#define KEEP 256
#endif

/* A response head's buffer larger than this is not kept. */
#define KEEP_HEAD (16u << 10)

/*
 * A block is left behind whenever a text outgrows it, at most half as large
 * as the next: three times the limits are enough for any order of pieces.
 */
static size_t
arena_limit(const struct conf *conf)
{
	return 3 * (size_t)(conf->limit_request_line +
	    conf->limit_request_head + 4 * ARENA_FIRST) +
	    2 * sizeof(struct field) * (size_t)conf->limit_request_fields;
}

static void run(struct work *w);

/* With what is kept from request to request; NULL without memory. */
static struct req *
make(const struct conf *conf)
{
	struct req *r = mem_try(sizeof(*r));

	if (!r)
		return NULL;
	if (arena_init(&r->arena, arena_limit(conf)) != 0) {
		mem_free(r);
		return NULL;
	}
	memset(&r->res, 0, sizeof(r->res));
	res_reset(&r->res);
	return r;
}

struct req *
req_new(struct shard *s, struct conn *c)
{
	struct req *r = s->req_pool;

	if (r) {
		s->req_pool = r->next;
		s->n_req_pool--;
	} else {
		r = make(s->conf);
		if (!r)
			return NULL;
	}
	memset(r, 0, offsetof(struct req, arena));
	work_init(&r->work, run);
	r->shard = s;
	r->conn = c;
	r->begun = s->loop.now;
	r->body = BODY_OPEN;
	r->length = -1;
	bytes_init(&r->in);
	r->fields = r->inline_fields;
	r->cap_fields = REQ_FIELDS_INLINE;
	return r;
}

static void
destroy(struct req *r)
{
	arena_fini(&r->arena);
	res_fini(&r->res);
	mem_free(r);
}

void
req_pool_fini(struct shard *s)
{
	struct req *r;

	while ((r = s->req_pool)) {
		s->req_pool = r->next;
		destroy(r);
	}
	s->n_req_pool = 0;
	section_fini(s);
}

static void
put(struct req *r)
{
	struct shard *s = r->shard;

	list_del(&r->work.node);
	bytes_fini(&r->in, &s->chunks);
	if (r->section)
		section_drop(r->section);
	if (s->n_req_pool + 1 > KEEP) {
		destroy(r);
		return;
	}
	arena_reset(&r->arena);
	if (r->res.cap > KEEP_HEAD)
		res_fini(&r->res);
	res_reset(&r->res);
	r->next = s->req_pool;
	s->req_pool = r;
	s->n_req_pool++;
}

static inline void
hold(struct req *r)
{
	r->holds++;
}

/* The application never had it: nobody but the protocol lets go. */
static inline void
let_go(struct req *r)
{
	r->holds--;
	if (r->holds == 0 && r->done && (r->released || !r->started))
		put(r);
}

/* ---- the head ---------------------------------------------------------- */

int
req_target_add(struct req *r, const char *p, size_t n)
{
	size_t have = r->target.n;
	/* "GET " before it and " HTTP/1.1" behind. */
	size_t line = r->method.n + have + n + 10;
	char *text;

	if (line > (size_t)r->shard->conf->limit_request_line)
		return 414;
	text = arena_grow(&r->arena, (char *)(uintptr_t)r->target.p, have,
	    have + n);
	if (!text)
		return 500;
	memcpy(text + have, p, n);
	r->target.p = text;
	r->target.n = have + n;
	return 0;
}

/* Whether <n> bytes more of field <f> are within the limits. */
static inline int
charge(struct req *r, const struct field *f, size_t n)
{
	const struct conf *conf = r->shard->conf;

	if (f->n_name + f->n_value + n > (size_t)conf->limit_request_field ||
	    r->head_bytes + n > (size_t)conf->limit_request_head)
		return 431;
	r->head_bytes += (uint32_t)n;
	return 0;
}

static int
more_fields(struct req *r)
{
	unsigned cap = r->cap_fields * 2;
	struct field *f = arena_alloc(&r->arena, cap * sizeof(*f));

	if (!f)
		return 500;
	memcpy(f, r->fields, r->n_fields * sizeof(*f));
	r->fields = f;
	r->cap_fields = cap;
	return 0;
}

/* What surrounds a value is no part of it (RFC 9110, 5.5). */
static inline void
trim_last(struct req *r)
{
	struct field *f;

	if (r->n_fields == 0)
		return;
	f = &r->fields[r->n_fields - 1];
	while (f->n_value > 0 && (f->p[f->n_name + f->n_value - 1] == ' ' ||
	    f->p[f->n_name + f->n_value - 1] == '\t'))
		f->n_value--;
}

int
req_name_add(struct req *r, const char *p, size_t n)
{
	struct field *f;
	char *text;
	int status;

	trim_last(r);
	if (r->n_fields >= (unsigned)r->shard->conf->limit_request_fields)
		return 431;
	if (r->n_fields == r->cap_fields && more_fields(r) != 0)
		return 500;
	f = &r->fields[r->n_fields];
	f->n_name = 0;
	f->n_value = 0;
	/* The colon and the end of its line count, too. */
	status = charge(r, f, n + 3);
	if (status)
		return status;
	text = arena_grow(&r->arena, NULL, 0, n);
	if (!text)
		return 500;
	field_lower(text, p, n);
	f->p = text;
	f->n_name = (uint32_t)n;
	r->n_fields++;
	return 0;
}

/* Room for <n> bytes more behind the last field's text; NULL: none. */
static inline char *
grow_last(struct req *r, struct field *f, size_t n)
{
	size_t have = f->n_name + f->n_value;
	char *text = arena_grow(&r->arena, (char *)(uintptr_t)f->p, have,
	    have + n);

	if (!text)
		return NULL;
	f->p = text;
	return text + have;
}

int
req_name_more(struct req *r, const char *p, size_t n)
{
	struct field *f = &r->fields[r->n_fields - 1];
	int status = charge(r, f, n);
	char *text;

	if (status)
		return status;
	text = grow_last(r, f, n);
	if (!text)
		return 500;
	field_lower(text, p, n);
	f->n_name += (uint32_t)n;
	return 0;
}

int
req_value_add(struct req *r, const char *p, size_t n)
{
	struct field *f = &r->fields[r->n_fields - 1];
	int status = charge(r, f, n);
	char *text;

	if (status)
		return status;
	text = grow_last(r, f, n);
	if (!text)
		return 500;
	memcpy(text, p, n);
	f->n_value += (uint32_t)n;
	return 0;
}

void
req_head_end(struct req *r)
{
	trim_last(r);
}

static void
split_query(struct req *r, struct str s)
{
	const char *q = memchr(s.p, '?', s.n);

	r->path = s;
	if (!q)
		return;
	r->has_query = true;
	r->path.n = (size_t)(q - s.p);
	r->query = (struct str){ q + 1, s.n - r->path.n - 1 };
}

/* "http://host:80/path?query" (RFC 9112, 3.2.2); no userinfo. */
static int
split_absolute(struct req *r)
{
	struct str s = r->target;
	size_t n;

	if (s.n > 7 && str_ieq((struct str){ s.p, 7 }, STR("http://")))
		n = 7;
	else if (s.n > 8 && str_ieq((struct str){ s.p, 8 }, STR("https://")))
		n = 8;
	else
		return 400;
	s.p += n;
	s.n -= n;
	for (n = 0; n < s.n && s.p[n] != '/' && s.p[n] != '?'; n++)
		;
	r->authority = (struct str){ s.p, n };
	if (!field_is_host(r->authority))
		return 400;
	split_query(r, (struct str){ s.p + n, s.n - n });
	if (r->path.n == 0)
		r->path = STR("/");
	return 0;
}

int
req_target_end(struct req *r)
{
	if (!field_is_target(r->target))
		return 400;
	if (r->target.p[0] == '/') {
		split_query(r, r->target);
		return 0;
	}
	if (r->target.p[0] == '*') {
		/* The server as a whole: OPTIONS only (RFC 9112, 3.2.4). */
		if (r->target.n != 1 || !str_eq(r->method, STR("OPTIONS")))
			return 400;
		r->path = r->target;
		return 0;
	}
	return split_absolute(r);
}

const struct field *
req_field(const struct req *r, struct str name)
{
	for (unsigned i = 0; i < r->n_fields; i++)
		if (str_eq(field_name(&r->fields[i]), name))
			return &r->fields[i];
	return NULL;
}

/* ---- the application hears --------------------------------------------- */

static void
run(struct work *w)
{
	struct req *r = container_of(w, struct req, work);
	const struct app_ops *app = r->shard->app;
	uint8_t ev = r->events;

	r->events = 0;
	hold(r);
	if (ev & REQ_START) {
		struct slot *slot = r->shard->slot;

		r->started = true;
		r->shard->n_reqs++;
		/* One writer: no locked instruction. */
		atomic_store_explicit(&slot->requests, 1 +
		    atomic_load_explicit(&slot->requests,
		    memory_order_relaxed), memory_order_relaxed);
		app->start(r);
	}
	if ((ev & REQ_BODY) && r->wanted && !r->released) {
		r->wanted = false;
		app->body(r);
	}
	if ((ev & REQ_ROOM) && r->room_owed && !r->released) {
		r->room_owed = false;
		app->room(r);
	}
	if ((ev & REQ_GONE) && !r->released)
		app->gone(r);
	let_go(r);
}

void
req_tell(struct req *r, enum req_event event)
{
	if (r->released)
		return;
	r->events |= (uint8_t)event;
	work_queue(&r->shard->loop, &r->work);
}

void
req_queue(struct req *r)
{
	req_tell(r, REQ_START);
}

/* ---- the body ---------------------------------------------------------- */

int
req_body_add(struct req *r, const void *p, size_t n)
{
	if (bytes_put(&r->in, &r->shard->chunks, p, n) != 0)
		return -ENOMEM;
	r->received += n;
	if (r->wanted)
		req_tell(r, REQ_BODY);
	return 0;
}

void
req_body_end(struct req *r)
{
	r->body = BODY_END;
	if (r->wanted)
		req_tell(r, REQ_BODY);
}

void
req_body_cut(struct req *r, unsigned status)
{
	if (r->body != BODY_OPEN)
		return;
	r->body = BODY_CUT;
	r->cut_status = (uint16_t)status;
	if (r->wanted)
		req_tell(r, REQ_BODY);
}

bool
req_is_lost(const struct req *r)
{
	return r->lost || (r->conn && conn_is_dead(r->conn));
}

void
req_want(struct req *r)
{
	r->wanted = true;
	if (bytes_len(&r->in) > 0 || r->body != BODY_OPEN)
		req_tell(r, REQ_BODY);
	else if (r->conn)
		r->conn->proto->want(r);
}

size_t
req_take(struct req *r, void *to, size_t n)
{
	size_t before = bytes_len(&r->in);

	n = bytes_take(&r->in, &r->shard->chunks, to, n);
	/* Just fell below half: the protocol may read on. */
	if (r->conn && r->body == BODY_OPEN && before >= REQ_BODY_HIGH / 2 &&
	    before - n < REQ_BODY_HIGH / 2)
		r->conn->proto->want(r);
	return n;
}

/* ---- the end ----------------------------------------------------------- */

void
req_done(struct req *r)
{
	BUG_ON_HOT(r->done);
	hold(r);
	if (r->sse)
		sse_end(r);
	r->done = true;
	r->conn = NULL;
	if (!r->started)
		list_del(&r->work.node);
	else
		req_body_cut(r, 0);
	let_go(r);
}

void
req_lost(struct req *r)
{
	hold(r);
	r->lost = true;
	if (r->started) {
		req_body_cut(r, 0);
		req_tell(r, REQ_GONE);
	}
	req_done(r);
	let_go(r);
}

/* All that the client was promised is out, whatever came then. */
static bool
is_full(const struct res *h)
{
	return h->sent && (h->no_body || (h->length >= 0 &&
	    h->written == (uint64_t)h->length));
}

void
req_release(struct req *r)
{
	BUG_ON(r->released || !r->started);
	hold(r);
	/* Before the flag: the protocol may still ask what it was. */
	if (r->conn && !r->res.ended && is_full(&r->res))
		res_end(r);
	else if (r->conn && !r->res.ended)
		res_fail(r, r->cut_status ? r->cut_status : 500);
	r->released = true;
	r->shard->n_reqs--;
	let_go(r);
}
