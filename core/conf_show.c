/* See LICENSE for the terms. */
/*
 * The text of --print-config: every option, what it is, and who said so.
 */
#include "core/conf.h"

#include <stdint.h>
#include <string.h>

#include "core/amount.h"
#include "core/conf_opt.h"

/* Columns where values and their origins begin. */
#define VALUE 32
#define ORIGIN 56

static const void *
member(const struct conf *c, const struct opt *o)
{
	return (const char *)c + o->member;
}

static int64_t
number(const struct conf *c, const struct opt *o)
{
	const void *m = member(c, o);

	if (o->type == OPT_FLAG)
		return *(const bool *)m;
	return o->type == OPT_SIZE ? *(const int64_t *)m : *(const int *)m;
}

/* The value of an option that is a number or a word. */
static void
print_value(char *buf, size_t size, const struct conf *c,
            const struct opt *o)
{
	int64_t n = number(c, o);

	switch (o->type) {
	case OPT_FLAG:
		snprintf(buf, size, "%s", n ? "on" : "off");
		break;
	case OPT_COUNT:
		snprintf(buf, size, n ? "%d" : "auto", (int)n);
		break;
	case OPT_OCTAL:
		snprintf(buf, size, n < 0 ? "" : "%o", (unsigned)n);
		break;
	case OPT_SIZE:
		amount_print_size(buf, n == INT64_MAX ? 0 : n);
		break;
	case OPT_TIME:
		amount_print_time(buf, n * AMOUNT_MS);
		break;
	case OPT_USEC:
		amount_print_time(buf, n);
		break;
	case OPT_ENUM:
		snprintf(buf, size, "%s", opt_word(o, (int)n));
		break;
	case OPT_INT:
		snprintf(buf, size, "%d", (int)n);
		break;
	case OPT_TARGET:
	case OPT_TEXT:
	case OPT_LIST:
	case OPT_IGNORED:
	case OPT_IGNORED_FLAG:
		break;
	}
}

static void
print_line(FILE *f, const char *name, const char *value, unsigned origin)
{
	static const char *const origins[] = {
		[CONF_DEFAULT] = "default",
		[CONF_ENVIRONMENT] = "environment",
		[CONF_COMMAND_LINE] = "command line",
	};
	char shown[64];

	opt_print_dashed(shown, sizeof(shown), name);
	fprintf(f, "  %-*s %-*s %s\n", VALUE - 3, shown, ORIGIN - VALUE - 1,
	        value, origins[origin]);
}

static void
print_option(FILE *f, const struct conf *c, const struct opt *o,
             unsigned origin)
{
	const struct conf_list *list = member(c, o);
	char buf[AMOUNT_TEXT + 64];
	const char *text;

	if (o->type == OPT_LIST) {
		for (unsigned i = 0; i < list->n; i++)
			print_line(f, o->name, list->v[i], origin);
		if (list->n)
			return;
		text = "";
	} else if (o->type == OPT_TEXT || o->type == OPT_TARGET) {
		text = *(const char *const *)member(c, o);
		if (!text)
			text = o->def && *o->def ? "off" : "";
	} else {
		print_value(buf, sizeof(buf), c, o);
		text = buf;
	}
	print_line(f, o->name, *text ? text : "-", origin);
}

void
conf_print(const struct conf *c, FILE *f)
{
	const char *group = NULL, *before = "";

	for (size_t i = 0; i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];

		if (o->group)
			group = o->group;
		else if (opt_is_ignored(o) || opt_only_informs(o))
			continue;
		else {
			if (group)
				fprintf(f, "%s%s:\n", before, group);
			group = NULL;
			before = "\n";
			print_option(f, c, o, c->origin[i]);
		}
	}
}
