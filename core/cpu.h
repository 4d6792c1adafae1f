/* See LICENSE for the terms. */
/*
 * How many shards, on which CPUs, and why.
 *
 * Thread: main, once, before there is another; the plan is constant then.
 */
#ifndef CORE_CPU_H
#define CORE_CPU_H

#include <sched.h>
#include <stdbool.h>

struct conf;

struct cpu_plan {
	unsigned shards;	/* at least 1 */
	bool pin;
	cpu_set_t mask;		/* CPUs that this process may use */
	/* For people: "2 shards: 2 CPUs in the affinity mask, ...; pinned" */
	char why[192];
};

/*
 * Decides from the affinity mask, the cgroup's CPU quota, and the options
 * workers, max_workers and pin.  <root> is "" for the machine itself; a test
 * gives a directory that has a proc and a cgroup tree of its own.  -errno if
 * the mask cannot be had; a quota that cannot be read is none.
 */
int cpu_plan_make(struct cpu_plan *plan, const struct conf *conf,
                  const char *root);

/* The same from facts: <mask>, not empty, and <quota> as cpu_quota() says. */
void cpu_plan_from(struct cpu_plan *plan, const struct conf *conf,
                   const cpu_set_t *mask, unsigned quota);

/*
 * Thousandths of a CPU that the cgroup of this process may use, rounded up:
 * the least of its own quota and of all groups above that can be seen, of v2
 * (cpu.max) and v1 (cpu.cfs_quota_us).  0: no quota.
 */
unsigned cpu_quota(const char *root);

/* The CPU to pin <shard> to, or -1 when shards are not pinned. */
int cpu_of_shard(const struct cpu_plan *plan, unsigned shard);

#endif
