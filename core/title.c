/* See LICENSE for the terms. */
#include "core/title.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "core/util.h"

/* The kernel's, with its NUL. */
#define THREAD_NAME 16

/* The texts lie one behind the other, as execve(2) left them. */
void
title_init(struct title *t, int argc, char **argv)
{
	t->at = argc ? argv[0] : NULL;
	t->size = 0;
	for (int i = 0; i < argc && argv[i] == t->at + t->size; i++)
		t->size += strlen(argv[i]) + 1;
}

/*
 * A last byte that is no NUL tells the kernel that this is a title, which ends
 * at its first NUL, and no list of arguments.
 */
void
title_set(struct title *t, const char *text)
{
	size_t n = strlen(text);

	prctl(PR_SET_NAME, text);
	if (t->size < 3)
		return;
	n = MIN(n, t->size - 2);
	memcpy(t->at, text, n);
	memset(t->at + n, 0, t->size - n);
	t->at[t->size - 1] = '.';
}

void
title_thread(const char *name, const char *suffix)
{
	char text[THREAD_NAME];
	int n = THREAD_NAME - 2 - (int)strlen(suffix);

	snprintf(text, sizeof(text), "%.*s-%s", MAX(n, 1),
	    name && *name ? name : "shoal", suffix);
	prctl(PR_SET_NAME, text);
}
