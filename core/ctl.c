/* See LICENSE for the terms. */
/*
 * Messages on the control channel: see ctl.h.
 *
 * On the wire a message is as long as its text: type, shard, text, NUL.  A
 * length of 0 would be read as the end, and none is ever sent.
 */
#include "core/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = offsetof(struct ctl, text) };
enum { WAIT_MS = 20, WAITS_MAX = 20 };

int
ctl_pair(int fd[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

	return socketpair(AF_UNIX, type, 0, fd) == -1 ? -errno : 0;
}

/* The other end is behind; false: it does not read on. */
static bool
wait_for_room(int fd, int *waits)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	poll(&p, 1, WAIT_MS);
	return ++*waits < WAITS_MAX;
}

int
ctl_send(int fd, enum ctl_type type, unsigned shard, const char *text)
{
	struct ctl m = { .type = type, .shard = shard };
	size_t n = text ? strnlen(text, CTL_TEXT - 1) : 0;
	int waits = 0;
	ssize_t sent;

	if (n)
		memcpy(m.text, text, n);
	do
		sent = send(fd, &m, HEAD + n + 1, MSG_NOSIGNAL);
	while (sent == -1 && (errno == EINTR || (errno == EAGAIN &&
	    wait_for_room(fd, &waits))));
	if (sent != -1)
		return 0;
	/* What the last wait said is not what the send did. */
	if (waits == WAITS_MAX)
		return -EAGAIN;
	return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
}

int
ctl_recv(int fd, struct ctl *m)
{
	ssize_t n;

	memset(m, 0, sizeof(*m));
	do
		n = recv(fd, m, sizeof(*m), MSG_TRUNC);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == ECONNRESET)
		return 0;
	if (n == -1)
		return -errno;
	if (n == 0)
		return 0;
	if (n <= HEAD || n > (ssize_t)sizeof(*m))
		return -EBADMSG;
	m->text[CTL_TEXT - 1] = '\0';
	return 1;
}
