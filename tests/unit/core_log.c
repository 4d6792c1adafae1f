/* See LICENSE for the terms. */
/*
 * core/log.c, writing to pipes, sockets and files, by a clock of the test's.
 */
#include "core/alog.h"
#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/t.h"

/* 2026-01-31 23:59:59.007 */
#define START 1769903999

static struct timespec now = { START, 7000000 };

/* In place of libc's: what core/log.c asks. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts = now;
	return 0;
}

/* A log that writes into a pipe, and what was read from it. */
struct bench {
	struct log log;
	int in;
	int out;
	char text[1 << 18];
};

/* The access log's usual form. */
static const struct alog_form shoal = { .kind = ALOG_SHOAL };

static struct bench *
bench_new(enum log_level level, const char *who)
{
	struct bench *b = calloc(1, sizeof(*b));
	int fd[2];

	now = (struct timespec){ START, 7000000 };
	OK(pipe(fd) == 0);
	b->in = fd[1];
	b->out = fd[0];
	/* The test must not wait for what never comes. */
	fcntl(b->out, F_SETFL, O_NONBLOCK);
	log_init(&b->log, b->in, level, who);
	return b;
}

static void
bench_free(struct bench *b)
{
	log_fini(&b->log);
	close(b->in);
	close(b->out);
	free(b);
}

/* What has been written since the last time. */
static const char *
written(struct bench *b)
{
	size_t n = 0;
	ssize_t got;

	do {
		got = read(b->out, b->text + n, sizeof(b->text) - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	b->text[n] = '\0';
	return b->text;
}

/* The same, with what waits in the log's buffer. */
static const char *
written_in_the_end(struct bench *b)
{
	char *all = calloc(1, sizeof(b->text));
	size_t n = 0;

	do {
		written(b);
		memcpy(all + n, b->text, strlen(b->text));
		n += strlen(b->text);
		log_flush(&b->log);
	} while (b->log.used || *b->text);
	memcpy(b->text, all, sizeof(b->text));
	free(all);
	return b->text;
}

static unsigned
lines_in(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void
a_line_has_date_level_and_origin(void)
{
	struct bench *b = bench_new(LEVEL_DEBUG, "shard 3");
	struct bench *k = bench_new(LEVEL_INFO, NULL);

	log_info(&b->log, "%d connections", 5);
	OK_STR(written(b), "2026-01-31 23:59:59.007 [INFO] [shard 3] "
	       "5 connections\n");
	now.tv_sec++;
	log_crit(&b->log, "c");
	log_err(&b->log, "e");
	log_warn(&b->log, "w");
	log_debug(&b->log, "d");
	OK_STR(written(b),
	       "2026-02-01 00:00:00.007 [CRITICAL] [shard 3] c\n"
	       "2026-02-01 00:00:00.007 [ERROR] [shard 3] e\n"
	       "2026-02-01 00:00:00.007 [WARNING] [shard 3] w\n"
	       "2026-02-01 00:00:00.007 [DEBUG] [shard 3] d\n");
	log_info(&k->log, "k");
	OK_STR(written(k), "2026-02-01 00:00:00.007 [INFO] k\n");
	OK_STR(log_level_name(LEVEL_WARNING), "warning");
	bench_free(k);
	bench_free(b);
}

static void
every_date_is_right(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	char want[64];
	struct tm tm;

	/* Odd steps over 130 years, over all kinds of leap years. */
	for (time_t t = 0; t < 4102444800 + 86400; t += 12345678) {
		now.tv_sec = t;
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%d %H:%M:%S.007", &tm);
		log_seldom(&b->log, LEVEL_INFO, "x");
		OK(strncmp(written(b), want, strlen(want)) == 0);
	}
	now.tv_sec = 951827696;
	log_info(&b->log, "x");
	OK(strncmp(written(b), "2000-02-29 12:34:56", 19) == 0);
	now.tv_sec = -1;
	log_info(&b->log, "x");
	OK(strncmp(written(b), "1970-01-01 00:00:00", 19) == 0);
	bench_free(b);
}

static int evaluated;

static int
count(void)
{
	return ++evaluated;
}

static void
a_level_that_is_off_costs_nothing(void)
{
	struct bench *b = bench_new(LEVEL_WARNING, NULL);

	evaluated = 0;
	log_info(&b->log, "%d", count());
	log_text(&b->log, LEVEL_INFO, "", STR("text"));
	OK(evaluated == 0);
	OK_STR(written(b), "");
	log_warn(&b->log, "%d", count());
	OK(evaluated == 1 && lines_in(written(b)) == 1);
	bench_free(b);
}

/* What is written for <text>, without date and level. */
static void
shown(const char *text, const char *want)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	const char *got;

	log_info(&b->log, "%s", text);
	got = written(b);
	OK(lines_in(got) == 1);
	b->text[strlen(b->text) - 1] = '\0';
	OK_STR(got + strlen("2026-01-31 23:59:59.007 [INFO] "), want);
	bench_free(b);
}

static void
one_event_is_one_line(void)
{
	shown("a\nb\r\n", "a\\x0ab\\x0d\\x0a");
	shown("\033[2J\007\177\t", "\\x1b[2J\\x07\\x7f\\x09");
	shown("C:\\dir \"q\"", "C:\\dir \"q\"");
	shown("", "");
}

static void
only_utf8_is_shown_as_it_is(void)
{
	shown("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9f",
	      "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x9f");
	shown("\xff" "a\xc3", "\\xffa\\xc3");
	shown("\xc0\x8a", "\\xc0\\x8a");		/* overlong LF */
	shown("\xc2\x9b" "2J", "\\xc2\\x9b2J");		/* CSI in C1 */
	shown("\xc2\xa0", "\xc2\xa0");
	shown("\xe0\x9f\xbf", "\\xe0\\x9f\\xbf");	/* overlong */
	shown("\xed\xa0\x80", "\\xed\\xa0\\x80");	/* surrogate */
	shown("\xed\x9f\xbf", "\xed\x9f\xbf");
	shown("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	shown("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
	shown("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	shown("\xe2\x82", "\\xe2\\x82");
	shown("\xe2\x82x", "\\xe2\\x82x");
	shown("\xf0\x9f\x90", "\\xf0\\x9f\\x90");
}

static void
a_long_line_is_cut_below_what_a_pipe_keeps_whole(void)
{
	struct bench *b = bench_new(LEVEL_INFO, "shard 0");
	char *text = malloc(20000);
	const char *got;

	/* Every way the end can fall onto a character or an escape. */
	for (size_t n = 3960; n < 4200; n++) {
		memset(text, 'x', n);
		memcpy(text + n, "\xe2\x82\xac\xe2\x82\xac\n\n\n", 10);
		log_seldom(&b->log, LEVEL_INFO, "%s", text);
		got = written(b);
		OK(strlen(got) <= PIPE_BUF && lines_in(got) == 1);
		OK(strstr(got, "\\x0a\n") || strstr(got, "...\n"));
		OK(!strstr(got, "\xe2.") && !strstr(got, "\xe2\x82."));
		now.tv_sec++;
	}
	memset(text, '\1', 19999);
	text[19999] = '\0';
	log_info(&b->log, "%s", text);
	got = written(b);
	OK(strlen(got) <= PIPE_BUF && strstr(got, "...\n"));
	free(text);
	bench_free(b);
}

static void
a_held_log_waits_for_the_flush_or_a_warning(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);

	log_hold(&b->log, true);
	log_info(&b->log, "one");
	OK_STR(written(b), "");
	log_flush(&b->log);
	OK(lines_in(written(b)) == 1);
	log_flush(&b->log);
	OK_STR(written(b), "");
	log_info(&b->log, "two");
	log_warn(&b->log, "three");
	OK(lines_in(written(b)) == 2);
	for (int i = 0; i < 90; i++)
		log_info(&b->log, "%0300d", i);
	OK(lines_in(written(b)) > 10);
	log_hold(&b->log, false);
	OK(lines_in(written(b)) > 0);
	log_info(&b->log, "four");
	OK(lines_in(written(b)) == 1);
	log_hold(&b->log, true);
	log_info(&b->log, "five");
	log_fini(&b->log);
	OK(lines_in(written(b)) == 1);
	bench_free(b);
}

/* Writes until lines are lost; returns how many got in. */
static unsigned
fill(struct bench *b)
{
	unsigned n = 0;

	while (!b->log.lost && n < 100000) {
		alog_write(&b->log, &shoal, &(struct access_line){
			.addr = STR("10.0.0.1"), .method = STR("GET"),
			.target = STR("/"), .version = STR("HTTP/1.1"),
			.status = 200 });
		n++;
	}
	return n - 1;
}

static void
recovers_and_tells(struct bench *b)
{
	unsigned kept = fill(b), seen = 0;
	const char *text;

	OK(kept > 100);
	for (int i = 0; i < 9; i++)
		log_err(&b->log, "lost, too");
	OK(b->log.lost == 10);
	seen += lines_in(written(b));
	log_err(&b->log, "here again");
	text = written_in_the_end(b);
	seen += lines_in(text);
	OK(seen == kept + 2);
	OK(strstr(text, "[WARNING] 10 log lines were lost here") != NULL);
	OK(strstr(text, "here again\n") != NULL);
	OK(b->log.lost == 0);
}

static void
a_reader_that_stops_loses_lines_and_is_told(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);

	recovers_and_tells(b);
	recovers_and_tells(b);
	/* Who shares the pipe must not find it changed. */
	OK((fcntl(b->in, F_GETFL) & O_NONBLOCK) == 0);
	bench_free(b);
}

/* As where the pipe is another user's, and cannot be opened again. */
static void
a_shared_pipe_that_cannot_be_reopened_does_not_block(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);

	OK(b->log.own_fd);
	close(b->log.fd);
	b->log.fd = b->in;
	b->log.own_fd = false;
	b->log.poll = true;
	recovers_and_tells(b);
	bench_free(b);
}

static void
a_socket_that_is_full_does_not_block(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	int fd[2], size = 4096;

	log_fini(&b->log);
	close(b->in);
	close(b->out);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	b->in = fd[1];
	b->out = fd[0];
	setsockopt(b->in, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	fcntl(b->out, F_SETFL, O_NONBLOCK);
	log_init(&b->log, b->in, LEVEL_INFO, NULL);
	recovers_and_tells(b);
	bench_free(b);
}

static void
a_full_disk_or_a_gone_reader_is_survived(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	struct log full;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	log_init(&full, fd, LEVEL_INFO, NULL);
	for (int i = 0; i < 50; i++)
		log_info(&full, "%d", i);
	OK(full.lost == 50);
	log_fini(&full);
	close(fd);

	close(b->out);
	log_info(&b->log, "to nobody");
	OK(b->log.lost == 1);
	b->out = open("/dev/null", O_RDONLY);
	bench_free(b);

	/* A descriptor that was never open. */
	log_init(&full, -1, LEVEL_INFO, NULL);
	log_info(&full, "x");
	OK(full.lost == 1);
	log_fini(&full);
}

/* As on a disk that is full: the file takes a part of a line, then nothing. */
static void
a_torn_line_does_not_swallow_the_next(void)
{
	struct rlimit old, tight;
	struct log l;
	FILE *f = tmpfile();
	char text[400];
	size_t n;

	signal(SIGXFSZ, SIG_IGN);
	OK(f && getrlimit(RLIMIT_FSIZE, &old) == 0);
	tight = (struct rlimit){ 60, old.rlim_max };
	now = (struct timespec){ START, 7000000 };
	log_init(&l, fileno(f), LEVEL_INFO, NULL);
	OK(setrlimit(RLIMIT_FSIZE, &tight) == 0);
	log_info(&l, "first");
	log_info(&l, "second");
	log_info(&l, "third");
	OK(l.lost == 2);
	OK(setrlimit(RLIMIT_FSIZE, &old) == 0);
	log_info(&l, "fourth");
	log_fini(&l);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	OK_STR(text, "2026-01-31 23:59:59.007 [INFO] first\n"
	       "2026-01-31 23:59:59.007\n"
	       "2026-01-31 23:59:59.007 [WARNING] 2 log lines were lost here: "
	       "the log could not be written fast enough, or at all\n"
	       "2026-01-31 23:59:59.007 [INFO] fourth\n");
}

static void
errno_survives_a_line(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);

	close(b->out);
	errno = ENOENT;
	log_info(&b->log, "cannot: %m");
	OK(errno == ENOENT);
	b->out = open("/dev/null", O_RDONLY);
	bench_free(b);
	b = bench_new(LEVEL_INFO, NULL);
	errno = ENOENT;
	log_info(&b->log, "cannot: %m");
	OK(strstr(written(b), "No such file") != NULL);
	bench_free(b);
}

static void
a_flood_from_one_place_is_counted(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	const char *text;

	for (int i = 0; i < LOG_BURST + 50; i++)
		log_info(&b->log, "peer %d is rude", i);
	log_info(&b->log, "something else");
	text = written(b);
	OK(lines_in(text) == LOG_BURST + 1);
	OK(strstr(text, "something else") != NULL);
	log_flush(&b->log);
	OK_STR(written(b), "");

	/* Told when the second is over, without another line of its kind. */
	now.tv_sec++;
	log_flush(&b->log);
	text = written(b);
	OK(lines_in(text) == 1);
	OK(strstr(text, "[INFO] 50 more lines like this one were left out: "
	          "peer %d is rude\n") != NULL);
	log_flush(&b->log);
	OK_STR(written(b), "");
	bench_free(b);
}

static void
seldom_is_once_a_second(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	const char *text;

	for (int i = 0; i < 30; i++) {
		log_seldom(&b->log, LEVEL_WARNING, "out of descriptors");
		if (i % 10 == 9)
			now.tv_sec++;
	}
	text = written(b);
	OK(lines_in(text) == 5);
	log_fini(&b->log);
	text = written(b);
	OK(lines_in(text) == 1 && strstr(text, "[WARNING] 9 more lines"));
	bench_free(b);
}

static void
more_call_sites_than_guards_still_write(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);

#define SITE(n) log_seldom(&b->log, LEVEL_INFO, "site " #n)
#define SITES(n) SITE(n##0); SITE(n##1); SITE(n##2); SITE(n##3); SITE(n##4)
	for (int round = 0; round < 3; round++) {
		SITES(1);
		SITES(2);
		SITES(3);
		SITES(4);
	}
#undef SITES
#undef SITE
	OK(lines_in(written(b)) >= 20);
	bench_free(b);
}

static void
a_traceback_keeps_its_lines_each_with_a_head(void)
{
	struct bench *b = bench_new(LEVEL_INFO, "shard 1");

	log_text(&b->log, LEVEL_ERROR, "GET /: ",
	         STR("Traceback:\n  File \"x\"\n\nValueError: \x1b\n"));
	OK_STR(written(b),
	       "2026-01-31 23:59:59.007 [ERROR] [shard 1] GET /: Traceback:\n"
	       "2026-01-31 23:59:59.007 [ERROR] [shard 1] GET /:   File "
	       "\"x\"\n"
	       "2026-01-31 23:59:59.007 [ERROR] [shard 1] GET /: \n"
	       "2026-01-31 23:59:59.007 [ERROR] [shard 1] GET /: ValueError: "
	       "\\x1b\n");
	log_text(&b->log, LEVEL_ERROR, "", STR(""));
	OK_STR(written(b), "");
	log_text(&b->log, LEVEL_ERROR, NULL, STR("no end"));
	OK(lines_in(written(b)) == 1);
	bench_free(b);
}

static void
a_huge_traceback_goes_through_the_buffer(void)
{
	struct bench *b = bench_new(LEVEL_INFO, NULL);
	char *text = malloc(50000);

	/* A pipe holds 64 KiB with the heads; the rest waits in the buffer. */
	memset(text, 'x', 50000);
	for (size_t i = 99; i < 50000; i += 100)
		text[i] = '\n';
	log_text(&b->log, LEVEL_ERROR, "", (struct str){ text, 50000 });
	OK(lines_in(written_in_the_end(b)) == 500);
	OK(b->log.lost == 0);
	free(text);
	bench_free(b);
}

static void
an_access_line_is_one_record(void)
{
	struct bench *b = bench_new(LEVEL_CRITICAL, "shard 2");
	struct access_line a = {
		.addr = STR("192.0.2.1"), .method = STR("GET"),
		.target = STR("/a/b?token=secret"), .version = STR("HTTP/1.1"),
		.status = 200, .bytes = 5120, .us = 1532 };
	char *target = malloc(9000);
	const char *text;

	alog_write(&b->log, &shoal, &a);
	OK_STR(written(b), "2026-01-31 23:59:59.007 [ACCESS] [shard 2] "
	       "192.0.2.1 \"GET /a/b HTTP/1.1\" 200 5120 1.532ms\n");
	a.target = STR("/\" 200 0\n\\\xff");
	a.us = 9;
	a.bytes = 0;
	alog_write(&b->log, &shoal, &a);
	OK(strstr(written(b), "\"GET /\\x22 200 0\\x0a\\x5c\\xff HTTP/1.1\" "
	          "200 0 0.009ms\n") != NULL);

	/* However long the target, status and size are there. */
	memset(target, '\n', 9000);
	a.target = (struct str){ target, 9000 };
	a.bytes = UINT64_MAX;
	a.us = UINT64_MAX;
	alog_write(&b->log, &shoal, &a);
	text = written(b);
	OK(strstr(text, "\\x0a... HTTP/1.1\" 200 18446744073709551615 "
	          "18446744073709551.615ms\n") != NULL);
	a.target = (struct str){ NULL, 0 };
	alog_write(&b->log, &shoal, &a);
	OK(strstr(written(b), "\"GET  HTTP/1.1\"") != NULL);
	free(target);
	bench_free(b);
}

/* Whether a line on a terminal has colour, with this environment. */
static bool
coloured(const char *no_color)
{
	struct log l;
	char text[200];
	int master, slave;
	size_t len = 0;
	ssize_t n;

	if (!OK(openpty(&master, &slave, NULL, NULL, NULL) == 0))
		return false;
	if (no_color)
		setenv("NO_COLOR", no_color, 1);
	else
		unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	log_init(&l, slave, LEVEL_INFO, NULL);
	log_err(&l, "x");
	log_bright(&l, "here\033[2J");
	log_fini(&l);
	/* A terminal gives a line at a time; without writers, EIO. */
	close(slave);
	while ((n = read(master, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(master);
	OK(strstr(text, "[ERROR]") != NULL);
	OK((strstr(text, "\033[1mhere\\x1b[2J\033[0m\r\n") != NULL) ==
	   (strstr(text, "\033[31m") != NULL));
	OK(strstr(text, "here\\x1b[2J") != NULL);
	return strstr(text, "\033[31m[ERROR]\033[0m ") != NULL;
}

static void
only_terminals_have_colour_and_may_refuse_it(void)
{
	OK(coloured(NULL));
	OK(coloured(""));
	OK(!coloured("1"));
}

static void
tests(void)
{
	signal(SIGPIPE, SIG_IGN);
	T(a_line_has_date_level_and_origin);
	T(every_date_is_right);
	T(a_level_that_is_off_costs_nothing);
	T(one_event_is_one_line);
	T(only_utf8_is_shown_as_it_is);
	T(a_long_line_is_cut_below_what_a_pipe_keeps_whole);
	T(a_held_log_waits_for_the_flush_or_a_warning);
	T(a_reader_that_stops_loses_lines_and_is_told);
	T(a_shared_pipe_that_cannot_be_reopened_does_not_block);
	T(a_socket_that_is_full_does_not_block);
	T(a_full_disk_or_a_gone_reader_is_survived);
	T(a_torn_line_does_not_swallow_the_next);
	T(errno_survives_a_line);
	T(a_flood_from_one_place_is_counted);
	T(seldom_is_once_a_second);
	T(more_call_sites_than_guards_still_write);
	T(a_traceback_keeps_its_lines_each_with_a_head);
	T(a_huge_traceback_goes_through_the_buffer);
	T(an_access_line_is_one_record);
	T(only_terminals_have_colour_and_may_refuse_it);
}

T_MAIN(tests)
