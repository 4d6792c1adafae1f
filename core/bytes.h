/* See LICENSE for the terms. */
/*
 * A byte queue over fixed-size chunks, and the pool that the chunks come from.
 *
 * What a connection has still to send, what is left of its input, and a
 * request's body each are one of these.  Bytes are copied in at the tail and
 * leave at the head; a queue that is empty holds no chunk, so an idle
 * connection costs none.  Bytes that lie in a segment (core/seg.h) may be
 * referred to instead: they have their place among the others, and those that
 * follow each other in the segment are one piece.  So may a file's
 * (core/file.h), which are not in memory at all: only an output has such, and
 * they leave by sendfile().  And so may bytes that are lent: their owner's, who
 * gets them back when they have left.  The bound is the caller's: it asks
 * bytes_len() before it appends, and stops reading whatever fills the queue
 * (back-pressure).
 *
 * Thread: the one that holds the shard's token; pool and queues are of one
 * shard.  Chunks go back to the pool in last-in first-out order, so the same
 * few cache-warm chunks serve every turn.
 */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "core/file.h"
#include "core/seg.h"

/* Holds the usual response in one piece, and wastes little on an idle peer. */
#define CHUNK_SIZE 8192

enum chunk_kind { CHUNK_OWN, CHUNK_SEG, CHUNK_FILE, CHUNK_LENT };

struct chunk {
	struct chunk *next;
	union {
		struct seg *seg;
		struct file *file;
		void *owner;
	};
	const unsigned char *base;	/* its data, but of a file */
	enum chunk_kind kind;	/* whose bytes these are */
	uint64_t start;		/* first byte not yet taken, in its data */
	uint64_t end;		/* one behind the last byte, in its data */
	unsigned char data[CHUNK_SIZE - 48];	/* only if they are its own */
};

struct chunk_pool {
	struct chunk *free;
	struct chunk *free_ref;	/* without data */
	struct chunk *back;	/* lent, and not needed any more */
	unsigned n_free;	/* at most CHUNK_POOL_MAX are kept */
	unsigned n_free_ref;	/* at most CHUNK_REFS_MAX */
};

#define CHUNK_POOL_MAX 256
/* As many as a fan-out to a large room needs; 128 KiB. */
#define CHUNK_REFS_MAX 4096

struct bytes {
	struct chunk *head;
	struct chunk *tail;
	size_t len;
};

void chunk_pool_init(struct chunk_pool *p);
void chunk_pool_fini(struct chunk_pool *p);

/* An owner whose bytes are not needed any more; NULL: no more of them. */
void *chunk_pool_back(struct chunk_pool *p);

static inline void
bytes_init(struct bytes *b)
{
	b->head = NULL;
	b->tail = NULL;
	b->len = 0;
}

/* Gives all chunks back. */
void bytes_fini(struct bytes *b, struct chunk_pool *p);

static inline size_t
bytes_len(const struct bytes *b)
{
	return b->len;
}

/* The path of bytes_put() that needs a chunk more. */
int bytes_put_slow(struct bytes *b, struct chunk_pool *p, const void *data,
    size_t n);

/* Copies <n> bytes to the tail.  0, or -ENOMEM with nothing appended. */
static inline int
bytes_put(struct bytes *b, struct chunk_pool *p, const void *data, size_t n)
{
	struct chunk *t = b->tail;

	if (__builtin_expect(!t || t->kind != CHUNK_OWN ||
	    sizeof(t->data) - t->end < n, 0))
		return bytes_put_slow(b, p, data, n);
	if (n > 0)
		memcpy(t->data + t->end, data, n);
	t->end += n;
	b->len += n;
	return 0;
}

/*
 * The <n> bytes at <p>, which lie in <g> and stay as they are: not copied, and
 * <g> is held until they have left.  0, or -ENOMEM with nothing appended.
 */
int bytes_refer(struct bytes *b, struct chunk_pool *p, struct seg *g,
    const void *from, size_t n);
/*
 * The same of bytes of <owner>'s, whatever that is: it comes back, once for
 * each call, by chunk_pool_back().
 */
int bytes_lend(struct bytes *b, struct chunk_pool *p, void *owner,
    const void *from, size_t n);
/* The same of <n> bytes of <f> from <at> on. */
int bytes_refer_file(struct bytes *b, struct chunk_pool *p, struct file *f,
    uint64_t at, size_t n);

/*
 * Room for <n> bytes in one piece (n <= sizeof(chunk.data)) at the tail, to be
 * filled by the caller and counted by bytes_commit(); NULL for want of memory.
 */
unsigned char *bytes_reserve(struct bytes *b, struct chunk_pool *p, size_t n);

static inline void
bytes_commit(struct bytes *b, size_t n)
{
	b->tail->end += n;
	b->len += n;
}

/*
 * Up to <max> pieces from the head, for writev(); the number filled.  None
 * behind a file's, where bytes_file() is to be asked.
 */
int bytes_iov(const struct bytes *b, struct iovec *iov, int max);

/* The file that the queue begins with: <*n> bytes from <*at> on; or NULL. */
static inline struct file *
bytes_file(const struct bytes *b, uint64_t *at, size_t *n)
{
	const struct chunk *c = b->head;

	if (!c || c->kind != CHUNK_FILE)
		return NULL;
	*at = c->start;
	*n = c->end - c->start;
	return c->file;
}

/* The first piece, in memory, not copied; empty when the queue is. */
static inline struct iovec
bytes_first(const struct bytes *b)
{
	if (!b->head)
		return (struct iovec){ NULL, 0 };
	return (struct iovec){ (void *)(uintptr_t)(b->head->base +
		b->head->start), b->head->end - b->head->start };
}

/* Forgets the first <n> bytes, n <= bytes_len(). */
void bytes_drop(struct bytes *b, struct chunk_pool *p, size_t n);

/* Copies out and forgets up to <n> bytes, in memory; the number copied. */
size_t bytes_take(struct bytes *b, struct chunk_pool *p, void *to, size_t n);

#endif
