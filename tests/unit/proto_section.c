/* See LICENSE for the terms. */
/*
 * proto/section.h: a head whose fields came before is answered as one that is
 * parsed, whatever is different in it, and wherever it is split.
 */
#include "proto/section.h"
#include "tests/unit/faults.h"
#include "tests/unit/h1_mem.h"

#define FIELDS "Host: a\r\nX-One: 1 \r\nCookie: \te=f; g\r\nAccept: */*\r\n"
#define HEAD "GET /x?y HTTP/1.1\r\n" FIELDS "\r\n"

static struct stub s;
static unsigned n_known;		/* requests of a section */

static void
note_start(struct req *r)
{
	n_known += r->section != NULL;
	stub_start(r);
}

static const struct app_ops ops = {
	.start = note_start,
	.body = stub_body,
	.room = stub_room,
	.gone = stub_gone,
};

static void
open_stub(void)
{
	stub_open(&s, NULL);
	s.shard->app = &ops;
	n_known = 0;
}

/*
 * What comes of <text>, in pieces of <step> bytes (0: whole), behind <before>
 * requests of HEAD on its connection.  false: it was closed.
 */
static bool
talk(unsigned before, const char *text, size_t step, struct blob *out)
{
	struct blob all = { NULL, 0, 0 };
	size_t n = strlen(text), at;
	struct mem m;
	bool open = true;

	for (unsigned i = 0; i < before; i++)
		blob_add(&all, HEAD, strlen(HEAD));
	at = all.n;
	blob_add(&all, text, n);
	mem_open(&s, &m, all.p, out);
	for (unsigned i = 1; i <= before; i++)
		OK(mem_feed(&s, &m, i * strlen(HEAD)));
	out->n = 0;
	for (size_t i = 0; i < n && open; i += MIN(step, n - i)) {
		if (step == 0)
			step = n;
		open = mem_feed(&s, &m, at + i + MIN(step, n - i));
	}
	mem_end(&s, &m);
	blob_free(&all);
	return open;
}

static bool
same(const struct blob *a, const struct blob *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

/* As behind none, with the number of those that were not parsed. */
static void
is_the_same(const char *text, unsigned known)
{
	struct blob want = { NULL, 0, 0 }, got = { NULL, 0, 0 };
	bool open;

	open_stub();
	open = talk(0, text, 0, &want);
	stub_close(&s);
	open_stub();
	talk(3, "", 0, &got);
	for (size_t step = 0; step < strlen(text); step++) {
		unsigned before = n_known + 2;

		/* The first is parsed; it is known from then on. */
		OK(talk(3, text, step, &got) == open);
		OK(same(&want, &got));
		OK(step != 0 || n_known == before + known);
		got.n = 0;
	}
	blob_free(&want);
	blob_free(&got);
	stub_close(&s);
}

static void
what_came_before_is_said_again(void)
{
	is_the_same(HEAD, 1);
	/* Nothing of the request line is in it. */
	is_the_same("GET / HTTP/1.1\r\n" FIELDS "\r\n", 1);
	is_the_same("GET /z?%00 HTTP/1.1\r\n" FIELDS "\r\n", 1);
	is_the_same("HEAD / HTTP/1.1\r\n" FIELDS "\r\n", 1);
	is_the_same("POST /q HTTP/1.1\r\n" FIELDS "\r\n", 1);
	is_the_same("OPTIONS * HTTP/1.1\r\n" FIELDS "\r\n", 1);
	is_the_same(HEAD HEAD "GET /3 HTTP/1.1\r\n" FIELDS "\r\n", 3);
	is_the_same(HEAD "GET /closing HTTP/1.1\r\n" FIELDS "\r\n" HEAD, 2);
	/* What is behind it is the next one's. */
	is_the_same(HEAD "\r\n" HEAD, 2);
	is_the_same(HEAD "rubbish\r\n\r\n", 1);
}

static void
what_differs_is_parsed(void)
{
	/* In each of its bytes. */
	for (size_t i = strlen("GET /x?y HTTP/1.1"); i < strlen(HEAD); i++) {
		char text[] = HEAD;

		text[i] ^= 1;
		is_the_same(text, 0);
	}
	is_the_same("GET / HTTP/1.1\r\nHost: b\r\n\r\n", 0);
	is_the_same("GET / HTTP/1.1\r\n" FIELDS "X: y\r\n\r\n", 0);
	is_the_same("GET / HTTP/1.1\r\n" FIELDS FIELDS "\r\n", 0);
	is_the_same("GET / HTTP/1.1\r\n" FIELDS " folded\r\n\r\n", 0);
	is_the_same("GET / HTTP/1.1\r\n" FIELDS "Connection: close\r\n\r\n"
	    HEAD, 0);
	is_the_same("PUT / HTTP/1.1\r\n" FIELDS "Content-Length: 3\r\n\r\nabc"
	    HEAD, 1);
	/* What comes of the fields is not the same there. */
	is_the_same("GET / HTTP/1.0\r\n" FIELDS "\r\n", 0);
	is_the_same("GET http://a/ HTTP/1.1\r\n" FIELDS "\r\n", 0);
	is_the_same("GET http://b/ HTTP/1.1\r\n" FIELDS "\r\n", 0);
	/* The line before them is parsed in any case. */
	is_the_same("GET / HTTP/1.1 \r\n" FIELDS "\r\n", 0);
	is_the_same("GET / HTTP/2.1\r\n" FIELDS "\r\n", 0);
	is_the_same("GET  / HTTP/1.1\r\n" FIELDS "\r\n", 0);
	is_the_same("GET /# HTTP/1.1\r\n" FIELDS "\r\n", 0);
	is_the_same("CONNECT a:1 HTTP/1.1\r\n" FIELDS "\r\n", 0);
	is_the_same("NOTHING / HTTP/1.1\r\n" FIELDS "\r\n", 0);
}

/* So many of <text> on a connection; how many were not parsed. */
static unsigned
repeat(const char *text, unsigned times)
{
	struct blob out = { NULL, 0, 0 };
	int fd = stub_connect(&s);
	unsigned before = n_known;

	for (unsigned i = 0; i < times; i++)
		if (!stub_say(&s, fd, text, &out))
			break;
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	return n_known - before;
}

static void
what_depends_on_more_is_never_kept(void)
{
	static const char *const never[] = {
		"GET / HTTP/1.0\r\n" FIELDS "Connection: keep-alive\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\n" FIELDS "\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		"\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
	};

	open_stub();
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		OK(repeat(never[i], 5) == 0);
	stub_close(&s);
}

static void
long_ones_are_not_kept(void)
{
	char text[SECTION_MAX + 200];

	open_stub();
	for (int more = 0; more < 2; more++) {
		int n = snprintf(text, sizeof(text),
		    "GET / HTTP/1.1\r\nHost: a\r\nX: ");

		/* CRLF in front, twice behind: those count, too. */
		memset(text + n, 'x', sizeof(text) - (size_t)n);
		memcpy(text + SECTION_MAX - 4 + more +
		    strlen("GET / HTTP/1.1"), "\r\n\r\n", 5);
		OK(repeat(text, 5) == (more ? 0 : 3));
	}
	stub_close(&s);
}

static void
another_connection_knows_it_from_its_second_request_on(void)
{
	open_stub();
	OK(repeat(HEAD, 1) == 0);
	OK(repeat(HEAD, 1) == 0);
	OK(repeat(HEAD, 5) == 3);
	OK(repeat(HEAD, 1) == 0);
	OK(repeat(HEAD, 5) == 4);
	stub_close(&s);
}

/* More than there is room for; one of them is in use meanwhile. */
static void
others_take_the_place_of_what_is_in_use(void)
{
	char text[2][200];
	struct blob out = { NULL, 0, 0 }, want = { NULL, 0, 0 };
	int fd;

	open_stub();
	OK(repeat(HEAD, 3) == 1);
	fd = stub_connect(&s);
	stub_say(&s, fd, HEAD, &want);
	want.n = 0;
	stub_say(&s, fd, HEAD, &want);
	OK(n_known == 2);
	/* Its head is whole, and waits for the application to read. */
	OK(stub_say(&s, fd, "GET /hang HTTP/1.1\r\n" FIELDS "\r\n", &out));
	OK(n_known == 3 && out.n == 0);
	for (int i = 0; i < 40 * SECTIONS; i++) {
		snprintf(text[0], sizeof(text[0]),
		    "GET / HTTP/1.1\r\nHost: a\r\nX-%d: %d\r\n\r\n", i, i);
		OK(repeat(text[0], 3) == 1);
	}
	/* Now it is freed. */
	close(fd);
	stub_settle(&s);
	OK(s.seen.gone == 1);
	OK(repeat(HEAD, 4) == 2);
	blob_free(&out);
	blob_free(&want);
	stub_close(&s);
}

/* Between requests with a number of their own, so many alike. */
static unsigned
known_after_changes(unsigned changes, unsigned alike)
{
	struct blob out = { NULL, 0, 0 };
	unsigned before;
	char text[200];
	int fd = stub_connect(&s);

	for (unsigned i = 0; i < changes; i++) {
		snprintf(text, sizeof(text),
		    "GET / HTTP/1.1\r\nHost: a\r\nTrace: %u\r\n\r\n", i);
		OK(stub_say(&s, fd, text, &out));
	}
	before = n_known;
	for (unsigned i = 0; i < alike; i++)
		OK(stub_say(&s, fd, HEAD, &out));
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	return n_known - before;
}

static void
a_client_that_always_changes_is_looked_at_seldom(void)
{
	for (unsigned changes = 0; changes < 70; changes++) {
		unsigned known;

		open_stub();
		known = known_after_changes(changes, 100);
		/* Two are parsed in any case. */
		OK(known <= 98 && known >= 60);
		OK(changes >= 3 || known == 98);
		OK(changes < 3 || known < 98);
		stub_close(&s);
	}
}

static void
without_memory_it_is_parsed_again(void)
{
	for (unsigned round = 0; round < 2; round++) {
		struct faults f = faults_of(round == 0 ? 1 : UINT_MAX);

		open_stub();
		/* So that the pools have what requests need. */
		repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
		while (faults_next(&f)) {
			struct blob out = { NULL, 0, 0 };
			int fd = stub_connect(&s);

			section_fini(s.shard);
			faults_begin(&f);
			for (int i = 0; i < 4; i++)
				stub_say(&s, fd, "GET /nothing HTTP/1.1\r\n"
				    FIELDS "\r\n", &out);
			faults_end(&f);
			OK(f.failed || blob_count(&out, " 500 ") == 4);
			close(fd);
			stub_settle(&s);
			blob_free(&out);
			OK(repeat(HEAD, 3) >= 1);
		}
		stub_close(&s);
	}
}

static void
tests(void)
{
	T(what_came_before_is_said_again);
	T(what_differs_is_parsed);
	T(what_depends_on_more_is_never_kept);
	T(long_ones_are_not_kept);
	T(another_connection_knows_it_from_its_second_request_on);
	T(others_take_the_place_of_what_is_in_use);
	T(a_client_that_always_changes_is_looked_at_seldom);
	T(without_memory_it_is_parsed_again);
}

T_MAIN(tests)
