/* See LICENSE for the terms. */
/*
 * The rows of core/opt.h at run time: finding an option by what was written,
 * and reading and explaining its values.  For core/conf*.c only.
 *
 * Thread: any; the table is constant.
 */
#ifndef CORE_CONF_OPT_H
#define CORE_CONF_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/opt.h"
#include "core/str.h"

enum opt_type {
	OPT_TARGET, OPT_FLAG, OPT_INT, OPT_COUNT, OPT_OCTAL, OPT_SIZE,
	OPT_TIME, OPT_USEC, OPT_TEXT, OPT_LIST, OPT_ENUM, OPT_IGNORED,
	OPT_IGNORED_FLAG
};

struct opt_word;

/* A row; one that begins a group of --help has a group and nothing else. */
struct opt {
	const char *group;
	const char *name;	/* with '_' where people write '-' */
	const char *def;
	const char *arg;
	const char *help;
	const struct opt_word *words;
	int64_t lo, hi;
	size_t member;		/* offset in struct conf */
	enum opt_type type;
	char letter;
};

struct opt_alias {
	const char *name;
	const char *of;
	const char *how;	/* "", "ms", "=value": see core/opt.h */
};

/* A variable whose name is not made of an option's. */
struct opt_var {
	const char *name;
	const char *of;
};

/* How many there are, as constants that size arrays. */
enum {
#define G(title) +1
#define X(...) +1
#define A(...) +1
#define V(...) +1
	OPT_ROWS = 0 OPTIONS(G, X),
	OPT_ALIASES = 0 ALIASES(A),
	OPT_VARS = 0 VARIABLES(V)
#undef V
#undef A
#undef X
#undef G
};

extern const struct opt opt_table[OPT_ROWS];
extern const struct opt_alias opt_aliases[OPT_ALIASES];
extern const struct opt_var opt_vars[OPT_VARS];

/* An option as it was written. */
struct opt_found {
	const struct opt *o;
	const char *how;	/* of the alias; else "" */
	bool no;		/* --no-name */
	char shown[80];		/* for messages: "--name", "$SHOAL_NAME" */
};

/* Without aliases; NULL if there is none. */
const struct opt *opt_named(struct str s);
const struct opt *opt_lettered(char letter);

/*
 * Options, aliases and "no-" forms; <s> stands between "--" and "=" or the
 * end.  Fills all but <shown>.
 */
bool opt_find(struct opt_found *f, struct str s);

/* <name> is from the table; '_' and '-' are the same. */
bool opt_name_is(const char *name, struct str s);

/* The name or alias nearest to <s>, within <most> letters, or NULL. */
const char *opt_nearest(struct str s, size_t most);

bool opt_takes_value(const struct opt *o);
/* Another server's, which means nothing here. */
bool opt_is_ignored(const struct opt *o);
/* Prints something instead of serving. */
bool opt_only_informs(const struct opt *o);
bool opt_has_env(const struct opt *o);

/* "SHOAL_GRACEFUL_TIMEOUT", "graceful-timeout"; cut off if need be. */
void opt_print_env(char *buf, size_t size, const char *prefix,
                   const char *name);
void opt_print_dashed(char *buf, size_t size, const char *name);

/*
 * The number that <s> means, in the member's unit and within the bounds; for
 * types that are kept as numbers.  <how> is the alias's.  0, -EINVAL, -ERANGE.
 */
int opt_number(const struct opt *o, const char *how, const char *s,
               int64_t *n);

/* What the option takes, for the user whose value it did not take. */
void opt_print_accepted(const struct opt *o, const char *how, char *buf,
                        size_t size);

/* The first word of an ENUM's value. */
const char *opt_word(const struct opt *o, int value);

/* "on" or "off", where <s> is another server's word for it; else NULL. */
const char *opt_spelling(const struct opt *o, const char *s);
/* The words of an ENUM that are advertised. */
void opt_print_words(const struct opt *o, const char *between, char *buf,
                     size_t size);

#endif
