/* See LICENSE for the terms. */
/*
 * Generations of server processes.  See family.h.
 */
#include "core/family.h"

#include <errno.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/util.h"

struct gen *
gen_of(struct family *f, unsigned number)
{
	return &f->gen[number & 1];
}

static int
make_children(struct gen *g, unsigned shards)
{
	bool one_each = g->isolation == ISOLATION_PROCESS;
	unsigned n = one_each ? shards : 1;

	g->child = mem_try_zero(n * sizeof(*g->child));
	if (!g->child)
		return -ENOMEM;
	g->n = n;
	for (unsigned i = 0; i < g->n; i++) {
		g->child[i].control = -1;
		g->child[i].first = i;
		g->child[i].count = one_each ? 1 : shards;
	}
	return 0;
}

int
gen_start(struct family *f, unsigned number, enum isolation isolation)
{
	struct gen *g = gen_of(f, number);
	int err;

	g->number = number;
	g->isolation = isolation;
	g->refused = false;
	g->late = false;
	g->state = GEN_STARTING;
	err = make_children(g, f->shm.shards);
	if (err)
		return err;
	for (unsigned i = 0; i < g->n; i++) {
		err = child_fork(f, g, &g->child[i]);
		if (err) {
			gen_dismiss(f, g, CTL_STOP, CHILD_PATIENCE_MS);
			return err;
		}
	}
	return 0;
}

void
gen_dismiss(struct family *f, struct gen *g, enum ctl_type how, unsigned ms)
{
	if (g->state == GEN_NONE)
		return;
	g->state = GEN_LEAVING;
	for (unsigned i = 0; i < g->n; i++)
		child_dismiss(f, g, &g->child[i], how, ms);
	if (gen_is_gone(g))
		gen_end(f, g);
}

bool
gen_is_ready(const struct gen *g)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->child[i].state != CHILD_READY)
			return false;
	return g->n > 0;
}

bool
gen_is_gone(const struct gen *g)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->child[i].state != CHILD_GONE)
			return false;
	return true;
}

void
gen_end(struct family *f, struct gen *g)
{
	log_debug(f->log, "generation %u is over", g->number);
	mem_free(g->child);
	g->child = NULL;
	g->n = 0;
	g->state = GEN_NONE;
}

struct child *
gen_find(struct family *f, pid_t pid, struct gen **g)
{
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		for (unsigned k = 0; k < f->gen[i].n; k++)
			if (f->gen[i].child[k].pid == pid) {
				*g = &f->gen[i];
				return &f->gen[i].child[k];
			}
	return NULL;
}
