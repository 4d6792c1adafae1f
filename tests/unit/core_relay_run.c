/* See LICENSE for the terms. */
/*
 * Runs: messages that follow each other in one channel are one call a member,
 * and nobody sees a difference but in their number.
 */
#include "core/relay.h"

#include "core/util.h"
#include "tests/unit/shard_kit.h"

static struct kit k;

struct listener {
	struct member member;
	unsigned calls, n;
	uint64_t lost, lost_first;
	char text[400];		/* one call's messages, and a blank */
};

static unsigned
on_run(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	struct listener *l = container_of(m, struct listener, member);
	size_t len = strlen(l->text);

	l->lost_first = l->calls++ == 0 ? lost : l->lost_first;
	l->lost += lost;
	l->n += n;
	for (unsigned i = 0; i < n; i++) {
		OK(p[i].seg == p->seg);
		OK(i == 0 || p[i].wire.p == p[i - 1].wire.p + p[i - 1].wire.n);
		OK(i == 0 || p[i].offset > p[i - 1].offset);
		OK(str_eq(p[i].channel, p->channel));
		if (len + p[i].data.n + 2 > sizeof(l->text))
			continue;
		memcpy(l->text + len, p[i].data.p, p[i].data.n);
		len += p[i].data.n;
	}
	l->text[len] = ' ';
	l->text[len + 1] = 0;
	return 1;
}

static void
listen_to(struct listener *l, const char *rooms)
{
	memset(l, 0, sizeof(*l));
	member_init(&l->member, on_run);
	for (; *rooms; rooms++)
		OK(relay_join(&k.shard->relay, &l->member,
		    (struct str){ rooms, 1 }) == 0);
}

static void
leave(struct listener *l)
{
	relay_leave_all(&k.shard->relay, &l->member);
}

static void
say_bytes(const char *room, const void *p, size_t n)
{
	struct ring_msg m = { .channel = { room, 1 }, .head = STR("#"),
		.data = { p, n }, .kind = RING_TEXT };

	OK(relay_publish(&k.shard->relay, &m, NULL) == 0);
}

/* Room and text of each: "a1b2" is 1 in a, and 2 in b. */
static void
say(const char *what)
{
	for (; *what; what += 2)
		say_bytes(what, what + 1, 1);
}

static void
deliver_all(void)
{
	while (relay_is_ready(&k.shard->relay))
		relay_deliver(&k.shard->relay);
}

static uint64_t
counted(const _Atomic uint64_t *n)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)n);
}

static void
a_run_is_one_call(void)
{
	struct listener a, b, both;

	kit_open(&k, 1, "", false);
	listen_to(&a, "a");
	listen_to(&b, "b");
	listen_to(&both, "ab");
	/* Nobody hears x: it is no reason to end a run. */
	say("a1a2x0a3b4b5a6b7x0b8x0");
	OK(relay_deliver(&k.shard->relay) == 8);
	OK_STR(a.text, "123 6 ");
	OK_STR(b.text, "45 78 ");
	OK_STR(both.text, "123 45 6 78 ");
	OK(counted(&k.shard->slot->delivered) == 16);
	OK(!relay_is_ready(&k.shard->relay));
	leave(&a);
	leave(&b);
	leave(&both);
	kit_close(&k);
}

static void
a_run_has_a_bound(void)
{
	struct listener a;

	kit_open(&k, 1, "", false);
	listen_to(&a, "a");
	for (unsigned i = 0; i < 2 * RELAY_RUN + 1; i++)
		say("a.");
	deliver_all();
	OK(a.calls == 3 && a.n == 2 * RELAY_RUN + 1);
	leave(&a);
	kit_close(&k);
}

static void
who_joins_gets_the_part_that_came_later(void)
{
	struct listener a, late, none;

	kit_open(&k, 1, "", false);
	listen_to(&a, "a");
	say("a1a2");
	listen_to(&late, "a");
	say("a3a4");
	listen_to(&none, "a");
	deliver_all();
	OK_STR(a.text, "1234 ");
	OK_STR(late.text, "34 ");
	OK(none.calls == 0);
	OK(counted(&k.shard->slot->delivered) == 6);
	leave(&a);
	leave(&late);
	leave(&none);
	kit_close(&k);
}

/* Whatever the sizes, what does not fit into the segment is a run of its own */
static void
a_run_ends_with_its_segment(void)
{
	static char big[SEG_SIZE];
	struct listener a;

	kit_open(&k, 1, "", false);
	memset(big, 'x', sizeof(big));
	listen_to(&a, "a");
	say("a1");
	say_bytes("a", big, SEG_SIZE / 2);
	say_bytes("a", big, SEG_SIZE / 2);
	say("a2");
	say_bytes("a", big, SEG_SIZE);
	say("a3");
	deliver_all();
	OK(a.n == 6 && a.calls == 4);
	OK(counted(&k.shard->relay.log.held) == SEG_SIZE);
	leave(&a);
	kit_close(&k);
}

/* By another shard: what this one publishes does not write over it. */
static void
another_says(const char *what)
{
	const struct relay *r = &k.shard->relay;
	struct ring_msg m = { .channel = { what, 1 }, .kind = RING_TEXT,
		.data = { what + 1, 1 } };
	struct ring_place where;

	m.hash = topic_hash(m.channel, r->topics.seed);
	OK(ring_publish(r->ring, 1, &m, &where) == 0);
}

/* What is lost within a run is told of before the message behind it. */
static void
a_loss_ends_a_run(void)
{
	static char big[100000];
	struct listener a, b;

	kit_open(&k, 2, "", false);
	listen_to(&a, "a");
	listen_to(&b, "a");
	another_says("a1");
	say("a2");
	for (int i = 0; i < 50; i++)
		say_bytes("x", big, sizeof(big));
	say("a3");
	deliver_all();
	OK_STR(a.text, "1 3 ");
	OK_STR(b.text, "1 3 ");
	OK(a.lost_first == 0 && b.lost_first == 0);
	OK(a.lost > 0 && a.lost == counted(&k.shard->slot->lost));
	OK(b.lost == a.lost);
	leave(&a);
	leave(&b);
	kit_close(&k);
}

static void
a_run_behind_a_loss_is_told_of_it_once(void)
{
	struct listener a, b;

	kit_open(&k, 1, "", false);
	listen_to(&a, "a");
	listen_to(&b, "a");
	say("a1");
	for (int i = 0; i < SHM_RING_SLOTS + 100; i++)
		say("x0");
	say("a2a3x0");
	deliver_all();
	OK_STR(a.text, "23 ");
	OK(a.lost == 104 && b.lost == 104);
	OK(counted(&k.shard->slot->lost) == 104);
	say("a4");
	deliver_all();
	OK_STR(a.text, "23 4 ");
	OK(a.lost == 104);
	leave(&a);
	leave(&b);
	kit_close(&k);
}

static void
add(char *to, char c)
{
	size_t n = strlen(to);

	to[n] = c;
	to[n + 1] = 0;
}

/* Any order of messages to three channels: each hears its own, in order. */
static void
every_mixture_is_what_single_messages_would_be(void)
{
	static const char rooms[] = "abx";
	struct listener a, both;

	kit_open(&k, 1, "", false);
	for (unsigned code = 0; code < 729; code++) {
		char want[2][8] = { "", "" }, got[2][8] = { "", "" };

		listen_to(&a, "a");
		listen_to(&both, "ab");
		for (unsigned i = 0, rest = code; i < 6; i++, rest /= 3) {
			char text[] = { rooms[rest % 3], (char)('1' + i), 0 };

			say(text);
			if (text[0] == 'a')
				add(want[0], text[1]);
			if (text[0] != 'x')
				add(want[1], text[1]);
		}
		deliver_all();
		for (const char *p = a.text; *p; p++)
			if (*p != ' ')
				add(got[0], *p);
		for (const char *p = both.text; *p; p++)
			if (*p != ' ')
				add(got[1], *p);
		OK_STR(got[0], want[0]);
		OK_STR(got[1], want[1]);
		leave(&a);
		leave(&both);
	}
	kit_close(&k);
}

/* What a member keeps is in the log, until the log's part is full. */
static unsigned
on_keep(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	static struct seg *kept[2];
	static unsigned n_kept;
	struct relay *r = &k.shard->relay;
	struct str data;

	(void)m;
	(void)lost;
	OK(n == 1);
	kept[n_kept] = relay_keep(r, p, &data);
	OK(str_eq(data, STR("1")));
	OK((kept[n_kept] == p->seg) == (n_kept == 0));
	OK((data.p == p->data.p) == (n_kept == 0));
	if (++n_kept == 1) {
		atomic_fetch_add(&r->log.held, RELAY_HELD);
		return 1;
	}
	OK(data.p == (char *)kept[1]->data);
	atomic_fetch_sub(&r->log.held, RELAY_HELD);
	seg_unref(kept[0]);
	seg_unref(kept[1]);
	OK(counted(&r->log.held) == SEG_SIZE);
	return 1;
}

static void
beyond_the_bound_what_is_kept_is_copied(void)
{
	struct member m;

	kit_open(&k, 1, "", false);
	member_init(&m, on_keep);
	OK(relay_join(&k.shard->relay, &m, STR("a")) == 0);
	say("a1");
	deliver_all();
	say("a1");
	deliver_all();
	relay_leave_all(&k.shard->relay, &m);
	kit_close(&k);
}

static void
tests(void)
{
	T(a_run_is_one_call);
	T(a_run_has_a_bound);
	T(who_joins_gets_the_part_that_came_later);
	T(a_run_ends_with_its_segment);
	T(a_loss_ends_a_run);
	T(a_run_behind_a_loss_is_told_of_it_once);
	T(beyond_the_bound_what_is_kept_is_copied);
	T(every_mixture_is_what_single_messages_would_be);
}

T_MAIN(tests)
