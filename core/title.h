/* See LICENSE for the terms. */
/*
 * What ps and top show: the title of a process, which takes the place of its
 * command line, and the names of its threads.
 */
#ifndef CORE_TITLE_H
#define CORE_TITLE_H

#include <stddef.h>

/*
 * The memory of the command line, which the kernel shows.
 *
 * Thread: the only one of its process.  Owner: main, before the first fork.
 */
struct title {
	char *at;
	size_t size;
};

/* From here on argv's texts are not to be read again. */
void title_init(struct title *t, int argc, char **argv);

/* Also the name of this thread, the process's first.  Cut to what fits. */
void title_set(struct title *t, const char *text);

/* Names this thread "<name>-<suffix>"; <name> is cut, and "shoal" if NULL. */
void title_thread(const char *name, const char *suffix);

#endif
