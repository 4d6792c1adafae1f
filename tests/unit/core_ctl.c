/* See LICENSE for the terms. */
/* Messages between the keeper and a server process. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/ctl.h"
#include "tests/unit/t.h"

static void
messages_keep_their_borders(void)
{
	struct ctl m;
	int fd[2];

	OK(ctl_pair(fd) == 0);
	OK(fcntl(fd[0], F_GETFD) & fcntl(fd[1], F_GETFD) & FD_CLOEXEC);
	OK(ctl_recv(fd[1], &m) == -EAGAIN);
	OK(ctl_send(fd[0], CTL_READY, 7, NULL) == 0);
	OK(ctl_send(fd[0], CTL_REFUSED, 0, "numpy, pandas") == 0);
	OK(ctl_recv(fd[1], &m) == 1);
	OK(m.type == CTL_READY && m.shard == 7 && !m.text[0]);
	OK(ctl_recv(fd[1], &m) == 1);
	OK(m.type == CTL_REFUSED && m.shard == 0);
	OK_STR(m.text, "numpy, pandas");
	OK(ctl_send(fd[1], CTL_DRAIN, 0, "") == 0);
	OK(ctl_recv(fd[0], &m) == 1 && m.type == CTL_DRAIN);
	close(fd[0]);
	close(fd[1]);
}

static void
long_text_is_cut(void)
{
	char text[CTL_TEXT * 2];
	struct ctl m;
	int fd[2];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	OK(ctl_pair(fd) == 0);
	OK(ctl_send(fd[0], CTL_FAILED, 0, text) == 0);
	OK(ctl_recv(fd[1], &m) == 1);
	OK(strlen(m.text) == CTL_TEXT - 1);
	close(fd[0]);
	close(fd[1]);
}

static void
the_end_is_seen_after_what_was_sent(void)
{
	struct ctl m;
	int fd[2];

	OK(ctl_pair(fd) == 0);
	OK(ctl_send(fd[0], CTL_FAILED, 0, "last words") == 0);
	close(fd[0]);
	OK(ctl_recv(fd[1], &m) == 1);
	OK_STR(m.text, "last words");
	OK(ctl_recv(fd[1], &m) == 0);
	OK(ctl_send(fd[1], CTL_STOP, 0, NULL) == -EPIPE);
	close(fd[1]);
	/* Also of one that left messages unread. */
	OK(ctl_pair(fd) == 0);
	OK(ctl_send(fd[0], CTL_DRAIN, 0, NULL) == 0);
	close(fd[1]);
	OK(ctl_recv(fd[0], &m) == 0);
	close(fd[0]);
}

static void
what_is_no_message_is_dropped(void)
{
	char junk[sizeof(struct ctl) + 8];
	struct ctl m;
	int fd[2];

	memset(junk, 0xff, sizeof(junk));
	OK(ctl_pair(fd) == 0);
	OK(send(fd[0], junk, 3, 0) == 3);
	OK(send(fd[0], junk, sizeof(junk), 0) == (ssize_t)sizeof(junk));
	OK(send(fd[0], junk, sizeof(m), 0) == (ssize_t)sizeof(m));
	OK(ctl_send(fd[0], CTL_READY, 1, NULL) == 0);
	OK(ctl_recv(fd[1], &m) == -EBADMSG);
	OK(ctl_recv(fd[1], &m) == -EBADMSG);
	/* Of a length that can be, but without an end of its text. */
	OK(ctl_recv(fd[1], &m) == 1);
	OK(strlen(m.text) == CTL_TEXT - 1);
	OK(ctl_recv(fd[1], &m) == 1 && m.type == CTL_READY);
	close(fd[0]);
	close(fd[1]);
}

static void
a_full_channel_does_not_wait(void)
{
	unsigned sent = 0, got = 0;
	struct ctl m;
	int fd[2], err;

	OK(ctl_pair(fd) == 0);
	do {
		err = ctl_send(fd[0], CTL_STACK, sent, NULL);
		sent += !err;
	} while (!err);
	OK(err == -EAGAIN && sent > 0);
	while (ctl_recv(fd[1], &m) == 1)
		OK(m.shard == got++);
	OK(got == sent);
	close(fd[0]);
	close(fd[1]);
}

static void
tests(void)
{
	T(messages_keep_their_borders);
	T(long_text_is_cut);
	T(the_end_is_seen_after_what_was_sent);
	T(what_is_no_message_is_dropped);
	T(a_full_channel_does_not_wait);
}

T_MAIN(tests)
