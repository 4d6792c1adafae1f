/* See LICENSE for the terms. */
/*
 * Messages on the control channel: see ctl.h.
 *
 * On the wire a message is as long as its text: type, shard, text, NUL.  A
 * length of 0 would be read as the end, and none is ever sent.
 */
#include "core/ctl.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = offsetof(struct ctl, text) };

int
ctl_pair(int fd[2])
{
	int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;

	return socketpair(AF_UNIX, type, 0, fd) == -1 ? -errno : 0;
}

int
ctl_send(int fd, enum ctl_type type, unsigned shard, const char *text)
{
	struct ctl m = { .type = type, .shard = shard };
	size_t n = text ? strnlen(text, CTL_TEXT - 1) : 0;
	ssize_t sent;

	if (n)
		memcpy(m.text, text, n);
	do
		sent = send(fd, &m, HEAD + n + 1, MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	if (sent != -1)
		return 0;
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
