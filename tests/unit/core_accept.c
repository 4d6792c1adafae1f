/* See LICENSE for the terms. */
/*
 * What accept() may say, and what a shard makes of it.
 */
#include "core/shard.h"

#include <sys/syscall.h>

#include "core/util.h"
#include "tests/unit/shard_kit.h"

static struct kit k;

/* accept4() fails in this way; 0: not.  <fault_left>: so often, -1: always. */
static int fault, fault_left;
static unsigned fault_calls;

/* Instead of libc's: the kernel cannot be made to fail in all these ways. */
int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	fault_calls++;
	if (fault && fault_left != 0) {
		if (fault_left > 0)
			fault_left--;
		errno = fault;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, sa, len, flags);
}

/* Errors of the client's or of the network: the next one is served. */
static void
a_client_who_left_costs_nobody_else(void)
{
	static const int errors[] = { ECONNABORTED, EPROTO, ENETDOWN,
		ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT, ENONET,
		ETIMEDOUT, ECONNRESET, EPERM, EINTR };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		OK(shard_listen(k.shard) == 0);
		fault = errors[i];
		fault_left = 3;
		fd = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, 1));
		OK(fault_left == 0 && !k.shard->paused);
		fault = 0;
		close(fd);
		kit_close(&k);
	}
}

/* Out of something: it pauses, does not spin, and goes on by itself. */
static void
want_of_anything_pauses_and_passes(void)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		OK(shard_listen(k.shard) == 0);
		fd = kit_dial(kit_port(&k));
		usleep(1000);
		fault = errors[i];
		fault_left = -1;
		fault_calls = 0;
		for (int n = 0; n < 100; n++)
			kit_settle(&k);
		OK(fault_calls == 1 && k.shard->paused);
		/* Well within a second, and not many times in it. */
		OK(k.shard->accept_pause.at <= k.shard->loop.now +
		    500 * NS_PER_MS);
		OK(k.shard->accept_pause.at >= k.shard->loop.now +
		    20 * NS_PER_MS);
		kit_sleep(&k, 500);
		OK(fault_calls == 2 && k.shard->paused);
		OK(k.shard->slot->accepted == 0);
		fault = 0;
		kit_sleep(&k, 250);
		OK(kit_accepts(&k, 1) && !k.shard->paused);
		close(fd);
		kit_close(&k);
	}
}

/* A machine without descriptors is not helped by sending all clients away. */
static void
want_that_shedding_does_not_cure_costs_few(void)
{
	int fd[9];

	kit_open(&k, 1, "", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	for (unsigned i = 0; i < 8; i++) {
		fd[i] = kit_dial(kit_port(&k));
		OK(kit_accepts(&k, i + 1));
	}
	kit_grow_old(&k);
	fault = ENFILE;
	fault_left = -1;
	fd[8] = kit_dial(kit_port(&k));
	usleep(1000);
	for (int n = 0; n < 100; n++)
		kit_settle(&k);
	OK(k.shard->slot->drops == 1 && k.shard->n_conns == 7);
	fault = 0;
	kit_sleep(&k, 250);
	OK(kit_accepts(&k, 9));
	OK(k.shard->slot->drops == 1);
	for (int i = 0; i < 9; i++)
		close(fd[i]);
	kit_close(&k);
}

/* As a filter for system calls answers. */
static void
an_accept_that_always_fails_does_not_spin(void)
{
	int fd;

	kit_open(&k, 1, "", true);
	OK(shard_listen(k.shard) == 0);
	fd = kit_dial(kit_port(&k));
	usleep(1000);
	fault = EPERM;
	fault_left = -1;
	fault_calls = 0;
	for (int n = 0; n < 100; n++)
		kit_settle(&k);
	OK(k.shard->paused && fault_calls <= 64);
	fault = 0;
	kit_sleep(&k, 250);
	OK(kit_accepts(&k, 1));
	close(fd);
	kit_close(&k);
}

static void
what_is_no_listener_is_polled_no_more(void)
{
	static const int errors[] = { EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP,
		EFAULT };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		int fd;

		kit_open(&k, 1, "", true);
		k.shard->log.level = LEVEL_CRITICAL;
		OK(shard_listen(k.shard) == 0);
		fault = errors[i];
		fault_left = 1;
		fault_calls = 0;
		fd = kit_dial(kit_port(&k));
		usleep(1000);
		for (int n = 0; n < 100; n++)
			kit_settle(&k);
		kit_sleep(&k, 250);
		OK(fault_calls == 1 && kit_open_doors(&k) == 0);
		fault = 0;
		close(fd);
		kit_close(&k);
	}
}

static void
tests(void)
{
	T(a_client_who_left_costs_nobody_else);
	T(want_of_anything_pauses_and_passes);
	T(want_that_shedding_does_not_cure_costs_few);
	T(an_accept_that_always_fails_does_not_spin);
	T(what_is_no_listener_is_polled_no_more);
}

T_MAIN(tests)
