/* See LICENSE for the terms. */
/* Who polls whose listeners: the decision, written as small pictures. */
#include "core/adopt.h"
#include "tests/unit/t.h"

/*
 * <state>: a letter a slot, current parity first: E S R D X as in the enum,
 * and K for READY but stuck.  <was>: a digit, or '-', a slot; so is the
 * result.
 */
static const char *
plan_at(const char *state, const char *was, unsigned parity, char *out)
{
	unsigned n = (unsigned)strlen(state), shards = n / 2;
	struct adopt_slot slots[16] = { { 0 } };
	int32_t adopter[16];

	for (unsigned i = 0; i < n; i++) {
		const char *all = "ESRDX", *at = strchr(all, state[i]);

		slots[i].stuck = state[i] == 'K';
		slots[i].state = at ? (enum slot_state)(at - all) : SLOT_READY;
		slots[i].adopter = was[i] == '-' ? -1 : was[i] - '0';
	}
	adopt_plan(slots, shards, parity, adopter);
	for (unsigned i = 0; i < n; i++)
		out[i] = adopter[i] < 0 ? '-' : (char)('0' + adopter[i]);
	out[n] = '\0';
	return out;
}

static const char *
plan(const char *state, const char *was, char *out)
{
	return plan_at(state, was, 0, out);
}

static void
shards_that_serve_need_nobody(void)
{
	char out[17];

	OK_STR(plan("RRREEE", "------", out), "------");
	OK_STR(plan("RE", "--", out), "--");
	OK_STR(plan("RRREEE", "12----", out), "------");
}

static void
the_next_that_serves_adopts(void)
{
	char out[17];

	OK_STR(plan("KRREEE", "------", out), "1-----");
	OK_STR(plan("RRKEEE", "------", out), "--0---");
	OK_STR(plan("RXKREEEE", "--------", out), "-33-----");
	OK_STR(plan("RSXDEEEE", "--------", out), "-000----");
}

static void
an_adopter_that_serves_is_kept(void)
{
	char out[17];

	OK_STR(plan("KRREEE", "2-----", out), "2-----");
	OK_STR(plan("KRKEEE", "2-----", out), "1-1---");
	/* Written by nobody we know. */
	OK_STR(plan("KRREEE", "9-----", out), "1-----");
}

static void
nobody_left_is_nobody(void)
{
	char out[17];

	OK_STR(plan("KKKEEE", "1-----", out), "------");
	OK_STR(plan("XE", "--", out), "--");
	OK_STR(plan("DDXX", "----", out), "----");
}

static void
the_other_generation_serves_its_shard(void)
{
	char out[17];

	/* A reload: the new one starts, is ready, the old one drains. */
	OK_STR(plan("RRSS", "----", out), "----");
	OK_STR(plan("RRRS", "----", out), "----");
	OK_STR(plan_at("DDRR", "----", 1, out), "----");
	/* The old shard 0 died, the new one is ready already. */
	OK_STR(plan("XRRS", "----", out), "----");
	/* The old shard 1 is stuck, and the new one still starts. */
	OK_STR(plan("RKRS", "----", out), "-0--");
	/* Only the other generation has one that can. */
	OK_STR(plan("XXRS", "----", out), "-2--");
}

static void
of_two_slots_the_current_one_has_the_adopter(void)
{
	char out[17];

	OK_STR(plan_at("XRXR", "----", 1, out), "--3-");
	/* Kept when the current generation changes. */
	OK_STR(plan_at("XRRXRR", "2-----", 1, out), "---2--");
}

static void
tests(void)
{
	T(shards_that_serve_need_nobody);
	T(the_next_that_serves_adopts);
	T(an_adopter_that_serves_is_kept);
	T(nobody_left_is_nobody);
	T(the_other_generation_serves_its_shard);
	T(of_two_slots_the_current_one_has_the_adopter);
}

T_MAIN(tests)
