/* See LICENSE for the terms. */
/*
 * What a WebSocket is sent from channels: it shares the shard's log with all
 * the others, and yet everything leaves in the order in which it was appended,
 * whole, however little a client takes at a time.
 */
#include "proto/wsock.h"

#include "core/relay.h"
#include "tests/unit/h1_stub.h"
#include "tests/unit/ws_kit.h"

#define SHAKE "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==" \
	"\r\nSec-WebSocket-Version: 13\r\n\r\n"

static struct stub stub;
static struct wsock *opened;
static struct blob out;

/* The application takes nothing, and lets go of what ends. */
static void
app_ws(struct wsock *w)
{
	if (!wsock_is_open(w))
		wsock_release(w);
}

static void
app_start(struct req *r)
{
	opened = wsock_accept(r, &r->res, STR(""));
	req_release(r);
	if (OK(opened != NULL))
		wsock_want(opened);
}

static const struct app_ops ops = { .start = app_start, .ws = app_ws };

static void
begin(const char *const *options)
{
	stub_open(&stub, options);
	stub.shard->app = &ops;
}

/* One more in the room; the client's end in <fd>. */
static struct wsock *
enter(int *fd)
{
	*fd = stub_connect(&stub);
	OK(stub_say(&stub, *fd, SHAKE, &out));
	blob_free(&out);
	OK(wsock_join(opened, STR("room")) == 0);
	return opened;
}

/* A frame of <n> times <c>. */
static void
publish(char c, size_t n)
{
	static char data[100000];
	unsigned char head[WS_HEAD_MAX];
	struct ring_msg m = { .channel = STR("room"), .kind = RING_TEXT,
		.data = { data, n } };

	memset(data, c, n);
	m.head = (struct str){ (char *)head, ws_head(head, WS_TEXT, n) };
	OK(relay_publish(&stub.shard->relay, &m, NULL) == 0);
	relay_deliver(&stub.shard->relay);
}

static void
send_own(struct wsock *w, char c, size_t n)
{
	static char data[100000];

	memset(data, c, n);
	wsock_send(w, true, data, n);
}

/* The letters of the frames in <out>, one a frame; "?" for what is none. */
static void
letters(char *to, size_t size)
{
	const unsigned char *p = (const unsigned char *)out.p;
	size_t left = out.n, k = 0;

	while (left >= 2 && k + 2 < size) {
		size_t head = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10, n = p[1];

		if (head == 4)
			n = (size_t)p[2] << 8 | p[3];
		for (size_t i = 2; head == 10 && i < 10; i++)
			n = (i == 2 ? 0 : n << 8) | p[i];
		if (n == 0 || n > left - head || (p[0] & 0xf0) != 0x80)
			break;
		to[k++] = (char)p[head];
		for (size_t i = 1; i < n; i++)
			if ((p[0] & 15) == WS_TEXT && p[head + i] != p[head])
				to[k - 1] = '?';
		p += head + n;
		left -= head + n;
	}
	if (left > 0)
		to[k++] = '?';
	to[k] = 0;
}

/* Takes what is there in pieces of <step>, with a turn after each. */
static void
take(int fd, size_t step)
{
	char buf[65536];

	for (unsigned idle = 0; idle < 2;) {
		ssize_t n = recv(fd, buf, step, 0);

		if (n > 0)
			blob_add(&out, buf, (size_t)n);
		idle = n > 0 ? 0 : idle + 1;
		stub_settle(&stub);
	}
}

static uint64_t
held(void)
{
	return atomic_load(&stub.shard->relay.log.held);
}

static void
expect(int fd, size_t step, const char *want)
{
	char got[64];

	take(fd, step);
	letters(got, sizeof(got));
	OK_STR(got, want);
	blob_free(&out);
}

/* ---- order ------------------------------------------------------------- */

/* What the four steps of <code> append: its own frame, or the room's. */
static void
append(struct wsock *w, unsigned code, size_t n, char *want)
{
	for (unsigned i = 0; i < 4; i++, code /= 3) {
		want[i] = (char)('a' + i);
		if (code % 3 == 0)
			send_own(w, want[i], n);
		else if (code % 3 == 1)
			publish(want[i], n);
		else
			publish(want[i], 5 * n);
	}
	want[4] = 0;
}

static void
everything_leaves_in_the_order_it_was_appended(void)
{
	static const size_t sizes[] = { 1, 125, 700, 3000 };
	int fd[2];

	begin(NULL);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned code = 0; code < 81; code++) {
			struct wsock *w = enter(&fd[0]), *v = enter(&fd[1]);
			char want[5], room[5] = { 0 };
			unsigned n = 0;

			append(w, code, sizes[i], want);
			for (unsigned k = 0, rest = code; k < 4;
			    k++, rest /= 3)
				if (rest % 3 > 0)
					room[n++] = want[k];
			OK(v->state == WSOCK_OPEN);
			expect(fd[0], 65536, want);
			expect(fd[1], 65536, room);
			close(fd[0]);
			close(fd[1]);
			stub_settle(&stub);
		}
	stub_close(&stub);
}

static void
a_client_may_take_it_in_any_pieces(void)
{
	static const size_t steps[] = { 1, 7, 100, 4096 };
	int fd;

	begin(NULL);
	for (unsigned i = 0; i < 4; i++) {
		struct wsock *w = enter(&fd);
		int small = 4096;

		OK(setsockopt(w->conn->io.fd, SOL_SOCKET, SO_SNDBUF, &small,
		    sizeof(small)) == 0);
		publish('a', 3000);
		publish('b', 3000);
		send_own(w, 'c', 100);
		publish('d', 3000);
		stub_settle(&stub);
		/* Half of it is on the way: more comes behind the rest. */
		publish('e', 3000);
		send_own(w, 'f', 9000);
		publish('g', 1);
		expect(fd, steps[i], "abcdefg");
		close(fd);
		stub_settle(&stub);
	}
	stub_close(&stub);
}

/* Behind our close frame nothing follows, in front of it nothing is lost. */
static void
a_close_is_behind_what_was_published_before(void)
{
	int fd;

	begin(NULL);
	enter(&fd);
	publish('a', 10);
	publish('b', 10);
	wsock_close(opened, 1000, STR("x"));
	publish('c', 10);
	stub_settle(&stub);
	expect(fd, 65536, "ab\x03");
	close(fd);
	stub_settle(&stub);
	stub_close(&stub);
}

/* ---- memory ------------------------------------------------------------ */

static void
nothing_is_copied_and_nothing_is_kept(void)
{
	enum { ROOM = 50 };
	struct iovec v[4];
	int fd[ROOM];
	struct wsock *w[ROOM];

	begin(NULL);
	for (unsigned i = 0; i < ROOM; i++)
		w[i] = enter(&fd[i]);
	publish('a', 1000);
	publish('b', 1000);
	for (unsigned i = 0; i < ROOM; i++) {
		OK(bytes_iov(&w[i]->conn->out, v, 4) == 1);
		OK((unsigned char *)v[0].iov_base ==
		    stub.shard->relay.log.seg->data);
	}
	OK(held() == SEG_SIZE);
	stub_settle(&stub);
	for (unsigned i = 0; i < ROOM; i++) {
		OK(!w[i]->conn->out.head);
		expect(fd[i], 65536, "ab");
	}
	OK(atomic_load(&stub.shard->relay.log.seg->refs) == 1);
	for (unsigned i = 0; i < ROOM; i++)
		close(fd[i]);
	stub_settle(&stub);
	stub_close(&stub);
}

/*
 * One who takes nothing, in a room where little is said, while much is said in
 * another: of each segment a few bytes wait for him.
 */
static void
a_slow_client_holds_a_bounded_part_of_the_log(void)
{
	static char much[SEG_SIZE / 8];
	struct ring_msg m = { .channel = STR("noise"), .kind = RING_BYTES,
		.data = { much, sizeof(much) } };
	unsigned rounds = 2 * RELAY_HELD / SEG_SIZE, n = 0;
	int slow, quick;
	struct wsock *w;
	size_t len;

	begin(NULL);
	w = enter(&slow);
	OK(wsock_join(enter(&quick), m.channel) == 0);
	/* He has his kernel's buffer full, and then some. */
	while (w->conn->writable) {
		send_own(w, '-', 60000);
		stub_turn(&stub);
	}
	len = bytes_len(&w->conn->out);
	for (unsigned i = 0; i < rounds; i++) {
		publish((char)('a' + i % 26), 1);
		for (unsigned k = 0; k < 8; k++) {
			OK(relay_publish(&stub.shard->relay, &m, NULL) == 0);
			take(quick, 65536);
		}
		blob_free(&out);
		OK(held() <= RELAY_HELD + 3 * SEG_SIZE);
	}
	OK(bytes_len(&w->conn->out) == len + 3 * rounds);
	/* All of it arrives all the same. */
	take(slow, 65536);
	for (size_t i = out.n - 3 * rounds; i < out.n; i += 3, n++)
		OK(out.p[i] == (char)0x81 && out.p[i + 1] == 1 &&
		    out.p[i + 2] == (char)('a' + n % 26));
	OK(n == rounds && held() <= 2 * SEG_SIZE);
	blob_free(&out);
	close(slow);
	close(quick);
	stub_settle(&stub);
	stub_close(&stub);
}

/* ---- the slow ---------------------------------------------------------- */

static struct wsock *
fill(const char *overflow, int *fd)
{
	const char *const options[] = { "--subscriber-buffer=5000",
		overflow, NULL };
	struct wsock *w;

	begin(options);
	w = enter(fd);
	w->conn->writable = false;	/* as if the kernel had refused */
	return w;
}

/* <n> at once: they come as one run. */
static void
publish_run(const char *what, size_t n)
{
	static char data[5000];
	unsigned char head[WS_HEAD_MAX];

	for (; *what; what++) {
		/* A capital is a large one. */
		size_t size = *what < 'a' ? 4000 : n;
		struct ring_msg m = { .channel = STR("room"),
			.kind = RING_TEXT, .data = { data, size } };

		memset(data, *what, size);
		m.head = (struct str){ (char *)head,
			ws_head(head, WS_TEXT, size) };
		OK(relay_publish(&stub.shard->relay, &m, NULL) == 0);
	}
	relay_deliver(&stub.shard->relay);
}

static uint64_t
dropped(void)
{
	return atomic_load(&stub.shard->slot->dropped);
}

static void
what_does_not_fit_is_skipped_and_the_rest_of_a_run_is_not(void)
{
	struct wsock *w;
	int fd;

	w = fill("--subscriber-overflow=skip", &fd);
	publish_run("AbcDefGh", 100);
	OK(dropped() == 2);
	OK(bytes_len(&w->conn->out) == 4004 + 5 * 102);
	w->conn->writable = true;
	conn_dirty(w->conn);
	expect(fd, 65536, "Abcefh");
	close(fd);
	stub_settle(&stub);
	stub_close(&stub);
}

static void
who_is_too_slow_in_a_run_is_closed_behind_what_fits(void)
{
	struct wsock *w;
	int fd;

	w = fill("--subscriber-overflow=close", &fd);
	publish_run("AbcDefGh", 100);
	OK(dropped() == 1 && w->code == WS_TRY_AGAIN_LATER);
	w->conn->writable = true;
	conn_dirty(w->conn);
	stub_settle(&stub);
	expect(fd, 65536, "Abc\x03");
	close(fd);
	stub_settle(&stub);
	stub_close(&stub);
}

static void
tests(void)
{
	T(everything_leaves_in_the_order_it_was_appended);
	T(a_client_may_take_it_in_any_pieces);
	T(a_close_is_behind_what_was_published_before);
	T(nothing_is_copied_and_nothing_is_kept);
	T(a_slow_client_holds_a_bounded_part_of_the_log);
	T(what_does_not_fit_is_skipped_and_the_rest_of_a_run_is_not);
	T(who_is_too_slow_in_a_run_is_closed_behind_what_fits);
}

T_MAIN(tests)
