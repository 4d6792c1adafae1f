/*
 * The floor: what the kernel asks of any HTTP server on one core.
 *
 * One epoll_wait a batch; per request one recv, a search for the end of the
 * head, one send of a ready-made response.  No parsing, no timeouts, no
 * request bodies: a server that does the real work can come near this rate,
 * and none can pass it by much.
 *
 * Sockets are edge-triggered: a level-triggered one is put back on the ready
 * list after each event and polled once more for nothing.  No second recv
 * looks for EAGAIN: less than a full buffer means that the socket is empty,
 * and the end of the stream shows as EPOLLRDHUP, now or in a later event.
 *
 * Usage: floor --port N [--body BYTES]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_EVENTS = 256,
	BACKLOG = 2048,
	INPUT_SIZE = 65536,
	CARRY = 3,		/* an earlier recv can end in "\r\n\r" */
	MAX_PIPELINE = 64,	/* responses that leave in one send */
	MAX_BODY = 1 << 20,
};

/* A connection: its socket, and the last bytes of an unfinished head. */
struct conn {
	int fd;
	unsigned ncarry;
	char carry[CARRY];
};

struct server {
	int epfd;
	int lfd;
	char *output;		/* the response, MAX_PIPELINE times in a row */
	size_t response_size;
	char input[CARRY + INPUT_SIZE];
};

static void
die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

/*
 * Fill in the response.  Its head is as long as the ones of the servers it
 * is compared with: a date, a name of seven letters, and two fields from
 * the application.
 */
static void
response_init(struct server *srv, size_t body)
{
	static const char text[] = "Hello, world!";
	char head[256];
	char *at;
	int size;

	size = snprintf(head, sizeof(head),
	                "HTTP/1.1 200 OK\r\n"
	                "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
	                "server: minimum\r\n"
	                "content-type: text/plain\r\n"
	                "content-length: %zu\r\n\r\n", body);
	srv->response_size = (size_t)size + body;
	srv->output = malloc(srv->response_size * MAX_PIPELINE);
	if (!srv->output)
		die("malloc");
	at = srv->output;
	for (int i = 0; i < MAX_PIPELINE; i++) {
		memcpy(at, head, (size_t)size);
		at += size;
		for (size_t j = 0; j < body; j++)
			*at++ = text[j % strlen(text)];
	}
}

static void
listen_on(struct server *srv, uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	int on = 1;

	srv->lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (srv->lfd == -1)
		die("socket");
	setsockopt(srv->lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(srv->lfd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		die("bind");
	if (listen(srv->lfd, BACKLOG) == -1)
		die("listen");
	srv->epfd = epoll_create1(0);
	if (srv->epfd == -1)
		die("epoll_create1");
	if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, srv->lfd, &ev) == -1)
		die("epoll_ctl");
}

static void
accept_all(struct server *srv)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
	};
	struct conn *c;
	int fd, on = 1;

	for (;;) {
		fd = accept4(srv->lfd, NULL, NULL, SOCK_NONBLOCK);
		if (fd == -1)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c = calloc(1, sizeof(*c));
		if (!c)
			die("calloc");
		c->fd = fd;
		ev.data.ptr = c;
		if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
			die("epoll_ctl");
	}
}

static void
conn_free(struct conn *c)
{
	close(c->fd);
	free(c);
}

/*
 * Count the heads that end in <data>, and keep what may be the start of
 * another end.
 */
static unsigned
heads_in(struct conn *c, const char *data, size_t size)
{
	const char *at = data, *last = data + size, *end;
	unsigned n = 0;

	for (;;) {
		end = memmem(at, (size_t)(last - at), "\r\n\r\n", 4);
		if (!end)
			break;
		at = end + 4;
		n++;
	}
	c->ncarry = last - at < CARRY ? (unsigned)(last - at) : CARRY;
	memcpy(c->carry, last - c->ncarry, c->ncarry);
	return n;
}

/* Send <n> responses; false when the socket does not take them whole. */
static bool
answer(struct server *srv, struct conn *c, unsigned n)
{
	unsigned now;
	size_t size;

	for (; n; n -= now) {
		now = n < MAX_PIPELINE ? n : MAX_PIPELINE;
		size = now * srv->response_size;
		if (send(c->fd, srv->output, size, MSG_NOSIGNAL) !=
		    (ssize_t)size)
			return false;
	}
	return true;
}

static void
on_readable(struct server *srv, struct conn *c, bool ended)
{
	char *data;
	ssize_t got;
	unsigned n;

	do {
		got = recv(c->fd, srv->input + CARRY, INPUT_SIZE, 0);
		if (got == -1 && errno == EAGAIN)
			return;
		if (got <= 0) {
			conn_free(c);
			return;
		}
		data = srv->input + CARRY - c->ncarry;
		memcpy(data, c->carry, c->ncarry);
		n = heads_in(c, data, (size_t)got + c->ncarry);
		if (n && !answer(srv, c, n)) {
			conn_free(c);
			return;
		}
	} while (ended || got == INPUT_SIZE);
}

static void
serve(struct server *srv)
{
	struct epoll_event ev[MAX_EVENTS];
	const uint32_t end = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
	int n;

	for (;;) {
		n = epoll_wait(srv->epfd, ev, MAX_EVENTS, -1);
		if (n == -1 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr)
				on_readable(srv, ev[i].data.ptr,
				            ev[i].events & end);
			else
				accept_all(srv);
		}
	}
}

/* The number in <text>, or an exit: <lo> to <hi>. */
static unsigned long
number(const char *text, unsigned long lo, unsigned long hi)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || n < lo || n > hi) {
		fprintf(stderr, "floor: %s is not between %lu and %lu\n",
		        text, lo, hi);
		exit(2);
	}
	return n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "body", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long port = 0, body = 13;
	struct server *srv;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			port = number(optarg, 1, UINT16_MAX);
		else if (c == 'b')
			body = number(optarg, 0, MAX_BODY);
		else
			return 2;
	}
	if (!port || optind != argc) {
		fprintf(stderr, "usage: floor --port N [--body BYTES]\n");
		return 2;
	}
	srv = calloc(1, sizeof(*srv));
	if (!srv)
		die("calloc");
	response_init(srv, body);
	listen_on(srv, (uint16_t)port);
	serve(srv);
	return 0;
}
