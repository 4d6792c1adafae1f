/* See LICENSE for the terms. */
/*
 * One server process: fork, dismissal, end.  See family.h.
 */
#include "core/family.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clofork.h"
#include "core/log.h"
#include "core/sig.h"
#include "core/util.h"

void
child_set_slots(struct family *f, const struct gen *g, const struct child *c,
    enum slot_state state)
{
	for (unsigned i = 0; i < c->count; i++) {
		struct slot *s = shm_slot(&f->shm, g->number, c->first + i);

		atomic_store(&s->generation, g->number);
		atomic_store(&s->pid, c->pid);
		/* Its shards are not there to write these themselves. */
		if (state == SLOT_STARTING || state == SLOT_DEAD) {
			atomic_store(&s->busy_since, 0);
			atomic_store(&s->open, 0);
			atomic_store(&s->tid, 0);
		}
		/* Pairs with slot_state(): the rest is set before. */
		atomic_store_explicit(&s->state, state, memory_order_release);
	}
}

static void
set_pid(const struct family *f, const struct gen *g, const struct child *c)
{
	for (unsigned i = 0; i < c->count; i++)
		atomic_store(&shm_slot(&f->shm, g->number, c->first + i)->pid,
		    c->pid);
}

/* What is the keeper's must not stay open, or its end would not be seen. */
static void
close_private(const struct family *f)
{
	for (unsigned i = 0; i < ARRAY_LEN(f->gen); i++)
		for (unsigned k = 0; k < f->gen[i].n; k++)
			if (f->gen[i].child[k].control != -1)
				close(f->gen[i].child[k].control);
	for (unsigned i = 0; i < ARRAY_LEN(f->private_fd); i++)
		if (f->private_fd[i] != -1)
			close(f->private_fd[i]);
	close(f->epfd);
}

/* What the application forks is no server process; see clofork.h. */
static void
mark_inherited(const struct family *f, int control)
{
	for (unsigned i = 0; i < f->ls.n; i++)
		for (unsigned k = 0; k < f->ls.shards; k++)
			clofork_set(0, listener_fd(&f->ls, i, k));
	clofork_set(0, control);
}

_Noreturn static void
run(const struct family *f, const struct gen *g, const struct child *c,
    int control)
{
	struct child_start start = f->common;

	close_private(f);
	mark_inherited(f, control);
	sig_child(&f->mask);
	start.control = control;
	start.generation = g->number;
	start.first = c->first;
	start.count = c->count;
	start.isolation = g->isolation;
	_exit(f->fn(&start));
}

static int
watch_control(struct family *f, const struct gen *g, const struct child *c)
{
	struct epoll_event ev = { .events = EPOLLIN };

	/* Never 0 in the upper half: those are the keeper's own. */
	ev.data.u64 = (uint64_t)((g->number & 1) + 1) << 32 |
	    (uint64_t)(c - g->child);
	return epoll_ctl(f->epfd, EPOLL_CTL_ADD, c->control, &ev) == -1 ?
	    -errno : 0;
}

static void
close_control(struct family *f, struct child *c)
{
	if (c->control == -1)
		return;
	/* A process that was forked meanwhile may hold it a moment longer. */
	epoll_ctl(f->epfd, EPOLL_CTL_DEL, c->control, NULL);
	close(c->control);
	c->control = -1;
}

void
child_hang_up(struct family *f, struct child *c)
{
	close_control(f, c);
	if (!c->deadline)
		c->deadline = f->now + CHILD_PATIENCE_MS * NS_PER_MS;
}

int
child_fork(struct family *f, struct gen *g, struct child *c)
{
	int fd[2], err;
	pid_t pid;

	err = ctl_pair(fd);
	if (err)
		return err;
	c->control = fd[0];
	err = watch_control(f, g, c);
	if (err)
		goto fail;
	/* Before the fork: it may be ready before we run again. */
	child_set_slots(f, g, c, SLOT_STARTING);
	pid = fork();
	if (pid == 0)
		run(f, g, c, fd[1]);
	if (pid == -1) {
		err = -errno;
		child_set_slots(f, g, c, SLOT_DEAD);
		goto fail;
	}
	close(fd[1]);
	c->pid = pid;
	c->started_at = f->now;
	c->slow = false;
	c->n_ready = 0;
	c->deadline = 0;
	c->state = CHILD_STARTING;
	/* And nothing else: its shards may have written the rest already. */
	set_pid(f, g, c);
	return 0;

fail:
	close_control(f, c);
	close(fd[1]);
	return err;
}

void
child_dismiss(struct family *f, struct gen *g, struct child *c,
    enum ctl_type how, unsigned ms)
{
	uint64_t deadline = f->now + ms * NS_PER_MS;

	if (!c->pid) {
		c->state = CHILD_GONE;
		return;
	}
	c->state = CHILD_LEAVING;
	/* Told again, it does not get more time than it had. */
	if (!c->deadline || c->deadline > deadline)
		c->deadline = deadline;
	child_set_slots(f, g, c, SLOT_DRAINING);
	/* One that is dead already, or never reads, meets its deadline. */
	ctl_send(c->control, how, 0, NULL);
}

void
child_check_deadline(struct family *f, struct child *c)
{
	if (!c->pid || !c->deadline || f->now < c->deadline)
		return;
	log_warn(f->log, "server process %d did not leave in time: killed",
	    (int)c->pid);
	kill(c->pid, SIGKILL);
	c->deadline = 0;
}

/* What was asked for needs no line. */
static void
report_end(const struct family *f, const struct child *c, int status)
{
	bool told = c->state == CHILD_LEAVING;
	int sig;

	if (WIFSIGNALED(status)) {
		sig = WTERMSIG(status);
		if (told && sig == SIGKILL)
			return;
		log_err(f->log, "server process %d was killed by signal %d "
		    "(%s)%s", (int)c->pid, sig, strsignal(sig),
		    WCOREDUMP(status) ? ", core dumped" : "");
	} else if (told && WEXITSTATUS(status) == 0) {
		log_debug(f->log, "server process %d has left", (int)c->pid);
	} else {
		log_err(f->log, "server process %d ended with code %d",
		    (int)c->pid, WEXITSTATUS(status));
	}
}

bool
child_end(struct family *f, struct gen *g, struct child *c, int status)
{
	bool bad;

	report_end(f, c, status);
	close_control(f, c);
	bad = c->state != CHILD_READY ||
	    f->now - c->ready_at < CHILD_WELL_NS;
	c->bad_ends = bad ? c->bad_ends + 1 : 0;
	if (c->state == CHILD_LEAVING)
		c->state = CHILD_GONE;
	c->pid = 0;
	child_set_slots(f, g, c, SLOT_DEAD);
	/* It may have published a message and not come to wake anybody. */
	watch_wake_all(f);
	return bad;
}

/* At once three times: a rare crash should cost nobody a wait. */
unsigned
child_backoff_ms(unsigned bad_ends)
{
	if (bad_ends <= 3)
		return 0;
	return bad_ends >= 10 ? 5000 : MIN(5000u, 100u << (bad_ends - 4));
}
