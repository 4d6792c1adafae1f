/* See LICENSE for the terms. */
/*
 * The mailbox, from one thread and from many.
 */
#include "core/inbox.h"

#include <pthread.h>

#include "core/util.h"
#include "tests/unit/shard_kit.h"

struct numbered {
	struct letter letter;
	unsigned from, number;
};

static unsigned next_of[8];
static unsigned long read_count, out_of_order;
static struct inbox *post_again;

static void
on_numbered(struct letter *m, struct shard *s)
{
	struct numbered *n = container_of(m, struct numbered, letter);

	(void)s;
	read_count++;
	if (n->number != next_of[n->from]++)
		out_of_order++;
	/* The letter is the reader's now. */
	free(n);
}

static struct numbered *
numbered(unsigned from, unsigned number)
{
	struct numbered *n = malloc(sizeof(*n));

	*n = (struct numbered){ { NULL, on_numbered }, from, number };
	return n;
}

static void
begin(void)
{
	memset(next_of, 0, sizeof(next_of));
	read_count = 0;
	out_of_order = 0;
}

static void
letters_are_read_in_the_order_of_posting(void)
{
	struct kit k;

	begin();
	kit_open(&k, 1, "", false);
	OK(inbox_is_empty(&k.shard->inbox));
	OK(inbox_read(&k.shard->inbox, k.shard) == 0);
	for (unsigned i = 0; i < 1000; i++)
		inbox_post(&k.shard->inbox, &k.shard->loop,
		    &numbered(0, i)->letter);
	OK(!inbox_is_empty(&k.shard->inbox));
	OK(inbox_read(&k.shard->inbox, k.shard) == 1000);
	OK(read_count == 1000 && out_of_order == 0);
	OK(inbox_is_empty(&k.shard->inbox));
	kit_close(&k);
}

static void
on_reposting(struct letter *m, struct shard *s)
{
	read_count++;
	if (read_count < 5)
		inbox_post(post_again, &s->loop, m);
}

static void
what_a_letter_posts_is_read_the_next_time(void)
{
	struct letter m = { NULL, on_reposting };
	struct kit k;

	begin();
	kit_open(&k, 1, "", false);
	post_again = &k.shard->inbox;
	inbox_post(&k.shard->inbox, &k.shard->loop, &m);
	for (unsigned i = 1; i <= 5; i++) {
		OK(inbox_read(&k.shard->inbox, k.shard) == 1);
		OK(read_count == i);
	}
	OK(inbox_is_empty(&k.shard->inbox));
	kit_close(&k);
}

static void
only_a_sleeping_shard_is_woken_and_once(void)
{
	struct kit k;
	uint64_t n = 0;

	begin();
	kit_open(&k, 1, "", false);
	inbox_post(&k.shard->inbox, &k.shard->loop, &numbered(0, 0)->letter);
	OK(read(k.wake[0], &n, sizeof(n)) == -1);
	atomic_store(&k.shard->loop.sleeping, true);
	inbox_post(&k.shard->inbox, &k.shard->loop, &numbered(0, 1)->letter);
	inbox_post(&k.shard->inbox, &k.shard->loop, &numbered(0, 2)->letter);
	OK(read(k.wake[0], &n, sizeof(n)) == sizeof(n) && n == 1);
	OK(inbox_read(&k.shard->inbox, k.shard) == 3);
	kit_close(&k);
}

static void
a_letter_that_waits_keeps_the_shard_from_sleeping(void)
{
	struct kit k;

	begin();
	kit_open(&k, 1, "", false);
	inbox_post(&k.shard->inbox, &k.shard->loop, &numbered(0, 0)->letter);
	/* Would last for ever. */
	shard_poll(k.shard, -1);
	OK(read_count == 1);
	kit_close(&k);
}

struct poster {
	struct kit *kit;
	unsigned id, letters;
};

static void *
post_many(void *arg)
{
	struct poster *p = arg;
	unsigned x = p->id + 1;

	for (unsigned i = 0; i < p->letters; i++) {
		inbox_post(&p->kit->shard->inbox, &p->kit->shard->loop,
		    &numbered(p->id, i)->letter);
		x = x * 1664525 + 1013904223;
		/* Bursts and pauses, so that the shard sleeps in between. */
		if (x >> 24 == 0)
			usleep(x >> 16 & 255);
	}
	return NULL;
}

static void
many_threads_lose_nothing_and_a_sleeper_always_wakes(void)
{
	enum { POSTERS = 4, LETTERS = 20000 };
	struct poster p[POSTERS];
	pthread_t t[POSTERS];
	struct kit k;

	begin();
	kit_open(&k, 1, "", false);
	for (unsigned i = 0; i < POSTERS; i++) {
		p[i] = (struct poster){ &k, i, LETTERS };
		OK(pthread_create(&t[i], NULL, post_many, &p[i]) == 0);
	}
	/* A wake-up that is lost hangs here; the runner has a limit. */
	while (read_count < (unsigned long)POSTERS * LETTERS)
		shard_poll(k.shard, -1);
	for (unsigned i = 0; i < POSTERS; i++)
		OK(pthread_join(t[i], NULL) == 0);
	OK(out_of_order == 0);
	OK(inbox_is_empty(&k.shard->inbox));
	kit_close(&k);
}

static void
tests(void)
{
	T(letters_are_read_in_the_order_of_posting);
	T(what_a_letter_posts_is_read_the_next_time);
	T(only_a_sleeping_shard_is_woken_and_once);
	T(a_letter_that_waits_keeps_the_shard_from_sleeping);
	T(many_threads_lose_nothing_and_a_sleeper_always_wakes);
}

T_MAIN(tests)
