/* See LICENSE for the terms. */
/*
 * A shard without keeper, HTTP and Python, for the tests of core/: a mapping
 * of its own, real listeners if asked for, and a protocol that notes what it
 * is told and does what kit->rule says.
 */
#ifndef TESTS_UNIT_SHARD_KIT_H
#define TESTS_UNIT_SHARD_KIT_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "tests/unit/t.h"

#define KIT_CONNS 128
#define KIT_SHARDS 4

/* What one connection's protocol was told. */
struct note {
	struct conn *conn;		/* NULL once it is lost */
	unsigned inputs, eofs, flushes, rooms, timeouts, drains, losts;
	size_t n;			/* bytes used */
	size_t offered;			/* by the last input() */
	unsigned char sum;		/* of the bytes used */
	char text[64];			/* the first of them */
};

/* What the protocol does from now on. */
struct kit_rule {
	int open_error;			/* of open() */
	size_t take;			/* input() uses this many; 0: all */
	bool idle;			/* a new connection is */
	const char *on_flush;		/* appended once, by flush() */
	size_t on_room;			/* appended by room() */
	bool abort_in_input;
};

struct kit {
	struct conf conf;
	struct shm shm;
	struct listeners listeners;
	struct cpu_plan plan;
	struct log log;
	int wake[KIT_SHARDS * SHM_PARITIES];
	struct child_start start;
	struct shard *shard;
	struct kit_rule rule;
	struct note notes[KIT_CONNS];
	unsigned n_notes;
	uint64_t skew;			/* see kit_sleep() */
};

/* ---- the protocol ------------------------------------------------------ */

static inline struct kit *
kit_of(const struct conn *c)
{
	return c->shard->py;
}

static inline int
kit_open_conn(struct conn *c)
{
	struct kit *k = kit_of(c);
	struct note *n = &k->notes[k->n_notes % KIT_CONNS];

	if (k->rule.open_error)
		return k->rule.open_error;
	k->n_notes++;
	memset(n, 0, sizeof(*n));
	n->conn = c;
	c->pstate = n;
	if (k->rule.idle)
		conn_set_idle(c, true);
	return 0;
}

static inline size_t
kit_input(struct conn *c, const unsigned char *p, size_t n)
{
	struct kit *k = kit_of(c);
	struct note *note = c->pstate;
	size_t used = k->rule.take > 0 && k->rule.take < n ? k->rule.take : n;

	note->inputs++;
	note->offered = n;
	for (size_t i = 0; i < used; i++) {
		if (note->n < sizeof(note->text) - 1)
			note->text[note->n] = (char)p[i];
		note->n++;
		note->sum = (unsigned char)(note->sum * 31 + p[i]);
	}
	if (k->rule.abort_in_input)
		conn_abort(c);
	return used;
}

static inline void
kit_eof(struct conn *c)
{
	((struct note *)c->pstate)->eofs++;
}

static inline void
kit_flush(struct conn *c)
{
	struct kit *k = kit_of(c);

	((struct note *)c->pstate)->flushes++;
	if (k->rule.on_flush)
		conn_put(c, k->rule.on_flush, strlen(k->rule.on_flush));
	k->rule.on_flush = NULL;
}

static inline void
kit_room(struct conn *c)
{
	static const char fill[4096];
	struct kit *k = kit_of(c);

	((struct note *)c->pstate)->rooms++;
	for (size_t n = k->rule.on_room; n > 0;) {
		size_t part = n < sizeof(fill) ? n : sizeof(fill);

		conn_put(c, fill, part);
		n -= part;
	}
}

static inline void
kit_timeout(struct conn *c)
{
	((struct note *)c->pstate)->timeouts++;
}

static inline void
kit_drain(struct conn *c)
{
	((struct note *)c->pstate)->drains++;
}

static inline void
kit_lost(struct conn *c)
{
	struct note *n = c->pstate;

	n->losts++;
	n->conn = NULL;
}

static const struct proto_ops kit_proto = {
	.open = kit_open_conn, .input = kit_input, .eof = kit_eof,
	.flush = kit_flush, .room = kit_room, .timeout = kit_timeout,
	.drain = kit_drain, .lost = kit_lost,
};

/* ---- the shard --------------------------------------------------------- */

/*
 * Shard 0 of <shards>, of generation 0.  <options>: separated by blanks.
 * With <listen> there are real listeners for all shards, on a free port.
 */
static inline void
kit_open(struct kit *k, unsigned shards, const char *options, bool listen)
{
	char text[256], *words[20] = { (char *)(uintptr_t)"shoal",
		(char *)(uintptr_t)"kit:app",
		(char *)(uintptr_t)"--port=0" };
	char *envp[] = { NULL }, *save = NULL;
	struct conf_error err;
	int n = 3;

	signal(SIGPIPE, SIG_IGN);
	memset(k, 0, sizeof(*k));
	snprintf(text, sizeof(text), "%s", options);
	for (char *w = strtok_r(text, " ", &save); w && n < 19;
	    w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	words[n] = NULL;
	if (!OK(conf_parse(&k->conf, &err, n, words, envp) == 0)) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	log_init(&k->log, 2, LEVEL_ERROR, "");
	OK(shm_new(&k->shm, shards, (uint64_t)k->conf.ring_size) == 0);
	for (unsigned i = 0; i < shm_n_slots(&k->shm); i++) {
		k->wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		shm_slot_at(&k->shm, i)->adopter = -1;
	}
	if (listen)
		OK(listeners_open(&k->listeners, &k->conf, shards) == 0);
	k->plan.shards = shards;
	k->start = (struct child_start){ .conf = &k->conf, .plan = &k->plan,
		.log = &k->log, .shm = &k->shm, .listeners = &k->listeners,
		.wake = k->wake, .control = -1, .count = shards,
		.isolation = ISOLATION_INTERP };
	k->shard = malloc(sizeof(*k->shard));
	OK(shard_init(k->shard, &k->start, 0, &kit_proto) == 0);
	k->shard->py = k;
}

static inline void
kit_turn(struct kit *k)
{
	shard_poll(k->shard, 0);
	while (shard_run(k->shard, NULL, NULL))
		;
	shard_flush(k->shard);
}

static inline void
kit_settle(struct kit *k)
{
	for (int quiet = 0; quiet < 2;) {
		kit_turn(k);
		quiet = shard_is_pending(k->shard) ? 0 : quiet + 1;
	}
}

/* Makes <ms> pass at once, as far as timers can tell. */
static inline void
kit_sleep(struct kit *k, uint64_t ms)
{
	struct loop *l = &k->shard->loop;

	k->skew += ms * NS_PER_MS;
	l->now = clock_ns() + k->skew;
	wheel_run(&l->wheel, l->now);
	kit_settle(k);
}

static inline void
kit_close(struct kit *k)
{
	unsigned lost = 0, n = k->n_notes < KIT_CONNS ? k->n_notes : KIT_CONNS;

	shard_fini(k->shard);
	for (unsigned i = 0; i < n; i++)
		lost += k->notes[i].losts == 1;
	/* Every connection that was opened was lost, once. */
	OK(lost == n);
	OK(k->shard->n_conns == 0);
	free(k->shard);
	listeners_close(&k->listeners, true);
	for (unsigned i = 0; i < shm_n_slots(&k->shm); i++)
		close(k->wake[i]);
	shm_free(&k->shm);
	log_fini(&k->log);
	conf_fini(&k->conf);
}

/* ---- doors ------------------------------------------------------------- */

static inline unsigned
kit_port(const struct kit *k)
{
	return sock_port(&k->listeners.addr[0].addr);
}

/* Turns until <n> connections were accepted; false: they never are. */
static inline bool
kit_accepts(struct kit *k, unsigned n)
{
	for (int i = 0; i < 2000 && k->shard->slot->accepted < n; i++) {
		kit_settle(k);
		if (k->shard->slot->accepted < n)
			usleep(500);
	}
	kit_settle(k);
	return k->shard->slot->accepted == n;
}

static inline unsigned
kit_open_doors(const struct kit *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->shard->n_doors; i++)
		n += k->shard->doors[i].open;
	return n;
}

/* Those who are idle have been for long. */
static inline void
kit_grow_old(struct kit *k)
{
	struct list *n;

	list_each(n, &k->shard->idle)
		container_of(n, struct conn, node)->idle_at = 0;
}

/* ---- clients ----------------------------------------------------------- */

/* Hands <fd> to the shard; the note of its protocol. */
static inline struct note *
kit_take(struct kit *k, int fd)
{
	struct peer peer;

	memset(&peer, 0, sizeof(peer));
	peer.sa.sa_family = AF_UNIX;
	OK(conn_open(k->shard, fd, &peer, 0) == 0);
	return &k->notes[(k->n_notes - 1) % KIT_CONNS];
}

/* A client's end, of a socket pair. */
static inline int
kit_pair(struct kit *k, struct note **note)
{
	int fd[2];

	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    fd) == 0);
	*note = kit_take(k, fd[0]);
	return fd[1];
}

/* A non-blocking connection to a port of this machine. */
static inline int
kit_dial(unsigned port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_port = htons((uint16_t)port);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	OK(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

/* The same as kit_pair() over TCP, which knows resets. */
static inline int
kit_tcp_pair(struct kit *k, struct note **note)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t n = sizeof(sa);
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client, fd;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	OK(bind(lfd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	OK(listen(lfd, 4) == 0);
	OK(getsockname(lfd, (struct sockaddr *)&sa, &n) == 0);
	client = kit_dial(ntohs(sa.sin_port));
	fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	OK(fd != -1);
	close(lfd);
	*note = kit_take(k, fd);
	return client;
}

/* The kernel's loopback is quick, but not a function call. */
static inline void
kit_await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	OK(poll(&p, 1, 5000) == 1);
}

/* Nothing to read: the connection is open and silent. */
static inline bool
kit_is_silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == -1 && errno == EAGAIN;
}

/* Bytes read until there are none; <end>: 0 for the end, or an errno. */
static inline size_t
kit_recv(int fd, int *end)
{
	char buf[65536];
	size_t all = 0;

	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n > 0) {
			all += (size_t)n;
			continue;
		}
		*end = n == 0 ? 0 : errno;
		return all;
	}
}

#endif
