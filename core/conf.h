/* See LICENSE for the terms. */
/*
 * The configuration: one member an option, from the rows of core/opt.h.
 *
 * Parsed once by main before there is a thread or a child, and const from
 * then on: any thread and every child reads it without asking.
 *
 * Units: names in _ms are milliseconds and in _us microseconds; sizes are
 * bytes.  An option without limit has the largest number of its type, so
 * that a comparison needs no second test.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/alog.h"
#include "core/log.h"
#include "core/opt.h"

/* More listening addresses than anybody has asked for. */
#define CONF_LIST_MAX 64

/*
 * What the members interface, lifespan, pin, isolation, header_map and gc
 * say.
 * log_level is an enum log_level.
 */
enum conf_interface {
	CONF_INTERFACE_AUTO, CONF_INTERFACE_ASGI, CONF_INTERFACE_ASGINL,
	CONF_INTERFACE_ASGI2, CONF_INTERFACE_RSGI, CONF_INTERFACE_WSGI
};
enum conf_lifespan {
	CONF_LIFESPAN_AUTO, CONF_LIFESPAN_ON, CONF_LIFESPAN_OFF
};
enum conf_pin { CONF_PIN_AUTO, CONF_PIN_ON, CONF_PIN_OFF };
enum conf_isolation {
	CONF_ISOLATION_AUTO, CONF_ISOLATION_INTERP, CONF_ISOLATION_PROCESS
};
enum conf_header_map { CONF_HEADER_MAP_DROP, CONF_HEADER_MAP_REFUSE };
enum conf_gc { CONF_GC_AUTO, CONF_GC_PYTHON };

enum conf_overflow { CONF_OVERFLOW_CLOSE, CONF_OVERFLOW_SKIP };

enum conf_origin { CONF_DEFAULT, CONF_ENVIRONMENT, CONF_COMMAND_LINE };

struct conf_list {
	unsigned n;
	const char *v[CONF_LIST_MAX];
};

#define CONF_TARGET(name)	const char *name;
#define CONF_FLAG(name)		bool name;
#define CONF_INT(name)		int name;
#define CONF_COUNT(name)	int name;
#define CONF_OCTAL(name)	int name;
#define CONF_SIZE(name)		int64_t name;
#define CONF_TIME(name)		int name##_ms;
#define CONF_USEC(name)		int name##_us;
#define CONF_TEXT(name)		const char *name;
#define CONF_LIST(name)		struct conf_list name;
#define CONF_ENUM(name)		int name;
#define CONF_IGNORED(name)
#define CONF_IGNORED_FLAG(name)

struct conf {
#define G(title)
#define X(type, name, ...) CONF_##type(name)
	OPTIONS(G, X)
#undef G
#undef X
	/*
	 * For Python's sys.argv: the program's name, then what stood behind
	 * the application and "--".  NULL-terminated.
	 */
	int app_argc;
	char **app_argv;
	/* --header, as HTTP/1 writes them: "name: value\r\n" each; not NULL. */
	const char *fields;
	size_t n_fields;		/* bytes of them */
	/* --access-log-fmt, compiled; not NULL. */
	const struct alog_form *access_form;
	/* Who said so: enum conf_origin, of each row; for conf_print(). */
	unsigned char *origin;
	/*
	 * What the user should know about the options given: lines, each with
	 * its end.  Printed once, as warnings.
	 */
	char notices[2048];
	void *memory;		/* holds every text above */
};

/* Says what is wrong and what to do; one line, no end of line. */
struct conf_error {
	char text[400];
};

/*
 * Fills <c> from the command line, else the environment, else the defaults.
 * Keeps no pointer into <argv> or <envp>: texts are copied.
 *
 * Returns 0; -EINVAL and a text for the user in <err>, which calls for the
 * exit code of a usage error; or -ENOMEM and a text.  On failure there is
 * nothing to conf_fini().  With --help or --version the rest may be missing or
 * wrong; with --print-config the application may.
 *
 * server_header is NULL when the field is to be left out.  root_path has no
 * slash at its end, and may be empty.
 */
int conf_parse(struct conf *c, struct conf_error *err, int argc,
               char *const *argv, char *const *envp);
/*
 * The same, but of <c> only <env_file> is filled in: what those files say
 * belongs into the environment before the rest is parsed.
 */
int conf_parse_env_files(struct conf *c, struct conf_error *err, int argc,
                         char *const *argv, char *const *envp);
void conf_fini(struct conf *c);

/* All options with their defaults and environment variables. */
void conf_help(FILE *f);
/* All options with their values in <c>. */
void conf_print(const struct conf *c, FILE *f);

#endif
