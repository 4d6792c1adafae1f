/* See LICENSE for the terms. */
/*
 * A configuration from a line of arguments and one of variables.
 */
#ifndef TESTS_UNIT_CONF_KIT_H
#define TESTS_UNIT_CONF_KIT_H

#include <errno.h>

#include "core/conf.h"
#include "tests/unit/t.h"

#define WORDS 300

static struct conf c;
static struct conf_error err;

/* Splits a text at spaces, as a shell does; "''" is the empty word. */
static inline int
split(char *text, char **v)
{
	int n = 0;

	for (char *p = strsep(&text, " "); p; p = strsep(&text, " "))
		if (*p && n < WORDS - 1)
			v[n++] = strcmp(p, "''") == 0 ? p + 2 : p;
	v[n] = NULL;
	return n;
}

/*
 * Parses "shoal <args>" in the environment <env>, whose variables stand
 * between spaces.  The strings are gone afterwards, as the conf must not need
 * them.
 */
static inline int
parse(const char *args, const char *env)
{
	char line[2000], vars[2000], *argv[WORDS], *envp[WORDS];
	int argc, code;

	conf_fini(&c);
	snprintf(line, sizeof(line), "shoal %s", args);
	snprintf(vars, sizeof(vars), "%s", env);
	argc = split(line, argv);
	split(vars, envp);
	code = conf_parse(&c, &err, argc, argv, envp);
	memset(line, 'x', sizeof(line));
	memset(vars, 'x', sizeof(vars));
	return code;
}

/* That <args> are refused, and that the user is told all of these words. */
static inline void
refused(const char *args, const char *env, const char *a, const char *b)
{
	OK(parse(args, env) == -EINVAL);
	if (!OK(strstr(err.text, a) && strstr(err.text, b)))
		fprintf(stderr, "\tshoal %s: %s\n", args, err.text);
	OK(!strchr(err.text, '\n'));
}

#endif
