/* See LICENSE for the terms. */
/*
 * The byte queue's paths that are not inline: taking chunks from the pool,
 * giving them back, and looking at what waits.
 *
 * Under ASan the pool is not used, so that a use after free is seen.
 */
#include "core/bytes.h"

#include <errno.h>

#include "core/bug.h"
#include "core/mem.h"
#include "core/util.h"

_Static_assert(sizeof(struct chunk) == CHUNK_SIZE, "a chunk is two pages");

void
chunk_pool_init(struct chunk_pool *p)
{
	p->free = NULL;
	p->free_ref = NULL;
	p->back = NULL;
	p->n_free = 0;
	p->n_free_ref = 0;
}

static void
free_all(struct chunk *c)
{
	for (struct chunk *next; c; c = next) {
		next = c->next;
		mem_free(c);
	}
}

void
chunk_pool_fini(struct chunk_pool *p)
{
	free_all(p->free);
	free_all(p->free_ref);
	free_all(p->back);
	chunk_pool_init(p);
}

static struct chunk *
get(struct chunk_pool *p)
{
	struct chunk *c = p->free;

	if (c) {
		p->free = c->next;
		p->n_free--;
	} else {
		c = mem_try(sizeof(*c));
		if (!c)
			return NULL;
	}
	c->next = NULL;
	c->kind = CHUNK_OWN;
	c->base = c->data;
	c->start = 0;
	c->end = 0;
	return c;
}

/* One without data, which refers to nothing yet. */
static struct chunk *
get_ref(struct chunk_pool *p, enum chunk_kind kind, uint64_t at)
{
	struct chunk *c = p->free_ref;

	if (c) {
		p->free_ref = c->next;
		p->n_free_ref--;
	} else {
		c = mem_try(offsetof(struct chunk, data));
		if (!c)
			return NULL;
	}
	c->next = NULL;
	c->kind = kind;
	c->base = NULL;
	c->start = at;
	c->end = at;
	return c;
}

#ifdef __SANITIZE_ADDRESS__
static bool
is_kept(const struct chunk_pool *p, const struct chunk *c)
{
	(void)p;
	(void)c;
	return false;
}
#else
static bool
is_kept(const struct chunk_pool *p, const struct chunk *c)
{
	return c->kind == CHUNK_OWN ? p->n_free < CHUNK_POOL_MAX :
	    p->n_free_ref < CHUNK_REFS_MAX;
}
#endif

static void
put(struct chunk_pool *p, struct chunk *c)
{
	bool kept = is_kept(p, c);

	if (c->kind == CHUNK_LENT) {
		c->next = p->back;
		p->back = c;
		return;
	}
	if (c->kind == CHUNK_SEG)
		seg_unref(c->seg);
	else if (c->kind == CHUNK_FILE)
		file_unref(c->file);
	if (!kept) {
		mem_free(c);
	} else if (c->kind == CHUNK_OWN) {
		c->next = p->free;
		p->free = c;
		p->n_free++;
	} else {
		c->next = p->free_ref;
		p->free_ref = c;
		p->n_free_ref++;
	}
}

void *
chunk_pool_back(struct chunk_pool *p)
{
	struct chunk *c = p->back;
	void *owner;

	if (!c)
		return NULL;
	p->back = c->next;
	owner = c->owner;
	c->kind = CHUNK_SEG;
	c->seg = NULL;
	put(p, c);
	return owner;
}

void
bytes_fini(struct bytes *b, struct chunk_pool *p)
{
	struct chunk *c;

	while ((c = b->head)) {
		b->head = c->next;
		put(p, c);
	}
	bytes_init(b);
}

static void
link_tail(struct bytes *b, struct chunk *c)
{
	if (b->tail)
		b->tail->next = c;
	else
		b->head = c;
	b->tail = c;
}

int
bytes_put_slow(struct bytes *b, struct chunk_pool *p, const void *data,
    size_t n)
{
	const size_t whole = sizeof(((struct chunk *)0)->data);
	size_t tail = b->tail && b->tail->kind == CHUNK_OWN ?
	    whole - b->tail->end : 0;
	const unsigned char *from = data;
	struct bytes more;

	/* All chunks first, so that a failure appends nothing. */
	bytes_init(&more);
	for (size_t got = tail; got < n; got += whole) {
		struct chunk *c = get(p);

		if (!c) {
			bytes_fini(&more, p);
			return -ENOMEM;
		}
		link_tail(&more, c);
	}
	if (tail > 0 && n > 0) {
		size_t k = MIN(tail, n);

		memcpy(b->tail->data + b->tail->end, from, k);
		b->tail->end += k;
		from += k;
	}
	for (struct chunk *c = more.head, *next; c; c = next) {
		size_t k = MIN(whole, n - (size_t)(from -
		    (const unsigned char *)data));

		next = c->next;
		c->next = NULL;
		memcpy(c->data, from, k);
		c->end = k;
		from += k;
		link_tail(b, c);
	}
	b->len += n;
	return 0;
}

int
bytes_refer(struct bytes *b, struct chunk_pool *p, struct seg *g,
    const void *from, size_t n)
{
	size_t at = (size_t)((const unsigned char *)from - g->data);
	struct chunk *t = b->tail;

	BUG_ON_HOT(at > g->size || n > g->size - at);
	if (n == 0)
		return 0;
	if (!t || t->kind != CHUNK_SEG || t->seg != g || t->end != at) {
		t = get_ref(p, CHUNK_SEG, at);
		if (!t)
			return -ENOMEM;
		t->seg = g;
		t->base = g->data;
		seg_ref(g);
		link_tail(b, t);
	}
	t->end += n;
	b->len += n;
	return 0;
}

int
bytes_lend(struct bytes *b, struct chunk_pool *p, void *owner,
    const void *from, size_t n)
{
	struct chunk *c = get_ref(p, CHUNK_LENT, 0);

	if (!c)
		return -ENOMEM;
	c->owner = owner;
	c->base = from;
	c->end = n;
	link_tail(b, c);
	b->len += n;
	return 0;
}

int
bytes_refer_file(struct bytes *b, struct chunk_pool *p, struct file *f,
    uint64_t at, size_t n)
{
	struct chunk *t = b->tail;

	if (n == 0)
		return 0;
	if (!t || t->kind != CHUNK_FILE || t->file != f || t->end != at) {
		t = get_ref(p, CHUNK_FILE, at);
		if (!t)
			return -ENOMEM;
		t->file = file_ref(f);
		link_tail(b, t);
	}
	t->end += n;
	b->len += n;
	return 0;
}

unsigned char *
bytes_reserve(struct bytes *b, struct chunk_pool *p, size_t n)
{
	struct chunk *t = b->tail;

	BUG_ON_HOT(n > sizeof(t->data));
	if (!t || t->kind != CHUNK_OWN || sizeof(t->data) - t->end < n) {
		t = get(p);
		if (!t)
			return NULL;
		link_tail(b, t);
	}
	return t->data + t->end;
}

int
bytes_iov(const struct bytes *b, struct iovec *iov, int max)
{
	int n = 0;

	for (struct chunk *c = b->head; c && n < max; c = c->next) {
		if (c->kind == CHUNK_FILE)
			break;
		if (c->end == c->start)
			continue;
		iov[n].iov_base = (void *)(uintptr_t)(c->base + c->start);
		iov[n].iov_len = c->end - c->start;
		n++;
	}
	return n;
}

void
bytes_drop(struct bytes *b, struct chunk_pool *p, size_t n)
{
	BUG_ON_HOT(n > b->len);
	b->len -= n;
	while (b->head) {
		struct chunk *c = b->head;
		size_t k = MIN(n, (size_t)(c->end - c->start));

		c->start += k;
		n -= k;
		/* A reserved but empty tail stays only while bytes wait. */
		if (c->start < c->end)
			break;
		b->head = c->next;
		if (!b->head)
			b->tail = NULL;
		put(p, c);
	}
}

size_t
bytes_take(struct bytes *b, struct chunk_pool *p, void *to, size_t n)
{
	unsigned char *at = to;
	size_t left = MIN(n, b->len);
	size_t all = left;

	while (left > 0) {
		struct iovec v = bytes_first(b);
		size_t k = MIN(left, v.iov_len);

		memcpy(at, v.iov_base, k);
		at += k;
		left -= k;
		bytes_drop(b, p, k);
	}
	return all;
}
