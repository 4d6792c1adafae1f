/* See LICENSE for the terms. */
/*
 * HTTP/1 over a socket pair, through the real connection and shard: good
 * requests, whole and at every split, and everything the response's side
 * promises.
 */
#include "proto/h1_priv.h"
#include "tests/unit/h1_stub.h"

/* Two requests at once. */
#define TWO \
	"GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n" \
	"GET /early?2 HTTP/1.1\r\nHost: a\r\n\r\n"

static void
ask(struct stub *s, const char *text, struct blob *out)
{
	out->n = 0;
	stub_talk(s, text, strlen(text), 0, out);
}

/* One connection, one text, and the whole answer. */
static void
gives(struct stub *s, const char *text, const char *want)
{
	struct blob out = { NULL, 0, 0 };

	blob_add(&out, "", 0);
	ask(s, text, &out);
	OK_STR(out.p, want);
	blob_free(&out);
}

static void
a_plain_get_is_answered_in_one_piece(void)
{
	struct stub s;

	stub_open(&s, NULL);
	gives(&s, "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nX-Y:  z \t\r\n"
	    "Empty:\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 38\r\n\r\n"
	    "GET /a/b?c=d 1.1\nhost=x|x-y=z|empty=|\n");
	stub_close(&s);
}

/* Messages with everything that may be split in a wrong place. */
static const char *const good[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /p?q HTTP/1.0\r\n\r\n",
	"\r\n\r\nGET / HTTP/1.1\r\nHost: a.b:80\r\nConnection: close\r\n\r\n",
	"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
	"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ChunkeD\r\n\r\n"
	"5\r\nhello\r\n00A;ext=\"a;b\\\"\";x=y\r\n0123456789\r\n"
	"0;last\r\nX-Trailer: t\r\nEmpty:\r\n\r\n",
	"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n"
	"PUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"GET http://A:80/b HTTP/1.1\r\nHost: a:80\r\n\r\n",
	"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: [::1]:8000\r\nX: \t a\tb \xff \r\n\r\n",
	"GET /early?5 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
	"GET / HTTGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n"
	"Connection: Upgrade, HTTP2-Settings\r\n\r\n"
	"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\"<>\\^`{|}%00 HTTP/1.1\r\nhOSt: a\r\n\r\n",
	"M-SEARCH /big?20 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
	"GET /sized?3 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
	"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
};

static void
every_split_gives_the_same(void)
{
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct blob whole = { NULL, 0, 0 }, part = { NULL, 0, 0 };
		size_t n = strlen(good[i]);
		bool open = stub_talk(&s, good[i], n, 0, &whole);

		OK(blob_has(&whole, "HTTP/1.1 200 OK") &&
		    !blob_has(&whole, "HTTP/1.1 4"));
		OK(stub_talk(&s, good[i], n, 1, &part) == open);
		if (!OK(part.n == whole.n && !memcmp(part.p, whole.p, part.n)))
			fprintf(stderr, "%s\ngives\n%s\nbytewise\n%s\n",
			    good[i], whole.p, part.p);
		for (size_t k = 1; k < n; k++) {
			int fd = stub_connect(&s);

			part.n = 0;
			stub_send(&s, fd, good[i], k, &part);
			OK(stub_send(&s, fd, good[i] + k, n - k, &part) ==
			    open);
			OK(part.n == whole.n &&
			    !memcmp(part.p, whole.p, part.n));
			close(fd);
		}
		blob_free(&whole);
		blob_free(&part);
	}
	stub_close(&s);
}

static void
pipelined_requests_are_answered_in_order(void)
{
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	char text[64], *at;
	struct stub s;

	stub_open(&s, NULL);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "GET /echo?%04d HTTP/1.1\r\n"
		    "Host: a\r\n\r\n", i);
		blob_add(&in, text, strlen(text));
	}
	OK(stub_talk(&s, in.p, in.n, 0, &out));
	OK(s.seen.started == 1000);
	at = out.p;
	for (int i = 0; i < 1000 && at; i++) {
		snprintf(text, sizeof(text), "GET /echo?%04d 1.1\n", i);
		at = strstr(at, text);
		OK(at != NULL);
	}
	OK(blob_count(&out, "HTTP/1.1 200 OK") == 1000);
	blob_free(&in);
	blob_free(&out);
	stub_close(&s);
}

/* What a connection's memory is at most, in <most> each. */
static void
note_most(const struct stub *s, size_t most[2])
{
	const struct conn *c;
	const struct list *n = list_empty(&s->shard->conns) ?
	    list_first(&s->shard->idle) : list_first(&s->shard->conns);

	if (!n)
		return;
	c = container_of(n, const struct conn, node);
	most[0] = MAX(most[0], bytes_len(&c->in));
	most[1] = MAX(most[1], bytes_len(&c->out));
}

static void
ten_thousand_pipelined_requests_take_bounded_memory(void)
{
	const char *one = "GET /sized?99 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	size_t sent = 0, most[2] = { 0, 0 };
	bool open = true;
	struct stub s;
	int fd;

	stub_open(&s, NULL);
	for (int i = 0; i < 10000; i++)
		blob_add(&in, one, strlen(one));
	fd = stub_connect(&s);
	/* First as much as it takes of a client that reads nothing... */
	for (int stuck = 0; stuck < 10;) {
		ssize_t k = send(fd, in.p + sent, in.n - sent, MSG_NOSIGNAL);

		stuck = k > 0 ? 0 : stuck + 1;
		sent += k > 0 ? (size_t)k : 0;
		stub_turn(&s);
		note_most(&s, most);
	}
	OK(sent < in.n && s.seen.started < 10000);
	/* ...then the rest, with its answers. */
	while (open) {
		ssize_t k = send(fd, in.p + sent, in.n - sent, MSG_NOSIGNAL);

		sent += k > 0 ? (size_t)k : 0;
		stub_turn(&s);
		note_most(&s, most);
		open = stub_recv(fd, &out);
	}
	OK(s.seen.started == 10000);
	OK(blob_count(&out, "HTTP/1.1 200 OK") == 10000);
	OK(blob_count(&out, "connection: close") == 1);
	OK(most[0] > 0 && most[0] <= SHARD_RBUF);
	OK(most[1] > 0 && most[1] <= CONN_OUT_HIGH + 1024);
	close(fd);
	blob_free(&in);
	blob_free(&out);
	stub_close(&s);
}

static void
a_client_that_reads_nothing_is_not_answered_for_ever(void)
{
	const char *one = "GET /sized?5000 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	stub_open(&s, NULL);
	for (int i = 0; i < 1000; i++)
		blob_add(&in, one, strlen(one));
	fd = stub_connect(&s);
	OK(send(fd, in.p, in.n, 0) == (ssize_t)in.n);
	for (int i = 0; i < 2000; i++)
		stub_turn(&s);
	/* The socket's buffer and ours, and no more. */
	OK(s.seen.started < 300);
	OK(stub_say(&s, fd, "", &out));
	OK(s.seen.started == 1000);
	OK(blob_count(&out, "HTTP/1.1 200 OK") == 1000);
	close(fd);
	blob_free(&in);
	blob_free(&out);
	stub_close(&s);
}

static void
small_answers_fill_the_output_too(void)
{
	const char *const options[] = { "--keep-alive-requests=99999", NULL };
	const char *one = "GET /early?60 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	size_t sent = 0;
	struct stub s;
	int fd;

	stub_open(&s, options);
	for (int i = 0; i < 30000; i++)
		blob_add(&in, one, strlen(one));
	fd = stub_connect(&s);
	for (int i = 0; i < 20000 && sent < in.n; i++) {
		ssize_t n = send(fd, in.p + sent, in.n - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		stub_turn(&s);
	}
	OK(sent < in.n && s.seen.started < 10000);
	OK(bytes_len(&container_of(list_first(&s.shard->conns), struct conn,
	    node)->out) < 2 * CONN_OUT_HIGH);
	OK(stub_send(&s, fd, in.p + sent, in.n - sent, &out));
	OK(s.seen.started == 30000);
	OK(blob_count(&out, "HTTP/1.1 200 OK") == 30000);
	close(fd);
	blob_free(&in);
	blob_free(&out);
	stub_close(&s);
}

static void
heads_of_any_size_are_sent(void)
{
	static const unsigned sizes[] = { 100, 7500, 7800, 7900, 8000, 8100,
		8192, 20000, 60000 };
	struct stub s;

	stub_open(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct blob out = { NULL, 0, 0 };
		char text[128];
		unsigned n = (sizes[i] + 104) / 105;

		snprintf(text, sizeof(text), "GET /heavy?%u HTTP/1.1\r\n"
		    "Host: a\r\n\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n",
		    sizes[i]);
		ask(&s, text, &out);
		OK(!memcmp(out.p, "HTTP/1.1 200 OK\r\nX: vvv", 23));
		OK(blob_count(&out, "X: v") == n);
		OK(blob_has(&out, "v\r\ncontent-length: 2\r\n\r\nok"
		    "HTTP/1.1 200 OK"));
		blob_free(&out);
	}
	stub_close(&s);
}

static void
a_cut_without_framing_is_no_clean_end(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	/* Nothing that could pass for a whole response. */
	stub_open(&s, NULL);
	ask(&s, "GET /half HTTP/1.0\r\n\r\n", &out);
	OK(out.n == 0);
	blob_free(&out);
	stub_close(&s);
}

/* What a client is told last, behind <text>: 0 for an end, or an errno. */
static int
last_word(struct stub *s, const char *text)
{
	char got[4096];
	int fd = stub_connect_tcp(s);
	int err = 0;
	ssize_t n;

	OK(send(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	for (int i = 0; i < 1000 && s->seen.released == 0; i++) {
		stub_settle(s);
		usleep(100);
	}
	stub_settle(s);
	while ((n = recv(fd, got, sizeof(got), 0)) > 0)
		;
	if (n == -1)
		err = errno;
	close(fd);
	stub_settle(s);
	s->seen = (struct stub_seen){ .started = 0 };
	return err;
}

static void
only_a_response_that_its_end_delimits_is_cut_by_a_reset(void)
{
	struct stub s;

	stub_open(&s, NULL);
	OK(last_word(&s, "GET /half HTTP/1.0\r\n\r\n") == ECONNRESET);
	/* Whole, or seen to be cut by their framing. */
	OK(last_word(&s, "GET /big?9 HTTP/1.0\r\n\r\n") == 0);
	OK(last_word(&s, "GET /short HTTP/1.0\r\n\r\n") == 0);
	OK(last_word(&s, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
	stub_close(&s);
}

static void
answers_are_logged(void)
{
	const char *const options[] = { "--access-log", NULL };
	char text[4096] = "";
	struct stub s;
	int fd[2];
	struct blob out = { NULL, 0, 0 };

	stub_open(&s, options);
	OK(pipe(fd) == 0);
	log_init(&s.shard->log, fd[1], LEVEL_INFO, "x");
	ask(&s, "GET /early?3&q HTTP/1.1\r\nHost: a\r\n\r\n"
	    "HEAD /big?5 HTTP/1.0\r\n\r\n", &out);
	ask(&s, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	ask(&s, "GET /x HTTP/1.1\r\n\r\n", &out);
	ask(&s, "G", &out);
	ask(&s, "\n", &out);
	OK(read(fd[0], text, sizeof(text) - 1) > 0);
	OK(strstr(text, "\"GET /early HTTP/1.1\" 200 3 ") != NULL);
	OK(strstr(text, "\"HEAD /big HTTP/1.0\" 200 0 ") != NULL);
	OK(strstr(text, "\"GET /half HTTP/1.1\" 200 5 ") != NULL);
	OK(strstr(text, "\"GET /x HTTP/1.1\" 400 0 ") != NULL);
	OK(strstr(text, "\"- - -\" 400 0 ") != NULL);
	OK(strstr(text, "answered 400: no Host") != NULL);
	OK(s.shard->slot->requests == 3);
	if (getenv("SHOW"))
		fprintf(stderr, "%s", text);
	blob_free(&out);
	stub_close(&s);
	close(fd[0]);
	close(fd[1]);
}

static void
the_parser_says_its_version(void)
{
	OK_STR(h1_parser_version(), "9.4.3");
}

static void
connection_follows_version_and_wishes(void)
{
	struct stub s;

	stub_open(&s, NULL);
	gives(&s, "GET /early HTTP/1.0\r\n\r\n"
	    "GET /early HTTP/1.0\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\nconnection: close\r\n\r\n");
	gives(&s, "GET /early HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	    "GET /early HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\nconnection: keep-alive\r\n\r\n"
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\nconnection: close\r\n\r\n");
	gives(&s, "GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\t\r\n"
	    "\r\nGET /early HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\nconnection: close\r\n\r\n");
	gives(&s, "GET /closing HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 3\r\nconnection: close\r\n\r\nbye");
	stub_close(&s);
}

static void
requests_of_a_connection_are_counted(void)
{
	const char *const options[] = { "--keep-alive-requests=2", NULL };
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, options);
	ask(&s, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a"
	    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(s.seen.started == 2);
	OK(blob_count(&out, "connection: close") == 1);
	blob_free(&out);
	stub_close(&s);
}

static void
an_old_connection_ends_with_its_next_answer(void)
{
	const char *one = "GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	struct h1 *h;
	int fd;

	stub_open(&s, NULL);
	fd = stub_connect(&s);
	OK(stub_say(&s, fd, one, &out));
	h = container_of(list_first(&s.shard->idle), struct conn,
	    node)->pstate;
	h->opened -= 3599 * NS_PER_S;
	OK(stub_say(&s, fd, one, &out) && !blob_has(&out, "close"));
	h->opened -= 2 * NS_PER_S;
	OK(!stub_say(&s, fd, one, &out));
	OK(blob_count(&out, "200 OK") == 3);
	OK(blob_count(&out, "connection: close") == 1);
	close(fd);
	blob_free(&out);
	stub_close(&s);
}

static void
keep_alive_can_be_turned_off(void)
{
	static const char *const options[][2] = {
		{ "--no-http1-keep-alive", NULL },
		{ "--timeout-keep-alive=0", NULL },
	};
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		stub_open(&s, options[i]);
		out.n = 0;
		OK(!stub_talk(&s, TWO, strlen(TWO), 0, &out));
		OK(blob_count(&out, "200 OK") == 1);
		OK(blob_has(&out, "connection: close"));
		stub_close(&s);
	}
	blob_free(&out);
}

static void
fields_of_our_own_go_with_every_answer(void)
{
	static const char *const options[] = { "--header=X-A:b c",
		"--header=X-Frame-Options: DENY", NULL };
	static const char *const asks[] = {
		"GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /heavy?20000 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /refused HTTP/1.1\r\n\r\n",
	};
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, options);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		ask(&s, asks[i], &out);
		OK(blob_count(&out, "\r\nX-A: b c\r\nX-Frame-Options: DENY"
		    "\r\n") == 1);
		OK(blob_count(&out, "HTTP/1.1 ") == 1);
	}
	blob_free(&out);
	stub_close(&s);
}

static void
a_refusal_after_a_long_sleep_has_todays_date(void)
{
	static const char *const options[] = { "--date-header", NULL };
	static const char old[] = "Thu, 01 Jan 1970 00:00:01 GMT";
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, options);
	s.shard->date_s = 1;
	memcpy(s.shard->date, old, sizeof(old));
	ask(&s, "GET /refused HTTP/1.1\r\n\r\n", &out);
	OK(blob_has(&out, "HTTP/1.1 400 ") && blob_has(&out, "date: "));
	OK(!blob_has(&out, old));
	blob_free(&out);
	stub_close(&s);
}

static void
names_with_underscores_can_be_refused(void)
{
	static const char *const options[] = { "--header-map=refuse", NULL };
	const char *one = "GET / HTTP/1.1\r\nHost: a\r\nX_Y: z\r\n\r\n";
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, NULL);
	ask(&s, one, &out);
	OK(blob_has(&out, "200 OK") && blob_has(&out, "|x_y=z|"));
	stub_close(&s);
	stub_open(&s, options);
	ask(&s, one, &out);
	OK(blob_has(&out, "HTTP/1.1 400 ") && s.seen.started == 0);
	ask(&s, "GET / HTTP/1.1\r\nHost: a_b\r\nX-Y: _\r\n\r\n", &out);
	OK(blob_has(&out, "200 OK"));
	blob_free(&out);
	stub_close(&s);
}

static void
framing_is_chosen_by_what_is_known(void)
{
	struct stub s;

	stub_open(&s, NULL);
	gives(&s, "GET /sized?3 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
	gives(&s, "GET /big?17 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
	    "11\r\nabcdefghijklmnopq\r\n0\r\n\r\n");
	gives(&s, "GET /big?3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc");
	gives(&s, "HEAD /sized?3 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n");
	gives(&s, "HEAD /early?5 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 5\r\n\r\n");
	gives(&s, "HEAD /status?200 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\n\r\n");
	gives(&s, "GET /status?204 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 204 No Content\r\n\r\n");
	gives(&s, "GET /status?205 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n");
	gives(&s, "GET /status?304 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 304 Not Modified\r\n\r\n");
	gives(&s, "GET /status?799 HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 799 Unknown\r\ncontent-length: 0\r\n\r\n");
	gives(&s, "GET /fields HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: mine\r\n"
	    "content-length: 0\r\n\r\n");
	stub_close(&s);
}

static void
server_and_date_are_ours_to_give(void)
{
	const char *const options[] = { "--server-header=abc",
		"--date-header", NULL };
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, options);
	ask(&s, "GET /early HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(blob_has(&out, "200 OK\r\nserver: abc\r\ndate: "));
	OK(blob_has(&out, " GMT\r\ncontent-type"));
	ask(&s, "GET /fields HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(!blob_has(&out, "server: abc"));
	ask(&s, "BAD\r\n", &out);
	OK(blob_has(&out, "server: abc\r\ndate: "));
	blob_free(&out);
	stub_close(&s);
}

static void
big_responses_wait_for_their_reader(void)
{
	const char *ask9 = "GET /sized?9000000 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	stub_open(&s, NULL);
	fd = stub_connect(&s);
	OK(send(fd, ask9, strlen(ask9), 0) > 0);
	for (int i = 0; i < 100; i++)
		stub_turn(&s);
	OK(s.seen.started == 1 && s.seen.released == 0);
	OK(s.seen.rooms < 10);
	OK(stub_say(&s, fd, "", &out));
	OK(s.seen.released == 1 && s.seen.rooms > 10 && s.seen.err == 0);
	OK(out.n == 9000000 + strlen("HTTP/1.1 200 OK\r\n"
	    "content-length: 9000000\r\n\r\n"));
	out.n = 0;
	OK(stub_say(&s, fd, "GET /big?3000000 HTTP/1.1\r\nHost: a\r\n\r\n",
	    &out));
	OK(out.n > 3000000 && !memcmp(out.p + out.n - 5, "0\r\n\r\n", 5));
	close(fd);
	blob_free(&out);
	stub_close(&s);
}

static void
wrong_lengths_never_reach_the_next_response(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, NULL);
	ask(&s, "GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(blob_has(&out, "content-length: 10\r\n\r\n0123456789HTTP/1.1 200"));
	ask(&s, "GET /short HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(s.seen.err == -EPIPE);
	OK(blob_count(&out, "HTTP/1.1") == 1);
	OK(blob_has(&out, "content-length: 10\r\n\r\n01234"));
	OK(out.p[out.n - 1] == '4');
	stub_close(&s);
	blob_free(&out);
}

static void
an_application_that_gives_up_is_a_500_or_a_cut(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, NULL);
	gives(&s, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain"
	    "\r\ncontent-length: 21\r\n\r\nInternal Server Error"
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\n\r\n");
	ask(&s, "GET /half HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(blob_count(&out, "HTTP/1.1") == 1);
	OK(blob_has(&out, "5\r\nhello\r\n") && !blob_has(&out, "0\r\n\r\n"));
	blob_free(&out);
	stub_close(&s);
}

/* Behind an error, too: a byte of a body would be the next answer's. */
static void
head_has_no_body_whatever_comes_of_it(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;

	stub_open(&s, NULL);
	gives(&s, "HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain"
	    "\r\ncontent-length: 21\r\n\r\n"
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\n\r\n");
	gives(&s, "HEAD /short HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /early HTTP/1.1\r\nHost: a\r\n\r\n",
	    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
	    "HTTP/1.1 200 OK\r\ncontent-type: text/x\r\n"
	    "content-length: 0\r\n\r\n");
	/* Refused by us: in the head, and before it was whole. */
	ask(&s, "HEAD / HTTP/1.1\r\n\r\n", &out);
	OK(blob_has(&out, "HTTP/1.1 400 ") &&
	    !memcmp(out.p + out.n - 4, "\r\n\r\n", 4));
	ask(&s, "HEAD # HTTP/1.1\r\n\r\n", &out);
	OK(blob_has(&out, "HTTP/1.1 400 ") &&
	    !memcmp(out.p + out.n - 4, "\r\n\r\n", 4));
	blob_free(&out);
	stub_close(&s);
}

static void
a_started_head_does_not_wait_for_the_body(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	stub_open(&s, NULL);
	fd = stub_connect(&s);
	OK(stub_say(&s, fd, "GET /head HTTP/1.1\r\nHost: a\r\n\r\n", &out));
	OK(blob_is(&out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
	    "\r\n"));
	close(fd);
	stub_settle(&s);
	OK(s.seen.gone == 1);
	blob_free(&out);
	stub_close(&s);
}

static void
draining_closes_after_what_runs(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int busy, idle;

	stub_open(&s, NULL);
	busy = stub_connect(&s);
	idle = stub_connect(&s);
	OK(stub_say(&s, busy, "POST / HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 1\r\n\r\n", &out));
	shard_drain(s.shard);
	stub_settle(&s);
	OK(stub_recv(busy, &out) && stub_recv(idle, &out) && out.n == 0);
	OK(!stub_say(&s, busy, "x", &out));
	OK(blob_has(&out, "200 OK") && blob_has(&out, "connection: close"));
	stub_sleep(&s, 1000);
	OK(!stub_recv(idle, &out));
	OK(shard_is_over(s.shard));
	close(busy);
	close(idle);
	blob_free(&out);
	stub_close(&s);
}

static void
the_last_answer_arrives_while_draining(void)
{
	const char *ask2 = "GET /sized?400000 HTTP/1.1\r\nHost: a\r\n\r\n";
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	stub_open(&s, NULL);
	fd = stub_connect(&s);
	OK(send(fd, ask2, strlen(ask2), 0) > 0);
	for (int i = 0; i < 50; i++)
		stub_turn(&s);
	/* All is in our output, nothing is read yet. */
	OK(s.seen.released == 1);
	shard_drain(s.shard);
	stub_sleep(&s, 1000);
	OK(!stub_say(&s, fd, "", &out));
	OK(out.n == 400000 + strlen("HTTP/1.1 200 OK\r\n"
	    "content-length: 400000\r\n\r\n"));
	OK(shard_is_over(s.shard));
	close(fd);
	blob_free(&out);
	stub_close(&s);
}

static void
tests(void)
{
	T(a_plain_get_is_answered_in_one_piece);
	T(every_split_gives_the_same);
	T(pipelined_requests_are_answered_in_order);
	T(ten_thousand_pipelined_requests_take_bounded_memory);
	T(a_client_that_reads_nothing_is_not_answered_for_ever);
	T(small_answers_fill_the_output_too);
	T(heads_of_any_size_are_sent);
	T(a_cut_without_framing_is_no_clean_end);
	T(only_a_response_that_its_end_delimits_is_cut_by_a_reset);
	T(answers_are_logged);
	T(the_parser_says_its_version);
	T(connection_follows_version_and_wishes);
	T(requests_of_a_connection_are_counted);
	T(an_old_connection_ends_with_its_next_answer);
	T(keep_alive_can_be_turned_off);
	T(fields_of_our_own_go_with_every_answer);
	T(a_refusal_after_a_long_sleep_has_todays_date);
	T(names_with_underscores_can_be_refused);
	T(framing_is_chosen_by_what_is_known);
	T(server_and_date_are_ours_to_give);
	T(big_responses_wait_for_their_reader);
	T(wrong_lengths_never_reach_the_next_response);
	T(an_application_that_gives_up_is_a_500_or_a_cut);
	T(head_has_no_body_whatever_comes_of_it);
	T(a_started_head_does_not_wait_for_the_body);
	T(draining_closes_after_what_runs);
	T(the_last_answer_arrives_while_draining);
}

T_MAIN(tests)
