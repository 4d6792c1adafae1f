/* See LICENSE for the terms. */
/*
 * Signals of the keeper and of its server processes: see sig.h.
 */
#include "core/sig.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/util.h"

/* Those that reach a server process although they are for the keeper. */
static const int shared[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 };

/*
 * Written once, by sig_child().  A handler is given nothing that a struct
 * could hang from, and it must know a forked copy of the process from the
 * process itself, from the fork's first moment on: pthread_atfork() is late.
 */
static volatile pid_t server_pid;

static void
set_action(int sig, void (*fn)(int))
{
	struct sigaction sa = { .sa_flags = SA_RESTART };

	sa.sa_handler = fn;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

int
sig_open(sigset_t *old)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGQUIT, SIGCHLD,
		SIGUSR1 };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	/* A shell's "&" ignores INT, and CHLD ignored would lose statuses. */
	for (unsigned i = 0; i < ARRAY_LEN(ours); i++) {
		sigaddset(&set, ours[i]);
		set_action(ours[i], SIG_DFL);
	}
	/* HUP stays ignored where nohup(1) said so: it is never read then. */
	sigaddset(&set, SIGHUP);
	/* A log's reader that is gone, a file that is as large as it may be. */
	set_action(SIGPIPE, SIG_IGN);
	set_action(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, old) == -1)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd == -1 ? -errno : fd;
}

void
sig_restore(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

int
sig_next(int fd)
{
	struct signalfd_siginfo si;
	ssize_t n;

	do
		n = read(fd, &si, sizeof(si));
	while (n == -1 && errno == EINTR);
	return n == (ssize_t)sizeof(si) ? (int)si.ssi_signo : 0;
}

/* A handler, not SIG_IGN: what the application executes does not inherit it. */
static void
on_shared(int sig)
{
	if (getpid() == server_pid)
		return;
	/* The application's multiprocessing: terminate() has to work. */
	set_action(sig, SIG_DFL);
	raise(sig);
}

void
sig_child(const sigset_t *old)
{
	server_pid = getpid();
	for (unsigned i = 0; i < ARRAY_LEN(shared); i++)
		set_action(shared[i], on_shared);
	sig_restore(old);
}
