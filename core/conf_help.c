/* See LICENSE for the terms. */
/*
 * The text of --help, from the rows of core/opt.h.
 */
#include "core/conf.h"

#include <string.h>

#include "core/conf_opt.h"

/* Column where explanations begin, and where a line ends. */
#define COLUMN 26
#define WIDTH 79

/* Words of <text>, wrapped; <at> is the column reached, and returned. */
static int
wrap(FILE *f, int at, const char *text)
{
	int n;

	while (*text) {
		n = (int)strcspn(text, " ");
		if (at > COLUMN && at + 1 + n > WIDTH) {
			fputc('\n', f);
			at = 0;
		}
		if (at < COLUMN)
			at += fprintf(f, "%*s", COLUMN - at, "");
		else if (at > COLUMN)
			at += fprintf(f, " ");
		at += fprintf(f, "%.*s", n, text);
		text += n;
		text += strspn(text, " ");
	}
	return at;
}

static const char *
argument(const struct opt *o, char *buf, size_t size)
{
	switch (o->type) {
	case OPT_FLAG:
	case OPT_IGNORED_FLAG:
	case OPT_TARGET:
		return "";
	case OPT_INT:
		return " N";
	case OPT_COUNT:
		return " N|auto";
	case OPT_OCTAL:
		return " MODE";
	case OPT_SIZE:
		return " SIZE";
	case OPT_TIME:
	case OPT_USEC:
		return " TIME";
	case OPT_ENUM:
		*buf = ' ';
		opt_print_words(o, "|", buf + 1, size - 1);
		return buf;
	case OPT_TEXT:
	case OPT_LIST:
	case OPT_IGNORED:
		break;
	}
	snprintf(buf, size, " %s", o->arg ? o->arg : "VALUE");
	return buf;
}

/* Default, other names, variable: what the row knows beside its text. */
static int
facts(FILE *f, int at, const struct opt *o)
{
	char name[64], buf[100];

	if (o->def && *o->def && o->type != OPT_FLAG) {
		snprintf(buf, sizeof(buf), "[default %s]", o->def);
		at = wrap(f, at, buf);
	}
	for (size_t i = 0; i < OPT_ALIASES; i++) {
		if (strcmp(opt_aliases[i].of, o->name) != 0)
			continue;
		opt_print_dashed(name, sizeof(name), opt_aliases[i].name);
		snprintf(buf, sizeof(buf), "[--%s%s]", name,
		         strcmp(opt_aliases[i].how, "ms") == 0 ? ", in ms" :
		         "");
		at = wrap(f, at, buf);
	}
	if (opt_has_env(o)) {
		opt_print_env(name, sizeof(name), "SHOAL_", o->name);
		snprintf(buf, sizeof(buf), "[$%s]", name);
		at = wrap(f, at, buf);
	}
	return at;
}

static void
row(FILE *f, const struct opt *o)
{
	char name[64], arg[80];
	const char *no = "";
	int at;

	/* A flag is shown in the form that changes something. */
	if (o->type == OPT_FLAG && strcmp(o->def, "on") == 0)
		no = "no-";
	opt_print_dashed(name, sizeof(name), o->name);
	at = o->letter ? fprintf(f, "  -%c, ", o->letter) : fprintf(f, "  ");
	at += fprintf(f, "--%s%s%s", no, name, argument(o, arg, sizeof(arg)));
	if (at >= COLUMN) {
		fputc('\n', f);
		at = 0;
	}
	at = wrap(f, at, o->help);
	facts(f, at, o);
	fputc('\n', f);
}

void
conf_help(FILE *f)
{
	fputs("Usage: shoal [options] APP [-- arguments of the application]\n"
	      "\n"
	      "APP is module:attribute, module, or path/to/file.py:attribute"
	      " [$SHOAL_APP]\n"
	      "\n"
	      "A TIME is 30 (seconds), 1.5s, 500ms or 1h30m; a SIZE is 8190, "
	      "8k, 1m or 1g.\n"
	      "The command line wins over variables of the environment.\n", f);
	for (size_t i = 0; i < OPT_ROWS; i++) {
		if (opt_table[i].group)
			fprintf(f, "\n%s:\n", opt_table[i].group);
		else if (opt_table[i].type != OPT_TARGET)
			row(f, &opt_table[i]);
	}
}
