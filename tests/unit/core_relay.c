/* See LICENSE for the terms. */
/*
 * Messages from a process to a shard's members: what they get, in which step,
 * who is woken, and what is bounded.
 */
#include "core/relay.h"

#include <pthread.h>
#include <sys/wait.h>

#include "core/util.h"
#include "tests/unit/shard_kit.h"

enum { CROWD = 3000, MIDDLE = RELAY_BUDGET / 2 };

static struct kit k;

/* Someone who listens. */
struct ear_of {
	struct member member;
	struct conn *conn;		/* also gets the bytes; or NULL */
	unsigned n;			/* messages */
	uint64_t lost;
	uint64_t offset;		/* of the last */
	char text[256];			/* all data, one behind the other */
	bool leaves;			/* at its next message */
	struct work work;		/* queued by every message */
	bool works;
};

static void
on_message(struct ear_of *e, const struct post *p)
{
	size_t len = strlen(e->text);

	e->n++;
	e->offset = p->offset;
	if (len + p->data.n < sizeof(e->text))
		memcpy(e->text + len, p->data.p, p->data.n);
	if (e->conn)
		conn_put(e->conn, p->wire.p, p->wire.n);
	if (e->works)
		work_queue(&k.shard->loop, &e->work);
}

static unsigned
on_run(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	struct ear_of *e = container_of(m, struct ear_of, member);

	e->lost += lost;
	if (e->leaves) {
		on_message(e, p);
		relay_leave_all(&k.shard->relay, m);
		return 1;
	}
	for (unsigned i = 0; i < n; i++)
		on_message(e, &p[i]);
	return n;
}

static void
on_work(struct work *w)
{
	(void)w;
}

static void
ear_of_init(struct ear_of *e)
{
	memset(e, 0, sizeof(*e));
	member_init(&e->member, on_run);
	work_init(&e->work, on_work);
}

static int
join_room(struct ear_of *e, const char *room)
{
	return relay_join(&k.shard->relay, &e->member, str_of(room));
}

/* Published by this shard; its offset. */
static uint64_t
say(const char *room, const char *text)
{
	struct ring_msg m = { .channel = str_of(room), .head = STR("<"),
		.data = str_of(text), .kind = RING_TEXT, .origin = 9 };
	uint64_t offset = UINT64_MAX;

	OK(relay_publish(&k.shard->relay, &m, &offset) == 0);
	return offset;
}

static void
leave(struct ear_of *e)
{
	relay_leave_all(&k.shard->relay, &e->member);
}

static uint64_t
counted(const _Atomic uint64_t *n)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)n);
}

/* ---- what members get -------------------------------------------------- */

static struct post last;

static unsigned
on_post(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	(void)m;
	OK(lost == 0 && n == 1);
	last = *p;
	seg_ref(p->seg);
	return 1;
}

static void
a_message_comes_with_all_that_is_known_of_it(void)
{
	struct ring_msg m = { .channel = STR("news"), .head = STR("head"),
		.data = STR("text"), .kind = RING_BYTES, .origin = 1234 };
	struct member member;
	struct seg *first;
	const char *end;
	uint64_t offset;

	kit_open(&k, 1, "", false);
	member_init(&member, on_post);
	OK(relay_join(&k.shard->relay, &member, STR("news")) == 0);
	for (uint64_t i = 0; i < 2; i++) {
		OK(relay_publish(&k.shard->relay, &m, &offset) == 0);
		OK(offset == i);
		end = last.wire.p + last.wire.n;
		first = last.seg;
		OK(relay_deliver(&k.shard->relay) == 1);
		OK(last.offset == i && last.origin == 1234);
		OK(last.kind == RING_BYTES);
		OK(str_eq(last.wire, STR("headtext")));
		OK(str_eq(last.data, STR("text")));
		OK(last.data.p == last.wire.p + 4);
		OK(last.channel.n == 4);
	}
	/* Side by side: both leave by one send. */
	OK(last.seg == first && last.wire.p == end);
	OK(counted(&k.shard->relay.log.held) == SEG_SIZE);
	relay_leave_all(&k.shard->relay, &member);
	seg_unref(last.seg);
	seg_unref(last.seg);
	kit_close(&k);
}

static void
members_of_a_channel_get_its_messages_and_no_others(void)
{
	struct ear_of e[3];

	kit_open(&k, 1, "", false);
	for (int i = 0; i < 3; i++)
		ear_of_init(&e[i]);
	OK(join_room(&e[0], "a") == 0 && join_room(&e[1], "b") == 0);
	OK(join_room(&e[2], "a") == 0 && join_room(&e[2], "b") == 0);
	OK(join_room(&e[2], "b") == 0);
	say("a", "1");
	say("b", "2");
	say("c", "3");
	say("a", "4");
	kit_settle(&k);
	OK_STR(e[0].text, "14");
	OK_STR(e[1].text, "2");
	OK_STR(e[2].text, "124");
	OK(relay_leave(&k.shard->relay, &e[2].member, STR("a")));
	OK(!relay_leave(&k.shard->relay, &e[2].member, STR("a")));
	OK(!relay_leave(&k.shard->relay, &e[2].member, STR("nobody")));
	say("a", "5");
	say("b", "6");
	kit_settle(&k);
	OK_STR(e[0].text, "145");
	OK_STR(e[2].text, "1246");
	OK(e[0].lost + e[1].lost + e[2].lost == 0);
	OK(counted(&k.shard->slot->published) == 6);
	OK(counted(&k.shard->slot->published_bytes) == 6);
	OK(counted(&k.shard->slot->delivered) == 3 + 2 + 4);
	for (int i = 0; i < 3; i++)
		leave(&e[i]);
	kit_close(&k);
}

static void
joining_takes_effect_for_what_is_published_later(void)
{
	struct ear_of e[2];

	kit_open(&k, 1, "", false);
	ear_of_init(&e[0]);
	ear_of_init(&e[1]);
	say("a", "0");
	OK(join_room(&e[0], "a") == 0);
	say("a", "1");
	/* Published and not delivered yet: not for the second. */
	OK(join_room(&e[1], "a") == 0);
	say("a", "2");
	kit_settle(&k);
	OK_STR(e[0].text, "12");
	OK_STR(e[1].text, "2");
	/* Nobody there for a while: that is no loss. */
	leave(&e[0]);
	leave(&e[1]);
	for (int i = 0; i < SHM_RING_SLOTS + 10; i++)
		say("a", "x");
	OK(join_room(&e[0], "a") == 0);
	say("a", "3");
	kit_settle(&k);
	OK_STR(e[0].text, "123");
	OK(e[0].lost == 0);
	leave(&e[0]);
	kit_close(&k);
}

static void
whoever_is_lapped_is_told_once_how_much(void)
{
	struct ear_of e[2];

	kit_open(&k, 1, "", false);
	ear_of_init(&e[0]);
	ear_of_init(&e[1]);
	join_room(&e[0], "a");
	join_room(&e[1], "b");
	for (int i = 0; i < SHM_RING_SLOTS + 100; i++)
		say("x", "");
	say("a", "1");
	say("a", "2");
	kit_settle(&k);
	OK_STR(e[0].text, "12");
	OK(e[0].lost == 102);
	OK(counted(&k.shard->slot->lost) == 102);
	/* The other hears of it with its next message. */
	say("b", "3");
	kit_settle(&k);
	OK(e[1].lost == 102 && e[0].lost == 102);
	/* Who comes now has missed nothing. */
	leave(&e[0]);
	e[0].lost = 0;
	join_room(&e[0], "b");
	say("b", "4");
	kit_settle(&k);
	OK(e[0].lost == 0 && e[1].lost == 102);
	leave(&e[0]);
	leave(&e[1]);
	kit_close(&k);
}

static void
a_member_may_leave_while_it_is_called(void)
{
	struct ear_of e[3];

	kit_open(&k, 1, "", false);
	for (int i = 0; i < 3; i++) {
		ear_of_init(&e[i]);
		e[i].leaves = i < 2;
		join_room(&e[i], "a");
	}
	say("a", "1");
	say("a", "2");
	kit_settle(&k);
	OK(e[0].n == 1 && e[1].n == 1 && e[2].n == 2);
	e[2].leaves = true;
	say("a", "3");
	kit_settle(&k);
	OK(e[2].n == 3 && k.shard->relay.topics.n_topics == 0);
	OK(counted(&k.shard->relay.log.held) == SEG_SIZE);
	kit_close(&k);
}

static void
names_and_sizes_have_bounds(void)
{
	static char big[(4 << 20) / 4 + 1];
	struct ring_msg m = { .channel = { big, 200 }, .data = { big, 1 },
		.kind = RING_TEXT };
	struct ear_of e;

	kit_open(&k, 1, "--ring-size=4m", false);
	memset(big, 'x', sizeof(big));
	ear_of_init(&e);
	OK(relay_join(&k.shard->relay, &e.member, m.channel) == 0);
	OK(relay_publish(&k.shard->relay, &m, NULL) == 0);
	m.channel.n = 201;
	OK(relay_join(&k.shard->relay, &e.member, m.channel) == -EINVAL);
	OK(relay_publish(&k.shard->relay, &m, NULL) == -EINVAL);
	m.channel.n = 0;
	OK(relay_join(&k.shard->relay, &e.member, m.channel) == -EINVAL);
	OK(relay_publish(&k.shard->relay, &m, NULL) == -EINVAL);
	m.channel.n = 200;
	/* The largest has a segment of its own. */
	m.data.n = 1 << 20;
	OK(relay_publish(&k.shard->relay, &m, NULL) == 0);
	m.data.n++;
	OK(relay_publish(&k.shard->relay, &m, NULL) == -EMSGSIZE);
	kit_settle(&k);
	OK(e.n == 2 && counted(&k.shard->relay.log.held) == 1 << 20);
	relay_drop(&k.shard->relay);
	OK(counted(&k.shard->slot->dropped) == 1);
	leave(&e);
	kit_close(&k);
}

static void
a_message_without_memory_is_a_lost_one(void)
{
	struct ear_of e;

	kit_open(&k, 1, "", false);
	ear_of_init(&e);
	join_room(&e, "a");
	say("a", "1");
	mem_fail(1, 1);
	kit_settle(&k);
	OK(mem_fail(0, 0) == 1 && e.n == 0);
	OK(counted(&k.shard->slot->lost) == 1);
	say("a", "2");
	kit_settle(&k);
	OK(e.n == 1 && e.lost == 1);
	OK_STR(e.text, "2");
	leave(&e);
	kit_close(&k);
}

/* ---- steps of a turn --------------------------------------------------- */

static void
what_is_published_in_the_run_step_leaves_in_the_same_turn(void)
{
	struct note *note;
	struct ear_of e;
	char buf[16];
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &note);
	ear_of_init(&e);
	e.conn = note->conn;
	join_room(&e, "a");
	say("a", "hello");
	conn_put(note->conn, "answer", 6);
	shard_flush(k.shard);
	/* The answer, then the message: as they were appended, in one send. */
	OK(recv(fd, buf, sizeof(buf), 0) == 12);
	OK(memcmp(buf, "answer<hello", 12) == 0);
	leave(&e);
	close(fd);
	kit_close(&k);
}

static void
a_deliver_step_is_bounded_and_goes_on_in_the_next(void)
{
	struct ear_of *e = mem_zero(CROWD * sizeof(*e));
	unsigned done = 0;

	kit_open(&k, 1, "", false);
	for (int i = 0; i < CROWD; i++) {
		ear_of_init(&e[i]);
		join_room(&e[i], "a");
	}
	say("a", "1");
	say("a", "2");
	/* Both are a run, and cost these members two. */
	OK(relay_deliver(&k.shard->relay) == RELAY_BUDGET);
	OK(e[MIDDLE - 1].n == 2 && e[MIDDLE].n == 0);
	OK(shard_is_pending(k.shard));
	/* In the middle of the run: some come, some go. */
	leave(&e[MIDDLE]);
	leave(&e[MIDDLE + 1]);
	join_room(&e[MIDDLE], "a");
	while (relay_is_ready(&k.shard->relay))
		relay_deliver(&k.shard->relay);
	for (int i = 0; i < CROWD; i++)
		done += e[i].n == 2 && strcmp(e[i].text, "12") == 0;
	OK(done == CROWD - 2);
	OK(e[MIDDLE].n == 0);		/* joined behind both */
	OK(e[MIDDLE + 1].n == 0);
	for (int i = 0; i < CROWD; i++)
		leave(&e[i]);
	kit_close(&k);
	mem_free(e);
}

/* Nobody wants them, and they must not hold up the turn either. */
static void
looking_at_records_is_bounded(void)
{
	struct ear_of e;

	kit_open(&k, 1, "", false);
	ear_of_init(&e);
	join_room(&e, "a");
	for (int i = 0; i < RELAY_LOOKS + 10; i++)
		say("b", "");
	say("a", "1");
	OK(relay_deliver(&k.shard->relay) == 0);
	OK(k.shard->relay.cursor.at == RELAY_LOOKS);
	OK(shard_is_pending(k.shard));
	OK(relay_deliver(&k.shard->relay) == 1);
	OK(!shard_is_pending(k.shard));
	leave(&e);
	kit_close(&k);
}

/* A room of connections: the clients' ends in fd. */
enum { ROOM = KIT_CONNS };

static void
open_room(struct ear_of *e, int *fd, unsigned n)
{
	struct note *note;

	for (unsigned i = 0; i < n; i++) {
		ear_of_init(&e[i]);
		fd[i] = kit_pair(&k, &note);
		e[i].conn = note->conn;
		join_room(&e[i], "room");
	}
}

static unsigned
n_silent(const int *fd, unsigned n)
{
	unsigned silent = 0;

	for (unsigned i = 0; i < n; i++)
		silent += kit_is_silent(fd[i]);
	return silent;
}

static void
close_room(struct ear_of *e, const int *fd, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		leave(&e[i]);
		close(fd[i]);
	}
}

static void
before_a_sweep_it_gathers_and_an_answer_does_not_wait(void)
{
	static struct ear_of e[ROOM];
	struct note *other;
	int fd[ROOM], client, end;

	kit_open(&k, 1, "", false);
	open_room(e, fd, ROOM - 1);
	client = kit_pair(&k, &other);
	/* A long sweep, as far as was measured: worth a long wait. */
	k.shard->send_ns = 1000000;
	say("room", "1");
	conn_put(other->conn, "answer", 6);
	shard_flush(k.shard);
	OK(!kit_is_silent(client));
	OK(n_silent(fd, ROOM - 1) == ROOM - 1);
	OK(shard_is_pending(k.shard));
	/* One more: it is still waited for another. */
	say("room", "2");
	shard_flush(k.shard);
	OK(n_silent(fd, ROOM - 1) == ROOM - 1);
	/* None came: all leaves, both messages by one send. */
	shard_flush(k.shard);
	OK(n_silent(fd, ROOM - 1) == 0);
	for (unsigned i = 0; i < ROOM - 1; i++)
		OK(kit_recv(fd[i], &end) == 4 && end == EAGAIN);
	OK(!shard_is_pending(k.shard));
	close_room(e, fd, ROOM - 1);
	close(client);
	kit_close(&k);
}

static void
a_cheap_or_small_sweep_does_not_wait(void)
{
	static struct ear_of e[ROOM];
	int fd[ROOM];

	kit_open(&k, 1, "", false);
	open_room(e, fd, ROOM);
	k.shard->send_ns = 100;
	say("room", "1");
	shard_flush(k.shard);
	OK(n_silent(fd, ROOM) == 0);
	close_room(e, fd, ROOM);
	kit_close(&k);

	kit_open(&k, 1, "", false);
	open_room(e, fd, 64);
	k.shard->send_ns = 1000000;
	say("room", "1");
	shard_flush(k.shard);
	OK(n_silent(fd, 64) == 0);
	close_room(e, fd, 64);
	kit_close(&k);
}

/* Two messages a connection, so the kit's number of them makes a sweep. */
static void
a_sweep_goes_in_slices_with_turns_between(void)
{
	static struct ear_of e[2 * ROOM];
	static int fd[2 * ROOM];
	unsigned n = 2 * ROOM;
	struct note *other;
	int client;

	kit_open(&k, 1, "", false);
	/* The kit has fewer notes; nothing comes in, so none is written to. */
	open_room(e, fd, n - 1);
	client = kit_pair(&k, &other);
	k.shard->send_ns = 0;
	say("room", "1");
	shard_flush(k.shard);
	OK(n_silent(fd, n - 1) == n - 1 - 128);
	/* Closing what waits is allowed, and answers go between. */
	conn_abort(e[n - 2].conn);
	conn_put(other->conn, "answer", 6);
	kit_turn(&k);
	OK(!kit_is_silent(client));
	kit_settle(&k);
	OK(n_silent(fd, n - 2) == 0);
	OK(!k.shard->sweeping && k.shard->gather_end == 0);
	close_room(e, fd, n - 1);
	close(client);
	shard_fini(k.shard);
	k.n_notes = 0;
	OK(shard_init(k.shard, &k.start, 0, &kit_proto) == 0);
	kit_close(&k);
}

static void
a_sweep_whose_connections_close_ends(void)
{
	static struct ear_of e[ROOM];
	int fd[ROOM];

	kit_open(&k, 1, "", false);
	open_room(e, fd, ROOM);
	k.shard->send_ns = 1000000;
	say("room", "1");
	shard_flush(k.shard);
	for (unsigned i = 0; i < ROOM; i++)
		conn_abort(e[i].conn);
	shard_flush(k.shard);
	OK(k.shard->gather_end == 0 && !shard_is_pending(k.shard));
	close_room(e, fd, ROOM);
	kit_close(&k);
}

/* ---- from elsewhere ---------------------------------------------------- */

static pthread_barrier_t begin_together;

static void *
say_many(void *arg)
{
	static const char text[2000];
	struct ring_msg m = { .channel = STR("a"), .kind = RING_TEXT,
		.data = { text, sizeof(text) } };

	pthread_barrier_wait(&begin_together);
	for (unsigned i = 0; i < *(unsigned *)arg; i++)
		OK(relay_publish(&k.shard->relay, &m, NULL) == 0);
	return NULL;
}

/* It never polls but for ever: whatever is not woken for, hangs. */
static void
threads_of_the_process_publish_and_wake(void)
{
	unsigned each = 5000;		/* 30 MB: the ring holds them all */
	pthread_t thread[3];
	struct ear_of e;

	kit_open(&k, 1, "--ring-size=64m", false);
	pthread_barrier_init(&begin_together, NULL, 3);
	ear_of_init(&e);
	e.works = true;			/* so that every wait ends */
	join_room(&e, "a");
	for (int i = 0; i < 3; i++)
		OK(pthread_create(&thread[i], NULL, say_many, &each) == 0);
	while (e.n + e.lost < 3 * each) {
		shard_poll(k.shard, -1);
		shard_run(k.shard, NULL, NULL);
		shard_flush(k.shard);
	}
	for (int i = 0; i < 3; i++)
		OK(pthread_join(thread[i], NULL) == 0);
	OK(e.n == 3 * each && e.lost == 0);
	OK(counted(&k.shard->slot->published) == 3 * each);
	pthread_barrier_destroy(&begin_together);
	leave(&e);
	kit_close(&k);
}

/* Another process, with a shard of its own in the same mapping. */
static void
be_shard_1(unsigned n, int go)
{
	static struct shard other;
	char byte;

	if (shard_init(&other, &k.start, 1, &kit_proto) != 0)
		_exit(3);
	for (unsigned i = 0; i < n; i++) {
		struct ring_msg m = { .channel = STR("a"), .head = STR("<"),
			.data = STR("x"), .kind = RING_TEXT };

		if (read(go, &byte, 1) != 1)
			_exit(4);
		if (relay_publish(&other.relay, &m, NULL) != 0)
			_exit(5);
	}
	/* At once, as one that is killed would be. */
	_exit(0);
}

static void
another_process_wakes_a_sleeping_shard_for_every_message(void)
{
	enum { N = 300 };
	int go[2], fd, status = 1, end;
	struct note *note;
	struct ear_of e;
	size_t got = 0;
	pid_t pid;

	kit_open(&k, 2, "", false);
	fd = kit_pair(&k, &note);
	ear_of_init(&e);
	e.conn = note->conn;
	e.works = true;
	join_room(&e, "a");
	OK(pipe(go) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_shard_1(N, go[0]);
	for (unsigned i = 0; i < N; i++) {
		/* The next comes only when this one was delivered. */
		OK(write(go[1], "", 1) == 1);
		while (e.n == i)
			shard_poll(k.shard, -1);
		shard_run(k.shard, NULL, NULL);
		shard_flush(k.shard);
		got += kit_recv(fd, &end);
	}
	OK(waitpid(pid, &status, 0) == pid && status == 0);
	OK(e.n == N && e.lost == 0);
	OK(got == 2 * N);
	OK(counted(&shm_slot(&k.shm, 0, 1)->published) == N);
	leave(&e);
	close(fd);
	close(go[0]);
	close(go[1]);
	kit_close(&k);
}

/* Without work for the run step the poll itself delivers and writes. */
static void
mere_receivers_need_no_run_step(void)
{
	enum { N = 50 };
	int go[2], fd, status = 1, end;
	struct note *note;
	struct ear_of e;
	pid_t pid;

	kit_open(&k, 2, "", false);
	fd = kit_pair(&k, &note);
	ear_of_init(&e);
	e.conn = note->conn;
	join_room(&e, "a");
	OK(pipe(go) == 0);
	for (unsigned i = 0; i < N; i++)
		OK(write(go[1], "", 1) == 1);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_shard_1(N, go[0]);
	while (e.n < N) {
		shard_poll(k.shard, 20 * 1000 * 1000);
		OK(list_empty(&k.shard->loop.work));
	}
	shard_flush(k.shard);
	OK(waitpid(pid, &status, 0) == pid && status == 0);
	OK(kit_recv(fd, &end) == 2 * N);
	leave(&e);
	close(fd);
	close(go[0]);
	close(go[1]);
	kit_close(&k);
}

static void
a_shard_that_nobody_listens_in_is_not_woken(void)
{
	uint64_t n;

	kit_open(&k, 2, "", false);
	OK(relay_sleep(&k.shard->relay));
	say("a", "1");
	OK(read(k.wake[0], &n, sizeof(n)) == -1);
	OK(counted(&k.shard->slot->wakes) == 0);
	relay_rise(&k.shard->relay);
	kit_close(&k);
}

/* The application's own: it has the mapping, and neither lane nor ear. */
static void
a_forked_process_is_refused(void)
{
	struct ring_msg m = { .channel = STR("a"), .kind = RING_TEXT,
		.data = STR("x") };
	struct ear_of e;
	struct relay *r;
	unsigned bit;
	int status = 1;
	pid_t pid;

	kit_open(&k, 1, "", false);
	r = &k.shard->relay;
	bit = ear_bit(topic_hash(STR("a"), r->topics.seed));
	ear_of_init(&e);
	OK(join_room(&e, "a") == 0);
	say("a", "1");
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		OK(relay_publish(r, &m, NULL) == -ECHILD);
		OK(join_room(&e, "b") == -ECHILD);
		OK(!relay_leave(r, &e.member, STR("a")));
		leave(&e);
		OK(relay_deliver(r) == 0 && e.n == 0);
		_exit(atomic_load(&t_failures) != 0);
	}
	OK(waitpid(pid, &status, 0) == pid && status == 0);
	/* Whoever sleeps is still woken for it. */
	OK(atomic_load(&r->ear->wants_any));
	OK(atomic_load(&r->ear->wants[bit / 64]) >> bit % 64 & 1);
	say("a", "2");
	OK(relay_deliver(r) > 0 && strcmp(e.text, "12") == 0);
	OK(counted(&k.shard->slot->published) == 2);
	leave(&e);
	kit_close(&k);
}

static void
tests(void)
{
	T(a_message_comes_with_all_that_is_known_of_it);
	T(members_of_a_channel_get_its_messages_and_no_others);
	T(joining_takes_effect_for_what_is_published_later);
	T(whoever_is_lapped_is_told_once_how_much);
	T(a_member_may_leave_while_it_is_called);
	T(names_and_sizes_have_bounds);
	T(a_message_without_memory_is_a_lost_one);
	T(what_is_published_in_the_run_step_leaves_in_the_same_turn);
	T(a_deliver_step_is_bounded_and_goes_on_in_the_next);
	T(looking_at_records_is_bounded);
	T(before_a_sweep_it_gathers_and_an_answer_does_not_wait);
	T(a_cheap_or_small_sweep_does_not_wait);
	T(a_sweep_goes_in_slices_with_turns_between);
	T(a_sweep_whose_connections_close_ends);
	T(threads_of_the_process_publish_and_wake);
	T(another_process_wakes_a_sleeping_shard_for_every_message);
	T(mere_receivers_need_no_run_step);
	T(a_shard_that_nobody_listens_in_is_not_woken);
	T(a_forked_process_is_refused);
}

T_MAIN(tests)
