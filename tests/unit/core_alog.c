/* See LICENSE for the terms. */
/*
 * core/alog.c and core/alog_fmt.c: every form of a line, by a clock of the
 * test's.
 */
#include "core/alog.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "core/util.h"
#include "tests/unit/t.h"

/* In place of libc's: 2026-01-31 23:59:59.007. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts = (struct timespec){ 1769903999, 7000000 };
	return 0;
}

static const char *const request_fields[] = {
	"host", "example.org", "user-agent", "curl/8 \"x\"", "referer",
	"http://a/b?token=1", "authorization", "Basic YW5uYTpzZWNyZXQ=",
	"empty", "",
};
static const char *const response_fields[] = { "content-type", "text/plain" };

static struct str
find(const char *const *v, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i += 2)
		if (str_ieq(str_of(v[i]), name))
			return str_of(v[i + 1]);
	return (struct str){ NULL, 0 };
}

static struct str
field(const void *req, struct str name, bool response)
{
	(void)req;
	if (response)
		return find(response_fields, ARRAY_LEN(response_fields), name);
	return find(request_fields, ARRAY_LEN(request_fields), name);
}

static struct access_line
a_line(void)
{
	return (struct access_line){
		.addr = STR("192.0.2.1"), .method = STR("GET"),
		.target = STR("/a/b?token=secret"), .version = STR("HTTP/1.1"),
		.scheme = STR("http"), .shard = 2, .status = 200,
		.bytes = 5120, .us = 2001532, .length = 5120,
		.field = field, .req = "" };
}

static char text[8192];

/* What is written for <a> by that format. */
static const char *
written(const char *format, const struct access_line *a)
{
	static struct alog_form form;
	char err[320];
	struct log *l = calloc(1, sizeof(*l));
	int fd[2];
	ssize_t n;

	text[0] = '\0';
	if (!OK(alog_compile(&form, format, err, sizeof(err)) == 0)) {
		fprintf(stderr, "\t%s: %s\n", format, err);
		free(l);
		return text;
	}
	OK(pipe(fd) == 0);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	log_init(l, fd[1], LEVEL_CRITICAL, "shard 2");
	alog_write(l, &form, a);
	log_fini(l);
	free(l);
	n = read(fd[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	close(fd[1]);
	return text;
}

static void
said(const char *format, const char *want)
{
	struct access_line a = a_line();

	OK_STR(written(format, &a), want);
}

static void
the_forms_with_a_name(void)
{
	said("shoal", "2026-01-31 23:59:59.007 [ACCESS] [shard 2] 192.0.2.1 "
	     "\"GET /a/b HTTP/1.1\" 200 5120 2001.532ms\n");
	said("common", "192.0.2.1 - - [31/Jan/2026:23:59:59 +0000] "
	     "\"GET /a/b HTTP/1.1\" 200 5120\n");
	said("combined", "192.0.2.1 - - [31/Jan/2026:23:59:59 +0000] "
	     "\"GET /a/b HTTP/1.1\" 200 5120 \"http://a/b\" "
	     "\"curl/8 \\x22x\\x22\"\n");
	said("json", "{\"time\":\"2026-01-31T23:59:59.007Z\",\"shard\":2,"
	     "\"addr\":\"192.0.2.1\",\"method\":\"GET\",\"scheme\":\"http\","
	     "\"path\":\"/a/b\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
	     "\"bytes\":5120,\"ms\":2001.532,\"end\":\"whole\","
	     "\"referer\":\"http://a/b\","
	     "\"agent\":\"curl/8 \\u0022x\\u0022\"}\n");
}

static void
the_formats_that_others_have_by_default(void)
{
	/* Granian's, gunicorn's. */
	said("[%(time)s] %(addr)s - \"%(method)s %(path)s %(protocol)s\" "
	     "%(status)d %(dt_ms).3f", "[2026-01-31 23:59:59 +0000] 192.0.2.1 "
	     "- \"GET /a/b HTTP/1.1\" 200 2001.532\n");
	said("%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" "
	     "\"%(a)s\"", "192.0.2.1 - anna [31/Jan/2026:23:59:59 +0000] "
	     "\"GET /a/b?token=secret HTTP/1.1\" 200 5120 "
	     "\"http://a/b?token=1\" \"curl/8 \\x22x\\x22\"\n");
}

static void
every_atom(void)
{
	char pid[40];

	said("%(addr)s|%(h)s|%(l)s|%(u)s", "192.0.2.1|192.0.2.1|-|anna\n");
	said("%(method)s|%(m)s|%(path)s|%(U)s", "GET|GET|/a/b|/a/b\n");
	said("%(query_string)s|%(q)s", "token=secret|token=secret\n");
	said("%(protocol)s|%(H)s|%(scheme)s", "HTTP/1.1|HTTP/1.1|http\n");
	said("%(status)s|%(s)s|%(bytes)d|%(B)s|%(b)s", "200|200|5120|5120|"
	     "5120\n");
	said("%(T)s|%(M)s|%(D)s|%(L)s|%(dt_ms)s", "2|2001|2001532|2.001532|"
	     "2001.532\n");
	said("%(f)s|%(referer)s|%(a)s", "http://a/b?token=1|http://a/b|"
	     "curl/8 \\x22x\\x22\n");
	said("%(header{host})s|%({Host}i)s|%({none}i)s|%({empty}i)s|"
	     "%({Content-Type}o)s|%({Content-Length}o)s",
	     "example.org|example.org|-||text/plain|5120\n");
	said("%(shard)d|%(end)s|100%%", "2|whole|100%\n");
	snprintf(pid, sizeof(pid), "<%d>\n", (int)getpid());
	said("%(p)s", pid);
}

static void
numbers_and_widths_are_pythons(void)
{
	said("%(dt_ms)d|%(dt_ms)f|%(dt_ms).1f|%(dt_ms).2f|%(dt_ms).0f|"
	     "%(L).2f|%(s).1f", "2001|2001.532000|2001.5|2001.53|2002|2.00|"
	     "200.0\n");
	said("%(s)6d|%(s)-6d|%(s)06d|%(m)6s|%(m)-6s|%(U).2s|%(dt_ms)012.3f",
	     "   200|200   |000200|   GET|GET   |/a|00002001.532\n");
}

static void
nothing_known_is_a_dash(void)
{
	struct access_line a = { .addr = STR("-"), .method = STR("-"),
		.target = STR("-"), .version = STR("-"), .scheme = STR("http"),
		.status = 400, .length = -1 };

	OK_STR(written("common", &a), "- - - [31/Jan/2026:23:59:59 +0000] "
	       "\"- - -\" 400 -\n");
	OK_STR(written("%(u)s|%(f)s|%({content-length}o)s|%(q)s", &a),
	       "-|-|-|\n");
	OK(strstr(written("json", &a), "\"agent\":\"-\"}\n") != NULL);
}

static void
a_cut_answer_says_so(void)
{
	struct access_line a = a_line();

	a.cut = true;
	OK(strstr(written("shoal", &a), "2001.532ms cut\n") != NULL);
	OK(strstr(written("json", &a), "\"end\":\"cut\"") != NULL);
	OK_STR(written("%(end)s", &a), "cut\n");
}

/* Whatever a client sends: one line, and JSON that is whole. */
static void
hostile_bytes_stay_in_their_field(void)
{
	struct access_line a = a_line();
	char *target = malloc(9000);
	const char *got;

	a.target = STR("/\"\\\n\xff\xc3\xa9?\n");
	OK_STR(written("\"%(U)s\" %(s)s %(q)s", &a),
	       "\"/\\x22\\x5c\\x0a\\xff\xc3\xa9\" 200 \\x0a\n");
	OK(strstr(written("json", &a), "\"path\":\"/\\u0022\\u005c\\u000a"
	   "\\u00ff\xc3\xa9\"") != NULL);

	memset(target, '\n', 9000);
	a.target = a.method = a.addr = (struct str){ target, 9000 };
	got = written("json", &a);
	OK(strlen(got) < LOG_LINE && strstr(got, "\\u000a...\",\"protocol\":"));
	OK(strcmp(got + strlen(got) - 3, "\"}\n") == 0);
	a.method = STR("GET");
	a.addr = STR("x");
	OK(strstr(written("%(U)s %(s)s", &a), "\\x0a... 200\n") != NULL);
	free(target);
}

static struct str authorization;

static struct str
only_authorization(const void *req, struct str name, bool response)
{
	(void)req;
	if (response || !str_ieq(name, STR("authorization")))
		return (struct str){ NULL, 0 };
	return authorization;
}

/* The user's name, and nothing of what is behind the colon. */
static void
a_users_name_is_that_of_basic(void)
{
	static const char *const none[] = {
		"", "Basic", "Basic ", "Basic Og==", "Basic OnB3",
		"Basic YW5uYQ==", "Bearer YW5uYTp4", "Basic *",
		"basic YW5*",
	};
	struct access_line a = a_line();

	a.field = only_authorization;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		authorization = str_of(none[i]);
		OK_STR(written("%(u)s", &a), "-\n");
	}
	authorization = STR("bAsIc YW5uYTpzZWNyZXQ=");
	OK_STR(written("%(u)s", &a), "anna\n");
	authorization = STR("Basic YSAiOnA=");
	OK_STR(written("%(u)s", &a), "a \\x22\n");
}

static void
refused(const char *format, const char *a, const char *b)
{
	static struct alog_form form;
	char err[320] = "";

	OK(alog_compile(&form, format, err, sizeof(err)) == -EINVAL);
	if (!OK(strstr(err, a) && strstr(err, b)))
		fprintf(stderr, "\t%s: %s\n", format, err);
}

static void
what_cannot_be_written_is_refused_before(void)
{
	char many[700] = "";

	refused("", "shoal, common", "json");
	refused("%(nothing)s", "%(nothing)", "addr h l u");
	refused("%(h)", "ends in s, d or f", "%(h)s");
	refused("%(h)x", "ends in", "dt_ms");
	refused("%(h", "parenthesis", "%(name)s");
	refused("%h", "%%", "%(name)s");
	refused("x %", "%%", "%(name)s");
	refused("%(h)d", "numbers", "write s");
	refused("%(s).2s", "precision", "write f");
	refused("%(s)300d", "at most 200", "9");
	refused("%(dt_ms).10f", "at most 200", "9");
	refused("%({HTTP_HOST}e)s", "environ", "{name}i");
	refused("%({}i)s", "no %({}i)", "{name}o");
	refused("%({x}z)s", "no %({x}z)", "{name}o");
	refused("%(tail{x})s", "no %(tail{x})", "header{name}");
	refused("%(h)s\n", "control", "line");
	for (size_t i = 0; i < ALOG_PARTS_MAX + 1; i++)
		memcpy(many + 5 * i, "%(h)s", 5);
	refused(many, "more than", "64");
}

static void
tests(void)
{
	T(the_forms_with_a_name);
	T(the_formats_that_others_have_by_default);
	T(every_atom);
	T(numbers_and_widths_are_pythons);
	T(nothing_known_is_a_dash);
	T(a_cut_answer_says_so);
	T(hostile_bytes_stay_in_their_field);
	T(a_users_name_is_that_of_basic);
	T(what_cannot_be_written_is_refused_before);
}

T_MAIN(tests)
