/* See LICENSE for the terms. */
/*
 * A shard's mailbox: any thread of its process posts, the token holder reads.
 *
 * Post is lock-free (a push on a stack by one compare-and-swap; the reader
 * takes the whole stack and turns it round, so letters are read in the order
 * in which they were posted).  A sleeping shard is woken once: the poster
 * reads loop.sleeping after its push, the shard writes it before it looks a
 * last time: the Dekker pair, both sequentially consistent.
 *
 * A letter belongs to the poster until it is posted, then to fn, which runs in
 * the read step, without Python's lock.
 */
#ifndef CORE_INBOX_H
#define CORE_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/loop.h"

struct letter;
struct shard;
typedef void (*letter_fn)(struct letter *, struct shard *);

struct letter {
	struct letter *next;
	letter_fn fn;
};

struct inbox {
	_Atomic(struct letter *) top;
};

void inbox_init(struct inbox *b);
bool inbox_is_empty(struct inbox *b);
/* Any thread of the process. */
void inbox_post(struct inbox *b, struct loop *l, struct letter *m);
/* Calls every letter posted so far; how many. */
unsigned inbox_read(struct inbox *b, struct shard *s);

#endif
