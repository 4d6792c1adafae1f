/* See LICENSE for the terms. */
/*
 * The byte queue.  What goes in comes out, at every length around a chunk's,
 * and an empty queue holds no chunk.
 */
#include "core/bytes.h"

#include "tests/unit/t.h"

#define WHOLE sizeof(((struct chunk *)0)->data)

static struct chunk_pool pool;
static unsigned char in[10 * CHUNK_SIZE], out[10 * CHUNK_SIZE];

static void
fill(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(in); i++) {
		x = x * 1664525 + 1013904223;
		in[i] = (unsigned char)(x >> 24);
	}
}

/* Chunks of a queue. */
static unsigned
chunks(const struct bytes *b)
{
	unsigned n = 0;

	for (const struct chunk *c = b->head; c; c = c->next)
		n++;
	return n;
}

/* Takes all and compares; the queue is empty afterwards. */
static bool
gives(struct bytes *b, const unsigned char *want, size_t n)
{
	memset(out, 0, n);
	return bytes_len(b) == n && bytes_take(b, &pool, out, n + 7) == n &&
	    memcmp(out, want, n) == 0 && bytes_len(b) == 0 && !b->head &&
	    !b->tail;
}

static void
what_goes_in_comes_out_at_every_length(void)
{
	static const size_t lengths[] = { 0, 1, WHOLE - 1, WHOLE, WHOLE + 1,
		2 * WHOLE - 1, 2 * WHOLE, 2 * WHOLE + 1, 5 * WHOLE };
	struct bytes b;

	bytes_init(&b);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths);
		    k++) {
			size_t n = lengths[i], m = lengths[k];

			if (n + m > sizeof(in))
				continue;
			OK(bytes_put(&b, &pool, in, n) == 0);
			OK(bytes_put(&b, &pool, in + n, m) == 0);
			OK(chunks(&b) == (n + m + WHOLE - 1) / WHOLE);
			OK(gives(&b, in, n + m));
		}
}

static void
pieces_of_any_size_keep_their_order(void)
{
	struct bytes b;
	size_t put = 0, taken = 0, step = 1;

	bytes_init(&b);
	while (taken < sizeof(in)) {
		size_t n = step * 997 % 9001, m = step * 1543 % 7919;

		step++;
		n = n < sizeof(in) - put ? n : sizeof(in) - put;
		OK(bytes_put(&b, &pool, in + put, n) == 0);
		put += n;
		taken += bytes_take(&b, &pool, out + taken, m);
		OK(bytes_len(&b) == put - taken);
	}
	OK(memcmp(in, out, sizeof(in)) == 0);
	OK(!b.head);
}

static void
nothing_put_holds_nothing(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, NULL, 0) == 0);
	OK(!b.head && bytes_len(&b) == 0);
	OK(bytes_first(&b).iov_len == 0);
	OK(bytes_take(&b, &pool, out, 10) == 0);
	OK(bytes_iov(&b, &(struct iovec){ 0 }, 1) == 0);
	bytes_drop(&b, &pool, 0);
	bytes_fini(&b, &pool);
}

static void
a_reserved_piece_is_whole_and_counts_once_committed(void)
{
	struct bytes b;
	unsigned char *p;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 100) == 0);
	/* Does not fit behind the 100: begins a chunk. */
	p = bytes_reserve(&b, &pool, WHOLE - 50);
	memcpy(p, in + 100, WHOLE - 50);
	OK(bytes_len(&b) == 100);
	bytes_commit(&b, 200);
	OK(bytes_len(&b) == 300);
	OK(chunks(&b) == 2);
	OK(bytes_put(&b, &pool, in + 300, 10) == 0);
	OK(gives(&b, in, 310));
	/* The largest there is, and all of it. */
	p = bytes_reserve(&b, &pool, WHOLE);
	memcpy(p, in, WHOLE);
	bytes_commit(&b, WHOLE);
	OK(chunks(&b) == 1);
	OK(gives(&b, in, WHOLE));
}

static void
a_piece_reserved_and_not_used_is_given_back(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_reserve(&b, &pool, 10) != NULL);
	OK(bytes_first(&b).iov_len == 0);
	bytes_drop(&b, &pool, 0);
	OK(!b.head && !b.tail);
	/* Behind bytes it waits for them to go. */
	OK(bytes_put(&b, &pool, in, WHOLE) == 0);
	OK(bytes_reserve(&b, &pool, 10) != NULL);
	OK(chunks(&b) == 2);
	OK(gives(&b, in, WHOLE));
}

static void
pieces_for_writev_are_the_queue(void)
{
	struct iovec v[4];
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 3 * WHOLE + 5) == 0);
	bytes_drop(&b, &pool, WHOLE + 3);
	OK(bytes_iov(&b, v, 4) == 3);
	OK(v[0].iov_len == WHOLE - 3 && v[1].iov_len == WHOLE &&
	    v[2].iov_len == 5);
	OK(memcmp(v[0].iov_base, in + WHOLE + 3, v[0].iov_len) == 0);
	OK(memcmp(v[2].iov_base, in + 3 * WHOLE, 5) == 0);
	OK(bytes_first(&b).iov_base == v[0].iov_base);
	OK(bytes_iov(&b, v, 2) == 2);
	/* What is reserved is no piece yet. */
	OK(bytes_reserve(&b, &pool, WHOLE) != NULL);
	OK(bytes_iov(&b, v, 4) == 3);
	bytes_fini(&b, &pool);
	OK(!b.head && bytes_len(&b) == 0);
}

static void
dropping_across_chunks_frees_them(void)
{
	struct bytes b;

	bytes_init(&b);
	OK(bytes_put(&b, &pool, in, 4 * WHOLE) == 0);
	bytes_drop(&b, &pool, WHOLE);
	OK(chunks(&b) == 3);
	bytes_drop(&b, &pool, 2 * WHOLE - 1);
	OK(chunks(&b) == 2);
	OK(bytes_first(&b).iov_len == 1);
	bytes_drop(&b, &pool, WHOLE + 1);
	OK(!b.head && bytes_len(&b) == 0);
}

static void
the_pool_keeps_no_more_than_its_bound(void)
{
	struct bytes b;

	chunk_pool_fini(&pool);
	bytes_init(&b);
	for (int i = 0; i < CHUNK_POOL_MAX + 3; i++)
		OK(bytes_put(&b, &pool, in, WHOLE) == 0);
	OK(pool.n_free == 0);
	bytes_fini(&b, &pool);
#ifdef __SANITIZE_ADDRESS__
	OK(pool.n_free == 0);
#else
	OK(pool.n_free == CHUNK_POOL_MAX);
	/* The last one given back is the next one taken. */
	struct chunk *last = pool.free;

	OK(bytes_put(&b, &pool, in, 1) == 0);
	OK(b.head == last && pool.n_free == CHUNK_POOL_MAX - 1);
	bytes_fini(&b, &pool);
#endif
}

static void
tests(void)
{
	chunk_pool_init(&pool);
	fill();
	T(what_goes_in_comes_out_at_every_length);
	T(pieces_of_any_size_keep_their_order);
	T(nothing_put_holds_nothing);
	T(a_reserved_piece_is_whole_and_counts_once_committed);
	T(a_piece_reserved_and_not_used_is_given_back);
	T(pieces_for_writev_are_the_queue);
	T(dropping_across_chunks_frees_them);
	T(the_pool_keeps_no_more_than_its_bound);
	chunk_pool_fini(&pool);
}

T_MAIN(tests)
