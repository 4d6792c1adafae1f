/* See LICENSE for the terms. */
/*
 * --print-config: every option that means something, once, with its origin.
 */
#include "core/conf_opt.h"
#include "tests/unit/conf_kit.h"

/* The line of --print-config about <name>, without its blanks. */
static const char *
printed(const char *name)
{
	static char line[200];
	char *text = NULL, first[80], value[80], rest[80];
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	conf_print(&c, f);
	fclose(f);
	line[0] = '\0';
	for (char *at = text; at && *at; at = strchr(at, '\n') + 1)
		if (sscanf(at, " %79s %79s %79[^\n]", first, value,
		    rest) == 3 && strcmp(first, name) == 0)
			snprintf(line + strlen(line),
			         sizeof(line) - strlen(line), "%s %s;", value,
			         rest);
	free(text);
	return line;
}

static void
every_option_can_be_printed(void)
{
	OK(parse("--print-config", "SHOAL_BIND=h:1,h:2 SHOAL_TURN_BUDGET=2ms")
	   == 0);
	OK_STR(printed("app"), "- default;");
	OK_STR(printed("bind"), "h:1 environment;h:2 environment;");
	OK_STR(printed("turn-budget"), "2ms environment;");
	OK(parse("m:a --print-config -w 4 --no-log --gc python "
	         "--limit-request-body 0 --server-header off --umask 027 "
	         "--graceful-timeout 90s --ws-max-size 2m -e A=b --host h",
	         "SHOAL_HOST=other") == 0);
	OK_STR(printed("app"), "m:a command line;");
	OK_STR(printed("workers"), "4 command line;");
	OK_STR(printed("host"), "h command line;");
	OK_STR(printed("log"), "off command line;");
	OK_STR(printed("gc"), "python command line;");
	OK_STR(printed("limit-request-body"), "0 command line;");
	OK_STR(printed("server-header"), "off command line;");
	OK_STR(printed("umask"), "27 command line;");
	OK_STR(printed("uds-permissions"), "- default;");
	OK_STR(printed("graceful-timeout"), "90s command line;");
	OK_STR(printed("ws-max-size"), "2m command line;");
	OK_STR(printed("env"), "A=b command line;");
	OK_STR(printed("blocking-threads"), "auto default;");
	for (size_t i = 0; i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];
		char name[80];

		if (!o->name || opt_is_ignored(o))
			continue;
		opt_print_dashed(name, sizeof(name), o->name);
		if (!OK(opt_only_informs(o) == !*printed(name)))
			fprintf(stderr, "\t%s\n", name);
	}
	/* What is wrong is said, with an application or without. */
	refused("--print-config --port x", "", "--port", "'x'");
}

static void
tests(void)
{
	T(every_option_can_be_printed);
	conf_fini(&c);
}

T_MAIN(tests)
