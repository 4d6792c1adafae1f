/* See LICENSE for the terms. */
/*
 * Taking connections, and addresses as text: see sock.h.
 */
#include "core/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/*
 * What accept4() says, sorted by what the caller can do.  Linux also passes
 * on errors of the new connection's network, which say nothing of ours.
 */
static int
sort_error(int err)
{
	switch (err) {
	case EAGAIN:
		return -EAGAIN;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return -EMFILE;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
	case EFAULT:
		return -EBADF;
	default:
		return -ECONNABORTED;
	}
}

int
sock_accept(int lfd, struct peer *peer)
{
	socklen_t len = sizeof(*peer);
	int fd;

	memset(peer, 0, sizeof(*peer));
	do
		fd = accept4(lfd, &peer->sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd == -1 && errno == EINTR);
	return fd == -1 ? sort_error(errno) : fd;
}

int
sock_local(int fd, struct peer *addr)
{
	socklen_t len = sizeof(*addr);

	memset(addr, 0, sizeof(*addr));
	return getsockname(fd, &addr->sa, &len) == -1 ? -errno : 0;
}

static char *
in6_text(const struct sockaddr_in6 *in6, char *buf)
{
	size_t n;

	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], buf, SOCK_TEXT);
		return buf;
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, buf, SOCK_TEXT);
	/* Only link-local addresses have one, and mean nothing without. */
	if (in6->sin6_scope_id) {
		n = strlen(buf);
		snprintf(buf + n, SOCK_TEXT - n, "%%%u", in6->sin6_scope_id);
	}
	return buf;
}

char *
sock_host_text(const struct peer *addr, char *buf)
{
	buf[0] = '\0';
	if (addr->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &addr->in4.sin_addr, buf, SOCK_TEXT);
	else if (addr->sa.sa_family == AF_INET6)
		in6_text(&addr->in6, buf);
	return buf;
}

char *
sock_addr_text(const struct peer *addr, char *buf)
{
	char host[SOCK_TEXT];

	sock_host_text(addr, host);
	if (!host[0])
		snprintf(buf, SOCK_TEXT, "unix");
	else if (strchr(host, ':'))
		snprintf(buf, SOCK_TEXT, "[%.70s]:%u", host, sock_port(addr));
	else
		snprintf(buf, SOCK_TEXT, "%.70s:%u", host, sock_port(addr));
	return buf;
}

unsigned
sock_port(const struct peer *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntohs(addr->in4.sin_port);
	if (addr->sa.sa_family == AF_INET6)
		return ntohs(addr->in6.sin6_port);
	return 0;
}

bool
sock_is_any(const struct peer *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return addr->in4.sin_addr.s_addr == htonl(INADDR_ANY);
	return addr->sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
}
