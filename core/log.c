/* See LICENSE for the terms. */
/*
 * The log; see the header for who may call what.
 *
 * A line is composed on the stack (core/line.h) and appended whole to the log's
 * buffer.  The buffer goes to the descriptor
 * in pieces of whole lines, none above PIPE_BUF:
 *
 *	written in part	the rest stays; if a line was cut and the rest is then
 *			lost, the next output begins with a line end (torn)
 *	EAGAIN		everything stays and is tried again; new lines that
 *			find no room are counted as lost
 *	other error	everything is counted as lost
 */
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/date.h"
#include "core/line.h"
#include "core/util.h"

static const struct {
	const char *name;
	const char *tag;
	const char *tag_colour;
} levels[] = {
	[LEVEL_CRITICAL] = { "critical", "[CRITICAL] ",
	                     "\033[1;31m[CRITICAL]\033[0m " },
	[LEVEL_ERROR] = { "error", "[ERROR] ", "\033[31m[ERROR]\033[0m " },
	[LEVEL_WARNING] = { "warning", "[WARNING] ",
	                    "\033[33m[WARNING]\033[0m " },
	[LEVEL_INFO] = { "info", "[INFO] ", "\033[32m[INFO]\033[0m " },
	[LEVEL_DEBUG] = { "debug", "[DEBUG] ", "\033[36m[DEBUG]\033[0m " },
};

const char *
log_level_name(enum log_level level)
{
	BUG_ON((unsigned)level >= ARRAY_LEN(levels));
	return levels[level].name;
}

static void
date_print(char *buf, size_t size, int64_t second)
{
	struct date d = date_split(second);

	snprintf(buf, size, "%04u-%02u-%02u %02u:%02u:%02u", d.year % 10000,
	         d.month, d.day, d.hour, d.minute, d.second);
}

int64_t
log_begin(struct log *l, struct line *ln, const char *tag)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* A clock before 1970 is a clock that was never set. */
	if (now.tv_sec < 0)
		now.tv_sec = now.tv_nsec = 0;
	if (now.tv_sec != l->second) {
		l->second = now.tv_sec;
		date_print(l->date, sizeof(l->date), l->second);
	}
	ln->n = 0;
	ln->full = false;
	line_text(ln, l->date);
	line_put(ln, ".", 1);
	line_number(ln, (uint64_t)now.tv_nsec / 1000000, 3);
	line_put(ln, " ", 1);
	line_text(ln, tag);
	line_text(ln, l->who);
	return l->second;
}

static const char *
tag_of(const struct log *l, enum log_level level)
{
	BUG_ON((unsigned)level >= ARRAY_LEN(levels));
	return l->colour ? levels[level].tag_colour : levels[level].tag;
}

/* One system call; bytes taken or a negative errno.  Does not wait. */
static ssize_t
write_now(struct log *l, const char *p, size_t n)
{
	struct pollfd ask = { .fd = l->fd, .events = POLLOUT };
	ssize_t done;

	if (l->poll && poll(&ask, 1, 0) != 1)
		return -EAGAIN;
	do {
		if (l->socket)
			done = send(l->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			done = write(l->fd, p, n);
	} while (done == -1 && errno == EINTR);
	/* Nothing taken and no error does not happen; never loop on it. */
	if (done == 0)
		return -EIO;
	return done == -1 ? -errno : done;
}

/* The largest piece of whole lines at <p> that one write keeps together. */
static size_t
piece_of(const char *p, size_t n)
{
	const char *end;

	if (n <= LOG_LINE)
		return n;
	end = memrchr(p, '\n', LOG_LINE);
	BUG_ON(!end);
	return (size_t)(end - p) + 1;
}

/*
 * Lines that are lost with these bytes.  A line end at their beginning only
 * ends what was written before.
 */
static uint64_t
lines_of(const char *p, size_t n)
{
	uint64_t count = 0;

	if (n && *p == '\n') {
		p++;
		n--;
	}
	for (; n; n--, p++)
		count += *p == '\n';
	return count;
}

/* Writes what is in the buffer, as far as that goes without waiting. */
static void
drain(struct log *l)
{
	size_t at = 0, n;
	ssize_t done = 0;

	while (at < l->used) {
		n = piece_of(l->buf + at, l->used - at);
		done = write_now(l, l->buf + at, n);
		if (done < 0)
			break;
		at += (size_t)done;
		l->torn = l->buf[at - 1] != '\n';
	}
	if (done < 0 && done != -EAGAIN) {
		l->lost += lines_of(l->buf + at, l->used - at);
		at = l->used;
	} else if (at && at < l->used) {
		memmove(l->buf, l->buf + at, l->used - at);
	}
	l->used -= at;
}

static bool
append(struct log *l, const char *p, size_t n)
{
	if (n > sizeof(l->buf) - l->used)
		drain(l);
	if (n > sizeof(l->buf) - l->used)
		return false;
	/* With an empty buffer, the rest of a torn line is gone: end it. */
	if (l->torn && !l->used)
		l->buf[l->used++] = '\n';
	memcpy(l->buf + l->used, p, n);
	l->used += n;
	return true;
}

/* Ends the line and puts it into the buffer, or counts it as lost. */
static void
line_keep(struct log *l, struct line *ln)
{
	line_close(ln);
	if (!append(l, ln->text, ln->n))
		l->lost++;
}

/*
 * Tells how many lines were lost, once there is room to say so: before the
 * next line, so that the gap is where it was.  False if it cannot be told yet.
 */
static bool
report_lost(struct log *l)
{
	struct line ln;
	uint64_t lost = l->lost;

	log_begin(l, &ln, tag_of(l, LEVEL_WARNING));
	line_number(&ln, lost, 1);
	line_text(&ln, " log lines were lost here: the log could not be "
	    "written fast enough, or at all");
	l->lost = 0;
	line_keep(l, &ln);
	drain(l);
	if (!l->lost)
		return true;
	/* The report itself was lost. */
	l->lost = lost;
	return false;
}

void
log_end(struct log *l, struct line *ln, bool urgent)
{
	if (l->lost && !report_lost(l)) {
		l->lost++;
		return;
	}
	line_keep(l, ln);
	if (urgent || !l->hold)
		drain(l);
}

/* Says how many lines of a call site were left out. */
static void
report_held(struct log *l, struct log_guard *g)
{
	struct line ln;
	unsigned held = g->held;

	if (!held)
		return;
	g->held = 0;
	log_begin(l, &ln, tag_of(l, g->level));
	line_number(&ln, held, 1);
	line_text(&ln, " more lines like this one were left out: ");
	line_escaped(&ln, str_of(g->fmt), false);
	log_end(l, &ln, false);
}

/*
 * The guard of <fmt>; the one that was idle longest is taken over if it has
 * none.  A new second opens it again.
 */
static struct log_guard *
guard_of(struct log *l, const char *fmt, enum log_level level, int64_t second)
{
	struct log_guard *g = &l->guards[0];

	for (size_t i = 0; i < LOG_GUARDS; i++) {
		if (l->guards[i].fmt == fmt) {
			g = &l->guards[i];
			break;
		}
		if (l->guards[i].second < g->second)
			g = &l->guards[i];
	}
	if (g->fmt != fmt || g->second != second) {
		report_held(l, g);
		g->fmt = fmt;
		g->level = level;
		g->second = second;
		g->passed = 0;
	}
	return g;
}

/* Reports of floods that have ended. */
static void
report_ended(struct log *l)
{
	struct timespec now;
	bool guarding = false;

	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < LOG_GUARDS; i++) {
		if (l->guards[i].second != now.tv_sec)
			report_held(l, &l->guards[i]);
		guarding |= l->guards[i].held > 0;
	}
	l->guarding = guarding;
}

void
log_line(struct log *l, enum log_level level, unsigned burst,
         const char *fmt, ...)
{
	struct line ln;
	struct log_guard *g;
	struct str s;
	char text[LOG_LINE];
	va_list args;
	int n, saved = errno;
	int64_t second = log_begin(l, &ln, tag_of(l, level));

	g = guard_of(l, fmt, level, second);
	if (g->passed >= burst) {
		g->held++;
		l->guarding = true;
		errno = saved;
		return;
	}
	g->passed++;
	errno = saved;	/* for %m */
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	s = (struct str){ text, n < 0 ? 0 : MIN((size_t)n, sizeof(text) - 1) };
	line_escaped(&ln, s, false);
	if (n >= (int)sizeof(text))
		ln.full = true;
	log_end(l, &ln, level <= LEVEL_WARNING);
	errno = saved;
}

void
log_text(struct log *l, enum log_level level, const char *prefix,
         struct str text)
{
	struct line ln;
	const char *end;
	size_t n, begun;
	int saved = errno;

	if (level > l->level)
		return;
	/* One event, one time. */
	log_begin(l, &ln, tag_of(l, level));
	line_escaped(&ln, str_of(prefix), false);
	begun = ln.n;
	while (text.n) {
		end = memchr(text.p, '\n', text.n);
		n = end ? (size_t)(end - text.p) : text.n;
		ln.n = begun;
		ln.full = false;
		line_escaped(&ln, (struct str){ text.p, n }, false);
		/* Only the last may write, so that the lines stay together. */
		n += end != NULL;
		text.p += n;
		text.n -= n;
		if (text.n && !l->lost)
			line_keep(l, &ln);
		else
			log_end(l, &ln, level <= LEVEL_WARNING);
	}
	errno = saved;
}

void
log_bright(struct log *l, const char *text)
{
	struct line ln;
	int saved = errno;

	if (l->level < LEVEL_INFO)
		return;
	log_begin(l, &ln, tag_of(l, LEVEL_INFO));
	if (l->colour)
		line_text(&ln, "\033[1m");
	line_escaped(&ln, str_of(text), false);
	if (l->colour)
		line_text(&ln, "\033[0m");
	log_end(l, &ln, false);
	errno = saved;
}

void
log_flush(struct log *l)
{
	if (l->guarding)
		report_ended(l);
	if (l->used)
		drain(l);
}

void
log_hold(struct log *l, bool hold)
{
	l->hold = hold;
	if (!hold)
		log_flush(l);
}

static bool
wants_colour(int fd)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(fd) && !(no && *no) &&
	       !(term && strcmp(term, "dumb") == 0);
}

/*
 * Finds out how to write without waiting.  A socket has a flag for it.  A
 * pipe or a terminal can be opened once more, which gives a description of
 * our own that may be non-blocking without hurting those who share <fd>; if
 * it cannot (another user's), poll() answers nearly as well: a second writer
 * may take the room in between.  Files never say EAGAIN.
 */
static void
choose_fd(struct log *l, int fd)
{
	struct stat st;
	char path[40];
	int again;

	l->fd = fd;
	if (fstat(fd, &st) == -1)
		return;
	l->socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	if (fcntl(fd, F_GETFL) & O_NONBLOCK)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (again == -1) {
		l->poll = true;
		return;
	}
	l->fd = again;
	l->own_fd = true;
}

void
log_init(struct log *l, int fd, enum log_level level, const char *who)
{
	memset(l, 0, offsetof(struct log, buf));
	l->level = level;
	l->second = -1;
	l->colour = wants_colour(fd);
	if (who && *who)
		snprintf(l->who, sizeof(l->who), "[%.18s] ", who);
	choose_fd(l, fd);
}

void
log_fini(struct log *l)
{
	for (size_t i = 0; i < LOG_GUARDS; i++)
		report_held(l, &l->guards[i]);
	if (l->lost)
		report_lost(l);
	drain(l);
	if (l->own_fd)
		close(l->fd);
	l->own_fd = false;
	l->fd = -1;
}
