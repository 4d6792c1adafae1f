/* See LICENSE for the terms. */
/*
 * Treiber's stack, taken whole: no ABA, since nothing is popped singly.
 */
#include "core/inbox.h"

#include <stddef.h>

void
inbox_init(struct inbox *b)
{
	atomic_init(&b->top, NULL);
}

bool
inbox_is_empty(struct inbox *b)
{
	return atomic_load(&b->top) == NULL;
}

void
inbox_post(struct inbox *b, struct loop *l, struct letter *m)
{
	struct letter *top = atomic_load_explicit(&b->top,
	    memory_order_relaxed);

	do
		m->next = top;
	while (!atomic_compare_exchange_weak(&b->top, &top, m));
	/*
	 * seq_cst push before this seq_cst load: pairs with shard_poll(), that
	 * stores sleeping before it looks at top.  One of the two sees the
	 * other's store.  The exchange spares a second write by another poster.
	 */
	if (atomic_load(&l->sleeping) && atomic_exchange(&l->sleeping, false))
		loop_wake(l->wake_fd);
}

unsigned
inbox_read(struct inbox *b, struct shard *s)
{
	struct letter *m, *next, *turned = NULL;
	unsigned n = 0;

	if (inbox_is_empty(b))
		return 0;
	for (m = atomic_exchange(&b->top, NULL); m; m = next) {
		next = m->next;
		m->next = turned;
		turned = m;
	}
	for (m = turned; m; m = next, n++) {
		next = m->next;
		m->fn(m, s);
	}
	return n;
}
