/*
 * Python sources that are part of the binary: interp/py/<name>.py, turned
 * into C by tools/embed at build time.  See LICENSE.
 */
#ifndef INTERP_EMBED_H
#define INTERP_EMBED_H

#include <stddef.h>

struct embed {
	const char *name;	/* the file's stem: the module's name */
	const char *data;	/* the source, UTF-8, NUL-terminated */
	size_t      size;	/* without the NUL */
};

/* Ended by an entry without a name. */
extern const struct embed embed_files[];

/* NULL: there is none of that name. */
const struct embed *embed_find(const char *name);

#endif
