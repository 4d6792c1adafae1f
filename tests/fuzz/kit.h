/* See LICENSE for the terms. */
/*
 * For the fuzzers of HTTP/1: one shard for all inputs, connections without
 * sockets, and an end at the first check that fails, so that libFuzzer keeps
 * the input.
 */
#ifndef TESTS_FUZZ_KIT_H
#define TESTS_FUZZ_KIT_H

/* An input has room for hundreds of requests. */
#define STUB_MOST	((size_t)256 << 10)

#include "tests/unit/h1_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The shard, made at the first call. */
static inline struct stub *
fuzz_stub(const struct app_ops *app)
{
	static struct stub s;

	if (!s.shard) {
		stub_open(&s, NULL);
		s.shard->app = app;
	}
	return &s;
}

/* After each input: everything was let go, and every check was true. */
static inline void
fuzz_end(struct stub *s)
{
	stub_turn(s);
	OK(s->shard->n_conns == 0 && s->shard->n_reqs == 0 && s->lent == 0);
	OK(list_empty(&s->shard->conns) && list_empty(&s->shard->idle));
	if (atomic_load(&t_failures) > 0)
		abort();
	memset(&s->seen, 0, sizeof(s->seen));
}

/* The status that <out> begins with; 0: nothing was answered. */
static inline unsigned
fuzz_status(const struct blob *out)
{
	return out->n < 13 ? 0 : (unsigned)strtoul(out->p + 9, NULL, 10);
}

#endif
