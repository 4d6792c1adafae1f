/* See LICENSE for the terms. */
/*
 * The listening sockets of all addresses and shards.
 *
 * The keeper opens them before the first fork and closes them last, so that
 * connections queue while a server process is replaced.  Every server process
 * inherits all of them; a shard polls its own and those it adopts.
 *
 * A TCP address has a socket a shard.  The first is bound without
 * SO_REUSEPORT and gets the option afterwards, then the others are bound with
 * it: another server on the same port, Shoal or not, is refused.  A Unix
 * socket has one listener, which all shards poll with EPOLLEXCLUSIVE.
 *
 * Thread: frozen once open.  Owner: the keeper; a child only reads.
 */
#ifndef CORE_LISTEN_H
#define CORE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/sock.h"

struct conf;

/* Room for a complaint about an address, with what to do. */
#define LISTEN_ERR 512

/* One address, as bound: a port of 0 is the real one here. */
struct listen_addr {
	struct peer addr;
	char *path;			/* of a Unix socket, else NULL */
	dev_t dev;			/* the file that we made: only it is */
	ino_t ino;			/* removed at the end */
	int *fd;			/* one a shard, or one for all */
};

struct listeners {
	struct listen_addr *addr;
	unsigned n;			/* addresses */
	unsigned shards;
	char err[LISTEN_ERR];		/* why listeners_open() failed */
};

/*
 * Opens everything that <conf> names, or nothing: then -errno, and ls->err
 * says which address, what is wrong and what to do.
 */
int listeners_open(struct listeners *ls, const struct conf *conf,
    unsigned shards);
/* Closes all.  <remove_files>: the Unix sockets' files; the keeper only. */
void listeners_close(struct listeners *ls, bool remove_files);

/* The socket that <shard> polls for address <addr>; all shards' if shared. */
int listener_fd(const struct listeners *ls, unsigned addr, unsigned shard);
bool listener_is_shared(const struct listeners *ls, unsigned addr);

/*
 * "http://127.0.0.1:8000", "http://[::1]:8000", "unix:/run/app.sock".
 * Returns <buf>.
 */
char *listener_text(const struct listeners *ls, unsigned addr,
    const char *scheme, char *buf, size_t size);

#endif
