/* See LICENSE for the terms. */
/*
 * Variables of the environment from files, --env-file, and by --env.
 *
 * A line is NAME=value, "export " before it is skipped, and # begins a
 * comment.  A value may stand in single quotes, as it is, or in double quotes,
 * with \n, \t and the like; in both it may have many lines.  ${NAME} and
 * ${NAME:-otherwise} are replaced, but in single quotes.
 *
 * What the process was given by the environment wins over the files, and a
 * later file over an earlier one; --env wins over them all.
 *
 * Thread: the only one of its process, before there are others.
 */
#ifndef CORE_ENVFILE_H
#define CORE_ENVFILE_H

#include <stddef.h>

struct conf_list;

/* More is no file of variables. */
#define ENVFILE_MAX (1u << 20)

struct envfiles {
	const struct conf_list *paths;
	const struct conf_list *vars;	/* NAME=value each */
	int dir;			/* they are relative to this one */
	char *const *given;		/* the environment without them */
};

/*
 * Sets what files and variables say; again, what they say by now.  0, or a
 * negative errno and in <err> the file, the line, and what is wrong.  Lines
 * before that one count.
 */
int envfile_apply(const struct envfiles *e, char *err, size_t n_err);

#endif
