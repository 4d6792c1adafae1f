/* See LICENSE for the terms. */
/*
 * Responses that listen to channels, on real connections: who may, what comes
 * between and behind what the application writes, the slow, the end, and want
 * of memory.  (An event's text is the fuzzer's: tests/fuzz/sse_event.c.)
 */
#include "proto/sse.h"

#include "core/relay.h"
#include "tests/unit/faults.h"
#include "tests/unit/h1_stub.h"

/* The end of HTTP/1.0's body is the connection's: no chunks in between. */
#define ASK "GET / HTTP/1.0\r\n\r\n"
#define STREAM "text/event-stream"

static struct stub stub;
static struct req *opened;
static const char *kind;		/* Content-Type; NULL: none */
static const char *length;		/* Content-Length; NULL: none */

/* ---- an application that begins and leaves the rest to the tests -------- */

static void
app_start(struct req *r)
{
	struct res *h = &r->res;

	stub.seen.started++;
	OK(sse_join(r, STR("room")) == -ENOTCONN);
	OK(!sse_leave(r, STR("room")));
	if (res_status(h, 200) || (kind && res_field(h, STR("content-type"),
	    str_of(kind))) || (length && res_field(h, STR("content-length"),
	    str_of(length))) || res_start(r, h)) {
		stub.seen.released++;
		req_release(r);
		return;
	}
	opened = r;
}

static void
let_go(struct req *r)
{
	opened = NULL;
	stub.seen.released++;
	req_release(r);
}

/* A piece of the application's own, of which a part had to wait. */
static struct str piece;

static void
app_write(struct req *r)
{
	size_t n = res_write(r, piece.p, piece.n);

	piece.p += n;
	piece.n -= n;
}

static void
app_nothing(struct req *r)
{
	(void)r;
}

static const struct app_ops ops = { .start = app_start, .body = app_nothing,
	.room = app_write, .gone = let_go };

static void
begin(const char *const *options)
{
	stub_open(&stub, options);
	stub.shard->app = &ops;
	kind = STREAM;
	length = NULL;
}

/* Begins a response; the client's end. */
static int
ask(const char *text, struct blob *out)
{
	int fd = stub_connect(&stub);

	OK(stub_say(&stub, fd, text, out));
	OK(opened != NULL);
	return fd;
}

static void
leave(int fd)
{
	close(fd);
	stub_settle(&stub);
	OK(!opened);
}

static int
publish(enum ring_kind kind_of, const char *p, size_t n, uint64_t *offset)
{
	struct ring_msg m = { .channel = STR("room"), .kind = kind_of,
		.data = { p, n } };
	int err = relay_publish(&stub.shard->relay, &m, offset);

	relay_deliver(&stub.shard->relay);
	return err;
}

static void
publish_text(const char *text)
{
	OK(publish(RING_TEXT, text, strlen(text), NULL) == 0);
}

static uint64_t
dropped(void)
{
	return atomic_load(&stub.shard->slot->dropped);
}

/* ---- who may ------------------------------------------------------------ */

static int
join_with(const char *request, const char *type, const char *bytes)
{
	struct blob out = { NULL, 0, 0 };
	int fd, err;

	kind = type;
	length = bytes;
	fd = ask(request, &out);
	err = sse_join(opened, STR("room"));
	OK(sse_leave(opened, STR("room")) == (!err && !opened->is_head));
	OK(!sse_leave(opened, STR("room")));
	leave(fd);
	blob_free(&out);
	return err;
}

static void
only_an_open_event_stream_joins(void)
{
	struct blob out = { NULL, 0, 0 };
	int fd;

	begin(NULL);
	OK(join_with(ASK, STREAM, NULL) == 0);
	OK(join_with(ASK, "TEXT/Event-Stream", NULL) == 0);
	OK(join_with(ASK, STREAM "; charset=utf-8", NULL) == 0);
	OK(join_with(ASK, STREAM " ;x", NULL) == 0);
	OK(join_with(ASK, STREAM "x", NULL) == -EPROTOTYPE);
	OK(join_with(ASK, "text/event", NULL) == -EPROTOTYPE);
	OK(join_with(ASK, "text/plain", NULL) == -EPROTOTYPE);
	OK(join_with(ASK, NULL, NULL) == -EPROTOTYPE);
	/* What is behind a length would be the next response. */
	OK(join_with(ASK, STREAM, "5") == -EPROTOTYPE);
	/* It has no body to hear with, but that is no mistake. */
	OK(join_with("HEAD / HTTP/1.0\r\n\r\n", STREAM, NULL) == 0);
	OK(join_with("HEAD / HTTP/1.0\r\n\r\n", "text/plain", NULL) ==
	    -EPROTOTYPE);

	kind = STREAM;
	length = NULL;
	fd = ask(ASK, &out);
	OK(sse_join(opened, STR("")) == -EINVAL);
	OK(sse_join(opened, STR("room")) == 0);
	OK(sse_join(opened, STR("room")) == 0);
	publish_text("once");
	OK(res_end(opened) == 0);
	OK(sse_join(opened, STR("room")) == -ENOTCONN);
	OK(!sse_leave(opened, STR("room")));
	let_go(opened);
	publish_text("late");
	OK(!stub_say(&stub, fd, "", &out));
	OK(blob_count(&out, "data: once\n\n") == 1 && !blob_has(&out, "late"));
	leave(fd);
	blob_free(&out);
	stub_close(&stub);
}

/* ---- what comes --------------------------------------------------------- */

static void
a_message_is_an_event(void)
{
	static char large[5000];
	char want[6000];
	struct blob out = { NULL, 0, 0 };
	uint64_t offset;
	int fd;

	begin(NULL);
	fd = ask(ASK, &out);
	OK(sse_join(opened, STR("room")) == 0);
	publish_text("a\nb\r\nc\rd\n");
	publish_text("");
	OK(publish(RING_BYTES, "\xc3\xa9", 2, NULL) == 0);
	OK(dropped() == 0);
	/* No text: it cannot be an event. */
	OK(publish(RING_BYTES, "\xc3", 1, NULL) == 0);
	OK(publish(RING_BYTES, "\xff", 1, NULL) == 0);
	OK(dropped() == 2);
	memset(large, 'x', sizeof(large) - 1);
	OK(publish(RING_TEXT, large, sizeof(large) - 1, &offset) == 0);
	OK(stub_say(&stub, fd, "", &out));
	OK(blob_count(&out, "\n\nid: ") == 3);
	OK(blob_has(&out, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\nid"));
	OK(blob_has(&out, "\ndata: \n\nid"));
	OK(blob_has(&out, "\ndata: \xc3\xa9\n\nid"));
	snprintf(want, sizeof(want), "\n\nid: %llu\ndata: %s\n\n",
	    (unsigned long long)offset, large);
	OK(out.n > strlen(want) && !memcmp(out.p + out.n - strlen(want), want,
	    strlen(want)));
	leave(fd);
	blob_free(&out);
	stub_close(&stub);
}

static void
in_chunks_each_event_is_one(void)
{
	struct blob out = { NULL, 0, 0 };
	int fd;

	begin(NULL);
	fd = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &out);
	OK(sse_join(opened, STR("room")) == 0);
	publish_text("one");
	OK(res_write(opened, ": own\n\n", 7) == 7);
	OK(res_end(opened) == 0);
	let_go(opened);
	OK(stub_say(&stub, fd, "", &out));
	OK(blob_has(&out, "data: one\n\n\r\n7\r\n: own\n\n\r\n0\r\n\r\n"));
	leave(fd);
	blob_free(&out);
	stub_close(&stub);
}

static void
an_applications_piece_stays_whole(void)
{
	enum { SIZE = 600000 };
	char *own = malloc(SIZE);
	struct blob out = { NULL, 0, 0 };
	const char *body;
	int fd;

	begin(NULL);
	fd = ask(ASK, &out);
	OK(sse_join(opened, STR("room")) == 0);
	memset(own, 'o', SIZE);
	piece = (struct str){ own, SIZE };
	publish_text("before");
	app_write(opened);
	OK(piece.n > 0 && opened->res.midway);
	publish_text("meanwhile");
	publish_text("and more");
	OK(stub_say(&stub, fd, "", &out));
	OK(piece.n == 0 && !opened->res.midway);
	publish_text("behind");
	OK(stub_say(&stub, fd, "", &out));
	body = strstr(out.p, "data: before\n\no");
	if (OK(body != NULL)) {
		body += strlen("data: before\n\n");
		OK(memcmp(body, own, SIZE) == 0);
		body += SIZE;
		OK(!strncmp(body, "id: ", 4));
		body = strstr(body, "data: meanwhile\n\nid: ");
		body = body ? strstr(body, "data: and more\n\nid: ") : NULL;
		OK(body && strstr(body, "data: behind\n\n"));
	}
	leave(fd);
	blob_free(&out);
	free(own);
	stub_close(&stub);
}

/* One who leaves while events wait behind a piece. */
static void
what_waits_ends_with_its_client(void)
{
	enum { SIZE = 600000 };
	char *own = calloc(1, SIZE);
	struct blob out = { NULL, 0, 0 };
	int fd;

	begin(NULL);
	fd = ask(ASK, &out);
	OK(sse_join(opened, STR("room")) == 0);
	piece = (struct str){ own, SIZE };
	app_write(opened);
	publish_text("never");
	leave(fd);
	blob_free(&out);
	free(own);
	stub_close(&stub);
}

/* ---- the slow ----------------------------------------------------------- */

/* Whether the connection lives behind four events, of which one is large. */
static bool
is_slow(const char *overflow, struct blob *out)
{
	const char *const options[] = { "--subscriber-buffer=5000", overflow,
		NULL };
	static char large[6000], some[1000];
	bool open;
	int fd;

	memset(large, 'x', sizeof(large) - 1);
	memset(some, 'y', sizeof(some) - 1);
	begin(options);
	fd = ask(ASK, out);
	OK(sse_join(opened, STR("room")) == 0);
	/* Behind next to nothing any may wait. */
	publish_text(large);
	OK(dropped() == 0 && stub_say(&stub, fd, "", out) &&
	    blob_has(out, "xxx"));
	out->n = 0;
	publish_text("one");
	publish_text(some);
	publish_text(large);
	publish_text("two");
	OK(dropped() == 1);
	open = stub_say(&stub, fd, "", out);
	leave(fd);
	stub_close(&stub);
	return open;
}

static void
what_is_too_much_is_skipped_or_ends_it(void)
{
	struct blob out = { NULL, 0, 0 };

	OK(is_slow("--subscriber-overflow=skip", &out));
	OK(blob_has(&out, "data: one\n\n") && blob_has(&out, "data: two\n\n"));
	OK(!blob_has(&out, "xxx"));
	out.n = 0;
	OK(!is_slow("--subscriber-overflow=close", &out));
	OK(!blob_has(&out, "data: two") && !blob_has(&out, "xxx"));
	blob_free(&out);
}

/* ---- want of memory ----------------------------------------------------- */

/* Events of the stream, none of them in part; true if all are there. */
static bool
is_honest(const struct blob *out, const char *large)
{
	char whole[3000];
	unsigned n = blob_count(out, "data: ");

	snprintf(whole, sizeof(whole), "data: %s\n\n", large);
	OK(n == blob_count(out, "data: one\n\n") +
	    blob_count(out, "data: two\n\n") + blob_count(out, whole));
	OK(n <= 3);
	return n == 3;
}

static void
listen_for(const char *large, struct blob *out)
{
	struct peer peer = { .sa.sa_family = AF_UNIX };
	int fd[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == 0);
	conn_open(stub.shard, fd[0], &peer, 0);
	stub_say(&stub, fd[1], ASK, out);
	if (opened && sse_join(opened, STR("room")) == 0) {
		publish(RING_TEXT, "one", 3, NULL);
		/* As if its piece had not all been taken. */
		opened->res.midway = true;
		publish(RING_TEXT, large, strlen(large), NULL);
		publish(RING_TEXT, "two", 3, NULL);
		if (opened->conn && opened->conn->state == CONN_OPEN)
			res_write(opened, "", 0);
		stub_say(&stub, fd[1], "", out);
	}
	close(fd[1]);
	stub_settle(&stub);
}

static void
any_allocation_of_an_event_may_fail(void)
{
	struct faults f = faults_of(1);
	char large[2500];

	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = 0;
	begin(NULL);
	while (faults_next(&f)) {
		struct blob out = { NULL, 0, 0 };

		req_pool_fini(stub.shard);
		chunk_pool_fini(&stub.shard->chunks);
		faults_begin(&f);
		listen_for(large, &out);
		faults_end(&f);
		OK(is_honest(&out, large) || f.failed);
		OK(!opened && stub.shard->n_conns == 0);
		OK(stub.seen.started == stub.seen.released);
		out.n = 0;
		listen_for(large, &out);
		OK(is_honest(&out, large));
		blob_free(&out);
	}
	faults_report(&f, 8);
	stub_close(&stub);
}

static void
tests(void)
{
	T(only_an_open_event_stream_joins);
	T(a_message_is_an_event);
	T(in_chunks_each_event_is_one);
	T(an_applications_piece_stays_whole);
	T(what_waits_ends_with_its_client);
	T(what_is_too_much_is_skipped_or_ends_it);
	T(any_allocation_of_an_event_may_fail);
}

T_MAIN(tests)
