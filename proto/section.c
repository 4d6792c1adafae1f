/* See LICENSE for the terms. */
/*
 * The table is direct-mapped by hash, and made when the first one is kept.
 */
#include "proto/section.h"

#include <string.h>

#include "core/bug.h"
#include "core/mem.h"
#include "core/shard.h"
#include "core/util.h"
#include "proto/req.h"

/*
 * Of a client that changes them every time (a trace's number, say) only every
 * so many-th is looked at.
 */
#define CHANGES 4
#define PATIENCE 16

struct sections {
	struct section *at[SECTIONS];
	uint64_t last_id;
};

struct section *
section_find(const struct shard *s, const struct section_last *last,
    struct str in)
{
	struct section *sec;

	if (!s->sections)
		return NULL;
	sec = s->sections->at[last->hash % SECTIONS];
	if (!sec || sec->hash != last->hash || in.n < sec->raw.n ||
	    memcmp(in.p, sec->raw.p, sec->raw.n) != 0)
		return NULL;
	return sec;
}

void
section_drop(struct section *sec)
{
	BUG_ON_HOT(sec->refs == 0);
	if (--sec->refs == 0)
		mem_free(sec);
}

void
section_use(struct req *r, struct section *sec)
{
	sec->refs++;
	r->section = sec;
	r->fields = sec->fields;
	r->n_fields = sec->n_fields;
	r->head_bytes = sec->head_bytes;
}

/* In one piece: the struct, its fields, their text, and the bytes as sent. */
static struct section *
make(const struct req *r, struct str raw)
{
	size_t n_text = 0, n_fields = r->n_fields * sizeof(struct field);
	struct section *sec;
	char *text;

	for (unsigned i = 0; i < r->n_fields; i++)
		n_text += r->fields[i].n_name + r->fields[i].n_value;
	sec = mem_try(sizeof(*sec) + n_fields + n_text + raw.n);
	if (!sec)
		return NULL;
	sec->fields = (struct field *)(sec + 1);
	text = (char *)sec->fields + n_fields;
	for (unsigned i = 0; i < r->n_fields; i++) {
		struct field *f = &sec->fields[i];

		*f = r->fields[i];
		f->p = text;
		text = mempcpy(text, r->fields[i].p, f->n_name + f->n_value);
	}
	memcpy(text, raw.p, raw.n);
	sec->raw = (struct str){ text, raw.n };
	sec->refs = 1;
	sec->head_bytes = r->head_bytes;
	sec->n_fields = r->n_fields;
	return sec;
}

/* Into the table, in the place of what was there. */
static void
keep_it(struct shard *s, const struct req *r, struct str raw, uint32_t hash,
    bool keep)
{
	struct section *sec, **at;

	if (!s->sections)
		s->sections = mem_try_zero(sizeof(*s->sections));
	if (!s->sections)
		return;
	at = &s->sections->at[hash % SECTIONS];
	if (*at && (*at)->hash == hash && str_eq((*at)->raw, raw))
		return;
	sec = make(r, raw);
	if (!sec)
		return;
	sec->hash = hash;
	sec->keep = keep;
	sec->id = ++s->sections->last_id;
	if (*at)
		section_drop(*at);
	*at = sec;
}

void
section_note(const struct req *r, struct section_last *last, struct str raw,
    bool keep)
{
	uint32_t hash;

	if (raw.n > SECTION_MAX)
		return;
	if (last->changes >= CHANGES && ++last->changes < CHANGES + PATIENCE)
		return;
	hash = str_hash(raw);
	if (hash == last->hash) {
		last->changes = 0;
		keep_it(r->shard, r, raw, hash, keep);
		return;
	}
	last->hash = hash;
	last->changes = MIN(last->changes, CHANGES - 1) + 1;
}

void
section_fini(struct shard *s)
{
	if (!s->sections)
		return;
	for (size_t i = 0; i < SECTIONS; i++)
		if (s->sections->at[i])
			section_drop(s->sections->at[i]);
	mem_free(s->sections);
	s->sections = NULL;
}
