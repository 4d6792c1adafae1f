/*
 * HTTP requests, and how long each took: an open load, at a fixed rate.
 *
 * When a request is sent does not depend on when others were answered.  All
 * due times are made before the start, as of people who know nothing of each
 * other: the gaps are exponential, from one seed, so that every server gets
 * the same ones.  A latency counts from the due time and not from the sending:
 * a server that stands still for a while answers for all requests of that
 * while, and not for one a connection ("coordinated omission").
 *
 * A request that is due takes the connection that was idle longest; when none
 * is, it waits for one, and its latency grows.  With --close each connects
 * anew.  Every answer must be a 200 of --length bytes, head included, with the
 * body of the first one; what fails or never comes counts in the latencies, as
 * long as was waited for it.
 *
 * --rate 0 is a closed load: each connection asks again as soon as it was
 * answered, until the time is over.  It costs its CPU less than wrk does, which
 * is slower than the servers that it should keep busy.
 *
 * NUMBER in a field's value is another number in each request.
 *
 * "late" is how late the load itself was (99 of 100 times it was less): it has
 * to be far below the latencies, which hold it.
 *
 * Prints "ready", waits for a line on standard input (whoever measures CPU time
 * begins there), and prints "detail " with one line of JSON; times in ms.
 *
 * Usage: rateload --port N --rate N --length N [--seconds N] [--connections N]
 *                 [--method M] [--path P] [--header NAME:VALUE]... [--body N]
 *                 [--close] [--other-port N]
 *
 * With --other-port every second connection goes there: two servers that are
 * loaded as one server's two shards are.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_EVENTS = 256,
	FIELDS_MAX = 8192,
	REQUEST_MAX = 1 << 20,
	CONNECT_AT_ONCE = 64,	/* less than a backlog */
	STATUS_SIZE = 13,	/* "HTTP/1.1 200 " */
	NUMBER_SIZE = 6,	/* "NUMBER" */
	CLOSED_MOST = 2000000,	/* latencies a second that are kept */
};

#define NS_PER_S UINT64_C(1000000000)
#define PATIENCE (5 * NS_PER_S)	/* without a byte: nothing comes any more */

struct conn {
	int fd;			/* -1: it connects when it is needed */
	bool busy;
	uint64_t due;		/* busy: of its request */
	uint64_t idle_since;
	size_t got;		/* of the answer, in <answer> */
	unsigned char *answer;	/* one byte more than there should be */
};

static struct {
	uint16_t port, other_port;
	const char *method, *path;
	char fields[FIELDS_MAX];
	unsigned connections;
	uint64_t rate, seconds;
	size_t length, body;
	bool close, closed;
} want = { .method = "GET", .path = "/", .connections = 64, .seconds = 1 };

static struct {
	uint64_t status, length, body, closed, timeout;
} wrong;

static int epfd;
static struct conn *conns;
static char *request;
static size_t request_size;
static char *number_at;		/* in <request>; or NULL */
/* When each request is due, and which is the next. */
static uint64_t *due, total, next_due;
/* A ring of those that wait for a request, the first one longest. */
static struct conn **idle;
static unsigned first_idle, n_idle;
static unsigned char *body;	/* of the first answer */
static size_t body_size;
static float *latency, *late;
static size_t n_latency, n_late, cap_latency;
static uint64_t answers, start, end;
static double cpu;

static void
die(const char *what)
{
	fprintf(stderr, "rateload: %s: %s\n", what, strerror(errno));
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

static float
ms(uint64_t from, uint64_t to)
{
	return (float)(to - from) / 1e6f;
}

/* ---- connections ------------------------------------------------------- */

static void
open_conn(struct conn *c)
{
	static bool other;
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(other ? want.other_port : want.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	other = want.other_port && !other;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd == -1)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1)
		die("fcntl");
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		die("epoll_ctl");
}

static void
close_conn(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
}

static void
put_idle(struct conn *c)
{
	c->busy = false;
	c->got = 0;
	c->idle_since = now();
	idle[(first_idle + n_idle++) % want.connections] = c;
}

/* Another NUMBER than the last one. */
static void
count_up(void)
{
	for (int i = NUMBER_SIZE - 1; i >= 0 && ++number_at[i] > '9'; i--)
		number_at[i] = '0';
}

static void
ask(struct conn *c)
{
	c->busy = true;
	if (c->fd == -1)
		open_conn(c);
	if (number_at)
		count_up();
	/* What the socket does not take is an answer that never comes. */
	send(c->fd, request, request_size, MSG_NOSIGNAL);
}

static void
send_next(void)
{
	struct conn *c = idle[first_idle];
	uint64_t from;

	first_idle = (first_idle + 1) % want.connections;
	n_idle--;
	c->due = due[next_due++];
	from = c->due > c->idle_since ? c->due : c->idle_since;
	late[n_late++] = ms(from, now());
	ask(c);
}

static void
note_latency(float took)
{
	if (n_latency < cap_latency)
		latency[n_latency++] = took;
}

/* The request of <c> has ended: well, or in <counter>. */
static void
finish(struct conn *c, uint64_t *counter)
{
	uint64_t t = now();

	note_latency(ms(c->due, t));
	if (counter)
		++*counter;
	else
		answers++;
	if (counter || want.close)
		close_conn(c);
	if (want.closed && t < end) {
		c->got = 0;
		c->due = t;
		ask(c);
		return;
	}
	put_idle(c);
}

/* ---- answers ----------------------------------------------------------- */

static bool
is_right_body(const struct conn *c)
{
	unsigned char *p = memmem(c->answer, c->got, "\r\n\r\n", 4);
	size_t n;

	if (!p)
		return false;
	p += 4;
	n = (size_t)(c->answer + c->got - p);
	if (!body) {
		body = room_for(n + 1, 1);
		body_size = n;
		memcpy(body, p, n);
	}
	return n == body_size && memcmp(p, body, n) == 0;
}

static void
on_answer(struct conn *c)
{
	if (c->got >= STATUS_SIZE &&
	    memcmp(c->answer, "HTTP/1.1 200 ", STATUS_SIZE) != 0)
		finish(c, &wrong.status);
	else if (c->got > want.length)
		finish(c, &wrong.length);
	else if (c->got == want.length)
		finish(c, is_right_body(c) ? NULL : &wrong.body);
}

static void
on_readable(struct conn *c)
{
	ssize_t k;

	if (c->fd == -1)
		return;
	k = recv(c->fd, c->answer + c->got, want.length + 1 - c->got, 0);
	if (k == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k > 0 && c->busy) {
		c->got += (size_t)k;
		on_answer(c);
	} else if (c->busy) {
		finish(c, &wrong.closed);
	} else {
		/* Idle ones may be closed, but not written to. */
		wrong.length += k > 0;
		close_conn(c);
	}
}

/* ---- the run ----------------------------------------------------------- */

/* False: nothing came in all that time. */
static bool
turn(uint64_t timeout)
{
	struct timespec ts = { (time_t)(timeout / NS_PER_S),
	                       (long)(timeout % NS_PER_S) };
	struct epoll_event ev[MAX_EVENTS];
	int n = epoll_pwait2(epfd, ev, MAX_EVENTS, &ts, NULL);

	for (int i = 0; i < n; i++)
		on_readable(ev[i].data.ptr);
	return n != 0;
}

/* Whoever was not answered when it ends, sent or not. */
static void
give_up(void)
{
	for (unsigned i = 0; i < want.connections; i++)
		if (conns[i].busy)
			finish(&conns[i], &wrong.timeout);
	for (; next_due < total && due[next_due] < now(); next_due++) {
		note_latency(ms(due[next_due], now()));
		wrong.timeout++;
	}
}

static void
run_closed(void)
{
	end = start + want.seconds * NS_PER_S;
	n_idle = 0;
	for (unsigned i = 0; i < want.connections; i++) {
		conns[i].due = now();
		ask(&conns[i]);
	}
	while (n_idle < want.connections) {
		if (turn(PATIENCE))
			continue;
		end = 0;
		give_up();
	}
}

static void
run_open(void)
{
	uint64_t t, wait;
	bool idles;

	for (uint64_t i = 0; i < total; i++)
		due[i] += start;
	while (n_latency < total) {
		t = now();
		while (next_due < total && n_idle > 0 && due[next_due] <= t)
			send_next();
		idles = next_due < total && n_idle > 0;
		wait = PATIENCE;
		if (idles)
			wait = due[next_due] > t ? due[next_due] - t : 0;
		if (!turn(wait) && !idles) {
			give_up();
			break;
		}
	}
}

static void
run(void)
{
	cpu = cpu_seconds();
	start = now();
	if (want.closed)
		run_closed();
	else
		run_open();
	end = now();
	cpu = cpu_seconds() - cpu;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* What <of> of the <n> do not exceed. */
static double
percentile(const float *sorted, size_t n, double of)
{
	size_t rank = (size_t)ceil(of * (double)n);

	return n == 0 ? 0 : (double)sorted[rank > 0 ? rank - 1 : 0];
}

static void
report(void)
{
	static const double curve[] = { 0, .25, .5, .75, .9, .95, .98, .99,
		.995, .998, .999, .9995, 1 };

	qsort(latency, n_latency, sizeof(*latency), compare);
	qsort(late, n_late, sizeof(*late), compare);
	printf("detail {\"requests\": %llu, \"seconds\": %f, "
	    "\"load_cpu\": %f, \"bytes\": %llu, \"p50\": %f, \"p99\": %f, "
	    "\"p999\": %f, \"max\": %f, \"late\": %f, \"curve\": [",
	    (unsigned long long)answers,
	    (double)(end - start) / (double)NS_PER_S, cpu,
	    (unsigned long long)(answers * want.length),
	    percentile(latency, n_latency, .5),
	    percentile(latency, n_latency, .99),
	    percentile(latency, n_latency, .999),
	    percentile(latency, n_latency, 1),
	    percentile(late, n_late, .99));
	for (size_t i = 0; i < sizeof(curve) / sizeof(*curve); i++)
		printf("%s[%g, %f]", i ? ", " : "", 100 * curve[i],
		    percentile(latency, n_latency, curve[i]));
	printf("], \"errors\": {\"status\": %llu, \"length\": %llu, "
	    "\"body\": %llu, \"closed\": %llu, \"timeout\": %llu}}\n",
	    (unsigned long long)wrong.status,
	    (unsigned long long)wrong.length,
	    (unsigned long long)wrong.body,
	    (unsigned long long)wrong.closed,
	    (unsigned long long)wrong.timeout);
}

/* ---- before it --------------------------------------------------------- */

static unsigned long
number(const char *text, unsigned long least, unsigned long most)
{
	char *last;
	unsigned long n = strtoul(text, &last, 10);

	if (*last || n < least || n > most) {
		fprintf(stderr, "rateload: %s: not %lu to %lu\n", text, least,
		    most);
		exit(2);
	}
	return n;
}

static void
add_field(const char *name, const char *value)
{
	size_t n = strlen(want.fields);
	int k = snprintf(want.fields + n, sizeof(want.fields) - n,
	    "%s: %s\r\n", name, value);

	if (k < 0 || (size_t)k >= sizeof(want.fields) - n) {
		fprintf(stderr, "rateload: too many fields\n");
		exit(2);
	}
}

static void
add_header(char *text)
{
	char *colon = strchr(text, ':');

	if (!colon) {
		fprintf(stderr, "rateload: %s: no NAME:VALUE\n", text);
		exit(2);
	}
	*colon = '\0';
	add_field(text, colon + 1);
}

static void
option(int letter)
{
	switch (letter) {
	case 'p':
		want.port = (uint16_t)number(optarg, 1, 65535);
		break;
	case 'o':
		want.other_port = (uint16_t)number(optarg, 1, 65535);
		break;
	case 'r':
		want.rate = number(optarg, 0, 10000000);
		want.closed = want.rate == 0;
		break;
	case 'l':
		want.length = number(optarg, 1, 1 << 24);
		break;
	case 't':
		want.seconds = number(optarg, 1, 3600);
		break;
	case 'c':
		want.connections = (unsigned)number(optarg, 1, 1 << 16);
		break;
	case 'm':
		want.method = optarg;
		break;
	case 'u':
		want.path = optarg;
		break;
	case 'h':
		add_header(optarg);
		break;
	case 'b':
		want.body = number(optarg, 0, REQUEST_MAX / 2);
		break;
	case 'x':
		want.close = true;
		break;
	default:
		exit(2);
	}
}

static void
options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "other-port", required_argument, NULL, 'o' },
		{ "rate", required_argument, NULL, 'r' },
		{ "length", required_argument, NULL, 'l' },
		{ "seconds", required_argument, NULL, 't' },
		{ "connections", required_argument, NULL, 'c' },
		{ "method", required_argument, NULL, 'm' },
		{ "path", required_argument, NULL, 'u' },
		{ "header", required_argument, NULL, 'h' },
		{ "body", required_argument, NULL, 'b' },
		{ "close", no_argument, NULL, 'x' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
		option(letter);
	if (want.port == 0 || want.length == 0 ||
	    (want.rate == 0 && !want.closed)) {
		fprintf(stderr, "usage: rateload --port N --rate N --length N "
		    "...\n");
		exit(2);
	}
}

static void
make_request(void)
{
	char size[32];

	if (want.body > 0) {
		snprintf(size, sizeof(size), "%zu", want.body);
		add_field("Content-Length", size);
	}
	request = room_for(REQUEST_MAX, 1);
	request_size = (size_t)snprintf(request, REQUEST_MAX / 2,
	    "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n", want.method,
	    want.path, want.port, want.fields);
	number_at = strstr(request, "NUMBER");
	if (number_at)
		memset(number_at, '0', NUMBER_SIZE);
	memset(request + request_size, 'x', want.body);
	request_size += want.body;
}

/* From the start on; exponential gaps, by xorshift64*. */
static void
make_dues(void)
{
	uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
	double at = 0, u;

	total = want.rate * want.seconds;
	due = room_for(total, sizeof(*due));
	for (uint64_t i = 0; i < total; i++) {
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		u = (double)((x * UINT64_C(0x2545f4914f6cdd1d) >> 11) + 1) /
		    9007199254740992.0;		/* above 0, to 1 */
		at -= log(u) / (double)want.rate;
		due[i] = (uint64_t)(at * (double)NS_PER_S);
	}
}

static void
prepare(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	/* Else every wait may be 50 us too long. */
	prctl(PR_SET_TIMERSLACK, 1ul);
	epfd = epoll_create1(0);
	if (epfd == -1)
		die("epoll_create1");
	make_request();
	make_dues();
	cap_latency = want.closed ? CLOSED_MOST * want.seconds : total;
	latency = room_for(cap_latency, sizeof(*latency));
	late = room_for(total, sizeof(*late));
	conns = room_for(want.connections, sizeof(*conns));
	idle = room_for(want.connections, sizeof(*idle));
	for (unsigned i = 0; i < want.connections; i++) {
		conns[i].answer = room_for(want.length + 1, 1);
		conns[i].fd = -1;
		if (!want.close)
			open_conn(&conns[i]);
		put_idle(&conns[i]);
		if (i % CONNECT_AT_ONCE == 0)
			turn(NS_PER_S / 1000);
	}
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	prepare();
	printf("ready\n");
	fflush(stdout);
	while (getchar() != '\n')
		if (feof(stdin))
			return 1;
	run();
	report();
	return 0;
}
