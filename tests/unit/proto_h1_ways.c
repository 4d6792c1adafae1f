/* See LICENSE for the terms. */
/*
 * The rarer ways out of a response over HTTP/1: hints before it, trailers
 * behind it, files in it, and bodies that are lent.
 */
#include <sys/mman.h>

#include "core/file.h"
#include "tests/unit/h1_stub.h"

#define GET10 "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define GET11 "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD11 "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct stub stub;
static struct req *opened;

static void
let_go(struct req *r)
{
	opened = NULL;
	stub.seen.released++;
	req_release(r);
}

static void
app_start(struct req *r)
{
	stub.seen.started++;
	opened = r;
}

/* What is left of a file to be sent; the response ends behind it. */
static struct {
	struct file *f;
	uint64_t at;
	size_t n;
} rest;

static void
app_send(struct req *r)
{
	size_t k = res_write_file(r, rest.f, rest.at, rest.n);

	stub.seen.rooms++;
	rest.at += k;
	rest.n -= k;
	if (rest.n > 0)
		return;
	stub.seen.err = res_end(r);
	let_go(r);
}

static const struct app_ops ops = { .start = app_start, .body = let_go,
	.room = app_send, .gone = let_go };

static struct blob out;

static int
ask(const char *text)
{
	int fd = stub_connect(&stub);

	out.n = 0;
	blob_add(&out, "", 0);
	OK(stub_say(&stub, fd, text, &out));
	OK(opened != NULL);
	return fd;
}

static void
leave(int fd)
{
	close(fd);
	stub_settle(&stub);
	OK(!opened && stub.shard->n_conns == 0);
}

static void
begin(void)
{
	stub_open(&stub, NULL);
	stub.shard->app = &ops;
}

static void
end(void)
{
	blob_free(&out);
	stub_close(&stub);
}

static void
begin_response(const char *length)
{
	struct res *h = &opened->res;

	OK(res_status(h, 200) == 0);
	if (length)
		OK(res_field(h, STR("content-length"), str_of(length)) == 0);
	OK(res_start(opened, h) == 0);
}

static void
finish(void)
{
	stub.seen.err = res_end(opened);
	let_go(opened);
}

/* ---- hints --------------------------------------------------------------- */

static void
hint(const char *value)
{
	struct res h = { .length = -1 };

	OK(res_field(&h, STR("link"), str_of(value)) == 0);
	res_hint(opened, &h);
	OK(h.len == 0);
	res_fini(&h);
}

static void
hints_go_before_the_response(void)
{
	int fd;

	begin();
	fd = ask(GET11);
	hint("</a>");
	OK(stub_say(&stub, fd, "", &out));
	OK_STR(out.p, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
	hint("</b>");
	begin_response("2");
	/* Too late. */
	hint("</c>");
	OK(res_write(opened, "ok", 2) == 2);
	finish();
	OK(stub_say(&stub, fd, "", &out));
	OK_STR(out.p, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
	    "HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n"
	    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
	leave(fd);

	/* HTTP/1.0 knows no interim responses. */
	fd = ask(GET10);
	hint("</a>");
	begin_response("0");
	finish();
	OK(stub_say(&stub, fd, "", &out));
	OK(!strncmp(out.p, "HTTP/1.1 200 OK\r\n", 17));
	leave(fd);
	end();
}

static void
hints_that_nobody_takes_are_bounded(void)
{
	char value[1000];
	int fd;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	begin();
	fd = ask(GET11);
	for (int i = 0; i < 1000; i++)
		hint(value);
	OK(bytes_len(&opened->conn->out) >= CONN_OUT_HIGH);
	OK(bytes_len(&opened->conn->out) < CONN_OUT_HIGH + 2000);
	leave(fd);
	end();
}

/* ---- trailers ------------------------------------------------------------ */

static void
begin_with_trailers(const char *length)
{
	opened->res.has_trailers = true;
	begin_response(length);
}

static void
trailers_go_behind_chunks(void)
{
	int fd;

	begin();
	fd = ask(GET11);
	begin_with_trailers(NULL);
	/* The last piece gives no length: they would have no place. */
	res_last(opened, 2);
	OK(res_write(opened, "ok", 2) == 2);
	OK(res_trailer(&opened->res, STR("X-A"), STR("b")) == 0);
	OK(res_trailer(&opened->res, STR("X-C"), STR("d")) == 0);
	finish();
	OK(stub_say(&stub, fd, "", &out));
	OK_STR(out.p, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
	    "2\r\nok\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n");
	leave(fd);

	/* Behind no body at all. */
	fd = ask(GET11);
	begin_with_trailers(NULL);
	OK(res_trailer(&opened->res, STR("X-A"), STR("b")) == 0);
	finish();
	OK(stub_say(&stub, fd, "", &out));
	OK_STR(out.p, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
	    "0\r\nX-A: b\r\n\r\n");
	leave(fd);
	end();
}

static void
trailers_without_chunks_are_dropped(void)
{
	static const struct {
		const char *request, *length, *body;
	} cases[] = {
		{ GET11, "2", "\r\ncontent-length: 2\r\n\r\nok" },
		{ GET10, NULL, "\r\nconnection: close\r\n\r\nok" },
		{ HEAD11, NULL, "\r\n\r\n" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int fd = ask(cases[i].request);
		char want[200];

		begin_with_trailers(cases[i].length);
		OK(res_write(opened, "ok", 2) == 2);
		OK(res_trailer(&opened->res, STR("X-A"), STR("b")) == 0);
		finish();
		stub_say(&stub, fd, "", &out);
		snprintf(want, sizeof(want), "HTTP/1.1 200 OK%s",
		    cases[i].body);
		OK_STR(out.p, want);
		leave(fd);
	}
	end();
}

/* ---- files --------------------------------------------------------------- */

enum { SIZE = 900000 };

static char data[SIZE];

static struct file *
data_file(void)
{
	int fd = memfd_create("data", MFD_CLOEXEC);

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)('a' + i * 7 % 26);
	OK(write(fd, data, SIZE) == SIZE);
	return file_new(fd);
}

static void
send_file(struct file *f, uint64_t at, size_t n)
{
	rest.f = f;
	rest.at = at;
	rest.n = n;
	app_send(opened);
}

/* The body of <out>, of which the head has to be <head>; NULL: it is not. */
static const char *
body_behind(const char *head)
{
	size_t n = strlen(head);

	return OK(out.n >= n && !memcmp(out.p, head, n)) ? out.p + n : NULL;
}

static void
a_file_goes_with_its_length(void)
{
	struct file *f = data_file();
	const char *body;
	int fd;

	begin();
	fd = ask(GET11);
	begin_response("900000");
	send_file(f, 0, SIZE);
	/* More than may wait: the rest is asked for. */
	OK(opened && rest.n > 0 && rest.n == SIZE - CONN_OUT_HIGH);
	OK(stub_say(&stub, fd, GET11, &out));
	body = body_behind("HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n"
	    "\r\n");
	OK(body && !memcmp(body, data, SIZE));
	OK(stub.seen.rooms > 2 && stub.seen.err == 0);
	/* The next request on the connection has begun. */
	OK(opened != NULL);
	leave(fd);
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	end();
}

static void
a_file_goes_in_chunks(void)
{
	struct file *f = data_file();
	const char *body;
	int fd;

	begin();
	fd = ask(GET11);
	begin_response(NULL);
	OK(res_write(opened, "one", 3) == 3);
	OK(res_write_file(opened, f, 100, 26) == 26);
	OK(res_write(opened, "two", 3) == 3);
	finish();
	OK(stub_say(&stub, fd, "", &out));
	body = body_behind("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
	    "\r\n3\r\none\r\n1a\r\n");
	OK(body && !memcmp(body, data + 100, 26));
	OK(body && !strcmp(body + 26, "\r\n3\r\ntwo\r\n0\r\n\r\n"));
	leave(fd);

	/* First, and without a length known. */
	fd = ask(GET10);
	begin_response(NULL);
	send_file(f, 5, 1000);
	stub_say(&stub, fd, "", &out);
	body = body_behind("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
	OK(body && out.p + out.n == body + 1000);
	OK(body && !memcmp(body, data + 5, 1000));
	leave(fd);
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	end();
}

static void
a_large_body_is_lent_in_any_framing(void)
{
	static const struct {
		const char *ask, *length, *head, *tail;
	} way[] = {
		{ GET11, "10000", "HTTP/1.1 200 OK\r\n"
		    "content-length: 10000\r\n\r\n", "" },
		{ GET11, NULL, "HTTP/1.1 200 OK\r\n"
		    "transfer-encoding: chunked\r\n\r\n2710\r\n",
		    "\r\n0\r\n\r\n" },
		{ GET10, NULL, "HTTP/1.1 200 OK\r\n"
		    "connection: close\r\n\r\n", "" },
	};
	char part[10000];

	memset(part, 'x', sizeof(part));
	begin();
	for (size_t i = 0; i < ARRAY_LEN(way); i++) {
		int fd = ask(way[i].ask);
		const char *body;

		begin_response(way[i].length);
		OK(stub_lend(opened, part, sizeof(part)) == sizeof(part));
		OK(stub.lent == 1);
		finish();
		stub_say(&stub, fd, "", &out);
		body = body_behind(way[i].head);
		OK(body && !memcmp(body, part, sizeof(part)));
		OK(body && !strcmp(body + sizeof(part), way[i].tail));
		OK(stub.lent == 0);
		leave(fd);
	}
	end();
}

static void
what_is_small_or_goes_nowhere_is_not_lent(void)
{
	char part[10000];
	int fd;

	memset(part, 'x', sizeof(part));
	begin();
	fd = ask(GET11);
	begin_response("8000");
	OK(stub_lend(opened, part, 8000) == 8000 && stub.lent == 0);
	finish();
	leave(fd);
	fd = ask(HEAD11);
	begin_response("10000");
	OK(stub_lend(opened, part, 10000) == 10000 && stub.lent == 0);
	finish();
	leave(fd);
	/* The output is full, and then the client is lost. */
	fd = ask(GET11);
	begin_response(NULL);
	while (stub_lend(opened, part, sizeof(part)) == sizeof(part))
		;
	OK(stub.lent > 0);
	conn_abort(opened->conn);
	leave(fd);
	OK(stub.lent == 0);
	end();
}

static void
a_file_never_reaches_the_next_response(void)
{
	struct file *f = data_file();
	const char *body;
	int fd;

	begin();
	/* Longer than was said. */
	fd = ask(GET11);
	begin_response("10");
	send_file(f, 0, 50);
	OK(stub.seen.err == 0);
	OK(stub_say(&stub, fd, "", &out));
	body = body_behind("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n");
	OK(body && out.p + out.n == body + 10 && !memcmp(body, data, 10));
	leave(fd);

	/* Shorter: it is cut, and what was asked behind it not answered. */
	fd = ask(GET11 GET11);
	begin_response("60");
	send_file(f, 0, 50);
	OK(stub.seen.err == -EPIPE);
	OK(!stub_say(&stub, fd, "", &out));
	OK(blob_count(&out, "HTTP/1.1 ") == 1 && !opened);
	leave(fd);

	/* Where there is no body there is none of it. */
	fd = ask(HEAD11);
	begin_response("900000");
	send_file(f, 0, SIZE);
	OK(stub_say(&stub, fd, "", &out));
	OK_STR(out.p, "HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n");
	leave(fd);

	/* One who leaves holds it no longer. */
	fd = ask(GET11);
	begin_response("900000");
	send_file(f, 0, SIZE);
	leave(fd);
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	end();
}

/* ---- ends that nobody knew of when the head went ------------------------- */

static void
keep_on(struct req *r)
{
	stub.seen.gone++;
	(void)r;
}

/* A response of which the head has said that the connection stays. */
static int
ask_and_begin(void)
{
	int fd = ask(GET11);

	begin_response(NULL);
	OK(res_write(opened, "one", 3) == 3);
	OK(stub_say(&stub, fd, "", &out));
	OK(blob_has(&out, "3\r\none\r\n") && !blob_has(&out, "close"));
	return fd;
}

static void
the_connection_ends_behind_a_response_that_said_nothing_of_it(void)
{
	struct app_ops stays = ops;
	int fd;

	stays.gone = keep_on;
	begin();
	stub.shard->app = &stays;
	/* The client has shut its side meanwhile: it asks no more. */
	fd = ask_and_begin();
	shutdown(fd, SHUT_WR);
	OK(stub_say(&stub, fd, "", &out) && stub.seen.gone == 1);
	finish();
	OK(!stub_say(&stub, fd, "", &out));
	OK(blob_has(&out, "0\r\n\r\n"));
	leave(fd);

	/* The server stops, and the time of idle connections is over. */
	fd = ask_and_begin();
	shard_drain(stub.shard);
	stub_sleep(&stub, 1000);
	OK(stub_say(&stub, fd, "", &out));
	finish();
	OK(!stub_say(&stub, fd, "", &out));
	OK(blob_has(&out, "0\r\n\r\n"));
	leave(fd);
	end();
}

static void
tests(void)
{
	T(hints_go_before_the_response);
	T(hints_that_nobody_takes_are_bounded);
	T(trailers_go_behind_chunks);
	T(trailers_without_chunks_are_dropped);
	T(a_file_goes_with_its_length);
	T(a_file_goes_in_chunks);
	T(a_large_body_is_lent_in_any_framing);
	T(what_is_small_or_goes_nowhere_is_not_lent);
	T(a_file_never_reaches_the_next_response);
	T(the_connection_ends_behind_a_response_that_said_nothing_of_it);
}

T_MAIN(tests)
