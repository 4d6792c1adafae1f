/* See LICENSE for the terms. */
/*
 * A shard: its doors, whom it lets in, its turn and its end.
 */
#include "core/shard.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "core/util.h"
#include "tests/unit/shard_kit.h"

static struct kit k;

/* accept4() fails in this way; 0: not.  <fault_left>: so often, -1: always. */
static int fault, fault_left;
static unsigned fault_calls;

/* Instead of libc's: the kernel cannot be made to fail in all these ways. */
int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	fault_calls++;
	if (fault && fault_left != 0) {
		if (fault_left > 0)
			fault_left--;
		errno = fault;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, sa, len, flags);
}

static unsigned
port(void)
{
	return sock_port(&k.listeners.addr[0].addr);
}

/* Turns until <n> connections were accepted; false: they never are. */
static bool
accepts(unsigned n)
{
	for (int i = 0; i < 2000 && k.shard->slot->accepted < n; i++) {
		kit_settle(&k);
		if (k.shard->slot->accepted < n)
			usleep(500);
	}
	kit_settle(&k);
	return k.shard->slot->accepted == n;
}

static unsigned
open_doors(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k.shard->n_doors; i++)
		n += k.shard->doors[i].open;
	return n;
}

static bool
is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

/* The keeper's word: <by> polls for shard <of>; -1: nobody. */
static void
adopt(unsigned of, int32_t by)
{
	shm_slot(&k.shm, 0, of)->adopter = by;
	loop_wake(k.wake[0]);
	kit_settle(&k);
}

/* ---- doors ------------------------------------------------------------- */

static void
nobody_is_let_in_before_it_listens(void)
{
	int fd;

	kit_open(&k, 1, "", true);
	fd = kit_dial(port());
	usleep(1000);
	kit_settle(&k);
	OK(k.shard->slot->accepted == 0);
	OK(shard_listen(k.shard) == 0);
	/* The one who waited is served. */
	OK(accepts(1));
	OK(k.shard->n_conns == 1);
	OK(k.notes[0].conn->peer.sa.sa_family == AF_INET);
	close(fd);
	kit_close(&k);
}

static void
it_polls_its_own_listener_of_every_address_and_no_other(void)
{
	kit_open(&k, 3, "--bind=127.0.0.1:0 --bind=127.0.0.1:0", true);
	OK(k.shard->n_doors == 6);
	OK(open_doors() == 0);
	OK(shard_listen(k.shard) == 0);
	OK(open_doors() == 2);
	for (unsigned i = 0; i < 6; i++)
		OK(k.shard->doors[i].open == (k.shard->doors[i].of == 0));
	kit_close(&k);
}

static void
it_adopts_and_gives_back_the_listener_of_another(void)
{
	enum { N = 40 };
	int fd[N];

	kit_open(&k, 2, "", true);
	OK(shard_listen(k.shard) == 0);
	adopt(1, 0);
	OK(open_doors() == 2);
	/* The kernel spreads these over both sockets. */
	for (int i = 0; i < N; i++)
		fd[i] = kit_dial(port());
	OK(accepts(N));
	for (int i = 0; i < N; i++)
		close(fd[i]);
	adopt(1, 1);
	OK(open_doors() == 1);
	kit_close(&k);
}

static void
what_the_mapping_says_is_checked(void)
{
	static const int32_t words[] = { -1, -2, 1, 3, 4, 1 << 20, INT32_MAX,
		INT32_MIN };

	kit_open(&k, 2, "", true);
	OK(shard_listen(k.shard) == 0);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		adopt(1, words[i]);
		OK(open_doors() == 1);
	}
	/* The other parity's slot counts as well. */
	shm_slot(&k.shm, 1, 1)->adopter = 0;
	adopt(1, -1);
	OK(open_doors() == 2);
	kit_close(&k);
}

static void
an_adoption_before_it_listens_waits(void)
{
	kit_open(&k, 2, "", true);
	adopt(1, 0);
	OK(open_doors() == 0);
	OK(shard_listen(k.shard) == 0);
	OK(open_doors() == 2);
	kit_close(&k);
}

static void
a_unix_socket_has_one_door(void)
{
	char path[64], options[96];

	snprintf(path, sizeof(path), "/tmp/shoal-unit-%d.sock",
	    (int)getpid());
	snprintf(options, sizeof(options), "--uds=%s", path);
	kit_open(&k, 3, options, true);
	OK(k.shard->n_doors == 1);
	OK(shard_listen(k.shard) == 0);
	adopt(1, 0);
	OK(open_doors() == 1);
	kit_close(&k);
	OK(access(path, F_OK) == -1);
}

/* ---- whom it lets in --------------------------------------------------- */

static void
at_the_limit_the_oldest_idle_one_goes(void)
{
	int fd[6];

	kit_open(&k, 1, "--max-connections=3", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = kit_dial(port());
		OK(accepts(i + 1));
	}
	/* The first is used: the second is now idle longest. */
	conn_set_idle(k.notes[0].conn, false);
	conn_set_idle(k.notes[0].conn, true);
	fd[3] = kit_dial(port());
	OK(accepts(4));
	OK(!is_closed(fd[0]) && is_closed(fd[1]) && !is_closed(fd[2]));
	/* For one who came one went, and no other. */
	OK(k.shard->n_conns == 3);
	OK(k.shard->slot->drops == 1);
	OK(k.notes[1].losts == 1);
	/* Several at once. */
	fd[4] = kit_dial(port());
	fd[5] = kit_dial(port());
	OK(accepts(6));
	OK(is_closed(fd[0]) && is_closed(fd[2]) && !is_closed(fd[3]));
	OK(k.shard->n_conns == 3 && k.shard->slot->drops == 3);
	for (int i = 0; i < 6; i++)
		close(fd[i]);
	kit_close(&k);
}

static void
one_whose_answer_is_on_its_way_is_not_idle_enough(void)
{
	static char big[CONN_OUT_HIGH * 16];
	int fd[3];

	kit_open(&k, 1, "--max-connections=2", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = kit_dial(port());
		OK(accepts(i + 1));
	}
	OK(setsockopt(k.notes[0].conn->io.fd, SOL_SOCKET, SO_SNDBUF,
	    &(int){ 4096 }, sizeof(int)) == 0);
	conn_put(k.notes[0].conn, big, sizeof(big));
	kit_settle(&k);
	OK(bytes_len(&k.notes[0].conn->out) > 0);
	fd[2] = kit_dial(port());
	OK(accepts(3));
	OK(k.notes[0].losts == 0 && k.notes[1].losts == 1);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_close(&k);
}

static void
when_all_are_busy_newcomers_wait_outside(void)
{
	int fd[3];

	kit_open(&k, 1, "--max-connections=2", true);
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = kit_dial(port());
		OK(accepts(i + 1));
	}
	fd[2] = kit_dial(port());
	usleep(1000);
	kit_settle(&k);
	OK(k.shard->paused && open_doors() == 0);
	/* Adoption opens no door while it pauses. */
	adopt(0, 0);
	OK(open_doors() == 0);
	kit_sleep(&k, 250);
	OK(k.shard->slot->accepted == 2 && k.shard->paused);
	close(fd[0]);
	conn_abort(k.notes[0].conn);
	kit_sleep(&k, 250);
	OK(accepts(3));
	OK(!k.shard->paused && open_doors() == 1);
	OK(k.shard->slot->drops == 0);
	close(fd[1]);
	close(fd[2]);
	kit_close(&k);
}

static void
the_closed_of_the_same_turn_make_place(void)
{
	int fd[3];

	kit_open(&k, 1, "--max-connections=2", true);
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = kit_dial(port());
		OK(accepts(i + 1));
	}
	conn_abort(k.notes[0].conn);
	fd[2] = kit_dial(port());
	usleep(1000);
	/* Dead, and not freed yet. */
	shard_poll(k.shard, 0);
	OK(k.shard->slot->accepted == 3 && !k.shard->paused);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_close(&k);
}

static void
without_descriptors_the_idle_go_or_accepting_pauses(void)
{
	struct rlimit old, low;
	int fd[3], fill[64], n = 0;

	kit_open(&k, 1, "", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	fd[0] = kit_dial(port());
	OK(accepts(1));
	fd[1] = kit_dial(port());
	fd[2] = kit_dial(port());
	OK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	fill[n++] = dup(2);
	low.rlim_cur = (rlim_t)fill[0] + 4;
	OK(setrlimit(RLIMIT_NOFILE, &low) == 0);
	while (n < 64 && (fill[n] = dup(2)) != -1)
		n++;
	/* The idle one makes place for the first of the two. */
	k.rule.idle = false;
	OK(accepts(2));
	OK(is_closed(fd[0]) && k.shard->slot->drops == 1);
	/* Then there is nobody left to go. */
	OK(k.shard->paused);
	kit_settle(&k);
	OK(k.shard->slot->accepted == 2);
	while (n > 0)
		close(fill[--n]);
	OK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	kit_sleep(&k, 250);
	OK(accepts(3));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_close(&k);
}

/* ---- what accept() may say --------------------------------------------- */

/* Errors of the client's or of the network: the next one is served. */
static void
a_client_who_left_costs_nobody_else(void)
{
	static const int errors[] = { ECONNABORTED, EPROTO, ENETDOWN,
		ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT, ENONET,
		ETIMEDOUT, ECONNRESET, EPERM, EINTR };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		OK(shard_listen(k.shard) == 0);
		fault = errors[i];
		fault_left = 3;
		fd = kit_dial(port());
		OK(accepts(1));
		OK(fault_left == 0 && !k.shard->paused);
		fault = 0;
		close(fd);
		kit_close(&k);
	}
}

/* Out of something: it pauses, does not spin, and goes on by itself. */
static void
want_of_anything_pauses_and_passes(void)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		OK(shard_listen(k.shard) == 0);
		fd = kit_dial(port());
		usleep(1000);
		fault = errors[i];
		fault_left = -1;
		fault_calls = 0;
		for (int n = 0; n < 100; n++)
			kit_settle(&k);
		OK(fault_calls == 1 && k.shard->paused);
		/* Well within a second, and not many times in it. */
		OK(k.shard->accept_pause.at <= k.shard->loop.now +
		    500 * NS_PER_MS);
		OK(k.shard->accept_pause.at >= k.shard->loop.now +
		    20 * NS_PER_MS);
		kit_sleep(&k, 500);
		OK(fault_calls == 2 && k.shard->paused);
		OK(k.shard->slot->accepted == 0);
		fault = 0;
		kit_sleep(&k, 250);
		OK(accepts(1) && !k.shard->paused);
		close(fd);
		kit_close(&k);
	}
}

/* A machine without descriptors is not helped by sending all clients away. */
static void
want_that_shedding_does_not_cure_costs_few(void)
{
	int fd[9];

	kit_open(&k, 1, "", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = kit_dial(port());
		OK(accepts(i + 1));
	}
	fault = ENFILE;
	fault_left = -1;
	fd[8] = kit_dial(port());
	usleep(1000);
	for (int n = 0; n < 100; n++)
		kit_settle(&k);
	OK(k.shard->slot->drops == 1 && k.shard->n_conns == 7);
	fault = 0;
	kit_sleep(&k, 250);
	OK(accepts(9));
	OK(k.shard->slot->drops == 1);
	for (int i = 0; i < 9; i++)
		close(fd[i]);
	kit_close(&k);
}

/* As a filter for system calls answers. */
static void
an_accept_that_always_fails_does_not_spin(void)
{
	int fd;

	kit_open(&k, 1, "", true);
	OK(shard_listen(k.shard) == 0);
	fd = kit_dial(port());
	usleep(1000);
	fault = EPERM;
	fault_left = -1;
	fault_calls = 0;
	for (int n = 0; n < 100; n++)
		kit_settle(&k);
	OK(k.shard->paused && fault_calls <= 64);
	fault = 0;
	kit_sleep(&k, 250);
	OK(accepts(1));
	close(fd);
	kit_close(&k);
}

static void
what_is_no_listener_is_polled_no_more(void)
{
	static const int errors[] = { EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP,
		EFAULT };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		k.shard->log.level = LEVEL_CRITICAL;
		OK(shard_listen(k.shard) == 0);
		fault = errors[i];
		fault_left = 1;
		fault_calls = 0;
		fd = kit_dial(port());
		usleep(1000);
		for (int n = 0; n < 100; n++)
			kit_settle(&k);
		kit_sleep(&k, 250);
		OK(fault_calls == 1 && open_doors() == 0);
		fault = 0;
		close(fd);
		kit_close(&k);
	}
}

static void
the_descriptor_limit_is_shared_and_never_zero(void)
{
	struct rlimit old, low;
	struct kit kit;

	OK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = 1128;
	OK(setrlimit(RLIMIT_NOFILE, &low) == 0);
	kit_open(&kit, 4, "", false);
	OK(kit.shard->max_conns == 250);
	kit_close(&kit);
	kit_open(&kit, 4, "--max-connections=100", false);
	OK(kit.shard->max_conns == 100);
	kit_close(&kit);
	kit_open(&kit, 4, "--max-connections=1000", false);
	OK(kit.shard->max_conns == 250);
	kit_close(&kit);
	kit_open(&kit, 1, "", false);
	kit.start.count = 1024;
	shard_fini(kit.shard);
	OK(shard_init(kit.shard, &kit.start, 0, &kit_proto) == 0);
	OK(kit.shard->max_conns == 1);
	kit_close(&kit);
	OK(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void
one_door_lets_in_a_batch_a_turn(void)
{
	enum { N = 70 };
	int fd[N];

	kit_open(&k, 1, "", true);
	OK(shard_listen(k.shard) == 0);
	for (int i = 0; i < N; i++)
		fd[i] = kit_dial(port());
	usleep(2000);
	shard_poll(k.shard, 0);
	OK(k.shard->slot->accepted == 64);
	OK(accepts(N));
	for (int i = 0; i < N; i++)
		close(fd[i]);
	kit_close(&k);
}

/* ---- the turn ---------------------------------------------------------- */

struct job {
	struct work work;
	unsigned runs, again;
	unsigned us;			/* that it takes */
	const char *says;		/* to <conn> */
	struct conn *conn;
	int watch;			/* the client of <conn> of another */
	bool was_silent;
};

static void
on_job(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	uint64_t end = clock_ns() + j->us * 1000ull;

	j->runs++;
	if (j->watch > 0)
		j->was_silent = kit_is_silent(j->watch);
	while (clock_ns() < end)
		;
	if (j->says)
		conn_put(j->conn, j->says, strlen(j->says));
	if (j->runs < j->again)
		work_queue(&k.shard->loop, w);
}

static void
job_init(struct job *j)
{
	memset(j, 0, sizeof(*j));
	work_init(&j->work, on_job);
	j->again = 1;
}

static void
a_run_stops_at_its_budget_and_goes_on_later(void)
{
	struct job j[10];
	unsigned runs = 0;

	kit_open(&k, 1, "--turn-budget=1ms", false);
	for (size_t i = 0; i < ARRAY_LEN(j); i++) {
		job_init(&j[i]);
		j[i].us = 400;
		work_queue(&k.shard->loop, &j[i].work);
	}
	OK(shard_is_pending(k.shard) && shard_has_work(k.shard));
	shard_poll(k.shard, -1);	/* does not wait */
	OK(shard_run(k.shard));
	for (size_t i = 0; i < ARRAY_LEN(j); i++)
		runs += j[i].runs;
	OK(runs >= 1 && runs <= 3);
	while (shard_run(k.shard))
		shard_poll(k.shard, 0);
	for (size_t i = 0; i < ARRAY_LEN(j); i++)
		OK(j[i].runs == 1);
	OK(!shard_has_work(k.shard));
	kit_close(&k);
}

static void
work_that_queues_itself_does_not_keep_the_run(void)
{
	struct job j;

	kit_open(&k, 1, "--turn-budget=1ms", false);
	job_init(&j);
	j.again = 1000000;
	work_queue(&k.shard->loop, &j.work);
	OK(shard_run(k.shard));
	OK(j.runs > 1 && j.runs < 1000000);
	list_del(&j.work.node);
	kit_close(&k);
}

static void
a_few_answers_leave_one_by_one_and_many_together(void)
{
	struct job j[20];
	struct note *note[20];
	int fd[20];

	for (size_t n = 2; n <= 20; n += 18) {
		kit_open(&k, 1, "--turn-budget=1s", false);
		for (size_t i = 0; i < n; i++) {
			fd[i] = kit_pair(&k, &note[i]);
			job_init(&j[i]);
			j[i].conn = note[i]->conn;
			j[i].says = "answer";
			/* Each looks whether the one before has gone. */
			j[i].watch = i > 0 ? fd[i - 1] : 0;
			work_queue(&k.shard->loop, &j[i].work);
		}
		OK(!shard_run(k.shard));
		for (size_t i = 1; i < n; i++)
			OK(j[i].was_silent == (n > 8));
		shard_flush(k.shard);
		for (size_t i = 0; i < n; i++) {
			OK(!kit_is_silent(fd[i]));
			close(fd[i]);
		}
		kit_close(&k);
	}
}

static void
the_date_is_the_wall_clocks(void)
{
	time_t before = time(NULL);
	char want[2][40];
	bool same = false;

	kit_open(&k, 1, "", false);
	shard_poll(k.shard, 0);
	for (int i = 0; i < 2; i++) {
		time_t at = before + i;
		struct tm tm;

		gmtime_r(&at, &tm);
		strftime(want[i], sizeof(want[i]),
		    "%a, %d %b %Y %H:%M:%S GMT", &tm);
		same |= strcmp(want[i], shard_date(k.shard)) == 0;
	}
	/* The coarse clock may be a tick behind. */
	OK(same || k.shard->date_s == (uint64_t)before - 1);
	kit_close(&k);
}

/* ---- the end ----------------------------------------------------------- */

static void
a_drain_lets_nobody_in_and_waits_for_the_busy(void)
{
	int fd[3];

	kit_open(&k, 2, "--drain-grace=250ms --graceful-timeout=10s", true);
	OK(shard_listen(k.shard) == 0);
	adopt(1, 0);
	k.rule.idle = true;
	fd[0] = kit_dial(port());
	OK(accepts(1));
	k.rule.idle = false;
	fd[1] = kit_dial(port());
	OK(accepts(2));

	shard_drain(k.shard);
	shard_drain(k.shard);		/* twice is once */
	OK(open_doors() == 0);
	OK(k.notes[1].drains == 1);
	OK(!shard_is_over(k.shard));
	fd[2] = kit_dial(port());
	adopt(1, 0);
	usleep(1000);
	kit_settle(&k);
	OK(k.shard->slot->accepted == 2);
	/* The idle one has its grace. */
	kit_sleep(&k, 150);
	OK(k.notes[0].losts == 0);
	kit_sleep(&k, 250);
	OK(k.notes[0].losts == 1 && is_closed(fd[0]));
	OK(k.notes[1].losts == 0 && !is_closed(fd[1]));
	OK(!shard_is_over(k.shard));
	conn_close(k.notes[1].conn, false);
	kit_settle(&k);
	OK(shard_is_over(k.shard));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_close(&k);
}

static void
the_graceful_timeout_cuts_what_still_runs(void)
{
	int fd, end;

	kit_open(&k, 1, "--graceful-timeout=2s --log-level=critical", true);
	OK(shard_listen(k.shard) == 0);
	fd = kit_dial(port());
	OK(accepts(1));
	conn_put(k.notes[0].conn, "half", 4);
	kit_settle(&k);
	shard_drain(k.shard);
	kit_sleep(&k, 1800);
	OK(!shard_is_over(k.shard) && k.notes[0].losts == 0);
	kit_sleep(&k, 400);
	OK(shard_is_over(k.shard) && k.notes[0].losts == 1);
	/* Its client can tell. */
	kit_await(fd);
	kit_recv(fd, &end);
	OK(end == ECONNRESET);
	close(fd);
	kit_close(&k);
}

static void
with_nobody_there_it_is_over_at_once(void)
{
	kit_open(&k, 1, "", true);
	OK(shard_listen(k.shard) == 0);
	OK(!shard_is_over(k.shard));
	shard_drain(k.shard);
	OK(shard_is_over(k.shard));
	kit_close(&k);
	/* A drain in the middle of starting. */
	kit_open(&k, 1, "", true);
	shard_drain(k.shard);
	OK(shard_is_over(k.shard) && open_doors() == 0);
	kit_close(&k);
}

static void
a_pause_that_ends_in_a_drain_opens_nothing(void)
{
	int fd[2];

	kit_open(&k, 1, "--max-connections=1", true);
	OK(shard_listen(k.shard) == 0);
	for (int i = 0; i < 2; i++)
		fd[i] = kit_dial(port());
	for (int i = 0; i < 1000 && !k.shard->paused; i++) {
		kit_settle(&k);
		usleep(100);
	}
	OK(k.shard->paused);
	shard_drain(k.shard);
	kit_sleep(&k, 300);
	OK(!k.shard->paused && open_doors() == 0);
	close(fd[0]);
	close(fd[1]);
	kit_close(&k);
}

static void
tests(void)
{
	T(nobody_is_let_in_before_it_listens);
	T(it_polls_its_own_listener_of_every_address_and_no_other);
	T(it_adopts_and_gives_back_the_listener_of_another);
	T(what_the_mapping_says_is_checked);
	T(an_adoption_before_it_listens_waits);
	T(a_unix_socket_has_one_door);
	T(at_the_limit_the_oldest_idle_one_goes);
	T(one_whose_answer_is_on_its_way_is_not_idle_enough);
	T(when_all_are_busy_newcomers_wait_outside);
	T(the_closed_of_the_same_turn_make_place);
	T(without_descriptors_the_idle_go_or_accepting_pauses);
	T(a_client_who_left_costs_nobody_else);
	T(want_of_anything_pauses_and_passes);
	T(want_that_shedding_does_not_cure_costs_few);
	T(an_accept_that_always_fails_does_not_spin);
	T(what_is_no_listener_is_polled_no_more);
	T(the_descriptor_limit_is_shared_and_never_zero);
	T(one_door_lets_in_a_batch_a_turn);
	T(a_run_stops_at_its_budget_and_goes_on_later);
	T(work_that_queues_itself_does_not_keep_the_run);
	T(a_few_answers_leave_one_by_one_and_many_together);
	T(the_date_is_the_wall_clocks);
	T(a_drain_lets_nobody_in_and_waits_for_the_busy);
	T(the_graceful_timeout_cuts_what_still_runs);
	T(with_nobody_there_it_is_over_at_once);
	T(a_pause_that_ends_in_a_drain_opens_nothing);
}

T_MAIN(tests)
