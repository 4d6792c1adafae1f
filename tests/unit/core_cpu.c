/* See LICENSE for the terms. */
/*
 * core/cpu.c, on made-up machines: a directory with proc/self/cgroup,
 * proc/self/mountinfo and the files of the groups.
 */
#include "core/cpu.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "tests/unit/t.h"

#define V2_MOUNT "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 " \
	"cgroup2 rw,nsdelegate\n"

struct machine {
	char root[64];
};

static void
machine_init(struct machine *m)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(m->root, sizeof(m->root), "%.40s/core_cpu.XXXXXX",
	         tmp ? tmp : "/tmp");
	OK(mkdtemp(m->root) != NULL);
}

static int
on_path(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
machine_fini(struct machine *m)
{
	OK(nftw(m->root, on_path, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Writes a file, making the directories above it. */
static void
put(struct machine *m, const char *path, const char *text)
{
	char name[PATH_MAX];
	size_t top = strlen(m->root) + 1;
	FILE *f;

	snprintf(name, sizeof(name), "%s/%s", m->root, path);
	for (char *p = strchr(name + top, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(name, 0777);
		*p = '/';
	}
	f = fopen(name, "w");
	OK(f != NULL);
	if (!f)
		return;
	fputs(text, f);
	OK(fclose(f) == 0);
}

static void
a_machine_without_groups_has_no_quota(void)
{
	struct machine m;

	machine_init(&m);
	OK(cpu_quota(m.root) == 0);
	put(&m, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	    "garbage\n\n - \n1 2 3 - cgroup2\n");
	put(&m, "proc/self/cgroup", "garbage\n\n0\n0:\n");
	OK(cpu_quota(m.root) == 0);
	machine_fini(&m);
}

static void
the_least_quota_of_all_groups_above_counts(void)
{
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo", V2_MOUNT);
	put(&m, "proc/self/cgroup", "0::/a.slice/b.slice/c.service\n");
	put(&m, "sys/fs/cgroup/a.slice/b.slice/c.service/cpu.max",
	    "max 100000\n");
	OK(cpu_quota(m.root) == 0);
	put(&m, "sys/fs/cgroup/a.slice/b.slice/c.service/cpu.max",
	    "400000 100000\n");
	OK(cpu_quota(m.root) == 4000);
	put(&m, "sys/fs/cgroup/a.slice/b.slice/cpu.max", "75000 50000\n");
	OK(cpu_quota(m.root) == 1500);
	put(&m, "sys/fs/cgroup/a.slice/cpu.max", "200000 100000\n");
	OK(cpu_quota(m.root) == 1500);
	put(&m, "sys/fs/cgroup/a.slice/cpu.max", "100000 100000\n");
	OK(cpu_quota(m.root) == 1000);
	machine_fini(&m);
}

/* Docker and Kubernetes with v2: the group is the root of its namespace. */
static void
a_namespace_shows_its_root_as_the_group(void)
{
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo", V2_MOUNT);
	put(&m, "proc/self/cgroup", "0::/\n");
	put(&m, "sys/fs/cgroup/cpu.max", "250000 100000\n");
	OK(cpu_quota(m.root) == 2500);
	put(&m, "proc/self/cgroup", "0::\n");
	OK(cpu_quota(m.root) == 2500);
	machine_fini(&m);
}

static void
v1_has_quota_and_period_in_two_files(void)
{
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo",
	    "31 30 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
	    "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup "
	    "cgroup rw,cpu,cpuacct\n");
	put(&m, "proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/a/b\n0::/z\n");
	put(&m, "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	put(&m, "sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	OK(cpu_quota(m.root) == 0);
	put(&m, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n");
	put(&m, "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	OK(cpu_quota(m.root) == 500);
	machine_fini(&m);
}

/* Docker with v1: the mount's root is the group, and the path says it, too. */
static void
a_mount_of_the_group_itself_is_recognised(void)
{
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo",
	    "32 30 0:28 /docker/1f2e /sys/fs/cgroup/cpu ro - cgroup cgroup "
	    "rw,cpu\n");
	put(&m, "proc/self/cgroup", "4:cpu:/docker/1f2e\n");
	put(&m, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "300000\n");
	put(&m, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	OK(cpu_quota(m.root) == 3000);
	put(&m, "proc/self/cgroup", "4:cpu:/docker/1f2e/inner\n");
	put(&m, "sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "100000\n");
	put(&m, "sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
	OK(cpu_quota(m.root) == 1000);
	/* Another group whose name only begins alike. */
	put(&m, "proc/self/cgroup", "4:cpu:/docker/1f2e99/inner\n");
	OK(cpu_quota(m.root) == 3000);
	put(&m, "proc/self/cgroup", "4:cpu:/../../elsewhere\n");
	OK(cpu_quota(m.root) == 3000);
	machine_fini(&m);
}

static void
a_mount_point_may_have_spaces(void)
{
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo",
	    "35 24 0:30 / /my\\040groups rw - cgroup2 none rw\n");
	put(&m, "proc/self/cgroup", "0::/\n");
	put(&m, "my groups/cpu.max", "100000 100000\n");
	OK(cpu_quota(m.root) == 1000);
	machine_fini(&m);
}

static void
nonsense_in_the_files_is_no_quota(void)
{
	static const char *const bad[] = { "", "max\n", "100000\n", "x y\n",
		"100000 0\n", "-5 100000\n", "9223372036854775807 1\n" };
	struct machine m;

	machine_init(&m);
	put(&m, "proc/self/mountinfo", V2_MOUNT);
	put(&m, "proc/self/cgroup", "0::/\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(&m, "sys/fs/cgroup/cpu.max", bad[i]);
		OK(cpu_quota(m.root) == 0);
	}
	machine_fini(&m);
}

static cpu_set_t
mask_of(int first, int count)
{
	cpu_set_t mask;

	CPU_ZERO(&mask);
	for (int i = 0; i < count; i++)
		CPU_SET(first + i, &mask);
	return mask;
}

/* A plan for so many CPUs, beginning at CPU 3. */
static struct cpu_plan
plan_of(int workers, int max_workers, int pin, int cpus, unsigned quota)
{
	struct conf conf = { .workers = workers, .max_workers = max_workers,
	                     .pin = pin };
	cpu_set_t mask = mask_of(3, cpus);
	struct cpu_plan plan;

	cpu_plan_from(&plan, &conf, &mask, quota);
	return plan;
}

static void
as_many_shards_as_cpus_are_pinned_one_to_one(void)
{
	struct cpu_plan p = plan_of(0, 0, CONF_PIN_AUTO, 2, 0);

	OK(p.shards == 2 && p.pin);
	OK_STR(p.why, "2 shards: 2 CPUs in the affinity mask, no CPU quota; "
	       "pinned");
	OK(cpu_of_shard(&p, 0) == 3 && cpu_of_shard(&p, 1) == 4);
}

static void
a_quota_is_rounded_up_and_leaves_shards_free(void)
{
	struct cpu_plan p = plan_of(0, 0, CONF_PIN_AUTO, 8, 1500);

	OK(p.shards == 2 && !p.pin);
	OK_STR(p.why, "2 shards: 8 CPUs in the affinity mask, CPU quota of "
	       "1.5; not pinned: fewer shards than CPUs");
	OK(cpu_of_shard(&p, 0) == -1);
	OK(plan_of(0, 0, CONF_PIN_AUTO, 8, 2000).shards == 2);
	OK(plan_of(0, 0, CONF_PIN_AUTO, 8, 2001).shards == 3);
	p = plan_of(0, 0, CONF_PIN_AUTO, 1, 100);
	OK(p.shards == 1);
	OK_STR(p.why, "1 shard: 1 CPU in the affinity mask, CPU quota of 0.1; "
	       "pinned");
	OK(plan_of(0, 0, CONF_PIN_AUTO, 2, 64000).shards == 2);
}

static void
workers_are_as_asked_for_but_never_above_the_maximum(void)
{
	struct cpu_plan p = plan_of(4, 0, CONF_PIN_AUTO, 2, 1000);

	OK(p.shards == 4 && !p.pin);
	OK_STR(p.why, "4 shards: 4 asked for, 2 CPUs in the affinity mask, "
	       "CPU quota of 1; not pinned: more shards than CPUs");
	p = plan_of(0, 3, CONF_PIN_AUTO, 8, 0);
	OK(p.shards == 3);
	OK_STR(p.why, "3 shards: no more allowed, 8 CPUs in the affinity "
	       "mask, no CPU quota; not pinned: fewer shards than CPUs");
	OK(plan_of(4, 3, CONF_PIN_AUTO, 8, 0).shards == 3);
	OK(plan_of(0, 3, CONF_PIN_AUTO, 2, 0).shards == 2);
}

static void
pinning_can_be_asked_for_and_refused(void)
{
	struct cpu_plan p = plan_of(5, 0, CONF_PIN_ON, 2, 0);

	OK(p.pin);
	OK(cpu_of_shard(&p, 0) == 3 && cpu_of_shard(&p, 1) == 4);
	OK(cpu_of_shard(&p, 2) == 3 && cpu_of_shard(&p, 4) == 3);
	p = plan_of(0, 0, CONF_PIN_OFF, 2, 0);
	OK(!p.pin && cpu_of_shard(&p, 1) == -1);
	OK_STR(p.why, "2 shards: 2 CPUs in the affinity mask, no CPU quota; "
	       "not pinned, as asked for");
}

static void
the_longest_explanation_fits(void)
{
	struct cpu_plan p = plan_of(1000, 1024, CONF_PIN_AUTO, 1000,
	                            1023999);

	OK(strstr(p.why, "; pinned") != NULL);
	p = plan_of(1024, 0, CONF_PIN_AUTO, 1000, 4294967295u);
	OK(strstr(p.why, "more shards than CPUs") != NULL);
}

/* Whatever this machine is: the plan is within the mask. */
static void
the_real_machine_gives_a_plan(void)
{
	struct conf conf = { .pin = CONF_PIN_ON };
	struct cpu_plan p;
	cpu_set_t mask;

	OK(sched_getaffinity(0, sizeof(mask), &mask) == 0);
	OK(cpu_plan_make(&p, &conf, "") == 0);
	OK(p.shards >= 1 && p.shards <= (unsigned)CPU_COUNT(&mask));
	OK(CPU_EQUAL(&p.mask, &mask));
	OK(CPU_ISSET(cpu_of_shard(&p, 0), &mask));
}

static void
tests(void)
{
	T(a_machine_without_groups_has_no_quota);
	T(the_least_quota_of_all_groups_above_counts);
	T(a_namespace_shows_its_root_as_the_group);
	T(v1_has_quota_and_period_in_two_files);
	T(a_mount_of_the_group_itself_is_recognised);
	T(a_mount_point_may_have_spaces);
	T(nonsense_in_the_files_is_no_quota);
	T(as_many_shards_as_cpus_are_pinned_one_to_one);
	T(a_quota_is_rounded_up_and_leaves_shards_free);
	T(workers_are_as_asked_for_but_never_above_the_maximum);
	T(pinning_can_be_asked_for_and_refused);
	T(the_longest_explanation_fits);
	T(the_real_machine_gives_a_plan);
}

T_MAIN(tests)
