/* See LICENSE for the terms. */
/*
 * Want of memory on the way of a request: the n-th allocation fails, for
 * every n, from the connection's set-up to its end.
 *
 * Whatever fails, the client gets a whole answer or sees that it has none: an
 * error of ours, a closed connection, a response that is visibly cut.  Nothing
 * is lost of the memory there is (the address sanitizer looks), every request
 * that was begun is let go, and the next client is served.
 */
#include "tests/unit/faults.h"
#include "tests/unit/h1_stub.h"

/* ---- an application that any call may fail ------------------------------ */

static void
let_go(struct req *r)
{
	struct stub_app *a = r->app;

	a->stub->seen.released++;
	free(a);
	req_release(r);
}

/* As interp/ does it: what cannot be made is a 500. */
static void
respond(struct req *r)
{
	static const char text[3000] = "body";
	struct stub_app *a = r->app;
	char value[700];

	memset(value, 'v', sizeof(value));
	if (res_status(&r->res, 201) ||
	    res_set_reason(&r->res, STR("Made")))
		goto out;
	/* More than the buffer's first size, and than what is kept. */
	for (int i = 0; i < 30; i++)
		if (res_field(&r->res, STR("X-Long"), (struct str){ value,
		    sizeof(value) }))
			goto out;
	if (res_start(r, &r->res))
		goto out;
	/* Without a length: in chunks. */
	for (int i = 0; i < 5; i++)
		if (res_write(r, text, sizeof(text)) != sizeof(text))
			goto out;
	a->stub->seen.err = res_end(r);
out:
	let_go(r);
}

static void
read_on(struct req *r)
{
	struct stub_app *a = r->app;
	char buf[3000];
	size_t n;

	while ((n = req_take(r, buf, sizeof(buf))) > 0)
		a->stub->seen.body += n;
	if (r->body == BODY_CUT)
		let_go(r);
	else if (req_is_read(r))
		respond(r);
	else
		req_want(r);
}

static void
start(struct req *r)
{
	struct stub *s = r->shard->py;
	struct stub_app *a = calloc(1, sizeof(*a));

	a->stub = s;
	r->app = a;
	s->seen.started++;
	read_on(r);
}

static void
gone(struct req *r)
{
	if (r->lost)
		let_go(r);
}

static const struct app_ops ops = { .start = start, .body = read_on,
	.room = read_on, .gone = gone };

/* ---- requests ----------------------------------------------------------- */

static struct stub s;

struct message {
	struct blob text;
	unsigned answers;		/* when nothing fails */
};

static void
add(struct message *m, const char *text)
{
	blob_add(&m->text, text, strlen(text));
}

/* One that outgrows the arena's first block and the fields kept inline. */
static void
add_large(struct message *m)
{
	char field[400];

	add(m, "POST /a?");
	for (int i = 0; i < 500; i++)
		add(m, "0123456789");
	add(m, " HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 60; i++) {
		snprintf(field, sizeof(field), "X-%d: %0300d\r\n", i, i);
		add(m, field);
	}
	add(m, "Content-Length: 30000\r\n\r\n");
	for (int i = 0; i < 3000; i++)
		add(m, "0123456789");
	m->answers++;
}

static void
add_chunked(struct message *m)
{
	add(m, "POST /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100; i++)
		add(m, "40\r\n0123456789abcdef0123456789abcdef"
		    "0123456789abcdef0123456789abcdef\r\n");
	add(m, "0\r\nX-Trailer: 1\r\n\r\n");
	m->answers++;
}

static void
add_plain(struct message *m)
{
	add(m, "GET /c HTTP/1.1\r\nHost: x\r\n\r\n");
	m->answers++;
}

/* Only what a client can tell from a whole answer of the application's. */
static bool
is_honest(const struct blob *got, const struct message *m, bool failed)
{
	unsigned whole = blob_count(got, "\r\n0\r\n\r\n");
	unsigned made = blob_count(got, "HTTP/1.1 201 Made\r\n");

	if (!failed)
		return whole == m->answers && made == whole;
	/* Only the last may be cut, and no request is answered twice. */
	return whole <= made && made <= whole + 1 &&
	    made + blob_count(got, "HTTP/1.1 50") <= m->answers;
}

/* A client's end whose other end the shard may refuse for want of memory. */
static int
try_connect(void)
{
	struct peer peer;
	int fd[2];

	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = AF_UNIX;
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == 0);
	conn_open(s.shard, fd[0], &peer, 0);
	return fd[1];
}

static void
send_in_steps(int fd, const struct message *m, size_t step, struct blob *got)
{
	bool open = true;

	if (step == 0)
		step = m->text.n;
	for (size_t i = 0; i < m->text.n && open; i += step)
		open = stub_send(&s, fd, m->text.p + i,
		    m->text.n - i < step ? m->text.n - i : step, got);
}

static void
try_all(const struct message *m, size_t step, unsigned count, unsigned least)
{
	struct message next = { .answers = 0 };
	struct faults f = faults_of(count);

	add_plain(&next);
	stub_open(&s, NULL);
	s.shard->app = &ops;
	while (faults_next(&f)) {
		struct blob got = { NULL, 0, 0 }, after = { NULL, 0, 0 };
		int fd;

		/* What the pools keep would not be allocated again. */
		req_pool_fini(s.shard);
		chunk_pool_fini(&s.shard->chunks);
		faults_begin(&f);
		fd = try_connect();
		send_in_steps(fd, m, step, &got);
		faults_end(&f);
		OK(is_honest(&got, m, f.failed));
		close(fd);
		stub_settle(&s);
		OK(s.shard->n_conns == 0 && s.shard->n_reqs == 0);
		/* There is enough again. */
		fd = stub_connect(&s);
		send_in_steps(fd, &next, 0, &after);
		OK(is_honest(&after, &next, false));
		close(fd);
		stub_settle(&s);
		blob_free(&got);
		blob_free(&after);
	}
	faults_report(&f, least);
	stub_close(&s);
	blob_free(&next.text);
}

static void
any_allocation_of_a_request_may_fail(void)
{
	void (*const adds[])(struct message *) = { add_plain, add_large,
		add_chunked };
	static const unsigned least[] = { 5, 15, 5 };

	for (size_t i = 0; i < sizeof(adds) / sizeof(*adds); i++) {
		struct message m = { .answers = 0 };

		adds[i](&m);
		try_all(&m, 0, 1, least[i]);
		try_all(&m, 0, UINT_MAX, least[i]);
		/* In pieces, names and values grow and move. */
		try_all(&m, m.text.n < 9000 ? 61 : 1201, 1, least[i]);
		blob_free(&m.text);
	}
}

static void
any_allocation_of_pipelined_requests_may_fail(void)
{
	struct message m = { .answers = 0 };

	add_plain(&m);
	add_large(&m);
	add_plain(&m);
	add_chunked(&m);
	add_plain(&m);
	try_all(&m, 0, 1, 20);
	try_all(&m, 0, UINT_MAX, 20);
	blob_free(&m.text);
}

static void
tests(void)
{
	T(any_allocation_of_a_request_may_fail);
	T(any_allocation_of_pipelined_requests_may_fail);
}

T_MAIN(tests)
