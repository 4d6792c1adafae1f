/* See LICENSE for the terms. */
/*
 * Reading files of variables; see the header.
 */
#include "core/envfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/str.h"

#define BLANK " \t\r"

struct reader {
	const char *at;
	unsigned line;
	const char *wrong;		/* what is, once something is */
	FILE *value;			/* of the variable that is read */
};

/* Never an errno of the system's: the text says all. */
static int
fail(struct reader *r, const char *what)
{
	r->wrong = what;
	return -EINVAL;
}

static bool
is_name(char c, bool first)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
	    (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

/* The length of the name at <p>, 0 if there is none. */
static size_t
name_at(const char *p)
{
	size_t n = 0;

	while (is_name(p[n], n == 0))
		n++;
	return n;
}

static void
skip_blank(struct reader *r)
{
	r->at += strspn(r->at, BLANK);
}

static void
skip_line(struct reader *r)
{
	r->at += strcspn(r->at, "\n");
}

static void
put(struct reader *r)
{
	r->line += *r->at == '\n';
	fputc(*r->at++, r->value);
}

/* "${NAME}" or "${NAME:-otherwise}"; anything else is itself. */
static void
put_variable(struct reader *r)
{
	size_t n = name_at(r->at + 2), n_other;
	const char *other = r->at + 2 + n, *value;
	char name[256];

	if (n == 0 || n >= sizeof(name)) {
		put(r);
		return;
	}
	memcpy(name, r->at + 2, n);
	name[n] = '\0';
	if (strncmp(other, ":-", 2) == 0)
		other += 2;
	else if (*other != '}')
		other = "";
	n_other = strcspn(other, "}\n");
	if (other[n_other] != '}') {
		put(r);
		return;
	}
	value = getenv(name);
	if (value && *value)
		fputs(value, r->value);
	else
		fwrite(other, 1, n_other, r->value);
	r->at = other + n_other + 1;
}

/* "\n" in double quotes; what means nothing stays as it is. */
static void
put_escape(struct reader *r)
{
	static const char from[] = "nrt\"\\$'", to[] = "\n\r\t\"\\$'";
	const char *which = r->at[1] ? strchr(from, r->at[1]) : NULL;

	if (!which) {
		put(r);
		return;
	}
	fputc(to[which - from], r->value);
	r->at += 2;
}

static int
single_quoted(struct reader *r)
{
	r->at++;
	while (*r->at && *r->at != '\'') {
		if (r->at[0] == '\\' && (r->at[1] == '\'' || r->at[1] == '\\'))
			r->at++;
		put(r);
	}
	return *r->at ? 0 : fail(r, "a single quote is open");
}

static int
double_quoted(struct reader *r)
{
	r->at++;
	while (*r->at && *r->at != '"') {
		if (*r->at == '\\')
			put_escape(r);
		else if (r->at[0] == '$' && r->at[1] == '{')
			put_variable(r);
		else
			put(r);
	}
	return *r->at ? 0 : fail(r, "a double quote is open");
}

/* Up to a comment or the line's end, without the blanks before it. */
static void
bare(struct reader *r)
{
	const char *end = r->at + strcspn(r->at, "\n"), *p = r->at;

	for (; p < end; p++)
		if (*p == '#' && (p == r->at || strchr(BLANK, p[-1])))
			end = p;
	while (end > r->at && strchr(BLANK, end[-1]))
		end--;
	while (r->at < end) {
		if (r->at[0] == '$' && r->at[1] == '{')
			put_variable(r);
		else
			put(r);
	}
}

static int
value(struct reader *r)
{
	unsigned begun = r->line;
	int err = 0;

	if (*r->at != '\'' && *r->at != '"') {
		bare(r);
	} else {
		err = *r->at == '\'' ? single_quoted(r) : double_quoted(r);
		if (err) {
			r->line = begun;
			return err;
		}
		r->at++;
	}
	skip_blank(r);
	if (*r->at == '#')
		skip_line(r);
	if (*r->at && *r->at != '\n')
		return fail(r, "there is more behind the closing quote");
	return 0;
}

static bool
is_given(char *const *given, const char *name)
{
	size_t n = strlen(name);

	for (; *given; given++)
		if (strncmp(*given, name, n) == 0 && (*given)[n] == '=')
			return true;
	return false;
}

static int
assign(struct reader *r, const char *name, char *const *given)
{
	char *text = NULL;
	size_t size = 0;
	int err;

	r->value = open_memstream(&text, &size);
	if (!r->value)
		return -errno;
	err = value(r);
	if (fclose(r->value) != 0 && !err)
		err = -ENOMEM;
	if (!err && !is_given(given, name) && setenv(name, text, 1) == -1)
		err = -errno;
	free(text);
	return err;
}

/* One line that is neither empty nor a comment. */
static int
statement(struct reader *r, char *const *given)
{
	char name[256];
	size_t n;

	if (strncmp(r->at, "export", 6) == 0 && r->at[6] &&
	    strchr(BLANK, r->at[6])) {
		r->at += 6;
		skip_blank(r);
	}
	n = name_at(r->at);
	if (n == 0 || n >= sizeof(name))
		return fail(r, "there is no name; a line is NAME=value");
	memcpy(name, r->at, n);
	name[n] = '\0';
	r->at += n;
	skip_blank(r);
	if (*r->at != '=')
		return fail(r, "there is no = behind the name; a line is "
		    "NAME=value");
	r->at++;
	skip_blank(r);
	return assign(r, name, given);
}

static int
read_text(struct reader *r, char *const *given)
{
	int err = 0;

	while (!err && *r->at) {
		skip_blank(r);
		if (*r->at == '#')
			skip_line(r);
		else if (*r->at && *r->at != '\n')
			err = statement(r, given);
		if (!err && *r->at == '\n') {
			r->at++;
			r->line++;
		}
	}
	return err;
}

/* The file as a text, to be freed; 0 or -errno. */
static int
load(int dir, const char *path, char **text)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t n = 0;
	ssize_t got = 0;

	*text = fd == -1 ? NULL : malloc(ENVFILE_MAX + 1);
	if (!*text)
		goto fail;
	do {
		got = read(fd, *text + n, ENVFILE_MAX + 1 - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0 && n <= ENVFILE_MAX);
	if (got == -1)
		goto fail;
	close(fd);
	/* Its first byte stays: the line's number is told by the reader. */
	(*text)[n > ENVFILE_MAX ? 0 : n] = '\0';
	return n > ENVFILE_MAX ? -EFBIG : strlen(*text) < n ? -EILSEQ : 0;

fail:
	n = (size_t)errno;
	free(*text);
	*text = NULL;
	if (fd != -1)
		close(fd);
	return -(int)n;
}

static int
apply_one(const struct envfiles *e, const char *path, char *err, size_t n_err)
{
	struct reader r = { .line = 1 };
	char *text;
	int code = load(e->dir, path, &text);

	if (!code) {
		r.at = text;
		/* Some editors begin a file with a mark that it is UTF-8. */
		if (strncmp(r.at, "\xef\xbb\xbf", 3) == 0)
			r.at += 3;
		code = read_text(&r, e->given);
	}
	free(text);
	if (r.wrong)
		snprintf(err, n_err, "--env-file %s, line %u: %s", path,
		    r.line, r.wrong);
	else if (code)
		snprintf(err, n_err, "--env-file %s: %s", path,
		    strerror(-code));
	return code;
}

/* What has no name is refused by conf_parse(). */
static int
set_var(const char *var)
{
	const char *eq = strchr(var, '=');
	char *name;
	int err = 0;

	if (!eq || eq == var)
		return 0;
	name = strndup(var, (size_t)(eq - var));
	if (!name || setenv(name, eq + 1, 1) == -1)
		err = -ENOMEM;
	free(name);
	return err;
}

int
envfile_apply(const struct envfiles *e, char *err, size_t n_err)
{
	int code = 0;

	for (unsigned i = 0; !code && i < e->paths->n; i++)
		code = apply_one(e, e->paths->v[i], err, n_err);
	for (unsigned i = 0; !code && i < e->vars->n; i++) {
		code = set_var(e->vars->v[i]);
		if (code)
			snprintf(err, n_err, "--env: %s", strerror(-code));
	}
	return code;
}
