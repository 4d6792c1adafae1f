/* See LICENSE for the terms. */
/*
 * core/conf.c, core/conf_opt.c, core/conf_help.c
 */
#include "core/conf.h"

#include <errno.h>

#include "core/conf_absent.h"
#include "core/conf_opt.h"
#include "tests/unit/conf_kit.h"

static void
defaults_are_those_of_the_list(void)
{
	OK(parse("main:app", "") == 0);
	OK_STR(c.app, "main:app");
	OK(!c.factory && !c.access_log && c.date_header);
	OK(!c.working_dir && !c.venv && !c.uds && !c.pid_file);
	OK_STR(c.host, "127.0.0.1");
	OK(c.port == 8000 && c.backlog == 2048 && c.bind.n == 0);
	OK(c.uds_permissions == -1);
	OK(c.workers == 0 && c.max_workers == 0 && c.blocking_threads == 0);
	OK(c.pin == CONF_PIN_AUTO && c.isolation == CONF_ISOLATION_AUTO);
	OK(c.interface == CONF_INTERFACE_AUTO);
	OK(c.lifespan == CONF_LIFESPAN_AUTO && c.log_level == LEVEL_INFO);
	OK(c.limit_request_line == 8192 && c.limit_request_field == 8192);
	OK(c.limit_request_head == 32768 && c.limit_request_fields == 100);
	OK(c.limit_request_body == 1 << 30 && c.keep_alive_requests == 10000);
	OK(c.header_timeout_ms == 10000 && c.body_timeout_ms == 30000);
	OK(c.keep_alive_timeout_ms == 75000 && c.send_timeout_ms == 30000);
	OK(c.graceful_timeout_ms == 30000 && c.drain_grace_ms == 250);
	OK(c.turn_budget_us == 1000 && c.stall_report_ms == 1000);
	OK(c.adopt_after_ms == 200 && c.max_connections == 0);
	OK(c.max_connections_per_peer == 0);
	OK(c.limit_request_fields_hard == 256 && c.body_rate == 240);
	OK(c.keep_alive_age_ms == 3600000 && c.http1_keep_alive);
	OK(c.header_map == CONF_HEADER_MAP_DROP);
	OK(c.header.n == 0 && c.n_fields == 0);
	OK_STR(c.fields, "");
	OK_STR(c.server_header, "shoal");
	OK_STR(c.root_path, "");
	OK_STR(c.notices, "");
}

static void
values_stand_apart_or_attached(void)
{
	OK(parse("--port 1 a", "") == 0 && c.port == 1);
	OK(parse("--port=2 a", "") == 0 && c.port == 2);
	OK(parse("a -w 3", "") == 0 && c.workers == 3);
	OK(parse("a -w4", "") == 0 && c.workers == 4);
	OK(parse("a --workers auto", "") == 0 && c.workers == 0);
	OK(parse("a --uds=a=b", "") == 0);
	OK_STR(c.uds, "a=b");
	OK(parse("a --port 1 --port 2", "") == 0 && c.port == 2);
	OK(parse("a --process-name=", "") == 0);
	OK_STR(c.process_name, "");
	/* gunicorn writes one of its names so. */
	OK(parse("a --limit-request-field_size 4k", "") == 0);
	OK(c.limit_request_field == 4096);
}

static void
flags_have_a_negative_form(void)
{
	OK(parse("a --access-log --factory", "") == 0);
	OK(c.access_log && c.factory);
	OK(parse("a --access-log --no-access-log", "") == 0 && !c.access_log);
	OK(parse("a --no-date-header", "") == 0 && !c.date_header);
	OK(parse("a --date-header=off", "") == 0 && !c.date_header);
	refused("a --no-port", "", "--no-port", "no such option");
	refused("a --no-factory=on", "", "--no-factory", "no value");
	refused("a --factory=perhaps", "", "perhaps", "on or off");
}

static void
the_application_stands_anywhere_and_its_arguments_behind(void)
{
	OK(parse("--port 1 m:a --factory", "") == 0);
	OK_STR(c.app, "m:a");
	OK(c.app_argc == 1 && !c.app_argv[1]);
	OK_STR(c.app_argv[0], "shoal");
	OK(parse("m:a -- --port 3 x --", "") == 0);
	OK(c.port == 8000 && c.app_argc == 5 && !c.app_argv[5]);
	OK_STR(c.app_argv[1], "--port");
	OK_STR(c.app_argv[4], "--");
	OK(parse("--factory -- m:a y", "") == 0 && c.app_argc == 2);
	OK_STR(c.app, "m:a");
	OK(parse("", "SHOAL_APP=e:a") == 0);
	OK_STR(c.app, "e:a");
	refused("a b", "", "'b'", "behind --");
	refused("", "", "no application", "main:app");
	refused("--", "", "no application", "main:app");
	refused("''", "", "empty", "main:app");
}

static void
times_are_kept_in_the_members_unit(void)
{
	OK(parse("a --header-timeout 2", "") == 0);
	OK(c.header_timeout_ms == 2000);
	OK(parse("a --header-timeout 1.5s", "") == 0);
	OK(c.header_timeout_ms == 1500);
	OK(parse("a --graceful-timeout 1h30m", "") == 0);
	OK(c.graceful_timeout_ms == 5400000);
	OK(parse("a --turn-budget 250us", "") == 0 && c.turn_budget_us == 250);
	OK(parse("a --drain-grace 1us", "") == 0 && c.drain_grace_ms == 1);
	OK(parse("a --keep-alive-timeout 0", "") == 0);
	OK(c.keep_alive_timeout_ms == 0);
}

static void
names_of_other_servers_work(void)
{
	OK(parse("a --http1-header-read-timeout 1500", "") == 0);
	OK(c.header_timeout_ms == 1500);
	OK(parse("a --timeout-keep-alive 5", "") == 0);
	OK(c.keep_alive_timeout_ms == 5000);
	OK(parse("a --http1-buffer-size 417k --limit-concurrency 7", "") == 0);
	OK(c.limit_request_head == 417 << 10 && c.max_connections == 7);
	OK(parse("a --h11-max-incomplete-event-size 65536", "") == 0);
	OK(c.limit_request_head == 65536);
	OK(parse("a --no-http1-keep-alive --http1-pipeline-flush", "") == 0);
	OK(c.keep_alive_timeout_ms == 0);
	OK(parse("a --keep-alive 2 --threads 8 --chdir /x --pid p", "") == 0);
	OK(c.keep_alive_timeout_ms == 2000 && c.blocking_threads == 8);
	OK_STR(c.working_dir, "/x");
	OK_STR(c.pid_file, "p");
	OK(parse("a --workers-kill-timeout 1m --shards 2", "") == 0);
	OK(c.graceful_timeout_ms == 60000 && c.workers == 2);
	OK(parse("a --url-path-prefix /x/ --log-level trace", "") == 0);
	OK_STR(c.root_path, "/x");
	OK(c.log_level == LEVEL_DEBUG);
	OK(parse("a --no-server-header", "") == 0 && !c.server_header);
	refused("a --http1-header-read-timeout x", "", "milliseconds", "10ms");
}

static void
meaningless_options_are_noticed_once_each(void)
{
	OK(parse("a --loop x --no-preload --runtime-mode=st -k x", "") == 0);
	OK_STR(c.app, "a");
	OK(strstr(c.notices, "--loop has no effect: ") == c.notices);
	OK(strstr(c.notices, "\n--no-preload has no effect: ") != NULL);
	OK(strstr(c.notices, "\n-k has no effect: ") != NULL);
	OK(c.notices[strlen(c.notices) - 1] == '\n');
	refused("a --loop", "", "--loop", "needs a value");
}

/* <start>, then <times> times <more>. */
static void
repeat(char *to, size_t size, const char *start, const char *more, int times)
{
	size_t n = (size_t)snprintf(to, size, "%s", start);

	for (int i = 0; i < times && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s", more);
	OK(n < size);
}

static void
too_many_notices_are_cut_between_lines(void)
{
	char args[1900];

	repeat(args, sizeof(args), "a", " --preload --no-preload", 80);
	OK(parse(args, "") == 0);
	OK(strlen(c.notices) < sizeof(c.notices));
	OK(c.notices[strlen(c.notices) - 1] == '\n');
}

static void
lists_gather(void)
{
	char args[1900];

	OK(parse("a -b :1 --bind unix:/x --bind=[::1]:3", "") == 0);
	OK(c.bind.n == 3);
	OK_STR(c.bind.v[1], "unix:/x");
	OK_STR(c.bind.v[2], "[::1]:3");
	OK(parse("a", "SHOAL_BIND=h:1,,h:2,") == 0 && c.bind.n == 2);
	OK_STR(c.bind.v[1], "h:2");
	OK(parse("a -b h:3", "SHOAL_BIND=h:1,h:2") == 0 && c.bind.n == 1);
	repeat(args, sizeof(args), "a", " -b h:1", CONF_LIST_MAX + 1);
	refused(args, "", "-b", "64");
	refused("a --bind=", "", "--bind", "not empty");
}

static void
the_command_line_wins_over_the_environment(void)
{
	OK(parse("a", "SHOAL_PORT=1 PORT=2") == 0 && c.port == 1);
	OK(parse("a --port 3", "SHOAL_PORT=1") == 0 && c.port == 3);
	OK(parse("a", "PORT=2 WEB_CONCURRENCY=7") == 0);
	OK(c.port == 2 && c.workers == 7);
	OK(parse("a -w 1", "WEB_CONCURRENCY=x SHOAL_WORKERS=y") == 0);
	OK(c.workers == 1);
	OK(parse("a", "SHOAL_WORKERS=2 WEB_CONCURRENCY=7") == 0);
	OK(c.workers == 2);
	OK(parse("a", "SHOAL_ACCESS_LOG=1 SHOAL_DATE_HEADER=off") == 0);
	OK(c.access_log && !c.date_header);
	OK(parse("a", "SHOAL_GRACEFUL_TIMEOUT=1m SHOAL_LOG_LEVEL=DEBUG") == 0);
	OK(c.graceful_timeout_ms == 60000 && c.log_level == LEVEL_DEBUG);
	refused("a", "SHOAL_WORKERS=x", "$SHOAL_WORKERS", "from 1 to 1024");
	refused("a", "WEB_CONCURRENCY=x", "$WEB_CONCURRENCY", "'x'");
	refused("a", "PORT=70000", "$PORT", "65535");
}

static void
a_platforms_port_is_for_all_addresses(void)
{
	OK(parse("a", "PORT=2") == 0 && c.port == 2);
	OK_STR(c.host, "0.0.0.0");
	OK(strstr(c.notices, "--host 127.0.0.1") != NULL);
	OK(parse("a --host ::1", "PORT=2") == 0 && c.port == 2);
	OK_STR(c.host, "::1");
	OK_STR(c.notices, "");
	OK(parse("a", "PORT=2 SHOAL_HOST=h") == 0 && c.port == 2);
	OK_STR(c.host, "h");
	/* Not what gives the port: it says nothing about the host. */
	OK(parse("a --port 3", "PORT=2") == 0 && c.port == 3);
	OK_STR(c.host, "127.0.0.1");
	OK(parse("a", "PORT=2 SHOAL_PORT=3") == 0 && c.port == 3);
	OK_STR(c.host, "127.0.0.1");
	OK(parse("a", "PORT=tcp://10.0.0.1:80") == 0 && c.port == 8000);
	OK_STR(c.host, "127.0.0.1");
	OK(parse("a --bind h:1", "PORT=2") == 0);
	OK_STR(c.notices, "");
}

static void
fields_of_responses_are_checked_and_made_ready(void)
{
	char args[2000] = "a";

	OK(parse("a --header X-A:b --header x-c:", "") == 0);
	OK_STR(c.fields, "X-A: b\r\nx-c: \r\n");
	OK(c.n_fields == strlen(c.fields));
	OK(parse("a", "SHOAL_HEADER=a:,b:,c:d:e") == 0);
	OK_STR(c.fields, "a: \r\nb: \r\nc: d:e\r\n");
	/* The most and shortest of them: the memory is enough (asan). */
	for (int i = 0; i < CONF_LIST_MAX; i++)
		snprintf(args + strlen(args), sizeof(args) - strlen(args),
		    " --header=%c:", 'a' + i % 26);
	OK(parse(args, "") == 0 && c.n_fields == CONF_LIST_MAX * 5);
	for (size_t i = 0; i < strlen(args); i++)
		args[i] = "a:,"[i % 3];
	snprintf(args, 15 + 3 * CONF_LIST_MAX, "SHOAL_HEADER=%.*s",
	    3 * CONF_LIST_MAX - 1, args + 300);
	OK(parse("a", args) == 0 && c.n_fields == CONF_LIST_MAX * 5);

	refused("a --header x", "", "--header", "NAME:VALUE");
	refused("a --header :x", "", "--header", "NAME:VALUE");
	refused("a --header x(:y", "", "--header", "NAME:VALUE");
	refused("a --header x\r\nz:y", "", "--header", "NAME:VALUE");
	refused("a --header x:y\r\nz:y", "", "--header", "printable");
	refused("a --header x:\x7f", "", "--header", "printable");
	refused("a --header Content-Length:5", "", "--header", "own");
	refused("a --header transfer-encoding:x", "", "--header", "own");
	refused("a --header Server:x", "", "--header", "--server-header");
	refused("a --header date:x", "", "--header", "--date-header");
	refused("a --server-header x\nz:y", "", "--server-header",
	        "printable");
	refused("a", "SHOAL_SERVER_HEADER=x\ry", "--server-header",
	        "printable");
}

/* Where one has become an option, the row has to go. */
static void
what_other_servers_do_is_refused_with_advice(void)
{
	struct opt_found f;

	for (unsigned i = 0; conf_absent_at(i); i++)
		OK(!opt_find(&f, str_of(conf_absent_at(i))));
	refused("a --reload", "", "--reload", "HUP");
	refused("a --reload-dir=x", "", "--reload-dir", "HUP");
	refused("a --ssl_keyfile x", "", "--ssl_keyfile", "proxy");
	refused("a --daemon", "", "--daemon", "foreground");
	refused("a --daemonx", "", "--daemonx", "--help");
	refused("a --user=u", "", "--user", "setpriv");
	refused("a --fd 3", "", "--fd", "--bind");
	refused("-D a", "", "-D", "foreground");
	refused("-c gunicorn.conf.py a", "", "-c", "SHOAL_");
	refused("-w4g http a", "", "-w", "4g");
	refused("-u http -g http a", "", "-u", "setpriv");
	refused("a --max-requests-jitter 3", "", "jitter", "HUP");
}

/* Uvicorn's words for WebSocket, where Shoal has a switch. */
static void
a_switch_takes_another_servers_words(void)
{
	OK(parse("--ws websockets m:a", "") == 0 && c.ws);
	OK_STR(c.app, "m:a");
	OK(parse("--ws none m:a", "") == 0 && !c.ws);
	OK(parse("m:a --ws=none", "") == 0 && !c.ws);
	OK(parse("m:a --no-ws", "") == 0 && !c.ws);
	OK(parse("m:a --ws", "") == 0 && c.ws);
	OK(parse("m:a", "SHOAL_WS=none") == 0 && !c.ws);
	OK(parse("--ws m:a", "") == 0 && c.ws);
	OK_STR(c.app, "m:a");
	OK(parse("--no-ws auto", "") == 0 && !c.ws);
	OK_STR(c.app, "auto");
	refused("m:a --ws=maybe", "", "--ws", "on or off");
	refused("m:a --log=none", "", "--log", "on or off");
	refused("m:a --log none", "", "none", "m:a");
}

static void
an_empty_variable_is_no_variable(void)
{
	OK(parse("a", "SHOAL_PORT= PORT=9 WEB_CONCURRENCY=") == 0);
	OK(c.port == 9 && c.workers == 0);
}

static void
variables_that_others_set_do_no_harm(void)
{
	OK(parse("a", "SHOAL_PORT=tcp://10.0.0.1:80 SHOAL_VERSION=0.1 "
	         "SHOAL_SERVICE_HOST=10.0.0.1 SHOAL_PORT_80_TCP=x "
	         "SHOAL_ =x SHOAL_=y =z junk") == 0);
	OK(c.port == 8000 && !c.version);
	OK(strstr(c.notices, "tcp://10.0.0.1:80") != NULL);
	OK(strchr(c.notices, '\n')[1] == '\0');
	OK(parse("a", "SHOAL_WORKER=4") == 0);
	OK_STR(c.notices, "$SHOAL_WORKER has no effect; did you mean "
	       "$SHOAL_WORKERS?\n");
}

static void
granians_variables_are_taken(void)
{
	OK(parse("a", "GRANIAN_PORT=1 GRANIAN_WORKERS=3 GRANIAN_INTERFACE="
	         "wsgi GRANIAN_HTTP1_HEADER_READ_TIMEOUT=1500") == 0);
	OK(c.port == 1 && c.workers == 3 && c.header_timeout_ms == 1500);
	OK(c.interface == CONF_INTERFACE_WSGI);
	OK_STR(c.notices, "");
	/* Names that are not its options'. */
	OK(parse("a", "GRANIAN_WEBSOCKETS=false GRANIAN_LOG_ENABLED=0 "
	         "GRANIAN_LOG_ACCESS_ENABLED=1 GRANIAN_LOG_ACCESS_FMT=json "
	         "GRANIAN_HTTP1_KEEP_ALIVE=false") == 0);
	OK(!c.ws && !c.log && c.access_log && !c.http1_keep_alive);
	OK(c.access_form->kind == ALOG_JSON);
	/* Ours wins, and so does the command line. */
	OK(parse("a", "SHOAL_PORT=2 GRANIAN_PORT=1") == 0 && c.port == 2);
	OK(parse("a --port=3", "GRANIAN_PORT=1") == 0 && c.port == 3);
	OK(parse("a", "GRANIAN_SHARDS=2 SHOAL_WORKERS=4") == 0);
	OK(c.workers == 4);
	refused("a", "GRANIAN_WORKERS=x", "$GRANIAN_WORKERS", "1 to 1024");
	/* What has no effect is said, unless it is nobody's. */
	OK(parse("a", "GRANIAN_LOOP=uvloop") == 0);
	OK(strstr(c.notices, "$GRANIAN_LOOP has no effect: ") == c.notices);
	OK(parse("a", "GRANIAN_SSL_CERTIFICATE=x") == 0);
	OK_STR(c.notices, "$GRANIAN_SSL_CERTIFICATE has no effect: there is "
	       "no TLS; put a proxy in front that has\n");
	OK(parse("a", "GRANIAN_PORT_80_TCP=x GRANIAN_WORKER=4 GRANIAN_=x") ==
	   0);
	OK_STR(c.notices, "");
}

static void
a_variable_needs_a_name(void)
{
	OK(parse("a -e A=1 --env B= --raw-env=C=x=y", "SHOAL_ENV=x") == 0);
	OK(c.env.n == 3);
	OK_STR(c.env.v[2], "C=x=y");
	refused("a -e A", "", "--env takes NAME=VALUE", "'A'");
	refused("a --env==x", "", "--env takes NAME=VALUE", "'=x'");
}

static void
a_bad_value_says_what_is_accepted(void)
{
	refused("a --port 70000", "", "--port: '70000'", "from 0 to 65535");
	refused("a --port -1", "", "'-1'", "65535");
	refused("a --limit-request-line 1", "", "--limit-request-line",
	        "from 256 to 1m");
	refused("a --header-timeout 0", "", "from 10ms to 1h", "seconds");
	refused("a --isolation x", "", "'x'", "auto, interp, process");
	refused("a --log-level loud", "",
	        "one of critical, error, warning, info, debug", "'loud'");
	refused("a --uds-permissions 0888", "", "octal", "777");
	refused("a --uds-permissions 7777", "", "octal", "777");
	refused("a -w 1025", "", "-w", "auto, or a number from 1 to 1024");
	refused("a --port", "", "--port needs a value", "65535");
	refused("a --host --port 1", "", "--host needs a value", "ADDRESS");
	refused("a --port=", "", "--port: ''", "65535");
	refused("a --port 99999999999999999999", "", "--port", "65535");
}

static void
a_mode_is_octal(void)
{
	OK(parse("a --uds-permissions 660", "") == 0);
	OK(c.uds_permissions == 0660);
	OK(parse("a --uds-permissions 0o600", "") == 0);
	OK(c.uds_permissions == 0600);
	OK(parse("a --uds-permissions 0", "") == 0 && c.uds_permissions == 0);
}

static void
an_unknown_option_suggests_the_nearest(void)
{
	refused("a --prot 1", "", "--prot;", "did you mean --port?");
	refused("a --work 1", "", "--work;", "did you mean --workers?");
	refused("a --thread=1", "", "--thread;", "did you mean --threads?");
	refused("a --acess-log", "", "--acess-log;", "--access-log?");
	refused("a --xyzzyx", "", "--xyzzyx;", "see shoal --help");
	refused("a --x", "", "--x;", "see shoal --help");
	refused("a --=x", "", "--;", "see shoal --help");
	refused("a -z", "", "-z", "see shoal --help");
	refused("a --aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
	        "no such option", "see shoal --help");
}

static void
contradictions_are_refused_or_noticed(void)
{
	refused("a --limit-request-field 64k", "", "--limit-request-field",
	        "--limit-request-head");
	OK(parse("a --limit-request-field 64k --limit-request-head 64k", "")
	   == 0);
	refused("a --root-path x", "", "'x'", "slash");
	refused("a --server-header x\r\ny:z", "", "--server-header",
	        "printable");
	OK(parse("a --server-header off", "") == 0 && !c.server_header);
	OK(parse("a --bind h:1 --port 3", "PORT=4") == 0);
	OK_STR(c.notices, "--port has no effect beside --bind\n");
	OK(parse("a --uds /x", "PORT=4") == 0);
	OK_STR(c.notices, "");
	OK(parse("a --limit-request-body 0", "") == 0);
	OK(c.limit_request_body == INT64_MAX);
}

static void
help_and_version_need_nothing_else(void)
{
	OK(parse("--help", "SHOAL_PORT=x") == 0 && c.help && !c.version);
	OK(parse("-h", "") == 0 && c.help);
	OK(parse("-V", "SHOAL_HELP=1") == 0 && c.version && !c.help);
	OK(parse("a --check", "") == 0 && c.check);
	OK(parse("a", "SHOAL_CHECK=1 SHOAL_CHECK_CONFIG=1") == 0 && !c.check);
	OK(parse("-hV", "") == 0 && c.help && c.version);
}

static void
help_is_complete_and_narrow(void)
{
	char *text = NULL, name[80];
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	conf_help(f);
	fclose(f);
	for (size_t i = 0; i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];

		if (!o->name || o->type == OPT_TARGET)
			continue;
		opt_print_dashed(name, sizeof(name), o->name);
		if (!OK(strstr(text, name)))
			fprintf(stderr, "\t%s\n", name);
		opt_print_env(name, sizeof(name), "SHOAL_", o->name);
		OK(!opt_has_env(o) || strstr(text, name));
	}
	for (size_t i = 0; i < OPT_ALIASES; i++) {
		opt_print_dashed(name, sizeof(name), opt_aliases[i].name);
		OK(strstr(text, name) != NULL);
	}
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL;
	     line = end + 1)
		if (!OK(end - line <= 79 && (end == line || end[-1] != ' ')))
			fprintf(stderr, "\t%.*s\n", (int)(end - line), line);
	free(text);
}

/* "--name=value" and "$SHOAL_NAME=value"; whether both say the same. */
static int
parse_both(const char *name, const char *value)
{
	char args[300], env[300], variable[100];
	int by_arg, by_env;

	opt_print_env(variable, sizeof(variable), "SHOAL_", name);
	snprintf(env, sizeof(env), "%s=%s", variable, value);
	by_env = parse("a", env);
	/* It says by what it was given. */
	OK(by_env == 0 || strstr(err.text, variable));
	snprintf(args, sizeof(args), "a --%s=%s", name, value);
	by_arg = parse(args, "");
	OK(by_arg == by_env);
	return by_arg;
}

static int64_t
number_of(const struct opt *o)
{
	const char *member = (const char *)&c + o->member;

	if (o->type == OPT_SIZE)
		return *(const int64_t *)member;
	return *(const int *)member;
}

/* The number <n> of the row's unit, written in it. */
static int
parse_number(const struct opt *o, int64_t n)
{
	static const char *const units[] = {
		[OPT_TIME] = "ms", [OPT_USEC] = "us"
	};
	const char *unit = o->type == OPT_TIME || o->type == OPT_USEC ?
	    units[o->type] : "";
	char value[60];

	snprintf(value, sizeof(value), o->type == OPT_OCTAL ? "%llo%s" :
	    "%lld%s", (long long)n, unit);
	return parse_both(o->name, value);
}

/* What one option's number may not be because of another's default. */
static bool
is_tied(const struct opt *o)
{
	return strncmp(o->name, "limit_request_", 14) == 0;
}

static void
every_number_keeps_its_rows_bounds(void)
{
	for (size_t i = 0; i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];

		if (!o->name || o->type == OPT_TARGET || o->type == OPT_FLAG ||
		    o->type == OPT_TEXT || o->type == OPT_LIST ||
		    o->type == OPT_ENUM || opt_is_ignored(o))
			continue;
		if (!OK(o->lo < o->hi))
			fprintf(stderr, "\t%s\n", o->name);
		if (!is_tied(o)) {
			OK(parse_number(o, o->lo) == 0);
			OK(number_of(o) == o->lo);
			OK(parse_number(o, o->hi) == 0);
			OK(number_of(o) == o->hi);
		}
		/* A zero is "auto" to a COUNT. */
		if (o->lo > 0 && !(o->type == OPT_COUNT && o->lo == 1))
			OK(parse_number(o, o->lo - 1) == -EINVAL);
		if (o->hi < INT64_MAX)
			OK(parse_number(o, o->hi + 1) == -EINVAL);
	}
}

static void
every_word_and_switch_has_a_variable(void)
{
	char words[200], *rest, *word;

	for (size_t i = 0; i < OPT_ROWS; i++) {
		const struct opt *o = &opt_table[i];

		if (o->type == OPT_FLAG && opt_has_env(o)) {
			OK(parse_both(o->name, "on") == 0);
			OK(*(bool *)((char *)&c + o->member));
			OK(parse_both(o->name, "off") == 0);
			OK(!*(bool *)((char *)&c + o->member));
			OK(parse_both(o->name, "perhaps") == -EINVAL);
		}
		if (o->type != OPT_ENUM)
			continue;
		opt_print_words(o, " ", words, sizeof(words));
		rest = words;
		while ((word = strsep(&rest, " ")) != NULL)
			OK(parse_both(o->name, word) == 0);
		OK(parse_both(o->name, "nothing") == -EINVAL);
	}
}

static void
other_servers_names_have_variables_too(void)
{
	OK(parse("a", "SHOAL_HTTP1_HEADER_READ_TIMEOUT=1500") == 0);
	OK(c.header_timeout_ms == 1500);
	OK(parse("a", "SHOAL_THREADS=3 SHOAL_CHDIR=/x SHOAL_SHARDS=2") == 0);
	OK(c.blocking_threads == 3 && c.workers == 2);
	OK_STR(c.working_dir, "/x");
	OK(parse("a", "SHOAL_SHARDS=2 SHOAL_WORKERS=4") == 0);
	OK(c.workers == 4);
	OK(parse("a", "SHOAL_NO_SERVER_HEADER=1") == 0 && !c.server_header);
	OK(parse("a", "SHOAL_NO_SERVER_HEADER=0") == 0 && c.server_header);
	refused("a", "SHOAL_NO_SERVER_HEADER=x", "$SHOAL_NO_SERVER_HEADER",
	        "on or off");
	refused("a", "SHOAL_THREADS=x", "$SHOAL_THREADS", "from 1 to 4096");
	OK(parse("a", "SHOAL_LOOP=uvloop") == 0);
	OK(strstr(c.notices, "$SHOAL_LOOP has no effect: ") == c.notices);
	/* An alias is none of nothing, and does what its option does. */
	for (size_t i = 0; i < OPT_ALIASES; i++) {
		const struct opt *o = opt_named(str_of(opt_aliases[i].of));
		const char *value = o->type == OPT_TEXT ? "/x" : "9000";

		if (opt_aliases[i].how[0] == '=' || o->type == OPT_LIST ||
		    !opt_has_env(o))
			continue;
		if (o->type == OPT_FLAG)
			value = "on";
		if (strcmp(o->name, "access_log_fmt") == 0)
			value = "json";
		if (!OK(parse_both(opt_aliases[i].name, value) == 0 ||
		    strstr(err.text, "from 1 to 4096") ||
		    strstr(err.text, "from 1 to 1024")))
			fprintf(stderr, "\t%s: %s\n", opt_aliases[i].name,
			    err.text);
	}
}

static void
without_a_log_only_the_worst_is_said(void)
{
	OK(parse("a --no-log --log-level debug", "") == 0);
	OK(c.log_level == LEVEL_CRITICAL);
	OK(parse("a --log --log-level notset", "") == 0);
	OK(c.log_level == LEVEL_DEBUG);
}

static void
letters_of_other_servers_work(void)
{
	OK(parse("a -n shop -p /run/x -t 30", "") == 0);
	OK_STR(c.process_name, "shop");
	OK_STR(c.pid_file, "/run/x");
	OK(parse("a --interface asgi2", "") == 0);
	OK(c.interface == CONF_INTERFACE_ASGI2);
}

static void
the_access_log_is_wanted_and_formed(void)
{
	OK(parse("a", "") == 0 && c.access_form->kind == ALOG_SHOAL);
	OK(parse("a --access-log --access-logformat %(h)s", "") == 0);
	OK(c.access_form->kind == ALOG_PARTS && c.access_form->n == 1);
	OK_STR(c.notices, "");
	OK(parse("a --access-log-fmt json", "") == 0 && !c.access_log);
	OK(strstr(c.notices, "no effect without --access-log\n") != NULL);
	refused("a --access-log-fmt %(x)s", "", "--access-log-fmt: there is no "
	        "%(x)", "query_string");
	refused("a --access-log-fmt commn", "", "--access-log-fmt",
	        "common, combined, json");
}

static void
files_of_variables_are_known_before_the_rest(void)
{
	char args[] = "shoal --env-file x --env-files=y";
	char env[] = "SHOAL_PORT=x SHOAL_ENV_FILES=p,q";
	char *argv[WORDS], *envp[WORDS];

	split(args, argv);
	split(env, envp);
	conf_fini(&c);
	OK(conf_parse_env_files(&c, &err, 4, argv, envp) == 0);
	OK(c.env_file.n == 2);
	OK_STR(c.env_file.v[1], "y");
	conf_fini(&c);
	OK(conf_parse_env_files(&c, &err, 1, argv, envp) == 0);
	OK(c.env_file.n == 2);
	OK_STR(c.env_file.v[1], "q");
	conf_fini(&c);
	OK(conf_parse_env_files(&c, &err, 2, argv, envp) == -EINVAL);
	OK(!c.memory);
}

/* Two rows of one name or letter, or an alias of nothing. */
static void
the_list_has_no_slips(void)
{
	for (size_t i = 0; i < OPT_ROWS; i++)
		for (size_t j = 0; j < i; j++)
			OK(!opt_table[i].name || !opt_table[j].name ||
			   (strcmp(opt_table[i].name, opt_table[j].name) != 0 &&
			   (!opt_table[i].letter || opt_table[i].letter !=
			   opt_table[j].letter)));
	for (size_t i = 0; i < OPT_ALIASES; i++) {
		OK(opt_named(str_of(opt_aliases[i].name)) == NULL);
		OK(opt_named(str_of(opt_aliases[i].of)) != NULL);
	}
}

/* A list as long as it gets, from everywhere, must fit the counted memory. */
static void
all_texts_find_room(void)
{
	OK(parse("a --host h --uds u --venv v --root-path /r/ --pid-file p "
	         "--process-name n --server-header s --working-dir w -- x y",
	         "SHOAL_BIND=a,b,c,d,e,f,g,h,i,j,k,l,m SHOAL_BIN=x") == 0);
	OK(c.bind.n == 13);
	OK_STR(c.bind.v[12], "m");
	OK_STR(c.app_argv[2], "y");
}

static void
tests(void)
{
	T(defaults_are_those_of_the_list);
	T(values_stand_apart_or_attached);
	T(flags_have_a_negative_form);
	T(the_application_stands_anywhere_and_its_arguments_behind);
	T(times_are_kept_in_the_members_unit);
	T(names_of_other_servers_work);
	T(meaningless_options_are_noticed_once_each);
	T(too_many_notices_are_cut_between_lines);
	T(lists_gather);
	T(the_command_line_wins_over_the_environment);
	T(a_platforms_port_is_for_all_addresses);
	T(fields_of_responses_are_checked_and_made_ready);
	T(a_switch_takes_another_servers_words);
	T(what_other_servers_do_is_refused_with_advice);
	T(an_empty_variable_is_no_variable);
	T(variables_that_others_set_do_no_harm);
	T(granians_variables_are_taken);
	T(a_variable_needs_a_name);
	T(a_bad_value_says_what_is_accepted);
	T(a_mode_is_octal);
	T(an_unknown_option_suggests_the_nearest);
	T(contradictions_are_refused_or_noticed);
	T(help_and_version_need_nothing_else);
	T(help_is_complete_and_narrow);
	T(the_list_has_no_slips);
	T(every_number_keeps_its_rows_bounds);
	T(every_word_and_switch_has_a_variable);
	T(other_servers_names_have_variables_too);
	T(without_a_log_only_the_worst_is_said);
	T(letters_of_other_servers_work);
	T(the_access_log_is_wanted_and_formed);
	T(files_of_variables_are_known_before_the_rest);
	T(all_texts_find_room);
	conf_fini(&c);
}

T_MAIN(tests)
