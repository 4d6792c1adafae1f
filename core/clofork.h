/* See LICENSE for the terms. */
/*
 * Descriptors that a forked copy of this process does not keep.
 *
 * An application may fork: os.fork(), multiprocessing, a C library.  The copy
 * would hold the listening sockets, so that the port stays taken and clients
 * wait for ever after the server has ended, and the clients' connections,
 * whose end is not seen while anybody holds them; and if it came back from
 * the application it would take events of the same epoll.  POSIX has
 * FD_CLOFORK for this, Linux not: what is marked here is closed in the child,
 * before fork() returns there.  (What only forks to execute is served by
 * CLOEXEC, which all have as well.)  The log's is left: standard error is the
 * child's, too.
 *
 * Thread: any.  The keeper marks nothing: its children are to inherit.
 */
#ifndef CORE_CLOFORK_H
#define CORE_CLOFORK_H

/* Descriptors from here on are not marked. */
#define CLOFORK_MAX (1u << 20)

/* <shard>: whose it is, so that shards do not write to each other's lines. */
void clofork_set(unsigned shard, int fd);
/*
 * Of the same shard, before it is closed: the number may be another's at once.
 */
void clofork_clear(unsigned shard, int fd);

#endif
