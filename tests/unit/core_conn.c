/* See LICENSE for the terms. */
/*
 * A connection, over real sockets and a protocol that only takes notes.
 */
#include "core/conn.h"

#include "core/util.h"
#include "tests/unit/big_kit.h"

/* The client is told the end: no more bytes, and how. */
static bool
ends(int fd, int how)
{
	size_t n;
	int end;

	kit_await(fd);
	n = kit_recv(fd, &end);
	return n == 0 && end == how;
}

/* ---- reading ----------------------------------------------------------- */

static void
input_is_offered_as_it_comes(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	kit_settle(&k);
	OK(n->inputs == 0);
	OK(send(fd, "one", 3, 0) == 3);
	kit_settle(&k);
	OK(n->inputs == 1);
	OK(send(fd, " two", 4, 0) == 4);
	kit_settle(&k);
	OK(n->inputs == 2);
	OK_STR(n->text, "one two");
	OK(!n->conn->readable);
	close(fd);
	kit_settle(&k);
	OK(n->eofs == 1 && n->losts == 0);
	kit_close(&k);
}

static void
what_is_left_is_kept_until_it_resumes(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	k.rule.take = 2;
	OK(send(fd, "abcdef", 6, 0) == 6);
	kit_settle(&k);
	OK(n->inputs == 1 && n->offered == 6);
	OK(n->conn->paused);
	/* More arrives; nothing is offered. */
	OK(send(fd, "gh", 2, 0) == 2);
	kit_settle(&k);
	OK(n->inputs == 1);
	/* The rest first, and for itself. */
	conn_resume(n->conn);
	kit_turn(&k);
	OK(n->inputs == 2 && n->offered == 4);
	k.rule.take = 0;
	conn_resume(n->conn);
	kit_settle(&k);
	OK_STR(n->text, "abcdefgh");
	OK(bytes_len(&n->conn->in) == 0);
	close(fd);
	kit_close(&k);
}

static void
a_paused_connection_reads_nothing(void)
{
	struct note *n;
	size_t sent = 0;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	conn_pause(n->conn);
	for (ssize_t r; (r = send(fd, big, BIG, 0)) > 0;) {
		sent += (size_t)r;
		kit_settle(&k);
	}
	/* The kernel's buffers are full, and ours are empty. */
	OK(errno == EAGAIN && n->n == 0);
	OK(bytes_len(&n->conn->in) == 0);
	conn_resume(n->conn);
	kit_settle(&k);
	OK(n->n == sent);
	/* Its end is not lost over a pause. */
	conn_pause(n->conn);
	close(fd);
	kit_settle(&k);
	OK(n->eofs == 0);
	conn_resume(n->conn);
	kit_settle(&k);
	OK(n->eofs == 1);
	kit_close(&k);
}

static void
one_connection_reads_no_more_than_its_budget_a_turn(void)
{
	struct note *n;
	size_t sent = 0;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_tcp_pair(&k, &n);
	OK(setsockopt(n->conn->io.fd, SOL_SOCKET, SO_RCVBUF,
	    &(int){ 4 << 20 }, sizeof(int)) == 0);
	conn_pause(n->conn);
	for (int idle = 0; idle < 20;) {
		ssize_t r = send(fd, big, BIG, 0);

		idle = r > 0 ? 0 : idle + 1;
		sent += r > 0 ? (size_t)r : 0;
		usleep(1000);
		kit_turn(&k);
	}
	OK(sent > 512u << 10);
	conn_resume(n->conn);
	kit_turn(&k);
	OK(n->n > 0 && n->n <= 256u << 10);
	OK(shard_is_pending(k.shard));
	for (int i = 0; i < 5000 && n->n < sent; i++) {
		size_t before = n->n;

		kit_turn(&k);
		OK(n->n - before <= 256u << 10);
		if (n->n == before)
			usleep(100);
	}
	OK(n->n == sent);
	close(fd);
	kit_close(&k);
}

static void
bytes_before_the_end_are_offered_before_it(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	OK(send(fd, "last", 4, 0) == 4);
	close(fd);
	kit_settle(&k);
	OK_STR(n->text, "last");
	OK(n->eofs == 1 && n->losts == 0);
	kit_close(&k);
}

static void
a_client_that_only_listens_gets_its_answer(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	OK(send(fd, "?", 1, 0) == 1);
	OK(shutdown(fd, SHUT_WR) == 0);
	kit_settle(&k);
	OK(n->eofs == 1);
	conn_put(n->conn, "answer", 6);
	conn_close(n->conn, true);
	kit_settle(&k);
	OK(receives(fd, "answer", 6));
	OK(ends(fd, 0));
	/* Both sides are shut: there is nothing to linger for. */
	OK(n->losts == 1);
	close(fd);
	kit_close(&k);
}

static void
a_reset_ends_it(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_tcp_pair(&k, &n);
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
	    sizeof(struct linger)) == 0);
	close(fd);
	for (int i = 0; i < 1000 && n->losts == 0; i++) {
		kit_turn(&k);
		usleep(100);
	}
	OK(n->losts == 1 && n->eofs == 0);
	OK(k.shard->n_conns == 0);
	kit_close(&k);
}

static void
the_protocol_may_abort_while_it_is_given_input(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	k.rule.abort_in_input = true;
	k.rule.take = 1;
	fd = kit_pair(&k, &n);
	OK(send(fd, "abc", 3, 0) == 3);
	kit_settle(&k);
	OK(n->losts == 1 && n->inputs == 1);
	close(fd);
	kit_close(&k);
}

/* ---- writing ----------------------------------------------------------- */

static void
a_whole_megabyte_arrives_through_a_small_socket(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	shrink(n->conn->io.fd, SO_SNDBUF);
	for (size_t i = 0; i < BIG; i += 9973)
		conn_put(n->conn, big + i, MIN(9973, BIG - i));
	kit_turn(&k);
	OK(!n->conn->writable);
	OK(receives(fd, big, BIG));
	OK(bytes_len(&n->conn->out) == 0);
	close(fd);
	kit_close(&k);
}

static void
output_of_a_turn_leaves_together_and_in_order(void)
{
	struct note *n;
	unsigned char *p;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	conn_put(n->conn, "one ", 4);
	p = conn_reserve(n->conn, 100);
	memcpy(p, "two ", 4);
	conn_commit(n->conn, 4);
	k.rule.on_flush = "three";
	OK(kit_is_silent(fd));
	kit_turn(&k);
	OK(receives(fd, "one two three", 13));
	close(fd);
	kit_close(&k);
}

static void
room_is_told_once_after_it_was_full(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	shrink(n->conn->io.fd, SO_SNDBUF);
	OK(conn_space(n->conn) == CONN_OUT_HIGH);
	conn_put(n->conn, big, CONN_OUT_HIGH - 1);
	OK(conn_space(n->conn) == 1);
	OK(!n->conn->full);
	OK(receives(fd, big, CONN_OUT_HIGH - 1));
	OK(n->rooms == 0);

	conn_put(n->conn, big, CONN_OUT_HIGH);
	OK(conn_space(n->conn) == 0 && n->conn->full);
	/* Above the low mark it says nothing. */
	OK(receives(fd, big, CONN_OUT_HIGH / 2));
	OK(bytes_len(&n->conn->out) >= CONN_OUT_LOW);
	OK(n->rooms == 0);
	OK(receives(fd, big + CONN_OUT_HIGH / 2, CONN_OUT_HIGH / 2));
	OK(n->rooms == 1);
	/* Commits count, too. */
	OK(conn_reserve(n->conn, 100) != NULL);
	conn_commit(n->conn, 100);
	OK(!n->conn->full);
	close(fd);
	kit_close(&k);
}

static void
room_may_fill_it_again(void)
{
	struct note *n;
	size_t all = 0;
	int fd, end;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	k.rule.on_room = CONN_OUT_HIGH;
	conn_put(n->conn, big, CONN_OUT_HIGH);
	while (n->rooms < 5) {
		kit_turn(&k);
		all += kit_recv(fd, &end);
	}
	k.rule.on_room = 0;
	kit_settle(&k);
	for (size_t more = 1; more > 0; kit_settle(&k))
		all += more = kit_recv(fd, &end);
	/* The last room() may have been told after the rule was gone. */
	OK(all % CONN_OUT_HIGH == 0 && all / CONN_OUT_HIGH >= 6);
	close(fd);
	kit_close(&k);
}

static void
a_client_that_takes_nothing_is_reset_at_the_send_timeout(void)
{
	struct note *n;
	int fd, end;

	kit_open(&k, 1, "--send-timeout=5s", false);
	fd = kit_tcp_pair(&k, &n);
	shrink(fd, SO_RCVBUF);
	shrink(n->conn->io.fd, SO_SNDBUF);
	conn_put(n->conn, big, BIG);
	kit_settle(&k);
	OK(bytes_len(&n->conn->out) > 0);
	kit_sleep(&k, 4500);
	OK(n->losts == 0);
	/* The kernel's acknowledgements may have been late. */
	kit_sleep(&k, 700);
	kit_sleep(&k, 5200);
	OK(n->losts == 1 && n->timeouts == 0);
	/* A cut, not an end. */
	kit_await(fd);
	kit_recv(fd, &end);
	OK(end == ECONNRESET);
	close(fd);
	kit_close(&k);
}

static void
a_slow_client_is_not_given_up_though_no_event_comes(void)
{
	static char some[40000];
	struct note *n;
	int fd;

	kit_open(&k, 1, "--send-timeout=5s", false);
	fd = kit_pair(&k, &n);
	conn_put(n->conn, big, BIG);
	kit_settle(&k);
	OK(!n->conn->writable);
	for (int i = 0; i < 3; i++) {
		OK(recv(fd, some, sizeof(some), 0) == sizeof(some));
		kit_settle(&k);
		/* Not enough for an event. */
		OK(!n->conn->writable);
		kit_sleep(&k, 5200);
		OK(n->losts == 0);
	}
	kit_sleep(&k, 5200);
	OK(n->losts == 1);
	close(fd);
	kit_close(&k);
}

/* What counts is when he last took something, not when that was looked at. */
static void
a_client_that_stops_late_is_given_up_in_time(void)
{
	static char some[40000];
	struct note *n;
	int fd;

	kit_open(&k, 1, "--send-timeout=5s", false);
	fd = kit_pair(&k, &n);
	conn_put(n->conn, big, BIG);
	kit_settle(&k);
	OK(recv(fd, some, sizeof(some), 0) == sizeof(some));
	kit_sleep(&k, 600);
	kit_sleep(&k, 4000);
	OK(n->losts == 0);
	for (int ms = 0; ms < 2000; ms += 500)
		kit_sleep(&k, 500);
	OK(n->losts == 1);
	close(fd);
	kit_close(&k);
}

static void
a_client_that_takes_all_is_forgiven(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "--send-timeout=5s", false);
	fd = kit_pair(&k, &n);
	shrink(n->conn->io.fd, SO_SNDBUF);
	conn_put(n->conn, big, BIG);
	kit_settle(&k);
	/* All of it arrives: the deadline goes with the output. */
	OK(receives(fd, big, BIG));
	kit_sleep(&k, 60000);
	OK(n->losts == 0);
	OK(!timer_is_set(&n->conn->stall));
	close(fd);
	kit_close(&k);
}

static void
writing_to_one_who_left_ends_it(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	close(fd);
	kit_settle(&k);
	OK(n->losts == 0);
	conn_put(n->conn, "x", 1);
	kit_settle(&k);
	OK(n->losts == 1);
	kit_close(&k);
}

/* ---- closing ----------------------------------------------------------- */

static void
close_sends_what_waits_first(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	shrink(n->conn->io.fd, SO_SNDBUF);
	conn_put(n->conn, big, BIG);
	conn_close(n->conn, false);
	conn_close(n->conn, false);	/* twice is once */
	kit_settle(&k);
	OK(n->losts == 0 && n->flushes == 0);
	OK(receives(fd, big, BIG));
	kit_settle(&k);
	OK(ends(fd, 0));
	OK(n->losts == 1);
	close(fd);
	kit_close(&k);
}

static void
an_answer_is_not_lost_over_unread_input(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_tcp_pair(&k, &n);
	conn_pause(n->conn);
	OK(send(fd, big, 100000, 0) == 100000);
	kit_settle(&k);
	conn_put(n->conn, "refused", 7);
	conn_close(n->conn, true);
	kit_settle(&k);
	/* And while it sends on. */
	OK(send(fd, big, 1000, MSG_NOSIGNAL) == 1000);
	kit_settle(&k);
	kit_await(fd);
	OK(receives(fd, "refused", 7));
	OK(ends(fd, 0));
	OK(n->losts == 0 && n->inputs == 0);
	OK(n->conn->state == CONN_LINGER);
	close(fd);
	for (int i = 0; i < 1000 && n->losts == 0; i++) {
		kit_turn(&k);
		usleep(100);
	}
	OK(n->losts == 1);
	kit_close(&k);
}

static void
lingering_ends_after_two_seconds(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	conn_close(n->conn, true);
	kit_settle(&k);
	OK(n->conn && n->conn->state == CONN_LINGER);
	kit_sleep(&k, 1900);
	OK(n->losts == 0);
	kit_sleep(&k, 300);
	OK(n->losts == 1 && n->timeouts == 0);
	close(fd);
	kit_close(&k);
}

/* A client that sends and sends. */
static size_t poured;

static ssize_t
pour(struct conn *c, void *buf, size_t n)
{
	(void)c;
	(void)buf;
	poured += n;
	return (ssize_t)n;
}

static void
lingering_throws_away_64_megabytes_and_no_more(void)
{
	struct xport_ops endless = xport_plain;
	struct note *n;
	size_t last = 0;
	int fd;

	endless.recv = pour;
	poured = 0;
	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	n->conn->xport = &endless;
	conn_close(n->conn, true);
	OK(send(fd, "x", 1, 0) == 1);
	while (n->losts == 0 && poured < 100u << 20) {
		kit_turn(&k);
		/* The others have their turn, too. */
		OK(poured - last < 512u << 10);
		last = poured;
	}
	OK(n->losts == 1 && n->inputs == 0);
	OK(poured >= 64u << 20 && poured < 65u << 20);
	close(fd);
	kit_close(&k);
}

static void
nothing_is_read_or_appended_any_more(void)
{
	struct note *n;
	struct conn *c;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	c = n->conn;
	conn_close(c, true);
	OK(send(fd, "late", 4, 0) == 4);
	kit_turn(&k);
	OK(n->inputs == 0 && c->state == CONN_LINGER);
	conn_put(c, "late", 4);
	OK(!conn_reserve(c, 4));
	conn_timeout(c, 1);
	conn_resume(c);
	OK(bytes_len(&c->out) == 0);
	kit_turn(&k);
	OK(c->state == CONN_LINGER);
	conn_abort(c);
	conn_put(c, "late", 4);
	OK(!conn_reserve(c, 4));
	conn_dirty(c);
	conn_set_idle(c, true);
	conn_set_idle(c, false);
	conn_resume(c);
	conn_reset(c);
	conn_close(c, true);
	OK(list_empty(&k.shard->idle) && list_empty(&k.shard->conns));
	OK(n->losts == 0);		/* in the clean step */
	kit_turn(&k);
	OK(n->losts == 1);
	OK(ends(fd, 0));
	close(fd);
	kit_close(&k);
}

static void
a_reset_connection_looks_cut_to_its_client(void)
{
	struct note *n;
	char got[8];
	int fd;

	kit_open(&k, 1, "", false);
	/* What has left arrives, then the cut. */
	fd = kit_tcp_pair(&k, &n);
	conn_put(n->conn, "part", 4);
	kit_settle(&k);
	conn_reset(n->conn);
	kit_settle(&k);
	OK(n->losts == 1);
	kit_await(fd);
	OK(recv(fd, got, sizeof(got), 0) == 4);
	OK(ends(fd, ECONNRESET));
	close(fd);
	/* An abort is an end like any other. */
	fd = kit_tcp_pair(&k, &n);
	conn_put(n->conn, "part", 4);
	kit_settle(&k);
	conn_abort(n->conn);
	kit_settle(&k);
	kit_await(fd);
	OK(recv(fd, got, sizeof(got), 0) == 4);
	OK(ends(fd, 0));
	close(fd);
	kit_close(&k);
}

/* ---- the rest ---------------------------------------------------------- */

static void
the_deadline_is_one_and_moves(void)
{
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	conn_timeout(n->conn, 1000);
	conn_timeout(n->conn, 5000);
	kit_sleep(&k, 4800);
	OK(n->timeouts == 0);
	kit_sleep(&k, 400);
	OK(n->timeouts == 1 && n->losts == 0);
	conn_timeout(n->conn, 6000);
	conn_timeout(n->conn, 0);
	kit_sleep(&k, 60000);
	OK(n->timeouts == 1);
	close(fd);
	kit_close(&k);
}

static void
a_protocol_that_does_not_open_leaves_nothing(void)
{
	struct peer peer;
	int fd[2], end;

	kit_open(&k, 1, "", false);
	memset(&peer, 0, sizeof(peer));
	k.rule.open_error = -ENOMEM;
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	OK(conn_open(k.shard, fd[0], &peer, 0) == -ENOMEM);
	OK(kit_recv(fd[1], &end) == 0 && end == 0);
	OK(k.shard->n_conns == 0 && k.shard->slot->open == 0);
	close(fd[1]);
	/* Nor does a descriptor that cannot be polled. */
	OK(conn_open(k.shard, -1, &peer, 0) == -EBADF);
	OK(k.shard->n_conns == 0);
	kit_close(&k);
}

static void
each_has_a_number_and_is_counted_while_open(void)
{
	struct note *a, *b;
	int fd[2];

	kit_open(&k, 1, "", false);
	fd[0] = kit_pair(&k, &a);
	fd[1] = kit_pair(&k, &b);
	OK(b->conn->id == a->conn->id + 1);
	OK(k.shard->n_conns == 2 && k.shard->slot->open == 2);
	conn_abort(a->conn);
	/* Its memory stays until the clean step. */
	OK(k.shard->n_conns == 1 && k.shard->slot->open == 1);
	OK(a->losts == 0);
	kit_turn(&k);
	OK(a->losts == 1 && b->losts == 0);
	close(fd[0]);
	close(fd[1]);
	kit_close(&k);
}

static void
tests(void)
{
	fill();
	T(input_is_offered_as_it_comes);
	T(what_is_left_is_kept_until_it_resumes);
	T(a_paused_connection_reads_nothing);
	T(one_connection_reads_no_more_than_its_budget_a_turn);
	T(bytes_before_the_end_are_offered_before_it);
	T(a_client_that_only_listens_gets_its_answer);
	T(a_reset_ends_it);
	T(the_protocol_may_abort_while_it_is_given_input);
	T(a_whole_megabyte_arrives_through_a_small_socket);
	T(output_of_a_turn_leaves_together_and_in_order);
	T(room_is_told_once_after_it_was_full);
	T(room_may_fill_it_again);
	T(a_client_that_takes_nothing_is_reset_at_the_send_timeout);
	T(a_slow_client_is_not_given_up_though_no_event_comes);
	T(a_client_that_stops_late_is_given_up_in_time);
	T(a_client_that_takes_all_is_forgiven);
	T(writing_to_one_who_left_ends_it);
	T(close_sends_what_waits_first);
	T(an_answer_is_not_lost_over_unread_input);
	T(lingering_ends_after_two_seconds);
	T(lingering_throws_away_64_megabytes_and_no_more);
	T(nothing_is_read_or_appended_any_more);
	T(a_reset_connection_looks_cut_to_its_client);
	T(the_deadline_is_one_and_moves);
	T(a_protocol_that_does_not_open_leaves_nothing);
	T(each_has_a_number_and_is_counted_while_open);
}

T_MAIN(tests)
