/* See LICENSE for the terms. */
/*
 * Options of other servers for things that Shoal does not do: who gives one
 * depends on it, so it is refused, with what to do instead.  (One without
 * which all works is an IGNORED row of opt.h.)
 */
#ifndef CORE_CONF_ABSENT_H
#define CORE_CONF_ABSENT_H

#include "core/str.h"

/* What to do instead of --<name>; NULL: nobody has such an option. */
const char *conf_absent(struct str name);
/* The same of -<letter>. */
const char *conf_absent_letter(char letter);

/* The <i>th name that is known here, or a name's beginning; NULL: no more. */
const char *conf_absent_at(unsigned i);

#endif
