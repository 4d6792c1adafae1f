/* See LICENSE for the terms. */
/*
 * Assembles: options, the plan for the CPUs, where to start, the keeper.  The
 * only file that may include every folder; it has no logic of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/cpu.h"
#include "core/envfile.h"
#include "core/keeper.h"
#include "core/log.h"
#include "core/logfile.h"
#include "core/mem.h"
#include "core/title.h"
#include "interp/check.h"
#include "interp/embed.h"
#include "interp/interp.h"
#include "interp/server.h"
#include "proto/h1.h"
#include "proto/ws_deflate.h"

extern char **environ;

static int
print_version(void)
{
	printf("Shoal %s\nPython %s\nllhttp %s\nzlib %s\n%s\n"
	    "isolation: auto, interp (a shard a thread), process\n",
	    VERSION, interp_version(), h1_parser_version(),
	    ws_deflate_version(), mem_version());
	return EXIT_CLEAN;
}

static int
print_module(void)
{
	return fputs(embed_find("shoal")->data, stdout) >= 0 &&
	    fflush(stdout) == 0 ? EXIT_CLEAN : EXIT_START;
}

/*
 * Where the standard descriptors are closed, a listening socket or the shared
 * mapping would get their numbers, and be what the log is written to.
 */
static int
open_standard(void)
{
	/* The lowest free number is the one that is asked for. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) != fd)
			return EXIT_START;
	return 0;
}

/* Connections are descriptors: as many as we are allowed. */
static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* What can be known to be wrong before a process is started. */
static int
check(const struct conf *conf, struct log *log)
{
	char venv[4096], err[512];

	if (conf->working_dir && chdir(conf->working_dir) == -1) {
		log_crit(log, "--working-dir %s: %m", conf->working_dir);
		return EXIT_START;
	}
	if (interp_find_venv(conf, venv, sizeof(venv), err,
	    sizeof(err)) != 0) {
		log_crit(log, "%s", err);
		return EXIT_START;
	}
	return 0;
}

static int
serve(const struct conf *conf, const struct envfiles *env,
    struct title *title)
{
	struct logfiles files;
	struct keeper_opts opts = { .scheme = "http", .version = VERSION,
		.files = &files, .env = env };
	const char *option;
	struct cpu_plan plan;
	struct log log;
	char why[160];
	int code, err;

	log_init(&log, STDERR_FILENO, (enum log_level)conf->log_level, NULL);
	code = check(conf, &log);
	if (code)
		return code;
	if (conf->check)
		return check_run(conf, &log);
	err = logfiles_open(&files, conf, &option);
	if (err) {
		log_crit(&log, "%s: %s", option, strerror(-err));
		return EXIT_START;
	}
	log_fini(&log);
	log_init(&log, files.log.fd, (enum log_level)conf->log_level, NULL);
	if (*conf->notices)
		log_text(&log, LEVEL_WARNING, "", str_of(conf->notices));
	if (conf->process_name && *conf->process_name) {
		title_set(title, conf->process_name);
		opts.title = title;
	}
	raise_descriptors();
	if (conf->umask >= 0)
		umask((mode_t)conf->umask);
	err = cpu_plan_make(&plan, conf, "");
	if (err) {
		log_crit(&log, "the CPUs cannot be counted: %s",
		    strerror(-err));
		return EXIT_START;
	}
	interp_placement(conf, &opts, why);
	return keeper_run(conf, &plan, &log, &opts, server_run);
}

/* --env-file and --env: the environment's from now on, for options, too. */
static int
read_env_files(const struct envfiles *env)
{
	char err[400];

	if (envfile_apply(env, err, sizeof(err)) == 0)
		return 0;
	fprintf(stderr, "shoal: %s\n", err);
	return EXIT_START;
}

static int
usage(int code, const struct conf_error *err)
{
	fprintf(stderr, "shoal: %s\n", err->text);
	return code == -ENOMEM ? EXIT_START : EXIT_USAGE;
}

static int
run(int argc, char **argv, const struct envfiles *env)
{
	struct conf_error err;
	struct title title;
	struct conf conf;
	int code;

	code = conf_parse(&conf, &err, argc, argv, environ);
	if (code)
		return usage(code, &err);
	if (conf.help) {
		conf_help(stdout);
		code = EXIT_CLEAN;
	} else if (conf.version) {
		code = print_version();
	} else if (conf.print_config) {
		fputs(conf.notices, stderr);
		conf_print(&conf, stdout);
		code = EXIT_CLEAN;
	} else if (conf.print_module) {
		code = print_module();
	} else {
		title_init(&title, argc, argv);
		code = serve(&conf, env, &title);
	}
	conf_fini(&conf);
	return code;
}

int
main(int argc, char **argv)
{
	struct envfiles env = { .given = environ, .dir = AT_FDCWD };
	struct conf_error err;
	struct conf conf;
	int code;

	code = open_standard();
	if (code)
		return code;
	code = conf_parse_env_files(&conf, &err, argc, argv, environ);
	if (code)
		return usage(code, &err);
	env.paths = &conf.env_file;
	env.vars = &conf.env;
	if (conf.env_file.n || conf.env.n) {
		/* Of --working-dir they know nothing. */
		env.dir = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		code = read_env_files(&env);
	}
	if (!code)
		code = run(argc, argv, &env);
	conf_fini(&conf);
	return code;
}
