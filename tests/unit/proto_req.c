/* See LICENSE for the terms. */
/* proto/req.h: the head as it grows, targets, the body's queue, letting go. */
#include "tests/unit/h1_stub.h"

static struct req *
fresh(struct stub *s, struct str method)
{
	struct req *r = req_new(s->shard, NULL);

	r->method = method;
	return r;
}

struct split {
	const char *method, *target;
	int status;
	const char *path, *query, *authority;
};

static void
targets_are_split(void)
{
	static const struct split cases[] = {
		{ "GET", "/", 0, "/", NULL, "" },
		{ "GET", "/a/b?c=d?e", 0, "/a/b", "c=d?e", "" },
		{ "GET", "/?", 0, "/", "", "" },
		{ "GET", "//a//b", 0, "//a//b", NULL, "" },
		{ "GET", "/..%2f%00", 0, "/..%2f%00", NULL, "" },
		{ "GET", "http://h", 0, "/", NULL, "h" },
		{ "GET", "HTTP://h:8/p", 0, "/p", NULL, "h:8" },
		{ "GET", "https://[::1]?q", 0, "/", "q", "[::1]" },
		{ "OPTIONS", "*", 0, "*", NULL, "" },
		{ "GET", "*", 400, NULL, NULL, NULL },
		{ "OPTIONS", "*x", 400, NULL, NULL, NULL },
		{ "GET", "x", 400, NULL, NULL, NULL },
		{ "GET", "h:80", 400, NULL, NULL, NULL },
		{ "GET", "http://", 400, NULL, NULL, NULL },
		{ "GET", "http:///x", 400, NULL, NULL, NULL },
		{ "GET", "http://u@h/", 400, NULL, NULL, NULL },
		{ "GET", "/a#b", 400, NULL, NULL, NULL },
		{ "GET", "/a b", 400, NULL, NULL, NULL },
		{ "GET", "/\x80", 400, NULL, NULL, NULL },
	};
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct split *c = &cases[i];
		struct req *r = fresh(&s, stub_str(c->method));
		size_t n = strlen(c->target);

		for (size_t k = 0; k < n; k++)
			OK(req_target_add(r, c->target + k, 1) == 0);
		OK(str_eq(r->target, stub_str(c->target)));
		OK(req_target_end(r) == c->status);
		if (c->status == 0) {
			OK(str_eq(r->path, stub_str(c->path)));
			OK(r->has_query == (c->query != NULL));
			OK(str_eq(r->query, str_of(c->query)));
			OK(str_eq(r->authority, stub_str(c->authority)));
		}
		req_done(r);
	}
	stub_close(&s);
}

static void
add_field(struct req *r, const char *name, const char *value, size_t step)
{
	size_t n = strlen(name), k;

	for (size_t i = 0; i < n; i += step) {
		k = MIN(step, n - i);
		OK((i ? req_name_more(r, name + i, k) :
		    req_name_add(r, name, k)) == 0);
	}
	n = strlen(value);
	for (size_t i = 0; i < n; i += step)
		OK(req_value_add(r, value + i, MIN(step, n - i)) == 0);
}

static void
fields_are_stored_lowered_trimmed_and_together(void)
{
	struct stub s;

	stub_open(&s, NULL);
	for (size_t step = 1; step < 40; step++) {
		struct req *r = fresh(&s, STR("GET"));
		const struct field *f;
		char name[16];

		add_field(r, "Content-TYPE_x", "Text/Html; \xe9 \t ", step);
		for (int i = 0; i < 60; i++) {
			snprintf(name, sizeof(name), "N-%d", i);
			add_field(r, name, i % 2 ? "" : name, step);
		}
		req_head_end(r);
		OK(r->n_fields == 61);
		f = req_field(r, STR("content-type_x"));
		OK(f && str_eq(field_value(f), STR("Text/Html; \xe9")));
		OK(f && field_value(f).p == field_name(f).p + f->n_name);
		f = req_field(r, STR("n-58"));
		OK(f && str_eq(field_value(f), STR("N-58")));
		f = req_field(r, STR("n-59"));
		OK(f && f->n_value == 0);
		OK(req_field(r, STR("n-60")) == NULL);
		OK(req_field(r, STR("N-58")) == NULL);
		req_done(r);
	}
	stub_close(&s);
}

/* The largest head there may be, in the most wasteful order of pieces. */
static void
every_head_within_the_limits_finds_memory(void)
{
	struct stub s;
	struct req *r;
	char byte = 'a';
	int err = 0;

	stub_open(&s, NULL);
	r = fresh(&s, STR("GET"));
	for (int i = 0; i < 8179 && !err; i++)
		err = req_target_add(r, &byte, 1);
	OK(err == 0 && req_target_add(r, &byte, 1) == 414);
	for (int f = 0; f < 4; f++) {
		OK(req_name_add(r, &byte, 1) == 0);
		for (int i = 0; i < 8188 && !err; i++)
			err = req_value_add(r, &byte, 1);
		OK(err == 0);
	}
	OK(req_name_add(r, &byte, 1) == 431);
	req_done(r);

	r = fresh(&s, STR("GET"));
	for (int f = 0; f < 100 && !err; f++) {
		err = req_name_add(r, &byte, 1);
		for (int i = 0; i < 320 && !err; i++)
			err = req_value_add(r, &byte, 1);
	}
	OK(err == 0 && r->n_fields == 100);
	OK(req_name_add(r, &byte, 1) == 431);
	req_done(r);
	stub_close(&s);
}

static void
a_body_is_a_queue_with_an_end(void)
{
	struct stub s;
	struct req *r;
	char buf[64];

	stub_open(&s, NULL);
	r = fresh(&s, STR("POST"));
	OK(!req_is_read(r) && req_take(r, buf, 64) == 0);
	OK(req_body_add(r, "hello ", 6) == 0);
	OK(req_body_add(r, "world", 5) == 0);
	OK(r->received == 11);
	OK(req_take(r, buf, 8) == 8 && !memcmp(buf, "hello wo", 8));
	req_body_end(r);
	OK(!req_is_read(r));
	OK(req_take(r, buf, 64) == 3 && req_is_read(r));
	/* What is whole cannot be cut any more. */
	req_body_cut(r, 400);
	OK(r->body == BODY_END);
	req_done(r);
	stub_close(&s);
}

static void
a_request_nobody_heard_of_vanishes(void)
{
	struct stub s;
	struct req *r;

	stub_open(&s, NULL);
	r = fresh(&s, STR("GET"));
	req_queue(r);
	OK(shard_has_work(s.shard));
	req_lost(r);
	OK(!shard_has_work(s.shard));
	stub_settle(&s);
	OK(s.seen.started == 0 && s.shard->n_reqs == 0);
	stub_close(&s);
}

static void
slots_are_used_again_and_empty(void)
{
	struct stub s;
	struct req *r;

	stub_open(&s, NULL);
	for (int i = 0; i < 1000; i++) {
		r = fresh(&s, STR("GET"));
		OK(r->n_fields == 0 && r->target.n == 0 && !r->chunked);
		OK(r->length == -1 && r->body == BODY_OPEN && !r->events);
		OK(bytes_len(&r->in) == 0 && !r->done && !r->released);
		OK(r->res.length == -1 && r->res.len == 0 && !r->res.started);
		OK(req_target_add(r, "/", 1) == 0);
		add_field(r, "a", "b", 1);
		OK(req_body_add(r, "x", 1) == 0);
		OK(res_status(&r->res, 200) == 0);
		OK(res_field(&r->res, STR("a"), STR("b")) == 0);
		r->chunked = true;
		req_done(r);
		OK(s.shard->n_req_pool <= 1);
	}
	stub_close(&s);
}

static void
structs_stay_within_their_budgets(void)
{
	OK(sizeof(struct field) == 16);
	OK(sizeof(struct res) <= 88);
	OK(sizeof(struct req) <= 1024);
}

static void
tests(void)
{
	T(targets_are_split);
	T(fields_are_stored_lowered_trimmed_and_together);
	T(every_head_within_the_limits_finds_memory);
	T(a_body_is_a_queue_with_an_end);
	T(a_request_nobody_heard_of_vanishes);
	T(slots_are_used_again_and_empty);
	T(structs_stay_within_their_budgets);
}

T_MAIN(tests)
