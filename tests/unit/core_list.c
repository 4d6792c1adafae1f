/* See LICENSE for the terms. */
/*
 * core/list.h and core/util.h.
 */
#include "core/list.h"

#include "tests/unit/t.h"

struct thing {
	int number;
	struct list node;
};

static int
number_of(const struct list *n)
{
	return container_of((struct list *)n, struct thing, node)->number;
}

static void
fill(struct list *head, struct thing *t, int n)
{
	list_init(head);
	for (int i = 0; i < n; i++) {
		t[i].number = i;
		list_init(&t[i].node);
		list_add_tail(head, &t[i].node);
	}
}

static void
a_new_list_is_empty(void)
{
	struct list head;

	list_init(&head);
	OK(list_empty(&head));
	OK(list_first(&head) == NULL);
	OK(list_pop(&head) == NULL);
}

static void
tail_keeps_order_and_head_turns_it(void)
{
	struct list queue, stack;
	struct thing t[3], u[3];

	fill(&queue, t, 3);
	for (int i = 0; i < 3; i++)
		OK(number_of(list_pop(&queue)) == i);
	OK(list_empty(&queue));

	list_init(&stack);
	for (int i = 0; i < 3; i++) {
		u[i].number = i;
		list_add_head(&stack, &u[i].node);
	}
	for (int i = 2; i >= 0; i--)
		OK(number_of(list_pop(&stack)) == i);
}

static void
deleting_twice_is_harmless(void)
{
	struct list head;
	struct thing t[3];

	fill(&head, t, 3);
	list_del(&t[1].node);
	OK(list_empty(&t[1].node));
	list_del(&t[1].node);
	OK(number_of(list_pop(&head)) == 0);
	OK(number_of(list_first(&head)) == 2);
	OK(!list_empty(&head));
}

static void
a_walk_may_take_out_what_it_stands_on(void)
{
	struct list head, *n, *tmp;
	struct thing t[5];
	int sum = 0;

	fill(&head, t, 5);
	list_each_safe(n, tmp, &head)
		if (number_of(n) % 2 == 0)
			list_del(n);
	list_each(n, &head)
		sum = sum * 10 + number_of(n);
	OK(sum == 13);
}

static void
splicing_moves_everything_in_order(void)
{
	struct list a, b, *n;
	struct thing t[2], u[2];
	int sum = 0;

	fill(&a, t, 2);
	fill(&b, u, 2);
	list_splice(&a, &b);
	OK(list_empty(&b));
	list_splice(&a, &b);
	list_each(n, &a)
		sum = sum * 10 + number_of(n) + 1;
	OK(sum == 1212);
	OK(a.prev == &u[1].node);
}

static void
small_helpers_count(void)
{
	int a[7];

	OK(ARRAY_LEN(a) == 7);
	OK(MIN(2, 3) == 2 && MAX(2, 3) == 3);
}

static void
tests(void)
{
	T(a_new_list_is_empty);
	T(tail_keeps_order_and_head_turns_it);
	T(deleting_twice_is_harmless);
	T(a_walk_may_take_out_what_it_stands_on);
	T(splicing_moves_everything_in_order);
	T(small_helpers_count);
}

T_MAIN(tests)
