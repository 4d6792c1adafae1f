/* See LICENSE for the terms. */
/*
 * core/envfile.c
 */
#include "core/envfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/conf.h"
#include "tests/unit/t.h"

static char dir[] = "/tmp/envfile.XXXXXX";
static char *given[] = { (char []){ "GIVEN=outside" }, NULL };
static char err[400];

static void
save(const char *name, const char *text, size_t n)
{
	char path[80];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	OK(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
}

/* --env */
static struct conf_list vars;

static int
apply(const char *first, const char *second)
{
	struct conf_list paths = { second ? 2 : 1, { first, second } };
	struct envfiles e = { .paths = &paths, .vars = &vars, .given = given,
		.dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	int code;

	err[0] = '\0';
	code = envfile_apply(&e, err, sizeof(err));
	close(e.dir);
	return code;
}

/* Sets what that text says. */
static int
set(const char *text)
{
	save("one", text, strlen(text));
	return apply("one", NULL);
}

static void
is(const char *text, const char *value)
{
	char line[300];

	unsetenv("A");
	snprintf(line, sizeof(line), "A=%s", text);
	if (!OK(set(line) == 0))
		fprintf(stderr, "\t%s\n", err);
	OK_STR(getenv("A"), value);
}

static void
values_without_quotes(void)
{
	is("b", "b");
	is("", "");
	is("\n", "");
	is("  b c \t\r\n", "b c");
	is("b # comment", "b");
	is("# comment", "");
	is("b#c", "b#c");
	is("a=b", "a=b");
	is("it's \"so\"", "it's \"so\"");
	is("a\\nb", "a\\nb");
}

static void
values_in_quotes(void)
{
	is("'b # c' # d", "b # c");
	is("'a\\nb\\'\\\\'", "a\\nb'\\");
	is("'a\nb'", "a\nb");
	is("\"a\\nb\\t\\\"\\\\\\$\\x\"", "a\nb\t\"\\$\\x");
	is("\"a\nb\"", "a\nb");
	is("\"\"", "");
	is("''", "");
}

static void
variables_are_replaced(void)
{
	setenv("V", "value", 1);
	unsetenv("NONE");
	is("${V}/x", "value/x");
	is("\"a ${V}\"", "a value");
	is("'${V}'", "${V}");
	is("\"\\${V}\"", "${V}");
	is("${NONE}", "");
	is("${NONE:-other}", "other");
	is("${V:-other}", "value");
	is("$V ${ ${} ${V ${V?x}", "$V ${ ${} ${V ${V?x}");
	OK(set("B=1\nA=${B}2\n") == 0);
	OK_STR(getenv("A"), "12");
}

static void
lines_of_all_kinds(void)
{
	unsetenv("C");
	OK(set("\xef\xbb\xbf" "A=1\r\n\r\n  # x=y\n\texport B = 2\n"
	   "exported=3\nC.d-e='\n\n'\nexport=4") == 0);
	OK_STR(getenv("A"), "1");
	OK_STR(getenv("B"), "2");
	OK_STR(getenv("exported"), "3");
	OK_STR(getenv("C.d-e"), "\n\n");
	OK_STR(getenv("export"), "4");
	OK(set("") == 0 && set("\n") == 0 && set("#") == 0);
}

static void
the_environment_wins_and_then_the_later_file(void)
{
	setenv("GIVEN", "outside", 1);
	save("one", "A=1\nB=1\nGIVEN=1\n", 16);
	save("two", "B=2\nGIVEN=2\n", 12);
	OK(apply("one", "two") == 0);
	OK_STR(getenv("A"), "1");
	OK_STR(getenv("B"), "2");
	OK_STR(getenv("GIVEN"), "outside");
	/* Again, when it has changed. */
	save("two", "B=3\n", 4);
	OK(apply("one", "two") == 0);
	OK_STR(getenv("B"), "3");
}

static void
refused(const char *text, const char *what)
{
	OK(set(text) == -EINVAL);
	if (!OK(strstr(err, what)))
		fprintf(stderr, "\t%s\n", err);
}

static void
what_is_wrong_is_said_with_its_line(void)
{
	char *large = malloc(ENVFILE_MAX + 2);

	refused("A=1\n\nB\n", "--env-file one, line 3: there is no =");
	refused("A='x\n\n'\n=1\n", "line 4: there is no name");
	refused("1A=1", "line 1: there is no name");
	refused("A=1\nB='x\ny", "line 2: a single quote is open");
	refused("A=\"x\n", "a double quote is open");
	refused("A='x' y", "line 1: there is more behind");
	refused("export A", "line 1: there is no =");
	save("nul", "A=1\0B", 5);
	OK(apply("nul", NULL) == -EILSEQ);
	OK(apply("none", NULL) == -ENOENT);
	OK_STR(err, "--env-file none: No such file or directory");
	memset(large, '\n', ENVFILE_MAX + 2);
	save("large", large, ENVFILE_MAX);
	OK(apply("large", NULL) == 0);
	save("large", large, ENVFILE_MAX + 1);
	OK(apply("large", NULL) == -EFBIG);
	OK(apply(".", NULL) == -EISDIR);
	free(large);
}

static void
tests(void)
{
	char command[80];

	OK(mkdtemp(dir) != NULL);
	T(values_without_quotes);
	T(values_in_quotes);
	T(variables_are_replaced);
	T(lines_of_all_kinds);
	T(the_environment_wins_and_then_the_later_file);
	T(what_is_wrong_is_said_with_its_line);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	OK(system(command) == 0);
}

T_MAIN(tests)
