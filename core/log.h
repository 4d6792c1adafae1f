/* See LICENSE for the terms. */
/*
 * The log of one shard, or of one process that has no shards.
 *
 * Thread: the owner's only (of a shard: who holds its token).  Nothing is
 * locked; several logs may share a descriptor, since a line goes out by one
 * write of at most PIPE_BUF bytes.
 * Owner:  embedded in the shard, the keeper, the server process.
 *
 * Writing never waits.  A reader that does not keep up loses lines, and is
 * told how many as soon as it reads again.  SIGPIPE must be ignored by the
 * process.
 *
 * A line is
 *
 *	2026-01-31 23:59:59.123 [INFO] [shard 3] text
 *
 * in UTC: local time needs a lock of libc and a file.  One event is one line:
 * control bytes, and bytes that are not UTF-8, are written as \xNN.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

enum log_level {
	LEVEL_CRITICAL,
	LEVEL_ERROR,
	LEVEL_WARNING,
	LEVEL_INFO,
	LEVEL_DEBUG,
};

/*
 * The longest line, its end included: PIPE_BUF, below which the kernel does
 * not mix the lines of several writers.  Longer ones are cut and end in "...".
 */
#define LOG_LINE 4096

/* Lines wait here for the end of the turn, or for a slow reader. */
#define LOG_BUFFER (4 * LOG_LINE)

/* Call sites whose floods are held back at the same time. */
#define LOG_GUARDS 16

/* Lines that one call site may write a second; the rest are counted. */
#define LOG_BURST 100

/* A call site in this second; known by its format's address. */
struct log_guard {
	const char *fmt;
	enum log_level level;
	unsigned passed;
	unsigned held;		/* left out since the last report */
	int64_t second;
};

struct log {
	enum log_level level;	/* read by the macros below */
	int fd;
	bool own_fd;		/* reopened by us: closed by log_fini() */
	bool socket;
	bool poll;		/* may block: ask before each write */
	bool colour;
	bool hold;
	bool torn;		/* <fd> stands inside a line */
	bool guarding;		/* some guard has lines to report */
	uint64_t lost;		/* lines, since the last one that said so */
	int64_t second;		/* what <date> says */
	char date[40];
	char who[24];
	size_t used;
	struct log_guard guards[LOG_GUARDS];
	char buf[LOG_BUFFER];
};

/*
 * <fd> stays the caller's and stays as it is: it is not made non-blocking,
 * since other processes write to the same description.  <who> is what stands
 * in the second brackets ("shard 3"); none if NULL or empty.  Cannot fail.
 */
void log_init(struct log *l, int fd, enum log_level level, const char *who);

/* Writes what waits, as far as the reader takes it. */
void log_fini(struct log *l);

/*
 * From now on, lines of info, debug and access wait for log_flush(), which a
 * shard calls once a turn.  Warnings and worse still leave at once, with all
 * that was before them: what they announce may be the end.
 */
void log_hold(struct log *l, bool hold);

/* Cheap when nothing waits. */
void log_flush(struct log *l);

/*
 * One line.  The level is tested before anything is formatted, and before
 * the arguments are evaluated.  At most LOG_BURST a second of a call site
 * pass, then a line tells how many did not.
 */
#define log_crit(l, ...) log_at(l, LEVEL_CRITICAL, LOG_BURST, __VA_ARGS__)
#define log_err(l, ...) log_at(l, LEVEL_ERROR, LOG_BURST, __VA_ARGS__)
#define log_warn(l, ...) log_at(l, LEVEL_WARNING, LOG_BURST, __VA_ARGS__)
#define log_info(l, ...) log_at(l, LEVEL_INFO, LOG_BURST, __VA_ARGS__)
#define log_debug(l, ...) log_at(l, LEVEL_DEBUG, LOG_BURST, __VA_ARGS__)

/* As these, but once a second: for what a client or a full disk can repeat. */
#define log_seldom(l, lv, ...) log_at(l, lv, 1, __VA_ARGS__)

#define log_at(l, lv, burst, ...) do { \
	if ((lv) <= (l)->level) \
		log_line(l, lv, burst, __VA_ARGS__); \
} while (0)

/* What the macros call.  <fmt> must be a literal: its address is a key. */
void log_line(struct log *l, enum log_level level, unsigned burst,
              const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/*
 * A text of many lines (a traceback).  Each is written as a line of its own,
 * with date, level and <prefix> before it, so that no text can pass for
 * another event.  Not guarded against floods: every traceback matters.
 */
void log_text(struct log *l, enum log_level level, const char *prefix,
              struct str text);

/* A line of info that a person looks for: bright on a terminal. */
void log_bright(struct log *l, const char *text);

struct line;

/*
 * For core/alog.c: begins a line with what stands before its text, and returns
 * the second that it is; and takes a line over.  <urgent>: it is not held.
 */
int64_t log_begin(struct log *l, struct line *ln, const char *tag);
void log_end(struct log *l, struct line *ln, bool urgent);

/* "error" and so on, in lower case. */
const char *log_level_name(enum log_level level);

#endif
