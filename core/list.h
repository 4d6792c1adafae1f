/* See LICENSE for the terms. */
/*
 * Intrusive doubly linked list.
 *
 * The same struct is a head and a node.  A node lives in its owner's struct
 * and costs no allocation; container_of() finds the owner.  A node that is in
 * no list points to itself, so list_del() of it is harmless: initialise every
 * node with list_init() before it is first used.
 *
 * The list always comes first: list_add_tail(&shard->conns, &conn->node).
 *
 * Thread: whoever owns the list; nothing is atomic.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/util.h"

struct list {
	struct list *next;
	struct list *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

/* Of a head: nothing in it.  Of a node: it is in no list. */
static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts <n>, which is in no list, between two neighbours. */
static inline void
list_insert(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void
list_add_head(struct list *head, struct list *n)
{
	list_insert(n, head, head->next);
}

static inline void
list_add_tail(struct list *head, struct list *n)
{
	list_insert(n, head->prev, head);
}

/* Takes <n> out of whatever list it is in, and leaves it initialised. */
static inline void
list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* The first node, left where it is, or NULL. */
static inline struct list *
list_first(const struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}

/* The first node, taken out, or NULL. */
static inline struct list *
list_pop(struct list *head)
{
	struct list *n = list_first(head);

	if (n)
		list_del(n);
	return n;
}

/*
 * Moves all nodes of <from> to the end of <to>; <from> is empty afterwards.
 * What a callback adds to <from> meanwhile is then not part of the batch.
 */
static inline void
list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev->next = from->next;
	to->prev = from->prev;
	list_init(from);
}

/* <n> is a struct list *.  The list must not change while it is walked. */
#define list_each(n, head) \
	for ((n) = (head)->next; (n) != (head); (n) = (n)->next)

/* The body may take out <n>, and only <n>; <tmp> is another struct list *. */
#define list_each_safe(n, tmp, head) \
	for ((n) = (head)->next, (tmp) = (n)->next; (n) != (head); \
	     (n) = (tmp), (tmp) = (n)->next)

#endif
