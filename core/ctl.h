/* See LICENSE for the terms. */
/*
 * The control channel between the keeper and a server process.
 *
 * A socket pair that keeps message borders (SOCK_SEQPACKET).  The keeper
 * commands by it and never by signals, which an application may take.  The
 * end of either process is the other's end of file.  Both ends are NONBLOCK
 * and CLOEXEC, and a message is sent whole or not at all.
 *
 * Thread: ctl_send() any; ctl_recv() one reader an end.
 */
#ifndef CORE_CTL_H
#define CORE_CTL_H

#include <stdint.h>

enum ctl_type {
	/* Keeper to server process. */
	CTL_DRAIN = 1,		/* accept no more, finish, leave with 0 */
	CTL_STOP,		/* leave at once */
	CTL_STACK,		/* report the stack of <shard> */
	CTL_REOPEN,		/* the logs' files, after a rotation */

	/* Server process to keeper. */
	CTL_READY = 64,		/* <shard> serves */
	CTL_REFUSED,		/* before ready: <text> names the modules */
	CTL_LATE_REFUSED,	/* after ready: <text> names the module */
	CTL_FAILED,		/* it cannot start; <text>: what to do */
};

/* Longer text is cut. */
#define CTL_TEXT 1016

struct ctl {
	uint32_t type;			/* enum ctl_type, or a newer one */
	uint32_t shard;			/* as sent: check it */
	char text[CTL_TEXT];		/* always ends with NUL */
};

/* 0 or -errno. */
int ctl_pair(int fd[2]);

/*
 * 0, or -EAGAIN: the other end does not read, not even in a while; -EPIPE: it
 * is gone; another -errno.  <text> may be NULL.
 */
int ctl_send(int fd, enum ctl_type type, unsigned shard, const char *text);

/*
 * 1: <m> is a message.  0: the other end is gone.  -EAGAIN: none waits.
 * -EBADMSG: one was no message and is dropped; read on.
 */
int ctl_recv(int fd, struct ctl *m);

#endif
