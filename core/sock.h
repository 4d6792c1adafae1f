/* See LICENSE for the terms. */
/*
 * Sockets: addresses as text, taking connections, the options a socket needs.
 *
 * The listening sockets themselves are core/listen.h's.
 * Thread: any; no state.
 */
#ifndef CORE_SOCK_H
#define CORE_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * The address of one end of a connection, in 28 bytes instead of the 128 of
 * a sockaddr_storage: a Unix socket's path is not kept, only its family.
 */
struct peer {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
};

/* Longest text of an address, with brackets, scope, port and NUL. */
#define SOCK_TEXT 96

/*
 * Takes a connection from <lfd>: a descriptor, NONBLOCK and CLOEXEC; with
 * TCP_NODELAY, which it inherits from the listener.  Or one of three, and
 * nothing else, whatever the kernel said:
 *   -EAGAIN        nobody waits; poll again
 *   -ECONNABORTED  that client is gone already; go on accepting
 *   -EMFILE        out of descriptors or memory: pause, or the poll spins
 *   -EBADF         <lfd> is no listener (any more): stop polling it
 */
int sock_accept(int lfd, struct peer *peer);

/* The local address of a connection; 0 or -errno. */
int sock_local(int fd, struct peer *addr);

/*
 * "192.0.2.1:80", "[2001:db8::1]:80", "unix".  An IPv4 client of an IPv6
 * listener is written as IPv4.  Returns <buf>, of SOCK_TEXT bytes.
 */
char *sock_addr_text(const struct peer *addr, char *buf);
/* The same without port and brackets; "" for a Unix socket. */
char *sock_host_text(const struct peer *addr, char *buf);
/* 0.0.0.0 or [::]: a connection's own address is another. */
bool sock_is_any(const struct peer *addr);
/* 0 for a Unix socket. */
unsigned sock_port(const struct peer *addr);

#endif
