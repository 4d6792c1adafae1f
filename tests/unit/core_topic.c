/* See LICENSE for the terms. */
/*
 * Channels and their members: who is in what, walks during which everything
 * changes, and what joining costs when there are very many.
 */
#include "core/topic.h"

#include <errno.h>

#include "core/ear.h"
#include "core/mem.h"
#include "core/ring.h"
#include "core/util.h"
#include "tests/unit/ring_kit.h"
#include "tests/unit/t.h"

enum { SEED = 77 };

static struct topics t;
static struct ear ear;

struct one {
	struct member member;
	unsigned id;
};

static unsigned
never(struct member *m, const struct post *p, unsigned n, uint64_t lost)
{
	(void)m;
	(void)p;
	(void)lost;
	OK(false);
	return n;
}

static struct sub *
join_as(struct one *o, const char *name)
{
	struct str s = str_of(name);
	struct sub *sub = NULL;

	OK(topic_join(&t, &o->member, s, topic_hash(s, SEED), &sub) == 1);
	return sub;
}

static struct topic *
find(const char *name)
{
	struct str s = str_of(name);

	return topic_find(&t, s, topic_hash(s, SEED));
}

static bool
leave_as(struct one *o, const char *name)
{
	struct topic *topic = find(name);
	struct sub *sub = topic ? topic_sub(&t, &o->member, topic) : NULL;

	return sub && topic_leave(&t, sub);
}

static void
leave_all(struct one *o)
{
	struct list *n;

	while ((n = list_first(&o->member.subs)))
		topic_leave(&t, container_of(n, struct sub, mine));
}

static void
begin(struct one *o, unsigned n)
{
	memset(&ear, 0, sizeof(ear));
	OK(topics_init(&t, SEED, &ear) == 0);
	for (unsigned i = 0; i < n; i++) {
		member_init(&o[i].member, never);
		o[i].id = i;
	}
}

static bool
is_wanted(const char *name)
{
	unsigned bit = ear_bit(topic_hash(str_of(name), SEED));

	return atomic_load(&ear.wants[bit / 64]) >> bit % 64 & 1;
}

static void
a_topic_comes_with_its_first_member_and_goes_with_its_last(void)
{
	struct one o[2];

	begin(o, 2);
	OK(!find("room") && !topic_is_likely(&t, topic_hash(STR("room"),
	    SEED)));
	OK(!is_wanted("room") && !atomic_load(&ear.wants_any));
	join_as(&o[0], "room");
	join_as(&o[1], "room");
	OK(find("room") && find("room")->n == 2 && t.n_subs == 2);
	OK(topic_is_likely(&t, topic_hash(STR("room"), SEED)));
	OK(is_wanted("room") && atomic_load(&ear.wants_any));
	OK(!find("roo") && !find("room ") && !find("Room"));
	OK(!leave_as(&o[0], "room"));
	OK(is_wanted("room"));
	OK(leave_as(&o[1], "room"));
	OK(!find("room") && t.n_topics == 0 && t.n_subs == 0);
	OK(!is_wanted("room") && !atomic_load(&ear.wants_any));
	topics_fini(&t);
}

static void
joining_twice_is_joining_once(void)
{
	struct sub *first, *sub = NULL;
	struct one o[1];

	begin(o, 1);
	first = join_as(o, "room");
	OK(topic_join(&t, &o->member, STR("room"), topic_hash(STR("room"),
	    SEED), &sub) == 0);
	OK(sub == first && find("room")->n == 1);
	OK(leave_as(o, "room"));
	OK(!leave_as(o, "room"));
	topics_fini(&t);
}

static void
names_with_the_same_hash_are_told_apart(void)
{
	struct sub *a, *b, *c;
	struct one o[1];

	begin(o, 1);
	OK(topic_join(&t, &o->member, STR("a"), 5, &a) == 1);
	OK(topic_join(&t, &o->member, STR("b"), 5, &b) == 1);
	OK(topic_join(&t, &o->member, STR("c"), 5 + EAR_BITS, &c) == 1);
	OK(topic_find(&t, STR("a"), 5) == a->topic);
	OK(topic_find(&t, STR("b"), 5) == b->topic && a->topic != b->topic);
	OK(!topic_find(&t, STR("c"), 5));
	/* All three have one bit, which goes with the last. */
	OK(topic_leave(&t, a) && topic_leave(&t, b));
	OK(atomic_load(&ear.wants[0]) == 32);
	OK(topic_leave(&t, c) && atomic_load(&ear.wants[0]) == 0);
	topics_fini(&t);
}

static void
a_member_is_in_many_topics_and_leaves_them_all(void)
{
	struct one o[3];
	char name[16];

	begin(o, 3);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "room %u", i);
		for (unsigned k = 0; k < 3; k++)
			join_as(&o[k], name);
	}
	OK(t.n_topics == 1000 && t.n_subs == 3000);
	leave_all(&o[1]);
	OK(t.n_topics == 1000 && t.n_subs == 2000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "room %u", i);
		OK(find(name) && find(name)->n == 2);
		OK(!topic_sub(&t, &o[1].member, find(name)));
		OK(topic_sub(&t, &o[2].member, find(name)));
	}
	leave_all(&o[0]);
	leave_all(&o[2]);
	OK(t.n_topics == 0 && t.n_subs == 0);
	topics_fini(&t);
}

/* ---- walks ------------------------------------------------------------- */

/* The ids met in a walk from here on, as a number to the base of ten. */
static unsigned
walk_on(struct walk *w)
{
	unsigned met = 0;
	struct sub *s;

	while ((s = topic_walk_next(&t, w)))
		met = met * 10 +
		    container_of(s->member, struct one, member)->id;
	return met;
}

static void
a_walk_meets_members_in_the_order_of_joining(void)
{
	struct one o[6];
	struct walk w;

	begin(o, 6);
	for (unsigned i = 1; i < 6; i++)
		join_as(&o[i], "room");
	join_as(&o[0], "elsewhere");
	topic_walk(&w, find("room"));
	OK(walk_on(&w) == 12345);
	OK(!w.topic);
	/* And again. */
	topic_walk(&w, find("room"));
	OK(walk_on(&w) == 12345);
	for (unsigned i = 0; i < 6; i++)
		leave_all(&o[i]);
	topics_fini(&t);
}

/* Whoever was met, is next, comes last: each leaves at each step. */
static void
anybody_may_leave_and_join_during_a_walk(void)
{
	for (unsigned step = 0; step <= 4; step++)
	for (unsigned who = 1; who <= 4; who++) {
		unsigned met = 0, want = 0;
		struct one o[10];
		struct walk w;

		begin(o, 10);
		for (unsigned i = 1; i <= 4; i++)
			join_as(&o[i], "room");
		topic_walk(&w, find("room"));
		for (unsigned i = 0; i < step; i++) {
			struct sub *s = topic_walk_next(&t, &w);

			met = met * 10 + container_of(s->member, struct one,
			    member)->id;
		}
		leave_as(&o[who], "room");
		join_as(&o[9], "room");
		for (unsigned i = 1; i <= 4; i++)
			if (i != who || i <= step)
				want = want * 10 + i;
		want = want * 10 + 9;
		for (struct sub *s; (s = topic_walk_next(&t, &w));)
			met = met * 10 + container_of(s->member, struct one,
			    member)->id;
		OK(met == want);
		for (unsigned i = 1; i < 10; i++)
			leave_all(&o[i]);
		topics_fini(&t);
	}
}

static void
a_topic_that_empties_during_its_walk_goes_at_its_end(void)
{
	struct one o[3];
	struct walk w;

	begin(o, 3);
	join_as(&o[1], "room");
	join_as(&o[2], "room");
	topic_walk(&w, find("room"));
	OK(topic_walk_next(&t, &w));
	leave_all(&o[1]);
	leave_all(&o[2]);
	OK(t.n_topics == 1 && find("room")->n == 0);
	/* It may fill again. */
	join_as(&o[2], "room");
	OK(walk_on(&w) == 2);
	OK(find("room"));
	topic_walk(&w, find("room"));
	leave_all(&o[2]);
	topic_walk_end(&t, &w);
	OK(t.n_topics == 0 && !w.topic && !is_wanted("room"));
	topic_walk_end(&t, &w);
	topics_fini(&t);
}

/* ---- want of memory ----------------------------------------------------- */

/* Whatever allocation fails, nothing is left of the join; the next works. */
static void
a_join_without_memory_leaves_nothing(void)
{
	struct sub *sub;
	struct one o[1];
	unsigned n = 1;

	OK(mem_fail(1, 1) == 0);
	OK(topics_init(&t, SEED, &ear) == -ENOMEM);
	topics_fini(&t);
	mem_fail(0, 0);
	for (;; n++) {
		int got;

		begin(o, 1);
		mem_fail(n, 1);
		got = topic_join(&t, &o->member, STR("room"),
		    topic_hash(STR("room"), SEED), &sub);
		if (mem_fail(0, 0) == 0) {
			OK(got == 1);
			break;
		}
		OK(got == -ENOMEM && !sub);
		OK(t.n_topics == 0 && t.n_subs == 0 && !find("room"));
		OK(!is_wanted("room") && list_empty(&o->member.subs));
		join_as(o, "room");
		leave_all(o);
		topics_fini(&t);
	}
	/* Both tables, the topic, the membership. */
	OK(n == 5);
	leave_all(o);
	topics_fini(&t);
}

/* A table that cannot grow is slower, not full. */
static void
tables_that_cannot_grow_take_more(void)
{
	enum { N = 64 };
	struct one o[N];
	unsigned joined = 0;

	begin(o, N);
	for (unsigned i = 0; i < N; i++) {
		char name[8];
		struct sub *sub;
		int got;

		snprintf(name, sizeof(name), "%u", i);
		/* The larger tables: both are asked for before the rest. */
		mem_fail(1, i >= 16 ? 1 : 0);
		got = topic_join(&t, &o[i].member, str_of(name),
		    topic_hash(str_of(name), SEED), &sub);
		mem_fail(0, 0);
		joined += got == 1;
	}
	OK(joined == N && t.topic_room == 16 && t.n_topics == N);
	for (unsigned i = 0; i < N; i++)
		leave_all(&o[i]);
	topics_fini(&t);
}

/* ---- what it costs ----------------------------------------------------- */

enum { MANY = 100000 };

static char many_name[24];

static const char *
many(unsigned i)
{
	snprintf(many_name, sizeof(many_name), "channel-%u", i);
	return many_name;
}

/* Entries looked at since the last call. */
static uint64_t
steps(void)
{
	uint64_t n = t.steps;

	t.steps = 0;
	return n;
}

static void
joins_and_leaves_take_a_few_steps_however_many_there_are(void)
{
	struct one *o = mem_zero(MANY * sizeof(*o));
	uint64_t worst = 0;
	struct walk w;

	begin(o, MANY);
	/* A channel each, and one with everybody. */
	for (unsigned i = 0; i < MANY; i++) {
		join_as(&o[i], many(i));
		join_as(&o[i], "all");
	}
	OK(t.n_topics == MANY + 1 && t.n_subs == 2 * MANY);
	/* With all that the growing tables moved: a few a join. */
	OK(steps() < 10 * MANY);

	/* Full as they are: a lookup, from one end to the other. */
	for (unsigned i = 0; i < MANY; i += 97) {
		uint64_t n;

		OK(find(many(i)) && topic_sub(&t, &o[i].member, find("all")));
		n = steps();
		worst = n > worst ? n : worst;
	}
	OK(worst < 40);

	/* In and out of the largest, where the others do not matter. */
	for (unsigned i = 0; i < MANY; i += 97) {
		leave_as(&o[i], "all");
		join_as(&o[i], "all");
		worst = steps();
		OK(worst < 40);
	}

	/* A delivery meets the topic's members and no others. */
	topic_walk(&w, find(many(4711)));
	steps();
	OK(walk_on(&w) == 4711 && steps() == 1);
	topic_walk(&w, find("all"));
	steps();
	walk_on(&w);
	OK(steps() == MANY);

	for (unsigned i = 0; i < MANY; i++)
		leave_all(&o[i]);
	OK(steps() < 10 * MANY);
	OK(t.n_topics == 0 && t.n_subs == 0 && !atomic_load(&ear.wants_any));
	topics_fini(&t);
	mem_free(o);
}

/* Names that only differ a little, and seeds, give other places. */
static void
hashes_spread(void)
{
	static unsigned at[4096];
	unsigned worst = 0, same = 0;

	memset(at, 0, sizeof(at));
	for (unsigned i = 0; i < 65536; i++) {
		uint64_t h = topic_hash(str_of(many(i)), SEED);

		at[h % 4096]++;
		worst = at[h % 4096] > worst ? at[h % 4096] : worst;
		same += h % 4096 ==
		    topic_hash(str_of(many(i)), SEED + 1) % 4096;
	}
	/* 16 on average. */
	OK(worst < 64 && same < 64);
	OK(topic_hash(STR("a"), 1) != topic_hash((struct str){ "a\0", 2 }, 1));
	OK(topic_hash(STR("aaaaaaaab"), 1) != topic_hash(STR("aaaaaaaa"), 1));
}

static void
tests(void)
{
	T(a_topic_comes_with_its_first_member_and_goes_with_its_last);
	T(joining_twice_is_joining_once);
	T(names_with_the_same_hash_are_told_apart);
	T(a_member_is_in_many_topics_and_leaves_them_all);
	T(a_walk_meets_members_in_the_order_of_joining);
	T(anybody_may_leave_and_join_during_a_walk);
	T(a_topic_that_empties_during_its_walk_goes_at_its_end);
	T(a_join_without_memory_leaves_nothing);
	T(tables_that_cannot_grow_take_more);
	T(joins_and_leaves_take_a_few_steps_however_many_there_are);
	T(hashes_spread);
}

T_MAIN(tests)
