/* See LICENSE for the terms. */
/*
 * core/str.h and core/bug.h.
 */
#include "core/str.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/bug.h"
#include "tests/unit/t.h"

static const struct str fixed = STR("fixed");

static void
equal_means_same_bytes_and_length(void)
{
	OK(str_eq(fixed, STR("fixed")));
	OK(!str_eq(fixed, STR("fixes")));
	OK(!str_eq(fixed, STR("fix")));
	OK(str_eq(STR("a\0b"), (struct str){ "a\0b", 3 }));
	OK(!str_eq(STR("a\0b"), STR("a\0c")));
}

static void
the_empty_string_may_have_no_pointer(void)
{
	struct str none = { NULL, 0 };

	OK(str_eq(none, STR("")));
	OK(str_ieq(none, STR("")));
	OK(str_eq(str_of(NULL), none));
	OK(!str_eq(none, STR("x")));
}

static void
case_is_ascii_only(void)
{
	OK(str_ieq(STR("Keep-Alive"), STR("keep-aLIVE")));
	OK(!str_ieq(STR("[a]"), STR("{a}")));
	OK(!str_ieq(STR("@"), STR("`")));
	/* Latin-1 A and a with ring: the same letter, but not ASCII. */
	OK(!str_ieq(STR("\xc5"), STR("\xe5")));
}

static void
a_broken_invariant_aborts(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		close(2);
		signal(SIGABRT, SIG_DFL);
		BUG_ON(fixed.n == 5);
		_exit(0);
	}
	OK(pid > 0);
	OK(waitpid(pid, &status, 0) == pid);
	OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	BUG_ON(fixed.n != 5);
	BUG_ON_HOT(fixed.n != 5);
}

static void
tests(void)
{
	T(equal_means_same_bytes_and_length);
	T(the_empty_string_may_have_no_pointer);
	T(case_is_ascii_only);
	T(a_broken_invariant_aborts);
}

T_MAIN(tests)
