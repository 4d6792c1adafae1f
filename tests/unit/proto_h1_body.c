/* See LICENSE for the terms. */
/*
 * Request bodies over HTTP/1: limits, back-pressure, 100-continue, what an
 * application leaves unread, what a client leaves unsent, and deadlines.
 */
#include "proto/h1_priv.h"
#include "tests/unit/h1_stub.h"

#define POST(path, fields) \
	"POST " path " HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define NEXT "GET /early?1 HTTP/1.1\r\nHost: a\r\n\r\n"

/* A connection, what came back so far, and whether it is still open. */
struct talk {
	struct stub s;
	struct blob out;
	int fd;
	bool open;
};

static void
begin(struct talk *t, const char *const *options)
{
	stub_open(&t->s, options);
	t->out = (struct blob){ NULL, 0, 0 };
	blob_add(&t->out, "", 0);
	t->fd = stub_connect(&t->s);
	t->open = true;
}

static void
say(struct talk *t, const char *text)
{
	t->open = stub_say(&t->s, t->fd, text, &t->out);
}

static void
pour(struct talk *t, size_t n)
{
	char buf[4096];

	memset(buf, 'x', sizeof(buf));
	while (n > 0 && t->open) {
		size_t k = MIN(n, sizeof(buf));

		t->open = stub_send(&t->s, t->fd, buf, k, &t->out);
		n -= k;
	}
}

/* A new connection in the same shard. */
static void
again(struct talk *t)
{
	close(t->fd);
	stub_settle(&t->s);
	t->fd = stub_connect(&t->s);
	t->open = true;
	t->out.n = 0;
	blob_add(&t->out, "", 0);
	memset(&t->s.seen, 0, sizeof(t->s.seen));
}

static void end(struct talk *t);

/* Another shard, since time cannot be turned back. */
static void
anew(struct talk *t)
{
	static const char *const options[] = { "--body-rate=0", NULL };

	end(t);
	begin(t, options);
}

static void
end(struct talk *t)
{
	close(t->fd);
	stub_settle(&t->s);
	stub_close(&t->s);
	blob_free(&t->out);
}

static void
a_100_is_sent_once_and_only_on_demand(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, POST("/echo", "Expect: 100-Continue\r\nContent-Length: 5\r\n"));
	OK_STR(t.out.p, "HTTP/1.1 100 Continue\r\n\r\n");
	say(&t, "hel");
	say(&t, "lo" NEXT);
	OK(blob_count(&t.out, "100 Continue") == 1);
	OK(blob_count(&t.out, "200 OK") == 2 && t.open);

	/* The body came along: nobody waits for a 100. */
	again(&t);
	say(&t, POST("/echo", "Expect: 100-continue\r\nContent-Length: 5\r\n")
	    "h");
	say(&t, "ello" NEXT);
	OK(!blob_has(&t.out, "100 Continue"));
	OK(blob_count(&t.out, "200 OK") == 2 && t.open);

	/* Answered without reading: no 100, and the end. */
	again(&t);
	say(&t, POST("/early?3", "Expect: 100-continue\r\n"
	    "Content-Length: 5\r\n"));
	OK(!t.open && blob_has(&t.out, "200 OK") &&
	    blob_has(&t.out, "connection: close"));
	OK(!blob_has(&t.out, "100 Continue"));

	/* Neither without a body nor for HTTP/1.0. */
	again(&t);
	say(&t, "GET /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
	    "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\n"
	    "Content-Length: 1\r\n\r\n");
	OK(!blob_has(&t.out, "100 Continue"));
	say(&t, "x");
	OK(blob_count(&t.out, "200 OK") == 2 && !t.open);
	end(&t);
}

static void
bodies_beyond_the_limit_are_refused(void)
{
	const char *const options[] = { "--limit-request-body=1k", NULL };
	struct talk t;

	begin(&t, options);
	say(&t, POST("/echo", "Content-Length: 1025\r\n"));
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 413 ", 13));
	OK(t.s.seen.started == 0);

	again(&t);
	say(&t, POST("/echo", "Content-Length: 1024\r\n"));
	pour(&t, 1024);
	OK(t.open && blob_has(&t.out, "200 OK"));

	/* In chunks it shows later: the application learns of the cut. */
	again(&t);
	say(&t, POST("/echo", CHUNKED) "3ff\r\n");
	pour(&t, 1023);
	say(&t, "\r\n2\r\n");
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 413 ", 13));
	OK(t.s.seen.started == 1 && t.s.seen.released == 1);
	OK(t.s.seen.cut == 1 && t.s.seen.cut_status == 413);
	OK(blob_count(&t.out, "HTTP/1.1") == 1);
	end(&t);
}

static void
an_application_that_does_not_read_stops_the_client(void)
{
	struct talk t;
	char buf[65536];
	size_t sent = 0;

	begin(&t, NULL);
	say(&t, POST("/hang", "Content-Length: 100000000\r\n"));
	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 500; i++) {
		ssize_t n = send(t.fd, buf, sizeof(buf), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		stub_turn(&t.s);
	}
	/* The socket's buffer, one read beyond the mark, and no more. */
	OK(sent > REQ_BODY_HIGH && sent < (1u << 20));
	OK(t.s.shard->n_conns == 1);
	end(&t);
}

static void
large_bodies_flow_through(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, POST("/echo", "Content-Length: 3000000\r\n"));
	pour(&t, 3000000);
	OK(t.open && t.s.seen.body == 3000000);
	OK(t.out.n > 3000000);
	say(&t, NEXT);
	OK(t.open && blob_count(&t.out, "200 OK") == 2);

	again(&t);
	say(&t, POST("/echo", CHUNKED));
	for (int i = 0; i < 30; i++) {
		say(&t, "186a0;x\r\n");
		pour(&t, 100000);
		say(&t, "\r\n");
	}
	say(&t, "0\r\n\r\n" NEXT);
	OK(t.open && t.s.seen.body == 3000000);
	OK(blob_count(&t.out, "200 OK") == 2);
	end(&t);
}

static void
slow_readers_get_everything(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, POST("/sip", "Content-Length: 1000000\r\n"));
	pour(&t, 1000000);
	OK(t.open && t.s.seen.body == 1000000 && t.s.seen.bodies > 300);
	say(&t, NEXT);
	OK(t.open && blob_count(&t.out, "200 OK") == 2);
	end(&t);
}

static void
what_is_left_unread_is_skipped_or_ends_it(void)
{
	struct talk t;

	begin(&t, NULL);
	/* A little: it is read away, and never as a request. */
	say(&t, POST("/early?1", "Content-Length: 100000\r\n"));
	OK(t.open && blob_count(&t.out, "200 OK") == 1);
	for (int i = 0; i < 3125; i++)
		say(&t, "GET /smug HTTP/1.1\r\nHost: a\r\n\r\n\n");
	say(&t, NEXT);
	OK(t.open && t.s.seen.started == 2);
	OK(blob_count(&t.out, "HTTP/1.1 ") == 2);

	again(&t);
	say(&t, POST("/early?1", CHUNKED) "5\r\nhello\r\n");
	say(&t, "5\r\nhello\r\n0\r\nX-T: t\r\n\r\n" NEXT);
	OK(t.open && blob_count(&t.out, "200 OK") == 2);

	/* More than that: the answer says so, and the end comes at once. */
	again(&t);
	say(&t, POST("/early?1", "Content-Length: 1000000\r\n"));
	OK(!t.open && blob_has(&t.out, "connection: close"));

	/* Of chunks nobody knew it. */
	again(&t);
	say(&t, POST("/early?1", CHUNKED) "100000\r\n");
	OK(t.open && !blob_has(&t.out, "connection: close"));
	pour(&t, 300000);
	OK(!t.open && blob_count(&t.out, "HTTP/1.1") == 1);

	/* Rubbish behind it is refused without a word. */
	again(&t);
	say(&t, POST("/early?1", CHUNKED) "5\r\nhello\r\n");
	say(&t, "x\r\n" NEXT);
	OK(!t.open && blob_count(&t.out, "HTTP/1.1") == 1);
	end(&t);
}

static void
an_answer_during_the_body_keeps_the_connection(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, POST("/late", "Content-Length: 10\r\n"));
	say(&t, "hello");
	OK(t.open && blob_has(&t.out, "200 OK"));
	say(&t, "hello" NEXT);
	OK(t.open && blob_count(&t.out, "200 OK") == 2);
	end(&t);
}

static void
a_cut_body_is_never_whole(void)
{
	static const char *const cuts[] = {
		POST("/echo", "Content-Length: 10\r\n") "hello",
		POST("/echo", "Content-Length: 10\r\n"),
		POST("/echo", CHUNKED) "5\r\nhel",
		POST("/echo", CHUNKED) "5\r\nhello",
		POST("/echo", CHUNKED) "5\r\nhello\r\n",
		POST("/echo", CHUNKED) "5\r\nhello\r\n0\r\n",
		POST("/echo", CHUNKED) "5\r\nhello\r\n0\r\nX-T: t\r\n",
	};
	struct talk t;

	begin(&t, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		say(&t, cuts[i]);
		shutdown(t.fd, SHUT_WR);
		say(&t, "");
		OK(!t.open && !blob_has(&t.out, "200 OK"));
		OK(blob_count(&t.out, "HTTP/1.1") == 1);
		OK(t.s.seen.cut == 1 && t.s.seen.lost == 0);
		again(&t);
		/* The same by a client that is gone altogether. */
		say(&t, cuts[i]);
		close(t.fd);
		stub_settle(&t.s);
		OK(t.s.seen.started == 1 && t.s.seen.released == 1);
		t.fd = stub_connect(&t.s);
		again(&t);
	}
	end(&t);
}

static void
broken_chunks_are_a_400_unless_the_answer_is_out(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, POST("/hang", CHUNKED) "5\r\nhello\r\n");
	say(&t, "oops\r\n" NEXT);
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 400 ", 13));
	OK(t.s.seen.gone == 1 && t.s.seen.lost == 1);
	OK(t.s.seen.started == 1);

	again(&t);
	say(&t, POST("/head", CHUNKED) "5\r\nhello\r\n");
	OK(blob_has(&t.out, "200 OK"));
	say(&t, "oops\r\n" NEXT);
	OK(t.s.seen.gone == 1 && t.s.seen.lost == 0);
	/* The stub lets go then: the client sees a cut response. */
	OK(!t.open && blob_count(&t.out, "HTTP/1.1") == 1);
	OK(!blob_has(&t.out, "0\r\n\r\n"));
	end(&t);
}

static struct conn *
only_conn(struct talk *t)
{
	return container_of(list_first(&t->s.shard->conns), struct conn,
	    node);
}

static void
heads_have_a_deadline(void)
{
	struct talk t;

	begin(&t, NULL);
	say(&t, "GET / HT");
	stub_sleep(&t.s, 9000);
	say(&t, "TP/1.1\r\n");
	OK(t.open && t.out.n == 0);
	stub_sleep(&t.s, 11000);
	say(&t, "");
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 408 ", 13));

	/* Silent from the start: no answer to nothing. */
	anew(&t);
	stub_sleep(&t.s, 9000);
	say(&t, "");
	OK(t.open);
	stub_sleep(&t.s, 11000);
	say(&t, "");
	OK(!t.open && t.out.n == 0);

	/* The first head's began with the connection; a later one's own. */
	anew(&t);
	say(&t, "\r\n");
	stub_sleep(&t.s, 9000);
	say(&t, "GET /early?1 HT");
	OK(only_conn(&t)->timer.at - ((struct h1 *)only_conn(&t)->pstate)->
	    opened <= 10001 * NS_PER_MS);
	say(&t, "TP/1.1\r\nHost: a\r\n\r\n");
	OK(t.open && blob_count(&t.out, "200 OK") == 1);
	say(&t, "G");
	OK(only_conn(&t)->timer.at - ((struct h1 *)only_conn(&t)->pstate)->
	    req->begun <= 10001 * NS_PER_MS);

	/* Idle after a request: the longer deadline. */
	anew(&t);
	say(&t, NEXT);
	stub_sleep(&t.s, 60000);
	say(&t, "");
	OK(t.open);
	stub_sleep(&t.s, 80000);
	say(&t, "");
	OK(!t.open && blob_count(&t.out, "HTTP/1.1") == 1);
	end(&t);
}

static void
a_body_that_is_waited_for_has_a_deadline(void)
{
	const char *const options[] = { "--body-rate=0", NULL };
	struct talk t;

	begin(&t, options);
	say(&t, POST("/echo", "Content-Length: 10\r\n") "x");
	stub_sleep(&t.s, 25000);
	say(&t, "x");
	OK(t.open && t.out.n == 0);
	stub_sleep(&t.s, 31000);
	say(&t, "");
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 408 ", 13));
	OK(t.s.seen.released == 1 && t.s.seen.cut == 1);
	/* The application hears of the timeout, not of a client that left. */
	OK(t.s.seen.cut_status == 408);

	/* The application takes its time: that is its own affair. */
	anew(&t);
	say(&t, POST("/hang", "Content-Length: 10\r\n") "x");
	stub_sleep(&t.s, 100000);
	say(&t, "");
	OK(t.open && t.out.n == 0);

	/* Skipping has one, too. */
	anew(&t);
	say(&t, POST("/early?1", "Content-Length: 10\r\n") "x");
	OK(t.open);
	stub_sleep(&t.s, 31000);
	say(&t, "");
	OK(!t.open);
	end(&t);
}

/* Makes <ms> of waiting for the body pass. */
static void
wait_for(struct talk *t, uint64_t ms)
{
	struct h1 *h = only_conn(t)->pstate;

	OK(h->wait_from > ms * NS_PER_MS);
	h->wait_from -= ms * NS_PER_MS;
}

/* What the client was given, when the wait began, in ms. */
static uint64_t
deadline(struct talk *t)
{
	struct conn *c = only_conn(t);
	struct h1 *h = c->pstate;

	return (c->timer.at - h->wait_from) / NS_PER_MS;
}

/* Less what the test itself has taken, which on a busy machine is a while. */
static bool
is_given(struct talk *t, uint64_t ms)
{
	uint64_t given = deadline(t);

	return given + 4000 > ms && given < ms + 100;
}

static void
a_body_that_is_waited_for_has_a_pace(void)
{
	struct talk t;

	begin(&t, NULL);
	/* Nothing at all: the grace, not the longer gap. */
	say(&t, POST("/echo", "Content-Length: 1000000\r\n"));
	OK(is_given(&t, 10000));
	/* 2,400 bytes buy ten seconds more, 24,000 all that a gap may be. */
	pour(&t, 2400);
	OK(is_given(&t, 20000));
	pour(&t, 21600);
	OK(is_given(&t, 30000));

	/* What was waited adds up: 100 s are bought, 90 used by gaps. */
	for (int i = 0; i < 4; i++) {
		wait_for(&t, 25000);
		say(&t, "x");
		OK(t.open && t.out.n == 0);
	}
	OK(is_given(&t, 10000));
	wait_for(&t, 11000);
	say(&t, "x");
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 408 ", 13));
	OK(t.s.seen.cut == 1 && t.s.seen.cut_status == 408);

	/* A chunk's extension is not what is waited for. */
	again(&t);
	say(&t, POST("/echo", CHUNKED) "5;");
	for (int i = 0; i < 10; i++) {
		OK(t.open && deadline(&t) < 11000);
		wait_for(&t, 1001);
		say(&t, "x");
	}
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 408 ", 13));

	/* An application that takes its time owes none of it. */
	again(&t);
	say(&t, POST("/hang", "Content-Length: 10\r\n") "x");
	OK(((struct h1 *)only_conn(&t)->pstate)->wait_from == 0);
	OK(((struct h1 *)only_conn(&t)->pstate)->waited == 0);
	end(&t);
}

/* Sends, and it is as if the application had taken since the boot for it. */
static struct conn *
say_to_a_slow_one(struct talk *t, const char *text)
{
	struct shard *s = t->s.shard;
	struct conn *c = container_of(list_first(&s->idle), struct conn,
	    node);

	OK(send(t->fd, text, strlen(text), 0) > 0);
	shard_poll(s, 0);
	s->loop.now = 1;
	while (shard_run(s, NULL, NULL))
		;
	shard_flush(s);
	return c;
}

/* The application's time is not the client's. */
static void
deadlines_begin_when_the_application_is_done(void)
{
	static const char *const options[] = { "--keep-alive-age=0", NULL };
	const uint64_t second = NS_PER_S;
	struct talk t;
	struct conn *c;
	struct h1 *h;

	begin(&t, options);
	c = say_to_a_slow_one(&t, NEXT);
	OK(c->idle && c->timer.at > clock_ns() + 74 * second);
	OK(c->idle_at > clock_ns() - second);

	again(&t);
	c = say_to_a_slow_one(&t, POST("/echo", "Content-Length: 9\r\n"));
	h = c->pstate;
	OK(h->wait_from > clock_ns() - second);
	OK(c->timer.at > clock_ns() + 9 * second);
	say(&t, "1");
	say(&t, "23456789");
	OK(t.open && blob_has(&t.out, "200 OK") && h->waited < second);

	again(&t);
	c = say_to_a_slow_one(&t, "GET /sized?9000000 HTTP/1.1\r\nHost: a\r\n"
	    "\r\n");
	OK(!c->writable && c->progress > clock_ns() - second);
	say(&t, "");
	OK(t.open && t.out.n > 9000000);
	end(&t);
}

static void
the_end_of_a_client_is_told(void)
{
	struct talk t;

	begin(&t, NULL);
	/* Shut for sending only: told, and answered all the same. */
	say(&t, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	shutdown(t.fd, SHUT_WR);
	say(&t, "");
	OK(t.s.seen.gone == 1 && t.s.seen.lost == 0);
	OK(!t.open && !memcmp(t.out.p, "HTTP/1.1 500 ", 13));
	OK(blob_has(&t.out, "connection: close"));

	again(&t);
	say(&t, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	close(t.fd);
	stub_settle(&t.s);
	OK(t.s.seen.gone == 1 && t.s.seen.released == 1);
	t.fd = stub_connect(&t.s);

	/* In a head, or between requests: nobody to tell. */
	again(&t);
	say(&t, "GET / HTTP/1.1\r\nHo");
	shutdown(t.fd, SHUT_WR);
	say(&t, "");
	OK(!t.open && t.out.n == 0 && t.s.seen.started == 0);
	again(&t);
	say(&t, NEXT "\r\n");
	shutdown(t.fd, SHUT_WR);
	say(&t, "");
	OK(!t.open && blob_count(&t.out, "HTTP/1.1") == 1);

	/* Gone before the application heard of the request. */
	again(&t);
	OK(send(t.fd, NEXT, strlen(NEXT), 0) > 0);
	shard_poll(t.s.shard, 0);
	conn_abort(container_of(list_first(&t.s.shard->conns), struct conn,
	    node));
	shard_flush(t.s.shard);
	stub_settle(&t.s);
	OK(t.s.seen.started == 0);
	end(&t);
}

/* <n> bytes of <c> between two texts, whole and in pieces: the status. */
static unsigned
status_of(struct talk *t, const char *before, char c, size_t n,
    const char *behind, size_t step)
{
	struct blob in = { NULL, 0, 0 };
	unsigned status = 0;

	again(t);
	blob_add(&in, before, strlen(before));
	for (size_t i = 0; i < n; i++)
		blob_add(&in, &c, 1);
	blob_add(&in, behind, strlen(behind));
	stub_talk(&t->s, in.p, in.n, step, &t->out);
	if (t->out.n > 12)
		status = (unsigned)strtoul(t->out.p + 9, NULL, 10);
	blob_free(&in);
	return status;
}

static void
sizes_are_bounded_exactly(void)
{
	static const size_t steps[] = { 0, 1, 7, 4096 };
	const char *line = "GET /", *rest = " HTTP/1.1\r\nHost: a\r\n\r\n";
	const char *field = "GET / HTTP/1.1\r\nHost: a\r\nX-Y:";
	const char *tail = "\r\n\r\n";
	struct talk t;

	begin(&t, NULL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		size_t step = steps[i];

		/* 8192 with "GET /" and " HTTP/1.1". */
		OK(status_of(&t, line, 'a', 8178, rest, step) == 200);
		OK(status_of(&t, line, 'a', 8179, rest, step) == 414);
		OK(status_of(&t, line, 'a', 70000, rest, step) == 414);
		OK(t.s.seen.started == 0);
		/* A field's name, value and line. */
		OK(status_of(&t, field, 'v', 8180, tail, step) == 200);
		OK(status_of(&t, field, 'v', 8190, tail, step) == 431);
		OK(status_of(&t, field, ' ', 8000, tail, step) == 200);
		OK(status_of(&t, field, ' ', 9000, tail, step) == 431);
		OK(status_of(&t, field, ' ', 9000, "v\r\n\r\n", step) == 431);
		OK(status_of(&t, "GET / HTTP/1.1\r\nHost: a\r\n", 'n', 9000,
		    ": v\r\n\r\n", step) == 431);
		OK(status_of(&t, "GET", ' ', 9000, "/ HTTP/1.1\r\n\r\n",
		    step) == 400);
		OK(status_of(&t, POST("/", CHUNKED) "5;x", 'e', 4000,
		    "\r\nhello\r\n0\r\n\r\n", step) == 200);
		OK(status_of(&t, POST("/", CHUNKED) "5;x", 'e', 4100,
		    "\r\nhello\r\n0\r\n\r\n", step) == 400);
		OK(status_of(&t, POST("/", CHUNKED) "0\r\nX-T: ", 't', 8200,
		    "\r\n\r\n", step) == 431);
	}
	end(&t);
}

/* <n> times ";a=b" in sizes of chunks: the status. */
static unsigned
extensions_of(struct talk *t, unsigned n, size_t step)
{
	struct blob in = { NULL, 0, 0 };
	unsigned status;

	blob_add(&in, POST("/", CHUNKED) "1", strlen(POST("/", CHUNKED)) + 1);
	for (unsigned i = 0; i < n; i++) {
		if (i == n / 2)
			blob_add(&in, "\r\nx\r\n1", 6);
		blob_add(&in, ";a=b", 4);
	}
	blob_add(&in, "\r\nx\r\n0\r\n\r\n", 10);
	again(t);
	stub_talk(&t->s, in.p, in.n, step, &t->out);
	status = (unsigned)strtoul(t->out.p + 9, NULL, 10);
	blob_free(&in);
	return status;
}

static void
extensions_are_bounded_with_their_separators(void)
{
	struct talk t;

	begin(&t, NULL);
	for (size_t step = 0; step < 4; step++) {
		OK(extensions_of(&t, 1024, step) == 200);
		OK(extensions_of(&t, 1025, step) == 400);
	}
	end(&t);
}

/* Behind <in>: a request with <n> fields, most of <size> bytes. */
static void
add_fields(struct blob *in, unsigned n, unsigned size)
{
	char text[4096];

	blob_add(in, "GET / HTTP/1.1\r\nHost: a\r\n", 25);
	for (unsigned i = 1; i < n; i++) {
		snprintf(text, sizeof(text), "X-%u: %*d\r\n", i, size, 5);
		memset(strchr(text, ':') + 2, 'v', size);
		blob_add(in, text, strlen(text));
	}
	blob_add(in, "\r\n", 2);
}

static unsigned
fields_of(struct talk *t, unsigned n, unsigned size, size_t step)
{
	struct blob in = { NULL, 0, 0 };
	unsigned status;

	add_fields(&in, n, size);
	again(t);
	stub_talk(&t->s, in.p, in.n, step, &t->out);
	status = t->out.n > 12 ?
	    (unsigned)strtoul(t->out.p + 9, NULL, 10) : 0;
	blob_free(&in);
	return status;
}

static void
fields_are_counted(void)
{
	struct talk t;

	begin(&t, NULL);
	for (size_t step = 0; step < 3; step++) {
		OK(fields_of(&t, 100, 5, step) == 200);
		OK(fields_of(&t, 101, 5, step) == 431);
		OK(fields_of(&t, 256, 5, step) == 431);
		/* As many as that are ended without a word. */
		OK(fields_of(&t, 257, 5, step) == 0 && t.out.n == 0);
		OK(fields_of(&t, 1000, 5, step) == 0 && t.out.n == 0);
		OK(t.s.seen.started == 0);
		/* Those that are not kept count for the head's size. */
		OK(fields_of(&t, 200, 200, step) == 431);
		OK(fields_of(&t, 30, 1000, step) == 200);
		OK(fields_of(&t, 34, 1000, step) == 431);
		OK(fields_of(&t, 90, 340, step) == 200);
	}
	end(&t);
}

static void
what_was_asked_before_far_too_many_fields_is_answered(void)
{
	struct talk t;

	begin(&t, NULL);
	for (size_t step = 0; step < 3; step++) {
		struct blob in = { NULL, 0, 0 };

		blob_add(&in, NEXT NEXT, 2 * strlen(NEXT));
		add_fields(&in, 300, 5);
		again(&t);
		OK(!stub_talk(&t.s, in.p, in.n, step, &t.out));
		OK(blob_count(&t.out, "HTTP/1.1 200 OK\r\n") == 2);
		OK(blob_count(&t.out, "HTTP/1.1 ") == 2);
		OK(t.s.seen.started == 2 && t.s.seen.released == 2);
		blob_free(&in);
	}
	end(&t);
}

static void
tests(void)
{
	T(a_100_is_sent_once_and_only_on_demand);
	T(bodies_beyond_the_limit_are_refused);
	T(an_application_that_does_not_read_stops_the_client);
	T(large_bodies_flow_through);
	T(slow_readers_get_everything);
	T(what_is_left_unread_is_skipped_or_ends_it);
	T(an_answer_during_the_body_keeps_the_connection);
	T(a_cut_body_is_never_whole);
	T(broken_chunks_are_a_400_unless_the_answer_is_out);
	T(heads_have_a_deadline);
	T(a_body_that_is_waited_for_has_a_deadline);
	T(a_body_that_is_waited_for_has_a_pace);
	T(deadlines_begin_when_the_application_is_done);
	T(the_end_of_a_client_is_told);
	T(sizes_are_bounded_exactly);
	T(extensions_are_bounded_with_their_separators);
	T(fields_are_counted);
	T(what_was_asked_before_far_too_many_fields_is_answered);
}

T_MAIN(tests)
