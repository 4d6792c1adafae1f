/* See LICENSE for the terms. */
/*
 * How many shards, on which CPUs, and why; see the header.
 *
 * The quota is found as the kernel documents it: /proc/self/cgroup has the
 * group's path in each hierarchy, /proc/self/mountinfo has the place where
 * the hierarchy is mounted and which of its directories is the mount's root.
 * In a container that root may be the group itself (no cgroup namespace), or
 * the paths begin at it (cgroup namespace); what is above cannot be seen.
 */
#include "core/cpu.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bug.h"
#include "core/conf.h"
#include "core/util.h"

/* A hierarchy that limits CPUs, as it is mounted. */
struct mount {
	bool v2;
	char root[PATH_MAX];	/* the group that is seen at <point> */
	char point[PATH_MAX];
};

/* The first line of a small file; false if there is none. */
static bool
read_line(const char *path, char *buf, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	return ok;
}

/* Thousandths of a CPU in what may be no quota at all: then 0. */
static unsigned
thousandths(int64_t quota, int64_t period)
{
	int64_t n;

	if (quota <= 0 || period <= 0 || quota > INT64_MAX / 2000)
		return 0;
	n = (quota * 1000 + period - 1) / period;
	return (unsigned)MIN(n, UINT_MAX);
}

/* The quota of one group, not of those above it. */
static unsigned
group_quota(const char *dir, bool v2)
{
	char path[PATH_MAX + 32], quota[64], period[64];
	int64_t q, p;

	if (v2) {
		/* "max 100000" or "150000 100000", in microseconds */
		snprintf(path, sizeof(path), "%s/cpu.max", dir);
		if (!read_line(path, quota, sizeof(quota)) ||
		    sscanf(quota, "%" SCNd64 " %" SCNd64, &q, &p) != 2)
			return 0;
		return thousandths(q, p);
	}
	/* -1: none */
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", dir);
	if (!read_line(path, quota, sizeof(quota)))
		return 0;
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
	if (!read_line(path, period, sizeof(period)))
		return 0;
	return thousandths(strtoll(quota, NULL, 10),
	                   strtoll(period, NULL, 10));
}

/* The lesser of two quotas, where 0 is none. */
static unsigned
lesser(unsigned a, unsigned b)
{
	return !a ? b : !b ? a : MIN(a, b);
}

/* The least of the group at <dir> and those above, up to <top> bytes of it. */
static unsigned
least_quota(char *dir, size_t top, bool v2)
{
	unsigned least = group_quota(dir, v2);
	char *slash;

	while (strlen(dir) > top) {
		slash = strrchr(dir, '/');
		if (!slash || (size_t)(slash - dir) < top)
			break;
		*slash = '\0';
		least = lesser(least, group_quota(dir, v2));
	}
	return least;
}

/* Whether the word is in a list with commas between. */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == n && memcmp(list, word, n) == 0)
			return true;
	return false;
}

/*
 * The path of this process's group in the hierarchy: the lines of
 * /proc/self/cgroup are "number:controllers:path", v2's is "0::path".
 */
static bool
group_path(const char *root, bool v2, char *path, size_t size)
{
	char name[PATH_MAX], *line = NULL, *list, *p;
	size_t room = 0;
	bool found = false;
	FILE *f;

	snprintf(name, sizeof(name), "%s/proc/self/cgroup", root);
	f = fopen(name, "re");
	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		list = strchr(line, ':');
		p = list ? strchr(list + 1, ':') : NULL;
		if (!p)
			continue;
		*p++ = '\0';
		list++;
		found = v2 ? !*list : has_word(list, "cpu");
		if (found)
			found = (size_t)snprintf(path, size, "%s", p) < size;
	}
	free(line);
	fclose(f);
	return found;
}

/* A field of mountinfo, where a space is \040; false if it has no room. */
static bool
unescape(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; n++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			to[n] = (char)((from[1] - '0') * 64 +
			        (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			to[n] = *from++;
		}
	}
	to[n] = '\0';
	return !*from;
}

/*
 * A line of mountinfo that is a cgroup hierarchy with CPUs.  Its fields (see
 * proc(5)) are separated by one space; those before " - " are: id, parent,
 * device, root, mount point, options; those behind it: type, source, options.
 */
static bool
parse_mount(struct mount *m, char *line)
{
	char *field[5], *tail = strstr(line, " - "), *rest = line;
	const char *type, *options;

	if (!tail)
		return false;
	*tail = '\0';
	tail += 3;
	type = strsep(&tail, " ");
	strsep(&tail, " ");
	options = tail;
	m->v2 = strcmp(type, "cgroup2") == 0;
	if (!m->v2 && (strcmp(type, "cgroup") != 0 || !options ||
	    !has_word(options, "cpu")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i])
			return false;
	}
	return unescape(m->root, sizeof(m->root), field[3]) &&
	       unescape(m->point, sizeof(m->point), field[4]);
}

/*
 * The part of <path> below the mount's root.  If it is not below (the mount
 * is another group's, or the path begins with /.. because it is outside the
 * namespace), what is mounted is the best that is known.
 */
static const char *
below(const struct mount *m, const char *path)
{
	size_t n = strlen(m->root);

	if (strncmp(path, "/..", 3) == 0)
		return "";
	if (n == 1)
		return strcmp(path, "/") == 0 ? "" : path;
	if (strncmp(path, m->root, n) == 0 && (!path[n] || path[n] == '/'))
		return path + n;
	return "";
}

static unsigned
mount_quota(const char *root, const struct mount *m)
{
	char path[PATH_MAX], dir[PATH_MAX];
	size_t top = strlen(root) + strlen(m->point);
	int n;

	if (!group_path(root, m->v2, path, sizeof(path)))
		return 0;
	n = snprintf(dir, sizeof(dir), "%s%s%s", root, m->point,
	             below(m, path));
	if (n < 0 || (size_t)n >= sizeof(dir))
		return 0;
	return least_quota(dir, top, m->v2);
}

unsigned
cpu_quota(const char *root)
{
	char name[PATH_MAX], *line = NULL;
	struct mount m;
	unsigned least = 0;
	size_t room = 0;
	FILE *f;

	snprintf(name, sizeof(name), "%s/proc/self/mountinfo", root);
	f = fopen(name, "re");
	if (!f)
		return 0;
	while (getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (parse_mount(&m, line))
			least = lesser(least, mount_quota(root, &m));
	}
	free(line);
	fclose(f);
	return least;
}

/* "CPU quota of 1.5" */
static void
print_quota(char *buf, size_t size, unsigned quota)
{
	int n;

	if (!quota) {
		snprintf(buf, size, "no CPU quota");
		return;
	}
	n = snprintf(buf, size, "CPU quota of %u.%03u", quota / 1000,
	             quota % 1000);
	while (buf[n - 1] == '0')
		buf[--n] = '\0';
	if (buf[n - 1] == '.')
		buf[--n] = '\0';
}

static const char *
plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

void
cpu_plan_from(struct cpu_plan *plan, const struct conf *conf,
              const cpu_set_t *mask, unsigned quota)
{
	unsigned cpus = (unsigned)CPU_COUNT(mask), n = cpus;
	unsigned most = (unsigned)conf->max_workers;
	char quota_text[32], option[32] = "";
	const char *pin;

	BUG_ON(!cpus);
	if (quota)
		n = MIN(n, quota / 1000 + (quota % 1000 != 0));
	if (conf->workers) {
		n = (unsigned)conf->workers;
		snprintf(option, sizeof(option), "%u asked for, ", n);
	}
	if (most && n > most) {
		n = most;
		snprintf(option, sizeof(option), "no more allowed, ");
	}
	plan->shards = n;
	plan->mask = *mask;
	plan->pin = conf->pin == CONF_PIN_ON ||
	            (conf->pin == CONF_PIN_AUTO && n == cpus);
	pin = plan->pin ? "pinned" :
	      conf->pin == CONF_PIN_OFF ? "not pinned, as asked for" :
	      n < cpus ? "not pinned: fewer shards than CPUs" :
	      "not pinned: more shards than CPUs";
	print_quota(quota_text, sizeof(quota_text), quota);
	snprintf(plan->why, sizeof(plan->why),
	         "%u shard%s: %s%u CPU%s in the affinity mask, %s; %s", n,
	         plural(n), option, cpus, plural(cpus), quota_text, pin);
}

/*
 * The kernel refuses a set that is smaller than its own, so ask with a large
 * one; CPUs beyond CPU_SETSIZE are then not used.
 */
static int
read_mask(cpu_set_t *mask)
{
	cpu_set_t many[8];

	memset(many, 0, sizeof(many));
	if (sched_getaffinity(0, sizeof(many), many) == -1)
		return -errno;
	*mask = many[0];
	return CPU_COUNT(mask) ? 0 : -ENODEV;
}

int
cpu_plan_make(struct cpu_plan *plan, const struct conf *conf,
              const char *root)
{
	cpu_set_t mask;
	int err = read_mask(&mask);

	if (err)
		return err;
	cpu_plan_from(plan, conf, &mask, cpu_quota(root));
	return 0;
}

int
cpu_of_shard(const struct cpu_plan *plan, unsigned shard)
{
	unsigned left = shard % (unsigned)CPU_COUNT(&plan->mask);

	if (!plan->pin)
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &plan->mask) && left-- == 0)
			return cpu;
	return -1;
}
