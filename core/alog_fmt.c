/* See LICENSE for the terms. */
/*
 * The access log's form, compiled from what --access-log-fmt says.
 *
 * The text is Python's "%" formatting with names, as both Granian and
 * gunicorn have it: %(name)s with flags "-" and "0", a width, a precision and
 * one of the conversions s, r, d, i, f; %% is a percent sign.  Everything is
 * checked here, so that writing a line cannot fail.
 */
#include "core/alog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alog_priv.h"
#include "core/util.h"

/* Targets and referrers without their query: nobody asked for it by name. */
#define COMMON "%(h)s - - %(t)s \"%(m)s %(U)s %(H)s\" %(s)s %(b)s"
#define COMBINED COMMON " \"%(referer)s\" \"%(a)s\""

static const struct {
	const char *name;
	enum alog_atom atom;
	bool number;
} atoms[] = {
#define A(atom, name, number) { name, ATOM_##atom, number },
	ATOMS(A)
#undef A
};

struct compiler {
	struct alog_form *form;
	const char *at;			/* in the text */
	char *err;
	size_t n_err;
};

static int fail(struct compiler *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int
fail(struct compiler *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->err, c->n_err, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int
fail_atom(struct compiler *c, struct str name)
{
	char all[300] = "";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(atoms) && n < sizeof(all); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s ",
		    atoms[i].name);
	return fail(c, "there is no %%(%.*s); there are %sheader{name}, "
	    "{name}i and {name}o", (int)MIN(name.n, 40), name.p, all);
}

/* A place for one more part; NULL: there are too many. */
static struct alog_part *
more(struct compiler *c)
{
	struct alog_part *part = &c->form->part[c->form->n];

	if (c->form->n == ALOG_PARTS_MAX)
		return NULL;
	c->form->n++;
	*part = (struct alog_part){ .precision = -1, .conversion = 's' };
	return part;
}

/* "header{name}", "{name}i", "{name}o": the name between the braces. */
static bool
is_field(struct str s, struct alog_part *part)
{
	const char *open = memchr(s.p, '{', s.n);
	size_t before = open ? (size_t)(open - s.p) : s.n;
	size_t n;

	if (before == s.n)
		return false;
	n = strcspn(open + 1, "}");
	/* The closing brace, and behind it nothing, or one letter. */
	if (n == 0 || before + n + 2 > s.n)
		return false;
	part->text = (struct str){ open + 1, n };
	part->atom = ATOM_REQUEST_FIELD;
	if (before + n + 2 == s.n)
		return str_eq((struct str){ s.p, before }, STR("header"));
	if (before > 0 || n + 3 != s.n)
		return false;
	if (s.p[n + 2] == 'o')
		part->atom = ATOM_RESPONSE_FIELD;
	return s.p[n + 2] == 'i' || s.p[n + 2] == 'o';
}

static int
number(struct compiler *c, unsigned most, unsigned *n)
{
	*n = 0;
	for (; *c->at >= '0' && *c->at <= '9'; c->at++) {
		*n = *n * 10 + (unsigned)(*c->at - '0');
		if (*n > most)
			return fail(c, "a width is at most 200, a precision "
			    "at most 9");
	}
	return 0;
}

/* What stands between the name and the end of the atom. */
static int
conversion(struct compiler *c, struct alog_part *part, bool is_number)
{
	unsigned n;

	for (; *c->at == '-' || *c->at == '0'; c->at++) {
		part->left |= *c->at == '-';
		part->zero |= *c->at == '0';
	}
	if (number(c, 200, &n) != 0)
		return -EINVAL;
	part->width = (uint8_t)n;
	if (*c->at == '.') {
		c->at++;
		if (number(c, 9, &n) != 0)
			return -EINVAL;
		part->precision = (int8_t)n;
	}
	switch (*c->at) {
	case 's':
	case 'r':
		part->conversion = 's';
		break;
	case 'd':
	case 'i':
		part->conversion = 'd';
		break;
	case 'f':
		part->conversion = 'f';
		break;
	default:
		return fail(c, "an atom ends in s, d or f, as in %%(h)s and "
		    "%%(dt_ms).3f");
	}
	if (part->conversion != 's' && !is_number)
		return fail(c, "%c is for numbers, and one atom that has it is "
		    "none: write s", *c->at);
	if (part->conversion == 's' && part->precision >= 0 && is_number)
		return fail(c, "a number has no precision with s: write f");
	c->at++;
	return 0;
}

/* <at> is at "%(". */
static int
atom(struct compiler *c)
{
	size_t n = strcspn(c->at + 2, ")");
	struct str name = { c->at + 2, n };
	struct alog_part *part;

	if (name.p[n] != ')')
		return fail(c, "a parenthesis is open: it is %%(name)s");
	part = more(c);
	if (!part)
		return fail(c, "more than %d parts", ALOG_PARTS_MAX);
	c->at += n + 3;
	for (size_t i = 0; i < ARRAY_LEN(atoms); i++) {
		if (!str_eq(name, str_of(atoms[i].name)))
			continue;
		part->atom = (uint8_t)atoms[i].atom;
		return conversion(c, part, atoms[i].number);
	}
	if (is_field(name, part))
		return conversion(c, part, false);
	if (name.n > 2 && name.p[0] == '{' && name.p[name.n - 1] == 'e')
		return fail(c, "%%(%.*s) is of WSGI's environ, which the "
		    "server does not have; {name}i is a request's field",
		    (int)MIN(name.n, 40), name.p);
	return fail_atom(c, name);
}

/* Up to the next atom; "%%" ends a part behind its first percent sign. */
static int
literal(struct compiler *c)
{
	struct alog_part *part = more(c);
	size_t n;

	if (!part)
		return fail(c, "more than %d parts", ALOG_PARTS_MAX);
	n = strcspn(c->at, "%");
	if (n == 0 && c->at[1] != '%')
		return fail(c, "a percent sign that is meant is %%%%, an atom "
		    "is %%(name)s");
	part->text = (struct str){ c->at, n ? n : 1 };
	c->at += n ? n : 2;
	return 0;
}

int
alog_compile(struct alog_form *f, const char *text, char *err, size_t n_err)
{
	struct compiler c = { f, text, err, n_err };
	int failed = 0;

	memset(f, 0, sizeof(*f));
	if (strcmp(text, "shoal") == 0)
		return 0;
	f->kind = ALOG_PARTS;
	if (strcmp(text, "json") == 0) {
		f->kind = ALOG_JSON;
		return 0;
	}
	if (strcmp(text, "common") == 0)
		c.at = COMMON;
	else if (strcmp(text, "combined") == 0)
		c.at = COMBINED;
	else if (!strchr(text, '%'))
		return fail(&c, "it is shoal, common, combined, json, or a "
		    "text with atoms such as %%(h)s");
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return fail(&c, "a control character would break the "
			    "line");
	while (!failed && *c.at)
		failed = c.at[0] == '%' && c.at[1] == '(' ? atom(&c) :
		    literal(&c);
	return failed;
}
