/* See LICENSE for the terms. */
/*
 * Files in a connection's output, over real sockets: between what is before
 * and behind them, by sendfile() and without; files that become shorter, and
 * clients that leave.
 */
#include "core/file.h"

#include <sys/mman.h>

#include "core/conn.h"
#include "core/util.h"
#include "tests/unit/big_kit.h"

/* A file without a name, of big's bytes. */
static struct file *
big_file(void)
{
	int fd = memfd_create("big", MFD_CLOEXEC);

	OK(write(fd, big, BIG) == BIG);
	return file_new(fd);
}

static ssize_t
no_sendfile(struct conn *c, int fd, uint64_t at, size_t n)
{
	(void)c;
	(void)fd;
	(void)at;
	(void)n;
	return -EINVAL;
}

/* A part of a file, with bytes before and behind it, by <xport>. */
static void
file_goes(const struct xport_ops *xport, bool tcp, size_t from, size_t len)
{
	static char want[BIG];
	struct file *f = big_file();
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = tcp ? kit_tcp_pair(&k, &n) : kit_pair(&k, &n);
	n->conn->xport = xport;
	shrink(n->conn->io.fd, SO_SNDBUF);
	conn_put(n->conn, "before", 6);
	/* In two pieces that follow each other: one. */
	conn_refer_file(n->conn, f, from, len / 3);
	conn_refer_file(n->conn, f, from + len / 3, len - len / 3);
	conn_put(n->conn, "behind", 6);
	OK(bytes_len(&n->conn->out) == len + 12);
	OK(n->conn->full == (len + 12 >= CONN_OUT_HIGH));
	memcpy(want, "before", 6);
	memcpy(want + 6, big + from, len);
	memcpy(want + 6 + len, "behind", 6);
	OK(atomic_load(&f->refs) == 2);
	OK(receives(fd, want, len + 12));
	OK(bytes_len(&n->conn->out) == 0);
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	close(fd);
	kit_close(&k);
}

static void
a_file_has_its_place_in_the_output(void)
{
	struct xport_ops refused = xport_plain, none = xport_plain;
	const struct xport_ops *ways[] = { &xport_plain, &refused, &none };

	refused.sendfile = no_sendfile;
	none.sendfile = NULL;
	for (int i = 0; i < 6; i++) {
		file_goes(ways[i / 2], i % 2, 0, 3);
		file_goes(ways[i / 2], i % 2, 4095, 70000);
		file_goes(ways[i / 2], i % 2, 1, BIG - 100);
	}
}

/* What <way> does to a file while it is sent resets the client. */
static void
file_fails(const struct xport_ops *xport, const char *text)
{
	struct file *f = big_file();
	int log = memfd_create("log", MFD_CLOEXEC), fd, end;
	char got[500] = "";
	struct note *n;

	kit_open(&k, 1, "", false);
	k.shard->log.fd = log;
	fd = kit_tcp_pair(&k, &n);
	n->conn->xport = xport;
	shrink(fd, SO_RCVBUF);
	shrink(n->conn->io.fd, SO_SNDBUF);
	conn_refer_file(n->conn, f, 0, BIG);
	kit_settle(&k);
	OK(ftruncate(f->fd, 100) == 0);
	while (n->losts == 0) {
		kit_recv(fd, &end);
		kit_turn(&k);
	}
	kit_await(fd);
	kit_recv(fd, &end);
	OK(end == ECONNRESET);
	OK(pread(log, got, sizeof(got) - 1, 0) > 0);
	OK(strstr(got, text) && strstr(got, "memfd:big"));
	/* Nobody holds it any more but we. */
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	close(fd);
	close(log);
	kit_close(&k);
}

static void
a_file_that_becomes_shorter_cuts_the_answer(void)
{
	struct xport_ops none = xport_plain;

	none.sendfile = NULL;
	file_fails(&xport_plain, "became shorter while it was sent");
	file_fails(&none, "became shorter while it was sent");
}

static void
who_leaves_a_file_is_not_the_files_fault(void)
{
	struct file *f = big_file();
	struct note *n;
	int fd;

	kit_open(&k, 1, "", false);
	fd = kit_pair(&k, &n);
	conn_refer_file(n->conn, f, 0, BIG);
	close(fd);
	/* k.log would be asked. */
	kit_settle(&k);
	OK(n->losts == 1);
	OK(atomic_load(&f->refs) == 1);
	file_unref(f);
	kit_close(&k);
}

static void
tests(void)
{
	fill();
	T(a_file_has_its_place_in_the_output);
	T(a_file_that_becomes_shorter_cuts_the_answer);
	T(who_leaves_a_file_is_not_the_files_fault);
}

T_MAIN(tests)
