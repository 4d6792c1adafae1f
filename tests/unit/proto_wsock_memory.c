/* See LICENSE for the terms. */
/*
 * Want of memory on a WebSocket's way: the n-th allocation fails, for every n,
 * from the connection's set-up over the handshake and compressed messages that
 * are echoed to its end.  What the client gets is a beginning of what it gets
 * otherwise, a refusal or a close; nothing is leaked (the address sanitizer
 * looks), and the next client is served.
 */
#include "proto/wsock.h"
#include "tests/unit/faults.h"
#include "tests/unit/h1_stub.h"
#include "tests/unit/ws_kit.h"

static const char shake[] = "GET / HTTP/1.1\r\nHost: a\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

static struct stub s;
static struct kit_bytes in;

/* ---- an application that echoes what it can ----------------------------- */

static void
app_ws(struct wsock *w)
{
	struct ws_msg *m;

	while (wsock_space(w) > 0 && (m = wsock_next(w))) {
		wsock_send(w, m->text, m->data, m->n);
		mem_free(m);
	}
	if (wsock_is_open(w)) {
		wsock_want(w);
		return;
	}
	s.seen.released++;
	wsock_release(w);
}

static void
app_start(struct req *r)
{
	struct wsock *w = wsock_accept(r, &r->res, STR(""));

	s.seen.started++;
	req_release(r);
	if (w)
		wsock_want(w);
	else
		s.seen.released++;
}

static const struct app_ops ops = { .start = app_start, .ws = app_ws };

/* ---- a conversation ----------------------------------------------------- */

static void
make_conversation(void)
{
	static char large[40000];

	memset(large, 'a', sizeof(large));
	kit_add(&in, shake, sizeof(shake) - 1);
	kit_text(&in, 0x81, "hello");
	/* In parts, each larger than what was there before. */
	kit_frame(&in, 0x02, large, 200);
	kit_frame(&in, 0x00, large, sizeof(large));
	kit_text(&in, 0x89, "ping");
	kit_frame(&in, 0x80, large, 3000);
	/* "Hello", compressed (RFC 7692, 7.2.3.1). */
	kit_frame(&in, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
	kit_text(&in, 0x88, "\x03\xe8");
}

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
talk(struct blob *out)
{
	int fd = try_connect();
	bool open = true;

	for (size_t i = 0; i < in.n && open; i += 1500)
		open = stub_send(&s, fd, (char *)in.p + i,
		    in.n - i < 1500 ? in.n - i : 1500, out);
	close(fd);
	stub_settle(&s);
}

static void
try_all(unsigned count)
{
	struct blob whole = { NULL, 0, 0 };
	struct faults f = faults_of(count);

	stub_open(&s, NULL);
	s.shard->app = &ops;
	talk(&whole);
	OK(blob_has(&whole, "HTTP/1.1 101 ") && blob_has(&whole, "hello"));
	OK(blob_has(&whole, "\x88\x02\x03\xe8"));
	while (faults_next(&f)) {
		struct blob out = { NULL, 0, 0 }, after = { NULL, 0, 0 };

		/* What the pools keep would not be allocated again. */
		req_pool_fini(s.shard);
		chunk_pool_fini(&s.shard->chunks);
		faults_begin(&f);
		talk(&out);
		faults_end(&f);
		OK(s.shard->n_conns == 0 && s.shard->n_reqs == 0);
		OK(s.seen.started == s.seen.released);
		OK(f.failed || (out.n == whole.n &&
		    memcmp(out.p, whole.p, whole.n) == 0));
		OK(blob_count(&out, "HTTP/1.1 ") <= 1);
		/* There is enough again. */
		talk(&after);
		OK(after.n == whole.n &&
		    memcmp(after.p, whole.p, whole.n) == 0);
		blob_free(&out);
		blob_free(&after);
	}
	faults_report(&f, 8);
	blob_free(&whole);
	stub_close(&s);
}

static void
any_allocation_of_a_websocket_may_fail(void)
{
	make_conversation();
	try_all(1);
	try_all(UINT_MAX);
}

static void
tests(void)
{
	T(any_allocation_of_a_websocket_may_fail);
}

T_MAIN(tests)
