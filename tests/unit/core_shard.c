/* See LICENSE for the terms. */
/*
 * A shard: its doors, whom it lets in, its turn and its end.
 */
#include "core/shard.h"

#include <sys/resource.h>

#include "core/util.h"
#include "tests/unit/shard_kit.h"

static struct kit k;

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
	fd = kit_dial(kit_port(&k));
	usleep(1000);
	kit_settle(&k);
	OK(k.shard->slot->accepted == 0);
	OK(shard_listen(k.shard) == 0);
	/* The one who waited is served. */
	OK(kit_accepts(&k, 1));
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
	OK(kit_open_doors(&k) == 0);
	OK(shard_listen(k.shard) == 0);
	OK(kit_open_doors(&k) == 2);
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
	OK(kit_open_doors(&k) == 2);
	/* The kernel spreads these over both sockets. */
	for (int i = 0; i < N; i++)
		fd[i] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, N));
	for (int i = 0; i < N; i++)
		close(fd[i]);
	adopt(1, 1);
	OK(kit_open_doors(&k) == 1);
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
		OK(kit_open_doors(&k) == 1);
	}
	/* The other parity's slot counts as well. */
	shm_slot(&k.shm, 1, 1)->adopter = 0;
	adopt(1, -1);
	OK(kit_open_doors(&k) == 2);
	kit_close(&k);
}

static void
an_adoption_before_it_listens_waits(void)
{
	kit_open(&k, 2, "", true);
	adopt(1, 0);
	OK(kit_open_doors(&k) == 0);
	OK(shard_listen(k.shard) == 0);
	OK(kit_open_doors(&k) == 2);
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
	OK(kit_open_doors(&k) == 1);
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
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	/* The first is used: the second is now idle longest. */
	conn_set_idle(k.notes[0].conn, false);
	conn_set_idle(k.notes[0].conn, true);
	kit_grow_old(&k);
	fd[3] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 4));
	OK(!is_closed(fd[0]) && is_closed(fd[1]) && !is_closed(fd[2]));
	/* For one who came one went, and no other. */
	OK(k.shard->n_conns == 3);
	OK(k.shard->slot->drops == 1);
	OK(k.notes[1].losts == 1);
	/* Several at once. */
	kit_grow_old(&k);
	fd[4] = kit_dial(kit_port(&k));
	fd[5] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 6));
	OK(is_closed(fd[0]) && is_closed(fd[2]) && !is_closed(fd[3]));
	OK(k.shard->n_conns == 3 && k.shard->slot->drops == 3);
	for (int i = 0; i < 6; i++)
		close(fd[i]);
	kit_close(&k);
}

/* A flood of newcomers, who wait outside for those who have been here. */
static void
one_who_was_served_just_now_keeps_his_place(void)
{
	int fd[5];

	kit_open(&k, 1, "--max-connections=2", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	kit_grow_old(&k);
	/* He has just been answered. */
	conn_set_idle(k.notes[0].conn, false);
	conn_set_idle(k.notes[0].conn, true);
	for (int i = 2; i < 5; i++)
		fd[i] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 3));
	/* One who was idle for long has gone; then accepting pauses. */
	OK(!is_closed(fd[0]) && is_closed(fd[1]));
	OK(k.shard->slot->drops == 1 && k.shard->paused);
	for (int n = 0; n < 100; n++)
		kit_settle(&k);
	OK(k.shard->slot->accepted == 3 && k.shard->slot->drops == 1);
	for (int i = 0; i < 5; i++)
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
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	OK(setsockopt(k.notes[0].conn->io.fd, SOL_SOCKET, SO_SNDBUF,
	    &(int){ 4096 }, sizeof(int)) == 0);
	conn_put(k.notes[0].conn, big, sizeof(big));
	kit_settle(&k);
	kit_grow_old(&k);
	OK(bytes_len(&k.notes[0].conn->out) > 0);
	fd[2] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 3));
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
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	fd[2] = kit_dial(kit_port(&k));
	usleep(1000);
	kit_settle(&k);
	OK(k.shard->paused && kit_open_doors(&k) == 0);
	/* Adoption opens no door while it pauses. */
	adopt(0, 0);
	OK(kit_open_doors(&k) == 0);
	kit_sleep(&k, 250);
	OK(k.shard->slot->accepted == 2 && k.shard->paused);
	close(fd[0]);
	conn_abort(k.notes[0].conn);
	kit_sleep(&k, 250);
	OK(kit_accepts(&k, 3));
	OK(!k.shard->paused && kit_open_doors(&k) == 1);
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
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	conn_abort(k.notes[0].conn);
	fd[2] = kit_dial(kit_port(&k));
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
	fd[0] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 1));
	fd[1] = kit_dial(kit_port(&k));
	fd[2] = kit_dial(kit_port(&k));
	OK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	fill[n++] = dup(2);
	low.rlim_cur = (rlim_t)fill[0] + 4;
	OK(setrlimit(RLIMIT_NOFILE, &low) == 0);
	while (n < 64 && (fill[n] = dup(2)) != -1)
		n++;
	kit_grow_old(&k);
	/* The idle one makes place for the first of the two. */
	k.rule.idle = false;
	OK(kit_accepts(&k, 2));
	OK(is_closed(fd[0]) && k.shard->slot->drops == 1);
	/* Then there is nobody left to go. */
	OK(k.shard->paused);
	kit_settle(&k);
	OK(k.shard->slot->accepted == 2);
	while (n > 0)
		close(fill[--n]);
	OK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	kit_sleep(&k, 250);
	OK(kit_accepts(&k, 3));
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	kit_close(&k);
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
		fd[i] = kit_dial(kit_port(&k));
	usleep(2000);
	shard_poll(k.shard, 0);
	OK(k.shard->slot->accepted == 64);
	OK(kit_accepts(&k, N));
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
	OK(shard_run(k.shard, NULL, NULL));
	for (size_t i = 0; i < ARRAY_LEN(j); i++)
		runs += j[i].runs;
	OK(runs >= 1 && runs <= 3);
	while (shard_run(k.shard, NULL, NULL))
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
	OK(shard_run(k.shard, NULL, NULL));
	OK(j.runs > 1 && j.runs < 1000000);
	list_del(&j.work.node);
	kit_close(&k);
}

/* What had run each time it was asked; the <last> time it ends the run. */
struct pause {
	struct job *job;
	unsigned asked;
	unsigned last;
	unsigned runs[4];
};

static bool
pause_between(void *arg)
{
	struct pause *p = arg;

	for (int i = 0; i < 4; i++)
		p->runs[p->asked] += p->job[i].runs;
	return ++p->asked < p->last;
}

static void
what_has_begun_may_go_on_before_more_begins(void)
{
	struct job j[4];
	struct pause p = { .job = j, .last = 3 };

	kit_open(&k, 1, "--turn-budget=1s", false);
	for (size_t i = 0; i < ARRAY_LEN(j); i++) {
		job_init(&j[i]);
		work_queue(&k.shard->loop, &j[i].work);
	}
	OK(shard_run(k.shard, pause_between, &p));
	OK(p.asked == 3);
	for (unsigned i = 0; i < 3; i++)
		OK(p.runs[i] == i + 1);
	OK(shard_has_work(k.shard) && j[3].runs == 0);
	p.last = 10;
	OK(!shard_run(k.shard, pause_between, &p));
	/* Nothing is to begin behind the last: it goes on in its own time. */
	OK(p.asked == 3 && j[3].runs == 1 && !shard_has_work(k.shard));
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
		OK(!shard_run(k.shard, NULL, NULL));
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
	fd[0] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 1));
	k.rule.idle = false;
	fd[1] = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 2));

	shard_drain(k.shard);
	shard_drain(k.shard);		/* twice is once */
	OK(kit_open_doors(&k) == 0);
	OK(k.notes[1].drains == 1);
	OK(!shard_is_over(k.shard));
	fd[2] = kit_dial(kit_port(&k));
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
	fd = kit_dial(kit_port(&k));
	OK(kit_accepts(&k, 1));
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
	OK(shard_is_over(k.shard) && kit_open_doors(&k) == 0);
	kit_close(&k);
}

static void
a_pause_that_ends_in_a_drain_opens_nothing(void)
{
	int fd[2];

	kit_open(&k, 1, "--max-connections=1", true);
	OK(shard_listen(k.shard) == 0);
	for (int i = 0; i < 2; i++)
		fd[i] = kit_dial(kit_port(&k));
	for (int i = 0; i < 1000 && !k.shard->paused; i++) {
		kit_settle(&k);
		usleep(100);
	}
	OK(k.shard->paused);
	shard_drain(k.shard);
	kit_sleep(&k, 300);
	OK(!k.shard->paused && kit_open_doors(&k) == 0);
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
	T(one_who_was_served_just_now_keeps_his_place);
	T(one_whose_answer_is_on_its_way_is_not_idle_enough);
	T(when_all_are_busy_newcomers_wait_outside);
	T(the_closed_of_the_same_turn_make_place);
	T(without_descriptors_the_idle_go_or_accepting_pauses);
	T(the_descriptor_limit_is_shared_and_never_zero);
	T(one_door_lets_in_a_batch_a_turn);
	T(a_run_stops_at_its_budget_and_goes_on_later);
	T(work_that_queues_itself_does_not_keep_the_run);
	T(what_has_begun_may_go_on_before_more_begins);
	T(a_few_answers_leave_one_by_one_and_many_together);
	T(the_date_is_the_wall_clocks);
	T(a_drain_lets_nobody_in_and_waits_for_the_busy);
	T(the_graceful_timeout_cuts_what_still_runs);
	T(with_nobody_there_it_is_over_at_once);
	T(a_pause_that_ends_in_a_drain_opens_nothing);
}

T_MAIN(tests)
