/* See LICENSE for the terms. */
/*
 * A shard without keeper and Python for the tests of proto/: real connections
 * over socket pairs, and an application in C that does what the path says.
 *
 *	/echo		reads the body, answers with what it was told
 *	/sip		the same, but reads only 3,000 bytes at a time
 *	/heavy?N	an empty answer with N bytes of fields
 *	/big?N		N bytes of body without a length, lent where they can be
 *	/sized?N	the same with Content-Length
 *	/early?N	answers N bytes at once and never reads the body
 *	/late		as /early, once its body has been waiting for a turn
 *	/nothing	lets go without a response
 *	/hang		neither reads nor answers, until it hears gone()
 *	/half		starts, writes 5 bytes, lets go
 *	/short, /long	declares 10 bytes, writes 5 or 15
 *	/head		starts a response and waits for ever
 *	/status?N	an empty answer with that status
 *	/closing	says "Connection: close"
 *	/fields		bad and dropped fields
 */
#ifndef TESTS_UNIT_H1_STUB_H
#define TESTS_UNIT_H1_STUB_H

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "core/shard.h"
#include "proto/app.h"
#include "proto/h1.h"
#include "proto/req.h"
#include "proto/res.h"
#include "tests/unit/t.h"

/* N is at most this: "-1" and a fuzzer's numbers are no reason to fail. */
#ifndef STUB_MOST
#define STUB_MOST	((size_t)16 << 20)
#endif

/* A growing piece of memory. */
struct blob {
	char *p;
	size_t n, cap;
};

#define BLOB_MAX ((size_t)1 << 30)

static inline void
blob_add(struct blob *b, const void *p, size_t n)
{
	/* Nothing here is that large; gcc wants to know it. */
	if (n > BLOB_MAX || b->n > BLOB_MAX)
		abort();
	if (b->n + n + 1 > b->cap) {
		b->cap = (b->n + n + 1) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			abort();
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

static inline void
blob_free(struct blob *b)
{
	free(b->p);
	*b = (struct blob){ NULL, 0, 0 };
}

static inline bool
blob_is(const struct blob *b, const char *want)
{
	return b->n == strlen(want) && memcmp(b->p, want, b->n) == 0;
}

static inline bool
blob_has(const struct blob *b, const char *what)
{
	return b->n > 0 && memmem(b->p, b->n, what, strlen(what)) != NULL;
}

static inline unsigned
blob_count(const struct blob *b, const char *what)
{
	const char *p = b->p, *end = b->p + b->n;
	unsigned n = 0;

	while (p && (p = memmem(p, (size_t)(end - p), what, strlen(what)))) {
		p += strlen(what);
		n++;
	}
	return n;
}

/* What the application did, for tests to look at. */
struct stub_seen {
	unsigned started, released, gone, lost, cut, bodies, rooms;
	unsigned cut_status;		/* of the last body cut */
	int err;			/* the last res_end()'s */
	size_t body;			/* bytes taken */
};

struct stub {
	struct conf conf;
	struct shm shm;
	struct listeners listeners;
	struct cpu_plan plan;
	struct log log;
	int wake[SHM_PARITIES];
	struct child_start start;
	struct shard *shard;
	struct stub_seen seen;
	unsigned lent;			/* pieces of bodies that are not back */
};

struct stub_app {
	struct stub *stub;
	struct blob body;		/* of the request */
	struct blob rest;		/* of a response that had to wait */
	size_t left;			/* of one that is made as it goes */
};

/* ---- the application --------------------------------------------------- */

static inline void
stub_release(struct req *r)
{
	struct stub_app *a = r->app;

	a->stub->seen.released++;
	blob_free(&a->body);
	blob_free(&a->rest);
	free(a);
	r->app = NULL;
	req_release(r);
}

static inline struct str
stub_str(const char *z)
{
	return (struct str){ z, strlen(z) };
}

static inline size_t
stub_number(const struct req *r)
{
	char text[24] = "";

	memcpy(text, r->query.p ? r->query.p : "", r->query.n < 23 ?
	    r->query.n : 23);
	return MIN(strtoul(text, NULL, 10), STUB_MOST);
}

static inline void
stub_whole(struct req *r, const void *p, size_t n)
{
	struct stub_app *a = r->app;
	size_t k;

	OK(res_status(&r->res, 200) == 0);
	OK(res_field(&r->res, STR("content-type"), STR("text/x")) == 0);
	OK(res_start(r, &r->res) == 0);
	res_last(r, n);
	k = res_write(r, p, n);
	if (k < n) {
		blob_add(&a->rest, (const char *)p + k, n - k);
		return;
	}
	a->stub->seen.err = res_end(r);
	stub_release(r);
}

/* More of what had to wait; false: it goes on waiting. */
static inline bool
stub_rest(struct req *r)
{
	struct stub_app *a = r->app;
	size_t k = res_write(r, a->rest.p, a->rest.n);

	memmove(a->rest.p, a->rest.p + k, a->rest.n - k);
	a->rest.n -= k;
	return a->rest.n == 0;
}

static inline bool
stub_path(const struct req *r, const char *path)
{
	return str_eq(r->path, stub_str(path));
}

/* Everything that the request says. */
static inline void
stub_echo(struct req *r)
{
	struct stub_app *a = r->app;
	struct blob b = { NULL, 0, 0 };
	char text[64];

	blob_add(&b, r->method.p, r->method.n);
	blob_add(&b, " ", 1);
	blob_add(&b, r->path.p, r->path.n);
	blob_add(&b, r->has_query ? "?" : "", r->has_query);
	blob_add(&b, r->query.p, r->query.n);
	snprintf(text, sizeof(text), " %d.%d\n", r->major, r->minor);
	blob_add(&b, text, strlen(text));
	for (unsigned i = 0; i < r->n_fields; i++) {
		struct str name = field_name(&r->fields[i]);
		struct str value = field_value(&r->fields[i]);

		blob_add(&b, name.p, name.n);
		blob_add(&b, "=", 1);
		blob_add(&b, value.p, value.n);
		blob_add(&b, "|", 1);
	}
	blob_add(&b, "\n", 1);
	blob_add(&b, a->body.p, a->body.n);
	stub_whole(r, b.p, b.n);
	blob_free(&b);
}

static inline void
stub_read(struct req *r)
{
	struct stub_app *a = r->app;
	char buf[3000];
	size_t n;

	while ((n = req_take(r, buf, sizeof(buf))) > 0) {
		blob_add(&a->body, buf, n);
		a->stub->seen.body += n;
		if (stub_path(r, "/sip"))
			break;
	}
	if (r->body == BODY_CUT) {
		a->stub->seen.cut++;
		a->stub->seen.cut_status = r->cut_status;
		stub_release(r);
	} else if (req_is_read(r)) {
		stub_echo(r);
	} else {
		req_want(r);
	}
}

/* <n> bytes, which are freed when they are back: read later, ASan tells. */
static inline size_t
stub_lend(struct req *r, const char *p, size_t n)
{
	struct stub *s = r->shard->py;
	char *own = malloc(n);
	bool lent = false;
	size_t k;

	memcpy(own, p, n);
	k = res_lend(r, own, own, n, &lent);
	s->lent += lent;
	if (!lent)
		free(own);
	return k;
}

static inline void
stub_pour(struct req *r)
{
	struct stub_app *a = r->app;
	char buf[10000];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)('a' + i % 26);
	while (a->left > 0) {
		size_t n = a->left < sizeof(buf) ? a->left : sizeof(buf);
		size_t k = stub_path(r, "/big") ? stub_lend(r, buf, n) :
		    res_write(r, buf, n);

		a->left -= k;
		if (k < n)
			return;
	}
	a->stub->seen.err = res_end(r);
	stub_release(r);
}

static inline void
stub_begin(struct req *r, unsigned status, const char *length)
{
	OK(res_status(&r->res, status) == 0);
	if (length)
		OK(res_field(&r->res, STR("Content-Length"),
		    stub_str(length)) == 0);
	OK(res_start(r, &r->res) == 0);
}

static inline void
stub_heavy(struct req *r)
{
	struct res *h = &r->res;
	char value[100];

	memset(value, 'v', sizeof(value));
	OK(res_status(h, 200) == 0);
	for (size_t n = stub_number(r); n > h->len;)
		OK(res_field(h, STR("X"), (struct str){ value,
		    sizeof(value) }) == 0);
	OK(res_start(r, h) == 0);
	res_last(r, 2);
	OK(res_write(r, "ok", 2) == 2);
	OK(res_end(r) == 0);
	stub_release(r);
}

static inline void
stub_fields(struct req *r)
{
	struct res *h = &r->res;

	OK(res_status(h, 200) == 0);
	OK(res_field(h, STR("X-A"), STR("1")) == 0);
	OK(res_field(h, STR("Transfer-Encoding"), STR("gzip")) == 0);
	OK(res_field(h, STR("Connection"), STR("x-b")) == 0);
	OK(res_field(h, STR("Keep-Alive"), STR("5")) == 0);
	OK(res_field(h, STR("Server"), STR("mine")) == 0);
	OK(res_start(r, h) == 0);
	res_last(r, 0);
	OK(res_end(r) == 0);
	stub_release(r);
}

static inline void
stub_start(struct req *r)
{
	struct stub *s = r->shard->py;
	struct stub_app *a = calloc(1, sizeof(*a));
	char length[24];

	a->stub = s;
	r->app = a;
	s->seen.started++;
	if (stub_path(r, "/big") || stub_path(r, "/sized")) {
		a->left = stub_number(r);
		snprintf(length, sizeof(length), "%zu", a->left);
		stub_begin(r, 200, stub_path(r, "/big") ? NULL : length);
		stub_pour(r);
	} else if (stub_path(r, "/early")) {
		char buf[64] = "";

		stub_whole(r, buf, stub_number(r) % 64);
	} else if (stub_path(r, "/late")) {
		req_want(r);
	} else if (stub_path(r, "/nothing")) {
		stub_release(r);
	} else if (stub_path(r, "/hang")) {
		return;
	} else if (stub_path(r, "/half")) {
		stub_begin(r, 200, NULL);
		OK(res_write(r, "hello", 5) == 5);
		stub_release(r);
	} else if (stub_path(r, "/short") || stub_path(r, "/long")) {
		size_t n = stub_path(r, "/short") ? 5 : 15;

		stub_begin(r, 200, "10");
		n -= res_excess(r, n);
		OK(res_write(r, "0123456789abcde", n) == n);
		s->seen.err = res_end(r);
		stub_release(r);
	} else if (stub_path(r, "/head")) {
		stub_begin(r, 200, NULL);
	} else if (stub_path(r, "/status")) {
		stub_begin(r, (unsigned)stub_number(r), NULL);
		res_last(r, 0);
		OK(res_end(r) == 0);
		stub_release(r);
	} else if (stub_path(r, "/closing")) {
		OK(res_field(&r->res, STR("Connection"),
		    STR("x, Close")) == 0);
		stub_whole(r, "bye", 3);
	} else if (stub_path(r, "/heavy")) {
		stub_heavy(r);
	} else if (stub_path(r, "/fields")) {
		stub_fields(r);
	} else {
		stub_read(r);
	}
}

static inline void
stub_body(struct req *r)
{
	struct stub_app *a = r->app;

	a->stub->seen.bodies++;
	if (stub_path(r, "/late"))
		stub_whole(r, "late", 4);
	else
		stub_read(r);
}

static inline void
stub_room(struct req *r)
{
	struct stub_app *a = r->app;

	a->stub->seen.rooms++;
	if (a->rest.n == 0 || stub_rest(r))
		stub_pour(r);
}

static inline void
stub_gone(struct req *r)
{
	struct stub_app *a = r->app;

	a->stub->seen.gone++;
	a->stub->seen.lost += r->lost;
	if (r->lost || stub_path(r, "/hang") || stub_path(r, "/head"))
		stub_release(r);
}

static const struct app_ops stub_ops = {
	.start = stub_start,
	.body = stub_body,
	.room = stub_room,
	.gone = stub_gone,
};

/* ---- the shard --------------------------------------------------------- */

/* <options>: up to 8, ending with NULL; no Date, so that answers are equal. */
static inline void
stub_open(struct stub *s, const char *const *options)
{
	char words[12][64] = { "shoal", "stub:app", "--no-date-header",
		"--server-header=off" };
	char *argv[13], *envp[] = { NULL };
	struct conf_error err;
	int argc = 4;

	signal(SIGPIPE, SIG_IGN);
	memset(s, 0, sizeof(*s));
	for (; options && *options && argc < 12; options++)
		snprintf(words[argc++], sizeof(words[0]), "%s", *options);
	for (int i = 0; i < argc; i++)
		argv[i] = words[i];
	argv[argc] = NULL;
	if (!OK(conf_parse(&s->conf, &err, argc, argv, envp) == 0)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	log_init(&s->log, 2, LEVEL_WARNING, "");
	OK(shm_new(&s->shm, 1, RING_LANE_MIN) == 0);
	for (int i = 0; i < SHM_PARITIES; i++)
		s->wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->plan.shards = 1;
	s->start = (struct child_start){ .conf = &s->conf, .plan = &s->plan,
		.log = &s->log, .shm = &s->shm, .listeners = &s->listeners,
		.wake = s->wake, .control = -1, .count = 1,
		.isolation = ISOLATION_INTERP };
	s->shard = malloc(sizeof(*s->shard));
	OK(shard_init(s->shard, &s->start, 0, &proto_h1) == 0);
	s->shard->app = &stub_ops;
	s->shard->py = s;
}

static inline void
stub_turn(struct stub *s)
{
	shard_poll(s->shard, 0);
	while (shard_run(s->shard, NULL, NULL))
		;
	shard_flush(s->shard);
	for (char *p; (p = chunk_pool_back(&s->shard->chunks)); s->lent--)
		free(p);
}

/* Turns until there is nothing to be done. */
static inline void
stub_settle(struct stub *s)
{
	for (int quiet = 0; quiet < 2;) {
		stub_turn(s);
		quiet = shard_is_pending(s->shard) ? 0 : quiet + 1;
	}
}

/*
 * Makes <ms> pass at once, as far as the timers that are set can tell; those
 * set later are in the past, so a test can only go on, not begin anew.
 */
static inline void
stub_sleep(struct stub *s, unsigned ms)
{
	wheel_run(&s->shard->loop.wheel, clock_ns() + ms * NS_PER_MS);
	stub_settle(s);
}

static inline void
stub_close(struct stub *s)
{
	struct list *n;

	while ((n = list_first(&s->shard->conns)) ||
	    (n = list_first(&s->shard->idle)))
		conn_abort(container_of(n, struct conn, node));
	stub_settle(s);
	stub_turn(s);
	OK(s->lent == 0);
	OK(s->seen.started == s->seen.released);
	OK(s->shard->n_reqs == 0);
	OK(s->shard->n_conns == 0);
	req_pool_fini(s->shard);
	shard_fini(s->shard);
	free(s->shard);
	for (int i = 0; i < SHM_PARITIES; i++)
		close(s->wake[i]);
	shm_free(&s->shm);
	log_fini(&s->log);
	conf_fini(&s->conf);
}

static inline void
stub_take(struct stub *s, int fd)
{
	struct peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = AF_UNIX;
	OK(conn_open(s->shard, fd, &peer, 0) == 0);
}

/* A client's end of a new connection. */
static inline int
stub_connect(struct stub *s)
{
	int fd[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == 0);
	stub_take(s, fd[0]);
	return fd[1];
}

/* The same over TCP, which knows resets; it blocks for 5 s at most. */
static inline int
stub_connect_tcp(struct stub *s)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	struct timeval limit = { .tv_sec = 5 };
	socklen_t n = sizeof(sa);
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	OK(bind(lfd, (struct sockaddr *)&sa, n) == 0);
	OK(listen(lfd, 1) == 0);
	OK(getsockname(lfd, (struct sockaddr *)&sa, &n) == 0);
	OK(connect(fd, (struct sockaddr *)&sa, n) == 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit,
	    sizeof(limit)) == 0);
	stub_take(s, accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	close(lfd);
	return fd;
}

/* Reads what is there; false: the server closed. */
static inline bool
stub_recv(int fd, struct blob *to)
{
	char buf[65536];

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n == -1)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		blob_add(to, buf, (size_t)n);
	}
}

/* Sends, with turns and reading between; false: the server closed. */
static inline bool
stub_send(struct stub *s, int fd, const char *p, size_t n, struct blob *to)
{
	bool open = true;

	while (n > 0 && open) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k == -1 && errno != EAGAIN)
			break;
		if (k > 0) {
			p += k;
			n -= (size_t)k;
		}
		stub_settle(s);
		open = stub_recv(fd, to);
	}
	for (size_t before = 1, after = 0; open && before != after;) {
		before = to->n;
		stub_settle(s);
		open = stub_recv(fd, to);
		after = to->n;
	}
	return open;
}

static inline bool
stub_say(struct stub *s, int fd, const char *text, struct blob *to)
{
	return stub_send(s, fd, text, strlen(text), to);
}

/* A connection for one text, sent in pieces of <step> bytes (0: whole). */
static inline bool
stub_talk(struct stub *s, const char *p, size_t n, size_t step,
    struct blob *to)
{
	int fd = stub_connect(s);
	bool open = true;

	if (step == 0)
		step = n;
	for (size_t i = 0; i < n && open; i += step)
		open = stub_send(s, fd, p + i, n - i < step ? n - i : step,
		    to);
	close(fd);
	stub_settle(s);
	return open;
}

#endif
