/* See LICENSE for the terms. */
/*
 * Command line and environment to struct conf.
 *
 * Called by main before there is a thread.  The command line is read first
 * and marks what it gave, then the environment fills in what is not given,
 * then the defaults do: a bad variable that the command line overrides is no
 * error.  Defaults pass through the same parsers, and must.
 */
#include "core/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/bug.h"
#include "core/conf_absent.h"
#include "core/conf_opt.h"
#include "core/mem.h"
#include "core/util.h"

struct parse {
	struct conf *c;
	struct conf_error *err;
	char *text;		/* free part of c->memory */
	size_t notices;		/* bytes used of c->notices */
};

static int fail(struct parse *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void notice(struct parse *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int
fail(struct parse *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->err->text, sizeof(p->err->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* A line of c->notices; one that does not fit is left out. */
static void
notice(struct parse *p, const char *fmt, ...)
{
	size_t room = sizeof(p->c->notices) - p->notices;
	char *at = p->c->notices + p->notices;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(at, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n + 2 > room) {
		*at = '\0';
		return;
	}
	memcpy(at + n, "\n", 2);
	p->notices += (size_t)n + 1;
}

/* Keeps a copy as long as the conf; conf_parse() has counted the bytes. */
static char *
keep(struct parse *p, const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = memcpy(p->text, s, size);

	p->text += size;
	return copy;
}

static int
add_to_list(struct parse *p, const struct opt_found *f, const char *value)
{
	struct conf_list *list = (void *)((char *)p->c + f->o->member);

	if (!*value)
		return fail(p, "%s needs a value that is not empty", f->shown);
	if (list->n == CONF_LIST_MAX)
		return fail(p, "%s: more than %d of them; leave some out",
		            f->shown, CONF_LIST_MAX);
	list->v[list->n++] = keep(p, value);
	return 0;
}

static void
store(void *member, enum opt_type type, int64_t n)
{
	if (type == OPT_FLAG)
		*(bool *)member = n;
	else if (type == OPT_SIZE)
		*(int64_t *)member = n;
	else
		*(int *)member = (int)n;
}

static int
set(struct parse *p, const struct opt_found *f, const char *value)
{
	const struct opt *o = f->o;
	void *member = (char *)p->c + o->member;
	char accepted[200];
	int64_t n;

	switch (o->type) {
	case OPT_TARGET:
	case OPT_TEXT:
		*(const char **)member = keep(p, value);
		return 0;
	case OPT_LIST:
		return add_to_list(p, f, value);
	case OPT_IGNORED:
	case OPT_IGNORED_FLAG:
		notice(p, "%s has no effect: %s", f->shown, o->help);
		return 0;
	case OPT_FLAG:
	case OPT_INT:
	case OPT_COUNT:
	case OPT_OCTAL:
	case OPT_SIZE:
	case OPT_TIME:
	case OPT_USEC:
	case OPT_ENUM:
		break;
	}
	if (opt_number(o, f->how, value, &n) == 0) {
		store(member, o->type, n);
		return 0;
	}
	opt_print_accepted(o, f->how, accepted, sizeof(accepted));
	return fail(p, "%s: '%.80s' is not accepted; it takes %s", f->shown,
	            value, accepted);
}

static int
fail_unknown(struct parse *p, struct str s)
{
	const char *name = opt_nearest(s, MAX(s.n / 3, 2));
	const char *instead = conf_absent(s);
	char shown[64];

	if (instead)
		return fail(p, "--%.*s is not there: %s", STR_ARG(s), instead);
	if (!name)
		return fail(p, "no such option: --%.*s; see shoal --help",
		            (int)MIN(s.n, 80), s.p);
	opt_print_dashed(shown, sizeof(shown), name);
	return fail(p, "no such option: --%.*s; did you mean --%s?",
	            (int)MIN(s.n, 80), s.p, shown);
}

/* ---- the command line ---- */

struct args {
	char *const *v;
	int n;
	int at;
};

static unsigned char *
given(struct parse *p, const struct opt *o)
{
	return &p->c->origin[o - opt_table];
}

/*
 * Sets what was found; <value> is what was attached to it, or NULL, and then
 * it is the next argument.  That may not look like an option: "--host --port"
 * is a word forgotten, and "--host=--port" is there for who means it.
 */
static int
take_arg(struct parse *p, const struct opt_found *f, const char *value,
         struct args *a)
{
	char accepted[200];

	*given(p, f->o) = CONF_COMMAND_LINE;
	if (f->no && value)
		return fail(p, "%s takes no value", f->shown);
	if (f->how[0] == '=')
		return value ? fail(p, "%s takes no value", f->shown) :
		       set(p, f, f->how + 1);
	if (value)
		return set(p, f, value);
	if (!opt_takes_value(f->o) && !f->no && a->at < a->n &&
	    opt_spelling(f->o, a->v[a->at]))
		return set(p, f, a->v[a->at++]);
	if (!opt_takes_value(f->o))
		return set(p, f, f->no ? "off" : "on");
	if (a->at < a->n && strncmp(a->v[a->at], "--", 2) != 0)
		return set(p, f, a->v[a->at++]);
	opt_print_accepted(f->o, f->how, accepted, sizeof(accepted));
	return fail(p, "%s needs a value: %s", f->shown, accepted);
}

static int
take_long(struct parse *p, const char *arg, struct args *a)
{
	const char *eq = strchr(arg, '=');
	struct str name = { arg + 2, eq ? (size_t)(eq - arg) - 2 :
	                    strlen(arg) - 2 };
	struct opt_found f;

	if (!opt_find(&f, name))
		return fail_unknown(p, name);
	snprintf(f.shown, sizeof(f.shown), "--%.*s", STR_ARG(name));
	return take_arg(p, &f, eq ? eq + 1 : NULL, a);
}

static int
fail_letter(struct parse *p, const char *arg)
{
	const char *instead = conf_absent_letter(*arg);

	if (instead)
		return fail(p, "-%c is not there: %s", *arg, instead);
	return fail(p, "no such option: -%.1s; see shoal --help", arg);
}

/* "-w 4" and "-w4"; letters without a value may stand together. */
static int
take_short(struct parse *p, const char *arg, struct args *a)
{
	struct opt_found f = { .how = "" };
	int err = 0;

	while (!err && *++arg) {
		f.o = opt_lettered(*arg);
		if (!f.o)
			return fail_letter(p, arg);
		snprintf(f.shown, sizeof(f.shown), "-%c", *arg);
		if (opt_takes_value(f.o))
			return take_arg(p, &f, arg[1] ? arg + 1 : NULL, a);
		err = take_arg(p, &f, NULL, a);
	}
	return err;
}

static int
take_app(struct parse *p, const char *arg)
{
	if (p->c->app)
		return fail(p, "unexpected '%.80s': the application is '%.80s' "
		            "already; what is meant for it goes behind --",
		            arg, p->c->app);
	if (!*arg)
		return fail(p, "the application's name is empty; it is "
		            "module:attribute, such as main:app");
	p->c->app = keep(p, arg);
	*given(p, opt_named(STR("app"))) = CONF_COMMAND_LINE;
	return 0;
}

static int
parse_args(struct parse *p, int argc, char *const *argv)
{
	struct args a = { argv, argc, 1 };
	const char *arg;
	int err = 0;

	while (!err && a.at < argc) {
		arg = argv[a.at++];
		if (strcmp(arg, "--") == 0)
			break;
		if (arg[0] == '-' && arg[1] == '-')
			err = take_long(p, arg, &a);
		else if (arg[0] == '-' && arg[1])
			err = take_short(p, arg, &a);
		else
			err = take_app(p, arg);
	}
	if (!err && !p->c->app && a.at < argc)
		err = take_app(p, argv[a.at++]);
	p->c->app_argv[p->c->app_argc++] = keep(p, argc ? argv[0] : "shoal");
	while (a.at < argc)
		p->c->app_argv[p->c->app_argc++] = keep(p, argv[a.at++]);
	return err;
}

/* ---- the environment ---- */

/* Ours, and Granian's, for who comes from there; the first wins. */
static const char *const prefixes[] = { "SHOAL_", "GRANIAN_" };

static const char *
env_get(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

/* The parts of a list stand between spaces or commas. */
static int
set_parts(struct parse *p, const struct opt_found *f, const char *value)
{
	char *rest = keep(p, value);
	const char *part;
	int err = 0;

	while (!err && rest) {
		part = strsep(&rest, " ,\t\n");
		if (*part)
			err = set(p, f, part);
	}
	return err;
}

/* Of an alias that means one value: SHOAL_NO_SERVER_HEADER=1. */
static int
take_env_switch(struct parse *p, struct opt_found *f, const char *value)
{
	int64_t on;

	if (opt_number(opt_named(STR("help")), "", value, &on) != 0)
		return fail(p, "%s: '%.80s' is not accepted; it takes on or "
		            "off", f->shown, value);
	if (!on)
		return 0;
	*given(p, f->o) = CONF_ENVIRONMENT;
	return set(p, f, f->how + 1);
}

/* <how> is the alias's by which <name> means <o>, else "". */
static int
take_env(struct parse *p, const struct opt *o, const char *how,
         const char *name, const char *value)
{
	struct opt_found f = { .o = o, .how = how };

	/* Unset and empty are the same to most who write environments. */
	if (!value || !*value || *given(p, o))
		return 0;
	snprintf(f.shown, sizeof(f.shown), "$%s", name);
	/* Kubernetes sets SHOAL_PORT where a service is called shoal. */
	if (o->type == OPT_INT && strncmp(value, "tcp://", 6) == 0) {
		notice(p, "%s=%.80s is not for Shoal: left aside", f.shown,
		       value);
		return 0;
	}
	if (how[0] == '=')
		return take_env_switch(p, &f, value);
	*given(p, o) = CONF_ENVIRONMENT;
	if (o->type == OPT_LIST)
		return set_parts(p, &f, value);
	return set(p, &f, value);
}

/*
 * $PORT is set by platforms whose requests come from outside: without a word
 * about where to listen, that is on all addresses, as gunicorn does.
 */
static int
take_port(struct parse *p, const char *value)
{
	const struct opt *port = opt_named(STR("port"));
	struct opt_found host = { .o = opt_named(STR("host")), .how = "",
	                          .shown = "$PORT" };
	bool had = *given(p, port);
	int err = take_env(p, port, "", "PORT", value);

	if (err || had || !*given(p, port) || *given(p, host.o) ||
	    p->c->bind.n || p->c->uds)
		return err;
	*given(p, host.o) = CONF_ENVIRONMENT;
	notice(p, "$PORT is set, and no --host: listening on all addresses; "
	       "--host 127.0.0.1 is for this machine alone");
	return set(p, &host, "0.0.0.0");
}

/* <var> begins with it: the length of one of prefixes[], else 0. */
static size_t
prefix_of(const char *var)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(var, prefixes[i], strlen(prefixes[i])) == 0)
			return strlen(prefixes[i]);
	return 0;
}

/*
 * A variable of something that is not there, or that is nearly one of ours, is
 * worth a word.
 */
static void
notice_var(struct parse *p, const char *var)
{
	size_t skip = prefix_of(var);
	size_t n = skip ? strcspn(var + skip, "=") : 0;
	char low[64], shown[64];
	const char *name, *instead;

	if (n < 4 || n >= sizeof(low))
		return;
	for (size_t i = 0; i < n; i++)
		low[i] = (char)str_lower((unsigned char)var[skip + i]);
	instead = conf_absent((struct str){ low, n });
	if (instead) {
		notice(p, "$%.*s has no effect: %s", (int)(skip + n), var,
		       instead);
		return;
	}
	name = opt_nearest((struct str){ low, n }, 1);
	if (!name || opt_name_is(name, (struct str){ low, n }) ||
	    strncmp(var, prefixes[0], skip) != 0)
		return;
	opt_print_env(shown, sizeof(shown), prefixes[0], name);
	notice(p, "$%.*s has no effect; did you mean $%s?", (int)(skip + n),
	       var, shown);
}

/* As <prefix> and the option's name, or another that it has. */
static int
parse_named(struct parse *p, const struct opt *o, const char *prefix,
            char *const *envp)
{
	char name[80];
	int err;

	opt_print_env(name, sizeof(name), prefix, o->name);
	err = take_env(p, o, "", name, env_get(envp, name));
	for (size_t i = 0; !err && i < OPT_ALIASES; i++) {
		const struct opt_alias *a = &opt_aliases[i];

		if (strcmp(a->of, o->name) != 0)
			continue;
		opt_print_env(name, sizeof(name), prefix, a->name);
		err = take_env(p, o, a->how, name, env_get(envp, name));
	}
	return err;
}

static int
parse_env_of(struct parse *p, const struct opt *o, char *const *envp)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_LEN(prefixes); i++)
		err = parse_named(p, o, prefixes[i], envp);
	for (size_t i = 0; !err && i < OPT_VARS; i++) {
		const struct opt_var *v = &opt_vars[i];

		if (strcmp(v->of, o->name) == 0)
			err = take_env(p, o, "", v->name,
			               env_get(envp, v->name));
	}
	return err;
}

static int
parse_env(struct parse *p, char *const *envp)
{
	int err = 0;

	for (size_t i = 0; !err && i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];

		if (o->name && (opt_has_env(o) || opt_is_ignored(o)))
			err = parse_env_of(p, o, envp);
	}
	if (!err)
		err = take_env(p, opt_named(STR("workers")), "",
		               "WEB_CONCURRENCY",
		               env_get(envp, "WEB_CONCURRENCY"));
	if (!err)
		err = take_port(p, env_get(envp, "PORT"));
	for (; *envp; envp++)
		notice_var(p, *envp);
	return err;
}

/* ---- all of it ---- */

static void
set_defaults(struct parse *p)
{
	struct opt_found f = { .how = "", .shown = "default" };
	int err;

	for (size_t i = 0; i < OPT_ROWS; i++) {
		f.o = &opt_table[i];
		if (!f.o->name || *given(p, f.o))
			continue;
		if (f.o->type == OPT_OCTAL)
			store((char *)p->c + f.o->member, OPT_OCTAL, -1);
		if (!f.o->def)
			continue;
		err = set(p, &f, f.o->def);
		BUG_ON(err);
	}
}

/* Text that goes out in every response: no byte of it may end a line. */
static bool
is_printable(const char *s)
{
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

static bool
is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' ||
		    strchr("\"(),/:;<=>?@[\\]{}", s[i]))
			return false;
	return n > 0;
}

/* Fields that say how a response is framed, or have an option of their own. */
static bool
is_ours(struct str name)
{
	static const struct str ours[] = {
		STR("connection"), STR("content-length"), STR("date"),
		STR("keep-alive"), STR("proxy-connection"), STR("server"),
		STR("trailer"), STR("transfer-encoding"), STR("upgrade"),
	};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_ieq(name, ours[i]))
			return true;
	return false;
}

static void
put_text(struct parse *p, struct str s)
{
	memcpy(p->text, s.p, s.n);
	p->text += s.n;
}

/* --header NAME:VALUE to c->fields, in the form that is sent. */
static int
add_field(struct parse *p, const char *text)
{
	const char *colon = strchr(text, ':');
	struct str name = { text, colon ? (size_t)(colon - text) : 0 };
	const char *value = colon ? colon + 1 + strspn(colon + 1, " ") : "";

	if (!is_token(name.p, name.n))
		return fail(p, "--header takes NAME:VALUE, such as "
		            "X-Frame-Options:DENY");
	if (!is_printable(value))
		return fail(p, "--header: only printable ASCII can be sent; "
		            "leave the other characters of %.*s out",
		            (int)MIN(name.n, 80), name.p);
	if (is_ours(name))
		return fail(p, "--header: %.*s is the server's own to give; "
		            "see --server-header and --date-header",
		            (int)MIN(name.n, 80), name.p);
	put_text(p, name);
	put_text(p, STR(": "));
	put_text(p, str_of(value));
	put_text(p, STR("\r\n"));
	return 0;
}

static int
make_fields(struct parse *p)
{
	struct conf *c = p->c;
	int err = 0;

	c->fields = p->text;
	for (unsigned i = 0; !err && i < c->header.n; i++)
		err = add_field(p, c->header.v[i]);
	c->n_fields = (size_t)(p->text - c->fields);
	*p->text++ = '\0';
	return err;
}

/* A path without the slashes at its end. */
static const char *
without_slash(struct parse *p, const char *path)
{
	char *s = keep(p, path);
	size_t n = strlen(s);

	while (n && s[n - 1] == '/')
		s[--n] = '\0';
	return s;
}

/* The access log's form, in memory of its own. */
static int
make_access(struct parse *p)
{
	struct conf *c = p->c;
	struct alog_form *form = mem_try(sizeof(*form));
	char why[320];

	c->access_form = form;
	if (!form) {
		fail(p, "out of memory");
		return -ENOMEM;
	}
	if (alog_compile(form, c->access_log_fmt, why, sizeof(why)) != 0)
		return fail(p, "--access-log-fmt: %s", why);
	if (!c->access_log && *given(p, opt_named(STR("access_log_fmt"))))
		notice(p, "--access-log-fmt has no effect without "
		       "--access-log");
	return 0;
}

/* --env: a variable needs a name. */
static int
check_vars(struct parse *p)
{
	for (unsigned i = 0; i < p->c->env.n; i++) {
		const char *var = p->c->env.v[i];

		if (!strchr(var, '=') || *var == '=')
			return fail(p, "--env takes NAME=VALUE, not '%.80s'",
			            var);
	}
	return 0;
}

static void
notice_unused(struct parse *p)
{
	struct conf *c = p->c;
	const char *by = c->bind.n ? "--bind" : c->uds ? "--uds" : NULL;

	if (by && *given(p, opt_named(STR("host"))) == CONF_COMMAND_LINE)
		notice(p, "--host has no effect beside %s", by);
	if (by && *given(p, opt_named(STR("port"))) == CONF_COMMAND_LINE)
		notice(p, "--port has no effect beside %s", by);
}

/* What no single value can tell. */
static int
check(struct parse *p)
{
	struct conf *c = p->c;
	int err;

	if (!c->app && !c->print_config)
		return fail(p, "no application given; say which, for example "
		            "shoal main:app, or see shoal --help");
	if (!is_printable(c->server_header))
		return fail(p, "--server-header: only printable ASCII can be "
		            "sent; leave the other characters out");
	if (strcasecmp(c->server_header, "off") == 0)
		c->server_header = NULL;
	if (*c->root_path && *c->root_path != '/')
		return fail(p, "--root-path: '%.80s' must begin with a slash",
		            c->root_path);
	c->root_path = without_slash(p, c->root_path);
	if (c->limit_request_field > c->limit_request_head)
		return fail(p, "--limit-request-field is above "
		            "--limit-request-head, which counts all fields; "
		            "raise that, too");
	if (!c->limit_request_body)
		c->limit_request_body = INT64_MAX;
	if (c->limit_request_fields > c->limit_request_fields_hard)
		return fail(p, "--limit-request-fields is above "
		            "--limit-request-fields-hard; raise that, too");
	if (!c->http1_keep_alive)
		c->keep_alive_timeout_ms = 0;
	if (!c->log)
		c->log_level = LEVEL_CRITICAL;
	if (c->access_log_file)
		c->access_log = true;
	notice_unused(p);
	err = check_vars(p);
	if (!err)
		err = make_access(p);
	return err ? err : make_fields(p);
}

/*
 * Bytes that may be kept: each text twice, since lists are cut up and the root
 * path is copied once more; and as fields, of which the shortest, "a:" and the
 * separator of a list, becomes five bytes from three.
 */
static size_t
text_size(int argc, char *const *argv, char *const *envp)
{
	size_t n = sizeof("shoal") + 1;

	for (int i = 0; i < argc; i++)
		n += 4 * (strlen(argv[i]) + 2);
	for (; *envp; envp++)
		if (prefix_of(*envp))
			n += 4 * (strlen(*envp) + 2);
	for (size_t i = 0; i < OPT_ROWS; i++)
		if (opt_table[i].def)
			n += 2 * (strlen(opt_table[i].def) + 1);
	return n;
}

static int
no_memory(struct conf_error *err)
{
	snprintf(err->text, sizeof(err->text), "out of memory");
	return -ENOMEM;
}

/* Memory, and the command line. */
static int
begin(struct parse *p, int argc, char *const *argv, char *const *envp)
{
	size_t pointers = ((size_t)argc + 2) * sizeof(char *);
	struct conf *c = p->c;

	memset(c, 0, sizeof(*c));
	p->err->text[0] = '\0';
	c->memory = mem_try_zero(pointers + OPT_ROWS +
	                         text_size(argc, argv, envp));
	if (!c->memory)
		return no_memory(p->err);
	c->app_argv = c->memory;
	c->origin = (unsigned char *)c->memory + pointers;
	p->text = (char *)c->origin + OPT_ROWS;
	return parse_args(p, argc, argv);
}

/* The rest may be missing or wrong. */
static bool
only_prints(const struct conf *c)
{
	return c->help || c->version || c->print_module;
}

int
conf_parse_env_files(struct conf *c, struct conf_error *err, int argc,
                     char *const *argv, char *const *envp)
{
	struct parse p = { .c = c, .err = err };
	int code = begin(&p, argc, argv, envp);

	if (!code && !only_prints(c))
		code = parse_env_of(&p, opt_named(STR("env_file")), envp);
	if (code)
		conf_fini(c);
	return code;
}

int
conf_parse(struct conf *c, struct conf_error *err, int argc,
           char *const *argv, char *const *envp)
{
	struct parse p = { .c = c, .err = err };
	int code = begin(&p, argc, argv, envp);

	/* A bad variable must not keep the user from reading the help. */
	if (!code && only_prints(c)) {
		set_defaults(&p);
		return 0;
	}
	if (!code)
		code = parse_env(&p, envp);
	if (!code) {
		set_defaults(&p);
		code = check(&p);
	}
	if (code)
		conf_fini(c);
	return code == -ENOMEM ? no_memory(err) : code;
}

void
conf_fini(struct conf *c)
{
	/* Nobody else may write to it. */
	mem_free((void *)(uintptr_t)c->access_form);
	mem_free(c->memory);
	memset(c, 0, sizeof(*c));
}
