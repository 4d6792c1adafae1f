/*
 * WebSocket clients that measure, one thread of them.
 *
 * In a room (the default): every socket waits to be told "ready", which the
 * application says when it has joined it.  Then the first one says messages,
 * --window of them in flight: the next is sent when every socket has the
 * oldest.  A message begins with its number, and each socket must get each of
 * them once, in order and whole.  Latency is that of the last delivery.
 * Every message is a send of its own, as of people who say them; with
 * --together those that may be said at the same time are one.
 *
 * With --echo each socket says its own messages, --window of them in flight,
 * and must get them back.
 *
 * Prints "ready", waits for a line on standard input (whoever measures CPU time
 * begins there), and prints "detail " with one line of JSON.  It ends after
 * --messages, or after --seconds when that comes first; 0: no such bound.
 *
 * Usage: wsload --port N [--path PATH] [--sockets N] [--window N] [--size N]
 *               [--messages N] [--seconds N] [--echo] [--together]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_EVENTS = 256,
	INPUT_SIZE = 1 << 18,
	DIGITS = 16,		/* of a message's number, at its start */
	HEAD_MAX = 14,
	SHAKES = 64,		/* handshakes at once: less than a backlog */
	PATIENCE_MS = 5000,	/* without a message: they are lost */
	SETTLE_MS = 50,		/* at the end, for what comes twice */
};

#define NS_PER_S UINT64_C(1000000000)

enum { TEXT = 0x81, CLOSE = 0x88, PING = 0x89, PONG = 0x8a };

enum state { SHAKING, JOINING, READY };

struct sock {
	int fd;
	enum state state;
	uint64_t next;		/* number of the message that comes next */
	uint64_t sent;		/* echo: of the one that it says next */
	uint64_t *said;		/* echo: when, by number modulo the window */
	unsigned char *kept;	/* of a frame that has not come whole */
	size_t n_kept;
};

/* A message as it comes. */
struct frame {
	uint64_t number;
	unsigned char *p;
};

static struct {
	uint16_t port;
	const char *path;
	unsigned sockets, window, size;
	uint64_t messages, seconds;
	bool echo, together;
} want = { .path = "/", .sockets = 1000, .window = 1, .size = 128 };

static struct {
	uint64_t missed, repeated, foreign, closed, stalled;
} wrong;

static int epfd;
static struct sock *socks;
static unsigned n_ready, n_open, n_shaking;
static size_t frame_size;
static struct frame *frames;	/* by number modulo the window */
static unsigned char *out;	/* room for a window of what is said */
static unsigned char input[INPUT_SIZE];
/* The room: messages said, and had by all; sockets still to have each. */
static uint64_t said, had;
static unsigned *left;
static uint64_t *when;
static uint64_t deliveries, asked;
static uint64_t start, end;
static double cpu;
static bool running;
static float *latency;
static size_t n_latency, max_latency;

static void
die(const char *what)
{
	fprintf(stderr, "wsload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *
room_for(size_t n, size_t each)
{
	void *p = calloc(n, each);

	if (!p)
		die("calloc");
	return p;
}

static uint64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static double
cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / (double)NS_PER_S;
}

static void
note_latency(uint64_t from, uint64_t to)
{
	if (n_latency == max_latency) {
		max_latency = 2 * max_latency + 1024;
		latency = realloc(latency, max_latency * sizeof(*latency));
		if (!latency)
			die("realloc");
	}
	latency[n_latency++] = (float)(to - from) / 1e6f;
}

/* ---- frames ------------------------------------------------------------ */

/* The head of a text's frame; <mask> is 0x80 or 0. */
static size_t
put_head(unsigned char *p, unsigned char mask)
{
	p[0] = TEXT;
	if (want.size < 126) {
		p[1] = mask | (unsigned char)want.size;
		return 2;
	}
	p[1] = mask | 126;
	p[2] = (unsigned char)(want.size >> 8);
	p[3] = (unsigned char)want.size;
	return 4;
}

static void
put_text(unsigned char *p, uint64_t number)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = DIGITS - 1; i >= 0; i--, number >>= 4)
		p[i] = (unsigned char)digits[number & 15];
	for (unsigned i = DIGITS; i < want.size; i++)
		p[i] = (unsigned char)('a' + i % 26);
}

/* How a message comes. */
static const unsigned char *
as_it_comes(uint64_t number)
{
	struct frame *f = &frames[number % want.window];

	if (f->number != number) {
		f->number = number;
		put_text(f->p + put_head(f->p, 0), number);
	}
	return f->p;
}

/* What a socket says: masked, as a client's must be. */
static size_t
put_said(unsigned char *p, uint64_t number)
{
	static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
	size_t n = put_head(p, 0x80);

	memcpy(p + n, mask, 4);
	n += 4;
	put_text(p + n, number);
	for (unsigned i = 0; i < want.size; i++)
		p[n + i] ^= mask[i & 3];
	return n + want.size;
}

static void
say(const struct sock *s, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = send(s->fd, out + at, n - at, MSG_NOSIGNAL);

		if (k == -1 && errno != EAGAIN && errno != EINTR)
			die("send");
		at += k > 0 ? (size_t)k : 0;
	}
}

static bool
is_time(void)
{
	return want.seconds > 0 && now() - start > want.seconds * NS_PER_S;
}

static bool
is_enough(void)
{
	return (want.messages > 0 && asked >= want.messages) || is_time();
}

/* As many as may be in flight now. */
static void
say_more(struct sock *s)
{
	uint64_t *next = want.echo ? &s->sent : &said, t = now();
	uint64_t oldest = want.echo ? s->next : had;
	size_t n = 0;

	while (*next < oldest + want.window && !is_enough()) {
		n += put_said(out + n, *next);
		if (want.echo) {
			s->said[*next % want.window] = t;
		} else {
			when[*next % want.window] = t;
			left[*next % want.window] = n_open;
		}
		asked++;
		++*next;
		if (!want.together) {
			say(s, n);
			n = 0;
		}
	}
	say(s, n);
}

/* ---- what comes -------------------------------------------------------- */

static void
close_sock(struct sock *s)
{
	wrong.closed++;
	n_open--;
	close(s->fd);
	s->fd = -1;
}

/* The message that was next is there. */
static void
got_next(struct sock *s)
{
	uint64_t at = s->next++ % want.window;

	if (want.echo) {
		note_latency(s->said[at], now());
	} else if (--left[at] == 0) {
		note_latency(when[at], now());
		had++;
	}
}

/* A frame that is not the next message: what is it instead? */
static void
on_other(struct sock *s, const unsigned char *p, size_t n, size_t head)
{
	uint64_t number, last = want.echo ? s->sent : said;
	char digits[DIGITS + 1] = "";

	if (p[0] == PING && n - head < 126) {
		unsigned char pong[6 + 125] = { PONG, p[1] | 0x80 };

		memcpy(pong + 6, p + head, n - head);
		send(s->fd, pong, 6 + n - head, MSG_NOSIGNAL);
		return;
	}
	if (s->state == JOINING && n == 7 && memcmp(p + 2, "ready", 5) == 0) {
		s->state = READY;
		n_ready++;
		return;
	}
	if (n == frame_size)
		memcpy(digits, p + head, DIGITS);
	number = strtoull(digits, NULL, 16);
	if (n != frame_size || number >= last ||
	    memcmp(p, as_it_comes(number), n) != 0) {
		wrong.foreign++;
	} else if (number < s->next) {
		wrong.repeated++;
	} else {
		for (; s->next < number; wrong.missed++)
			got_next(s);
		got_next(s);
		deliveries++;
	}
}

/* The length of the frame at <p>, 0 when its head is not there. */
static size_t
frame_length(const unsigned char *p, size_t n, size_t *head)
{
	uint64_t size = 0;
	unsigned more;

	if (n < 2)
		return 0;
	more = (p[1] & 127) == 126 ? 2 : (p[1] & 127) == 127 ? 8 : 0;
	*head = 2 + more;
	if (n < *head)
		return 0;
	if (more == 0)
		size = p[1] & 127;
	for (unsigned i = 0; i < more; i++)
		size = size << 8 | p[2 + i];
	return *head + size;
}

/* What was used of it; the rest is part of a frame. */
static size_t
read_frames(struct sock *s, const unsigned char *p, size_t n)
{
	uint64_t last = want.echo ? s->sent : said;
	size_t used = 0, head, k;

	while (used < n) {
		if (n - used >= frame_size && s->next < last &&
		    memcmp(p + used, as_it_comes(s->next), frame_size) == 0) {
			used += frame_size;
			deliveries++;
			got_next(s);
			continue;
		}
		k = frame_length(p + used, n - used, &head);
		if (k == 0 || k > n - used)
			break;
		if (p[used] == CLOSE) {
			close_sock(s);
			return n;
		}
		on_other(s, p + used, k, head);
		used += k;
	}
	return used;
}

static size_t
read_answer(struct sock *s, const unsigned char *p, size_t n)
{
	const unsigned char *last = memmem(p, n, "\r\n\r\n", 4);

	if (!last)
		return 0;
	if (n < 12 || memcmp(p, "HTTP/1.1 101", 12) != 0) {
		fprintf(stderr, "wsload: the answer is %.12s\n",
		    (const char *)p);
		exit(1);
	}
	s->state = JOINING;
	n_shaking--;
	return (size_t)(last - p) + 4;
}

static void
on_readable(struct sock *s)
{
	size_t n = s->n_kept, used = 0;
	ssize_t k;

	if (n > 0)
		memcpy(input, s->kept, n);
	k = recv(s->fd, input + n, sizeof(input) - n, 0);
	if (k == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k <= 0) {
		close_sock(s);
		return;
	}
	n += (size_t)k;
	if (s->state == SHAKING)
		used = read_answer(s, input, n);
	if (s->state != SHAKING)
		used += read_frames(s, input + used, n - used);
	s->n_kept = n - used;
	if (s->n_kept > 0) {
		s->kept = realloc(s->kept, s->n_kept);
		if (!s->kept)
			die("realloc");
		memcpy(s->kept, input + used, s->n_kept);
	}
	if (running && want.echo && s->fd >= 0)
		say_more(s);
}

/* False: nothing came for that long. */
static bool
turn(int timeout_ms)
{
	struct epoll_event ev[MAX_EVENTS];
	int n = epoll_wait(epfd, ev, MAX_EVENTS, timeout_ms);

	for (int i = 0; i < n; i++)
		on_readable(ev[i].data.ptr);
	return n != 0;
}

/* ---- the run ----------------------------------------------------------- */

static void
connect_one(struct sock *s)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(want.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	char head[512];
	int on = 1;
	int n = snprintf(head, sizeof(head),
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	    want.path, want.port);

	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd == -1)
		die("socket");
	if (connect(s->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		die("connect");
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(s->fd, head, (size_t)n, MSG_NOSIGNAL) != n)
		die("send");
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) == -1)
		die("fcntl");
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, s->fd, &ev) == -1)
		die("epoll_ctl");
	s->said = want.echo ? room_for(want.window, sizeof(*s->said)) : NULL;
	n_open++;
	n_shaking++;
}

static void
connect_all(void)
{
	for (unsigned i = 0; i < want.sockets; i++) {
		while (n_shaking >= SHAKES)
			if (!turn(PATIENCE_MS))
				die("no answer to a handshake");
		connect_one(&socks[i]);
	}
	while (n_ready < want.sockets)
		if (!turn(PATIENCE_MS) || wrong.closed > 0) {
			fprintf(stderr, "wsload: %u of %u sockets are ready\n",
			    n_ready, want.sockets);
			exit(1);
		}
}

/* Messages on their way. */
static uint64_t
in_flight(void)
{
	uint64_t n = said - had;

	for (unsigned i = 0; want.echo && i < want.sockets; i++)
		if (socks[i].fd >= 0)
			n += socks[i].sent - socks[i].next;
	return n;
}

static void
run(void)
{
	bool more = true;

	running = true;
	cpu = cpu_seconds();
	start = now();
	for (unsigned i = 0; want.echo && i < want.sockets; i++)
		say_more(&socks[i]);
	while (more) {
		if (!want.echo)
			say_more(&socks[0]);
		if (is_enough() && in_flight() == 0)
			break;
		more = turn(PATIENCE_MS) && socks[0].fd >= 0;
	}
	end = now();
	cpu = cpu_seconds() - cpu;
	running = false;
	if (!more)
		wrong.stalled = in_flight();
	while (turn(SETTLE_MS))
		;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double
percentile(double of)
{
	return n_latency == 0 ? 0 :
	    (double)latency[(size_t)(of * (double)(n_latency - 1))];
}

static void
report(void)
{
	qsort(latency, n_latency, sizeof(*latency), compare);
	printf("detail {\"requests\": %llu, \"seconds\": %f, "
	    "\"load_cpu\": %f, \"p50\": %f, \"p99\": %f, \"p999\": %f, "
	    "\"max\": %f, \"errors\": {\"missed\": %llu, "
	    "\"repeated\": %llu, \"foreign\": %llu, \"closed\": %llu, "
	    "\"stalled\": %llu}}\n",
	    (unsigned long long)deliveries,
	    (double)(end - start) / (double)NS_PER_S, cpu, percentile(.5),
	    percentile(.99), percentile(.999), percentile(1),
	    (unsigned long long)wrong.missed,
	    (unsigned long long)wrong.repeated,
	    (unsigned long long)wrong.foreign,
	    (unsigned long long)wrong.closed,
	    (unsigned long long)wrong.stalled);
}

static unsigned long
number(const char *text, unsigned long least, unsigned long most)
{
	char *last;
	unsigned long n = strtoul(text, &last, 10);

	if (*last || n < least || n > most) {
		fprintf(stderr, "wsload: %s: not %lu to %lu\n", text, least,
		    most);
		exit(2);
	}
	return n;
}

static void
options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "path", required_argument, NULL, 'u' },
		{ "sockets", required_argument, NULL, 's' },
		{ "window", required_argument, NULL, 'w' },
		{ "size", required_argument, NULL, 'b' },
		{ "messages", required_argument, NULL, 'm' },
		{ "seconds", required_argument, NULL, 't' },
		{ "echo", no_argument, NULL, 'e' },
		{ "together", no_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};

	for (;;) {
		switch (getopt_long(argc, argv, "", known, NULL)) {
		case -1:
			return;
		case 'p':
			want.port = (uint16_t)number(optarg, 1, 65535);
			break;
		case 'u':
			want.path = optarg;
			break;
		case 's':
			want.sockets = (unsigned)number(optarg, 1, 1 << 20);
			break;
		case 'w':
			want.window = (unsigned)number(optarg, 1, 1 << 12);
			break;
		case 'b':
			want.size = (unsigned)number(optarg, DIGITS, 65535);
			break;
		case 'm':
			want.messages = number(optarg, 0, 1ul << 40);
			break;
		case 't':
			want.seconds = number(optarg, 0, 1 << 20);
			break;
		case 'e':
			want.echo = true;
			break;
		case 'g':
			want.together = true;
			break;
		default:
			exit(2);
		}
	}
}

static void
prepare(void)
{
	unsigned char head[HEAD_MAX];
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	epfd = epoll_create1(0);
	if (epfd == -1)
		die("epoll_create1");
	frame_size = put_head(head, 0) + want.size;
	socks = room_for(want.sockets, sizeof(*socks));
	frames = room_for(want.window, sizeof(*frames));
	for (unsigned i = 0; i < want.window; i++) {
		frames[i].number = UINT64_MAX;
		frames[i].p = room_for(frame_size, 1);
	}
	out = room_for(want.window, HEAD_MAX + want.size);
	left = room_for(want.window, sizeof(*left));
	when = room_for(want.window, sizeof(*when));
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	if (want.port == 0 || (want.messages == 0 && want.seconds == 0)) {
		fprintf(stderr, "usage: wsload --port N "
		    "[--messages N | --seconds N] ...\n");
		return 2;
	}
	prepare();
	connect_all();
	printf("ready\n");
	fflush(stdout);
	while (getchar() != '\n')
		if (feof(stdin))
			return 1;
	run();
	report();
	return 0;
}
