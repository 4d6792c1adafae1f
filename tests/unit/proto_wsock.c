/* See LICENSE for the terms. */
/*
 * proto/wsock.h over a socket pair, through the real connection and shard, and
 * the handshake's parts.  The application echoes; at /sit it accepts and then
 * takes nothing.
 */
#include "proto/wsock.h"

#include "proto/sha1.h"
#include "proto/ws_deflate.h"
#include "proto/ws_shake.h"
#include "tests/unit/h1_stub.h"
#include "tests/unit/ws_kit.h"

#define SHAKE(path, more) "GET " path " HTTP/1.1\r\nHost: a\r\n" \
	"Upgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
	"Sec-WebSocket-Version: 13\r\n" more "\r\n"
#define HEAD(more) "HTTP/1.1 101 Switching Protocols\r\n" \
	"upgrade: websocket\r\nconnection: upgrade\r\n" \
	"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" more "\r\n"

static struct kit_bytes in;

/* ---- the application --------------------------------------------------- */

/* What it saw of the last one that ended. */
static unsigned ended_code;
static char ended_reason[130];
static struct wsock *current;

static void
app_ws(struct wsock *w)
{
	struct stub *s = w->shard->py;
	struct ws_msg *m;

	if (w->app) {
		while (wsock_space(w) > 0 && (m = wsock_next(w))) {
			wsock_send(w, m->text, m->data, m->n);
			mem_free(m);
		}
		wsock_want(w);
	}
	if (wsock_is_open(w))
		return;
	ended_code = w->code;
	snprintf(ended_reason, sizeof(ended_reason), "%.*s",
	    STR_ARG(w->reason));
	current = NULL;
	s->seen.released++;
	wsock_release(w);
}

static void
app_start(struct req *r)
{
	struct stub *s = r->shard->py;
	bool echoes = stub_path(r, "/");
	struct wsock *w;

	s->seen.started++;
	OK(r->ws);
	w = wsock_accept(r, &r->res, STR(""));
	req_release(r);
	if (!OK(w != NULL))
		return;
	w->app = echoes ? s : NULL;
	current = w;
	wsock_want(w);
}

static const struct app_ops ops = { .start = app_start, .ws = app_ws };

static void
begin(struct stub *s, const char *const *options)
{
	stub_open(s, options);
	s->shard->app = &ops;
	ended_code = 0;
	in.n = 0;
}

static int
open_one(struct stub *s, const char *shake)
{
	struct blob out = { NULL, 0, 0 };
	int fd = stub_connect(s);

	OK(stub_say(s, fd, shake, &out));
	OK(blob_is(&out, HEAD("")));
	blob_free(&out);
	return fd;
}

/* Sends <in> and empties it. */
static bool
say(struct stub *s, int fd, struct blob *out)
{
	bool open = stub_send(s, fd, (char *)in.p, in.n, out);

	in.n = 0;
	return open;
}

/* ---- the handshake ----------------------------------------------------- */

static void
sha1_has_its_published_values(void)
{
	static const struct { const char *text, *hex; } known[] = {
		{ "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
		{ "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
		/* 55 bytes are the most for one block. */
		{ "0123456789012345678901234567890123456789012345678901234",
		    "9f3a4ce7f66b1b74c34da2c5d732c39f81e0f8df" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		unsigned char sum[SHA1_SIZE];
		char hex[2 * SHA1_SIZE + 1];

		sha1(sum, known[i].text, strlen(known[i].text));
		for (unsigned k = 0; k < SHA1_SIZE; k++)
			snprintf(hex + 2 * k, 3, "%02x", sum[k]);
		OK_STR(hex, known[i].hex);
	}
}

/* All that is said, at every split of what is asked. */
static void
a_conversation_is_the_same_at_every_split(void)
{
	static const char want[] = HEAD("") "\x81\x05hello\x8a\x01p"
	    "\x82\x02\x01\x02\x81\x03" "abc";
	struct stub s;

	begin(&s, NULL);
	kit_add(&in, SHAKE("/", ""), sizeof(SHAKE("/", "")) - 1);
	kit_text(&in, 0x81, "hello");
	kit_text(&in, 0x89, "p");
	kit_text(&in, 0x82, "\x01\x02");
	kit_text(&in, 0x01, "ab");
	kit_text(&in, 0x80, "c");
	for (size_t cut = 0; cut < in.n; cut++) {
		struct blob out = { NULL, 0, 0 };
		int fd = stub_connect(&s);

		OK(stub_send(&s, fd, (char *)in.p, cut, &out));
		OK(stub_send(&s, fd, (char *)in.p + cut, in.n - cut, &out));
		/* The pong may overtake what the application answers. */
		OK(out.n == sizeof(want) - 1);
		OK(blob_has(&out, "\x81\x05hello") &&
		    blob_has(&out, "\x8a\x01p") &&
		    blob_has(&out, "\x82\x02\x01\x02\x81\x03" "abc"));
		OK(memcmp(out.p, want, sizeof(HEAD("")) - 1) == 0);
		close(fd);
		stub_settle(&s);
		OK(ended_code == WS_ABNORMAL);
		blob_free(&out);
	}
	stub_close(&s);
}

static void
handshakes_with_a_flaw_are_refused(void)
{
	static const struct { const char *request, *status; } bad[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
		    "400" },
		{ "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\n"
		    "Connection: upgrade\r\n"
		    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		    "426" },
		{ SHAKE("/", "Content-Length: 1\r\n") "x", "400" },
		{ SHAKE("/", "Origin: http://b\r\n"), "403" },
		{ SHAKE("/", "Sec-WebSocket-Protocol: a, b c\r\n"), "400" },
		{ SHAKE("/", "Sec-WebSocket-Key: "
		    "dGhlIHNhbXBsZSBub25jZQ==\r\n"), "400" },
	};
	static const char *const options[] = { "--ws-origins=http://a", NULL };
	struct stub s;

	begin(&s, options);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct blob out = { NULL, 0, 0 };

		OK(!stub_talk(&s, bad[i].request, strlen(bad[i].request), 0,
		    &out) || blob_count(&out, "HTTP/1.1") == 1);
		OK(out.n > 12 && memcmp(out.p + 9, bad[i].status, 3) == 0);
		OK(blob_has(&out, "sec-websocket-version: 13\r\n") ==
		    (bad[i].status[1] == '2'));
		blob_free(&out);
	}
	OK(s.seen.started == 0);
	stub_close(&s);
}

/* ---- closing ----------------------------------------------------------- */

static void
a_close_is_answered_with_its_code(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/", ""));
	kit_text(&in, 0x88, "\x0f\xa1why");
	kit_text(&in, 0x81, "behind");
	OK(!say(&s, fd, &out));
	OK(blob_is(&out, "\x88\x02\x0f\xa1"));
	OK(ended_code == 4001);
	OK_STR(ended_reason, "why");
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
a_failure_is_told_and_not_waited_for(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/", ""));
	kit_text(&in, 0x81, "\xff");
	OK(!say(&s, fd, &out));
	OK(out.n > 4 && memcmp(out.p, "\x88", 1) == 0 &&
	    memcmp(out.p + 2, "\x03\xef", 2) == 0);
	OK(ended_code == WS_INVALID_DATA);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
what_comes_between_two_closes_is_dropped(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/sit", ""));
	wsock_close(current, 1013, STR("later"));
	wsock_send(current, true, "no", 2);
	wsock_put(current, "\x81\x02no", 4);
	wsock_close(current, 1000, STR(""));
	kit_text(&in, 0x81, "dropped");
	kit_text(&in, 0x89, "dropped");
	OK(say(&s, fd, &out));
	OK(blob_is(&out, "\x88\x07\x03\xf5later"));
	kit_text(&in, 0x88, "\x03\xf5");
	OK(!say(&s, fd, &out));
	OK(ended_code == 1013);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
a_close_without_an_answer_has_its_time(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/", ""));
	wsock_close(current, 1000, STR(""));
	stub_settle(&s);
	stub_sleep(&s, 4000);
	OK(stub_recv(fd, &out));
	stub_sleep(&s, 6000);
	OK(!stub_recv(fd, &out));
	OK(blob_is(&out, "\x88\x02\x03\xe8"));
	close(fd);
	blob_free(&out);
	stub_close(&s);
}

static void
a_drain_closes_all(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/", ""));
	shard_drain(s.shard);
	stub_settle(&s);
	OK(stub_recv(fd, &out));
	OK(out.n > 4 && memcmp(out.p + 2, "\x03\xf4", 2) == 0);
	OK(ended_code == WS_SERVICE_RESTART);
	OK(!shard_is_over(s.shard));
	kit_text(&in, 0x88, "\x03\xf4");
	OK(!say(&s, fd, &out));
	close(fd);
	stub_settle(&s);
	OK(shard_is_over(s.shard));
	blob_free(&out);
	stub_close(&s);
}

/* ---- pings, and what waits --------------------------------------------- */

/* The test's clock goes forward only: the second deadline is far off. */
static const char *const pinging[] = { "--ws-ping-timeout=60s", NULL };

static void
silence_after_a_ping_is_the_end(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, pinging);
	fd = open_one(&s, SHAKE("/", ""));
	stub_sleep(&s, 19000);
	OK(stub_recv(fd, &out) && out.n == 0);
	stub_sleep(&s, 21000);
	OK(stub_recv(fd, &out));
	OK(out.n == 2 && memcmp(out.p, "\x89\x00", 2) == 0);
	stub_sleep(&s, 62000);
	OK(!stub_recv(fd, &out));
	OK(ended_code == WS_ABNORMAL);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
any_frame_is_a_sign_of_life(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	int fd;

	begin(&s, pinging);
	fd = open_one(&s, SHAKE("/", ""));
	stub_sleep(&s, 21000);
	OK(current->pinged);
	kit_text(&in, 0x01, "");
	OK(say(&s, fd, &out));
	OK(!current->pinged);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
nothing_is_read_while_too_much_waits(void)
{
	static char big[20000];
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	struct ws_msg *m;
	unsigned n = 0;
	size_t at = 0;
	int fd;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/sit", ""));
	for (unsigned i = 0; i < 50; i++) {
		big[0] = (char)i;
		kit_frame(&in, 0x82, big, sizeof(big));
	}
	while (at < in.n) {
		ssize_t k = send(fd, in.p + at, in.n - at, MSG_NOSIGNAL);

		stub_settle(&s);
		OK(current->waiting < WSOCK_IN_HIGH + sizeof(big) + 100);
		/* A socket pair's buffer is full, too. */
		if (k == -1) {
			m = wsock_next(current);
			if (!OK(m && m->n == sizeof(big) &&
			    m->data[0] == n++))
				break;
			mem_free(m);
			continue;
		}
		at += (size_t)k;
	}
	while ((m = wsock_next(current))) {
		OK(m->data[0] == n++);
		mem_free(m);
		stub_settle(&s);
	}
	OK(n == 50 && current->waiting == 0);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

/* While our answers wait, only the last ping has one to come. */
static void
pings_of_one_who_does_not_read_are_not_hoarded(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	static const char noise[1000];
	char payload[8];
	int fd, small = 4096;

	begin(&s, NULL);
	fd = open_one(&s, SHAKE("/sit", ""));
	OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	while (wsock_space(current) > 0) {
		wsock_send(current, false, noise, sizeof(noise));
		stub_turn(&s);
	}
	for (unsigned i = 0; i < 2000; i++) {
		size_t before = bytes_len(&current->conn->out);

		snprintf(payload, sizeof(payload), "%u", i);
		in.n = 0;
		kit_text(&in, 0x89, payload);
		OK(send(fd, in.p, in.n, MSG_NOSIGNAL) == (ssize_t)in.n);
		stub_turn(&s);
		OK(bytes_len(&current->conn->out) <= before);
	}
	in.n = 0;
	OK(say(&s, fd, &out));
	OK(out.n > 6 && memcmp(out.p + out.n - 6, "\x8a\x04" "1999", 6) == 0);
	OK(blob_count(&out, "\x8a\x04") == 1);
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
what_is_compressed_says_so(void)
{
	struct blob out = { NULL, 0, 0 };
	struct stub s;
	char text[1000];
	int fd;

	begin(&s, NULL);
	memset(text, 'x', sizeof(text));
	fd = stub_connect(&s);
	OK(stub_say(&s, fd, SHAKE("/", "Sec-WebSocket-Extensions: "
	    "permessage-deflate; client_max_window_bits\r\n"), &out));
	OK(blob_is(&out, HEAD("sec-websocket-extensions: permessage-deflate; "
	    "server_max_window_bits=12; client_max_window_bits=12\r\n")));
	OK(s.shard->ws_deflate == 0);
	out.n = 0;
	kit_frame(&in, 0x81, text, 255);
	OK(say(&s, fd, &out));
	OK(out.n == 4 + 255 && (unsigned char)out.p[0] == 0x81);
	OK(s.shard->ws_deflate == 0);
	out.n = 0;
	kit_frame(&in, 0x81, text, 256);
	OK(say(&s, fd, &out));
	OK(out.n < 50 && (unsigned char)out.p[0] == 0xc1);
	OK(s.shard->ws_deflate > 0);
	close(fd);
	stub_settle(&s);
	OK(s.shard->ws_deflate == 0);
	/* Nothing is agreed upon when there is no budget. */
	s.shard->ws_deflate = WS_DEFLATE_BUDGET;
	fd = open_one(&s, SHAKE("/", "Sec-WebSocket-Extensions: "
	    "permessage-deflate\r\n"));
	s.shard->ws_deflate = 0;
	close(fd);
	stub_settle(&s);
	blob_free(&out);
	stub_close(&s);
}

static void
tests(void)
{
	T(sha1_has_its_published_values);
	T(a_conversation_is_the_same_at_every_split);
	T(handshakes_with_a_flaw_are_refused);
	T(a_close_is_answered_with_its_code);
	T(a_failure_is_told_and_not_waited_for);
	T(what_comes_between_two_closes_is_dropped);
	T(a_close_without_an_answer_has_its_time);
	T(a_drain_closes_all);
	T(silence_after_a_ping_is_the_end);
	T(any_frame_is_a_sign_of_life);
	T(nothing_is_read_while_too_much_waits);
	T(pings_of_one_who_does_not_read_are_not_hoarded);
	T(what_is_compressed_says_so);
}

T_MAIN(tests)
