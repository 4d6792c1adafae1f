/* See LICENSE for the terms. */
/* proto/res.h: the builder, and its way out through a protocol of our own. */
#include "tests/unit/h1_stub.h"

static struct str
of(const char *z)
{
	return (struct str){ z, strlen(z) };
}

static void
fields_are_kept_in_wire_form(void)
{
	struct res h = { .length = -1 };

	res_reset(&h);
	OK(res_status(&h, 200) == RES_OK);
	OK(res_field(&h, STR("X-A"), STR("1")) == RES_OK);
	OK(res_field(&h, STR("b"), STR("")) == RES_OK);
	OK(res_field(&h, STR("c"), STR("\t\x80 ~")) == RES_OK);
	OK(h.len == 22 && !memcmp(h.buf, "X-A: 1\r\nb: \r\nc: \t\x80 ~\r\n",
	    22));
	OK(!h.has_date && !h.has_server && !h.close && h.length == -1);
	res_fini(&h);
	OK(h.buf == NULL && h.cap == 0);
}

static void
what_would_break_the_wire_is_refused(void)
{
	static const char *const names[] = { "", " ", "a b", "a:", ":a",
		"a\r", "a\n", "a\r\nb", "\x80", "(", "a\t", "\x7f" };
	static const char *const values[] = { "\r", "\n", "a\r\nb: c",
		"a\nb", "\x01", "\x7f", "a\x0b", "\x1b[m" };
	struct res h = { .length = -1 };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		OK(res_field(&h, of(names[i]), STR("v")) == RES_BAD_NAME);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		OK(res_field(&h, STR("n"), of(values[i])) == RES_BAD_VALUE);
		/* Also where the field would be dropped. */
		OK(res_field(&h, STR("connection"), of(values[i])) ==
		    RES_BAD_VALUE);
	}
	OK(res_field(&h, STR("n"), (struct str){ "a\0b", 3 }) ==
	    RES_BAD_VALUE);
	OK(res_field(&h, (struct str){ "a\0b", 3 }, STR("v")) ==
	    RES_BAD_NAME);
	OK(h.len == 0);
	res_fini(&h);
}

static void
the_server_owns_framing(void)
{
	static const char *const dropped[] = { "Transfer-Encoding",
		"connection", "KEEP-ALIVE", "Upgrade", "proxy-Connection" };
	struct res h = { .length = -1 };

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		OK(res_field(&h, of(dropped[i]), STR("x")) == RES_OK);
	OK(h.len == 0 && !h.close);
	OK(res_field(&h, STR("Connection"), STR("a,close")) == RES_OK);
	OK(h.len == 0 && h.close);
	OK(res_field(&h, STR("DATE"), STR("x")) == RES_OK && h.has_date);
	OK(res_field(&h, STR("server"), STR("x")) == RES_OK && h.has_server);
	OK(h.len == 20);
	res_fini(&h);
}

static void
a_length_is_a_number_given_once(void)
{
	struct res h = { .length = -1 };

	OK(res_field(&h, STR("Content-Length"), STR("")) == RES_BAD_LENGTH);
	OK(res_field(&h, STR("Content-Length"), STR("-1")) == RES_BAD_LENGTH);
	OK(res_field(&h, STR("Content-Length"), STR("1,1")) ==
	    RES_BAD_LENGTH);
	OK(res_field(&h, STR("Content-Length"),
	    STR("9223372036854775808")) == RES_BAD_LENGTH);
	OK(res_field(&h, STR("Content-Length"), STR(" 7 ")) == RES_OK);
	OK(res_field(&h, STR("content-length"), STR("07")) == RES_OK);
	OK(res_field(&h, STR("content-length"), STR("8")) == RES_TWO_LENGTHS);
	OK(h.length == 7 && h.len == 0);
	res_fini(&h);
}

static void
a_status_is_a_final_one(void)
{
	static const unsigned bad[] = { 0, 1, 99, 100, 101, 103, 199, 1000,
		70000 };
	struct res h = { .length = -1 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		OK(res_status(&h, bad[i]) == RES_BAD_STATUS);
	for (unsigned status = 200; status < 1000; status++)
		OK(res_status(&h, status) == RES_OK && h.status == status);
	OK(str_eq(res_reason(200), STR("OK")));
	OK(str_eq(res_reason(418), STR("I'm a teapot")));
	OK(str_eq(res_reason(306), STR("Unknown")));
	OK(str_eq(res_reason(999), STR("Unknown")));
	OK(str_eq(res_status_line(404), STR("HTTP/1.1 404 Not Found\r\n")));
	OK(res_status_line(600).n == 0 && res_status_line(100).n == 0);
	for (int err = RES_BAD_STATUS; err <= RES_TWICE; err++)
		OK(strlen(res_error_text(err)) > 5);
}

static void
a_head_has_a_limit(void)
{
	struct res h = { .length = -1 };
	char value[1000];
	unsigned n = 0;
	int err;

	memset(value, 'v', sizeof(value));
	while ((err = res_field(&h, STR("name"), (struct str){ value,
	    sizeof(value) })) == RES_OK)
		n++;
	OK(err == RES_TOO_LARGE && n == RES_HEAD_MAX / 1008);
	OK(h.len == n * 1008 && h.cap <= RES_HEAD_MAX);
	res_reset(&h);
	OK(h.len == 0 && h.buf != NULL);
	res_fini(&h);
}

/* ---- through a request, with no connection behind it ------------------- */

static struct req *
request(struct stub *s, bool is_head)
{
	struct req *r = req_new(s->shard, NULL);

	r->is_head = is_head;
	r->started = true;
	s->shard->n_reqs++;
	return r;
}

static void
a_request_without_a_client_takes_everything(void)
{
	struct res other = { .length = -1 };
	struct stub s;
	struct req *r;

	stub_open(&s, NULL);
	r = request(&s, false);
	OK(res_start(r, &r->res) == RES_BAD_STATUS);
	OK(res_write(r, "early", 5) == 5);
	OK(res_status(&other, 200) == RES_OK);
	OK(res_field(&other, STR("a"), STR("b")) == RES_OK);
	OK(res_field(&other, STR("content-length"), STR("4")) == RES_OK);
	OK(res_start(r, &other) == RES_OK);
	OK(r->res.len == 6 && other.len == 0 && r->res.length == 4);
	OK(res_start(r, &other) == RES_TWICE);
	OK(res_excess(r, 4) == 0 && res_excess(r, 6) == 2);
	OK(res_write(r, "body", 4) == 4 && res_space(r) == SIZE_MAX);
	/* It went nowhere, so it is not whole, and nobody is there to tell. */
	OK(res_end(r) == -EPIPE && res_end(r) == -EPIPE);
	res_fini(&other);
	r->done = true;
	req_release(r);
	OK(s.shard->n_reqs == 0);
	stub_close(&s);
}

static void
lengths_are_only_said_where_they_are_true(void)
{
	static const struct {
		unsigned status;
		bool is_head;
		size_t n;
		int64_t length;
		bool no_body;
	} cases[] = {
		{ 200, false, 0, 0, false }, { 200, false, 7, 7, false },
		{ 200, true, 7, 7, true }, { 200, true, 0, -1, true },
		{ 204, false, 7, -1, true }, { 205, false, 7, 0, true },
		{ 304, false, 7, -1, true }, { 404, false, 7, 7, false },
		{ 204, true, 7, -1, true }, { 304, true, 7, -1, true },
	};
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct req *r = request(&s, cases[i].is_head);

		OK(res_status(&r->res, cases[i].status) == RES_OK);
		OK(res_start(r, &r->res) == RES_OK);
		res_last(r, cases[i].n);
		OK(r->res.length == cases[i].length);
		OK(r->res.no_body == cases[i].no_body);
		r->done = true;
		req_release(r);
	}
	stub_close(&s);
}

static void
trailers_lie_behind_the_fields(void)
{
	static const char *const of_the_head[] = {
		"Content-Length", "transfer-encoding", "Host", "TRAILER",
		"set-cookie", "content-type", "connection",
	};
	struct res h = { .length = -1 };

	OK(res_status(&h, 200) == RES_OK);
	OK(res_field(&h, STR("a"), STR("b")) == RES_OK);
	OK(res_trailer(&h, STR("X-C"), STR("d")) == RES_OK);
	OK(res_trailer(&h, STR("e"), STR("")) == RES_OK);
	OK(h.len == 6 && h.trailers == 13);
	OK(memcmp(h.buf, "a: b\r\nX-C: d\r\ne: \r\n", 19) == 0);
	for (size_t i = 0; i < ARRAY_LEN(of_the_head); i++)
		OK(res_trailer(&h, str_of(of_the_head[i]), STR("5")) ==
		    RES_BAD_TRAILER);
	OK(res_trailer(&h, STR("x y"), STR("")) == RES_BAD_NAME);
	OK(res_trailer(&h, STR("x"), STR("\r")) == RES_BAD_VALUE);
	OK(h.trailers == 13);
	res_reset(&h);
	OK(h.trailers == 0);
	res_fini(&h);
}

static void
tests(void)
{
	T(trailers_lie_behind_the_fields);
	T(fields_are_kept_in_wire_form);
	T(what_would_break_the_wire_is_refused);
	T(the_server_owns_framing);
	T(a_length_is_a_number_given_once);
	T(a_status_is_a_final_one);
	T(a_head_has_a_limit);
	T(a_request_without_a_client_takes_everything);
	T(lengths_are_only_said_where_they_are_true);
}

T_MAIN(tests)
