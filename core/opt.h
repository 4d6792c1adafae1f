/* See LICENSE for the terms. */
/*
 * The options: everything about one comes from its row.
 *
 * The command line, SHOAL_<NAME> in the environment, the bounds, --help and
 * struct conf expand from these lists; see core/conf.h for what a program
 * reads, core/conf.c for how it is parsed.  Only these two include this.
 *
 * X(type, name, letter, default, low, high, argument, help)
 *
 * The name has '_' where people write '-' ('_' is accepted, too).
 *
 *	type	member			what is written
 *	TARGET	const char *name	the word without a dash: APP; or --app
 *	FLAG	bool name		--name, --no-name, --name=on|off
 *	INT	int name		a number
 *	COUNT	int name		a number, or "auto" or 0, stored as 0
 *	OCTAL	int name		a file mode; -1 if not given
 *	SIZE	int64_t name		bytes: 8190, 8k, 1m
 *	TIME	int name_ms		30 (seconds), 1.5s, 500ms, 1h30m
 *	USEC	int name_us		the same, kept in microseconds
 *	TEXT	const char *name	anything; NULL if the default is NULL
 *	LIST	struct conf_list name	repeatable; in the environment the
 *					parts stand between spaces or commas
 *	ENUM	int name		a word of WORDS_name, below
 *	IGNORED, IGNORED_FLAG		no member: another server's option that
 *					means nothing here; help says why
 *
 * The help of a FLAG is that of the form which changes something: --no-name
 * if the default is on.  Bounds are in the member's unit.  An
 * "argument" of NULL is the type's own.
 * G(title) begins a group of --help.
 */
#ifndef CORE_OPT_H
#define CORE_OPT_H

#define OPTIONS(G, X) \
G("The application") \
X(TARGET, app, 0, NULL, 0, 0, NULL, "") \
X(FLAG, factory, 0, "off", 0, 0, NULL, \
  "APP is a function that makes the application") \
X(TEXT, working_dir, 0, NULL, 0, 0, "DIR", \
  "change to this directory and import from it") \
X(TEXT, pythonpath, 0, NULL, 0, 0, "DIR,DIR", \
  "import from these, too, after the working directory") \
X(TEXT, venv, 0, NULL, 0, 0, "DIR", \
  "virtual environment; without it $VIRTUAL_ENV, then ./.venv") \
X(LIST, env_file, 0, NULL, 0, 0, "PATH", \
  "variables of the environment, NAME=value a line, repeatable; those that " \
  "are there already win; read again by HUP") \
X(LIST, env, 'e', NULL, 0, 0, "NAME=VALUE", \
  "a variable of the application's environment, repeatable; wins over all " \
  "others") \
X(ENUM, interface, 0, "auto", 0, 0, NULL, \
  "how APP is called; auto finds out; asginl: asgi without lifespan; asgi2: " \
  "app(scope)(receive, send)") \
X(ENUM, lifespan, 0, "auto", 0, 0, NULL, \
  "ASGI lifespan events; on: an application without them is an error") \
X(TEXT, root_path, 0, "", 0, 0, "PATH", \
  "URL path below which a proxy mounts the application") \
G("Where to listen") \
X(TEXT, host, 0, "127.0.0.1", 0, 0, "ADDRESS", \
  "IPv4 or IPv6 address, or a name") \
X(INT, port, 0, "8000", 0, 65535, NULL, \
  "0 takes a free one and prints it; $PORT counts, too, and then --host " \
  "is 0.0.0.0") \
X(LIST, bind, 'b', NULL, 0, 0, "ADDRESS", \
  "instead of host and port, repeatable: host:port, [v6]:port, unix:PATH") \
X(TEXT, uds, 0, NULL, 0, 0, "PATH", \
  "Unix socket, instead of host and port") \
X(OCTAL, uds_permissions, 0, NULL, 0, 0777, NULL, \
  "mode of Unix sockets, octal; without it the umask decides") \
X(OCTAL, umask, 'm', NULL, 0, 0777, NULL, \
  "file mode bits that are taken from what is created; without it those that " \
  "Shoal was started with") \
X(INT, backlog, 0, "2048", 1, 65535, NULL, \
  "connections that may wait to be accepted, a listening socket") \
G("Shards") \
X(COUNT, workers, 'w', "auto", 1, 1024, NULL, \
  "shards; auto is one a CPU that this process may use, by affinity and " \
  "CPU quota; $WEB_CONCURRENCY counts, too") \
X(INT, max_workers, 0, "0", 0, 1024, NULL, \
  "never more shards than this; 0: no such bound") \
X(ENUM, pin, 0, "auto", 0, 0, NULL, \
  "keep each shard on a CPU of its own; auto: if there are as many CPUs") \
X(ENUM, isolation, 0, "auto", 0, 0, NULL, \
  "a shard is an interpreter in one process, or a process; auto: the first " \
  "if everything that the application imports can do that") \
X(COUNT, blocking_threads, 0, "auto", 1, 4096, NULL, \
  "threads of a shard that run WSGI applications") \
X(USEC, turn_budget, 0, "1ms", 50, 1000000, NULL, \
  "a shard runs Python this long before it looks at its sockets again") \
X(ENUM, gc, 0, "auto", 0, 0, NULL, \
  "Python's cyclic collector; auto: what start-up made is left out of it, it " \
  "looks at little at once, and at all seldom and rather while the shard is " \
  "idle; python: as it is") \
X(COUNT, max_connections, 0, "auto", 1, 10000000, NULL, \
  "open connections, a shard; auto: what the descriptor limit allows") \
X(INT, max_connections_per_peer, 0, "0", 0, 10000000, NULL, \
  "of one address (IPv6: of one /64), a shard; 0: no such bound") \
G("Messages between connections") \
X(SIZE, ring_size, 0, "4m", 64 << 10, 128 << 20, NULL, \
  "of each shard, for messages not yet delivered everywhere; the largest " \
  "message is a quarter of it") \
X(SIZE, subscriber_buffer, 0, "1m", 4 << 10, 1 << 30, NULL, \
  "what may wait for one subscriber that is slow") \
X(ENUM, subscriber_overflow, 0, "close", 0, 0, NULL, \
  "beyond it a WebSocket is closed with 1013, or skips messages; an iterator " \
  "always skips the oldest, and is told how many") \
G("Limits of a request") \
X(SIZE, limit_request_line, 0, "8k", 256, 1 << 20, NULL, \
  "method, target and version; beyond it the answer is 414") \
X(SIZE, limit_request_field, 0, "8k", 256, 1 << 20, NULL, \
  "one header field; beyond it 431") \
X(SIZE, limit_request_head, 0, "32k", 1 << 10, 16 << 20, NULL, \
  "all header fields; beyond it 431") \
X(INT, limit_request_fields, 0, "100", 1, 10000, NULL, \
  "number of header fields; beyond it 431, once the head has come") \
X(INT, limit_request_fields_hard, 0, "256", 1, 10000, NULL, \
  "number of header fields at which the connection ends without an answer") \
X(SIZE, limit_request_body, 0, "1g", 0, INT64_MAX, NULL, \
  "body; beyond it 413; 0: no limit") \
X(ENUM, header_map, 0, "drop", 0, 0, NULL, \
  "a header name with an underscore, which CGI takes for a dash: WSGI does " \
  "not get it, or the answer is 400") \
X(INT, keep_alive_requests, 0, "10000", 1, INT_MAX, NULL, \
  "requests of one connection") \
X(FLAG, http1_keep_alive, 0, "on", 0, 0, NULL, \
  "one request a connection") \
G("WebSocket") \
X(FLAG, ws, 0, "on", 0, 0, NULL, \
  "no WebSocket: handshakes are plain requests") \
X(LIST, ws_origins, 0, NULL, 0, 0, "ORIGIN", \
  "pages that may open one, repeatable: https://example.org; others get 403") \
X(SIZE, ws_max_size, 0, "1m", 125, INT64_C(1) << 31, NULL, \
  "one message; beyond it the connection is closed with 1009") \
X(INT, ws_max_fragments, 0, "1024", 1, INT_MAX, NULL, \
  "fragments of a message; beyond it 1009") \
X(FLAG, ws_per_message_deflate, 0, "on", 0, 0, NULL, \
  "messages are never compressed") \
X(TIME, ws_ping_interval, 0, "20s", 0, 86400000, NULL, \
  "between two pings; 0: none") \
X(TIME, ws_ping_timeout, 0, "20s", 0, 86400000, NULL, \
  "for any sign of life after a ping; 0: as long as it takes") \
X(TIME, ws_close_timeout, 0, "5s", 10, 3600000, NULL, \
  "for the client's answer to a close frame") \
G("Timeouts") \
X(TIME, header_timeout, 0, "10s", 10, 3600000, NULL, \
  "for a whole request head, from its first byte or the connection's start") \
X(TIME, body_timeout, 0, "30s", 10, 3600000, NULL, \
  "between two pieces of a request body") \
X(SIZE, body_rate, 0, "240", 0, 1 << 30, NULL, \
  "bytes of a request body a second, from 10 seconds on, while the " \
  "application waits for them; 0: any") \
X(TIME, keep_alive_timeout, 0, "75s", 0, 86400000, NULL, \
  "for an idle connection; longer than the proxy's in front") \
X(TIME, keep_alive_age, 0, "1h", 0, INT_MAX, NULL, \
  "a connection older than this ends with its next answer; 0: never") \
X(TIME, send_timeout, 0, "30s", 10, 3600000, NULL, \
  "for a client that takes nothing of its response") \
G("Starting and stopping") \
X(TIME, graceful_timeout, 0, "30s", 0, 86400000, NULL, \
  "for requests to finish after a stop signal") \
X(TIME, drain_grace, 0, "250ms", 0, 60000, NULL, \
  "how long idle connections stay after a stop signal, so that a request " \
  "on its way is answered, not reset") \
X(TIME, stall_report, 0, "1s", 0, 3600000, NULL, \
  "a shard longer in one Python call is reported with its stack, and so is a " \
  "start that takes ten times as long; 0: never") \
X(TIME, adopt_after, 0, "200ms", 10, 3600000, NULL, \
  "a shard longer in one Python call has its new connections taken by others") \
X(TEXT, pid_file, 'p', NULL, 0, 0, "PATH", \
  "written at start, removed at the end") \
X(TEXT, process_name, 'n', NULL, 0, 0, "NAME", \
  "shown by ps and top instead of the command line") \
G("Log") \
X(FLAG, log, 0, "on", 0, 0, NULL, \
  "only critical lines, and the access log if there is one") \
X(ENUM, log_level, 0, "info", 0, 0, NULL, \
  "what is worth a line on the standard error output") \
X(TEXT, log_file, 0, NULL, 0, 0, "PATH", \
  "the log, instead of the standard error output; SIGUSR1 reopens it") \
X(FLAG, access_log, 0, "off", 0, 0, NULL, \
  "a line for each response") \
X(TEXT, access_log_file, 0, NULL, 0, 0, "PATH", \
  "those lines, instead of the log, and they are on; -: standard output; " \
  "SIGUSR1 reopens it") \
X(TEXT, access_log_fmt, 0, "shoal", 0, 0, "FORMAT", \
  "shoal, common, combined, json, or a text with atoms of Granian and " \
  "gunicorn: '%(h)s %(s)s %(header{host})s %(dt_ms).3f'; %(r)s and %(q)s " \
  "show the query, the words do not") \
G("Responses") \
X(TEXT, server_header, 0, "shoal", 0, 0, "TEXT", \
  "value of the Server field of responses; off: no such field") \
X(FLAG, date_header, 0, "on", 0, 0, NULL, \
  "no Date field in responses") \
X(LIST, header, 0, NULL, 0, 0, "NAME:VALUE", \
  "a field of every response, beside those of the application; repeatable") \
G("Information") \
X(FLAG, check, 0, "off", 0, 0, NULL, \
  "load the application in every isolation, say which modules refuse, and " \
  "end; 0 if it would start, 3 if not") \
X(FLAG, print_config, 0, "off", 0, 0, NULL, \
  "print every option, what it is and where that is from, and end") \
X(FLAG, print_module, 0, "off", 0, 0, NULL, \
  "print the Python module shoal, whose calls work in memory in tests of an " \
  "application, and end") \
X(FLAG, version, 'V', "off", 0, 0, NULL, \
  "print the versions of all parts, and end") \
X(FLAG, help, 'h', "off", 0, 0, NULL, \
  "print this, and end") \
G("Accepted from other servers, without effect") \
X(IGNORED, loop, 0, NULL, 0, 0, NULL, \
  "asyncio's loop is Shoal's own") \
X(IGNORED, http, 0, NULL, 0, 0, NULL, \
  "HTTP is parsed by Shoal itself") \
X(IGNORED, ws_max_queue, 0, NULL, 0, 0, NULL, \
  "what waits for the application is bounded by bytes") \
X(IGNORED, worker_class, 'k', NULL, 0, 0, NULL, \
  "every shard serves all interfaces; see --interface") \
X(IGNORED, timeout, 't', NULL, 0, 0, NULL, \
  "a busy shard is never killed; see --stall-report") \
X(IGNORED, timeout_worker_healthcheck, 0, NULL, 0, 0, NULL, \
  "a busy shard is never killed; see --stall-report") \
X(IGNORED, runtime_threads, 0, NULL, 0, 0, NULL, \
  "a shard is one thread") \
X(IGNORED, runtime_blocking_threads, 0, NULL, 0, 0, NULL, \
  "a shard is one thread") \
X(IGNORED, runtime_mode, 0, NULL, 0, 0, NULL, \
  "a shard is one thread") \
X(IGNORED, blocking_threads_idle_timeout, 0, NULL, 0, 0, NULL, \
  "idle threads cost nothing") \
X(IGNORED, task_impl, 0, NULL, 0, 0, NULL, \
  "tasks are asyncio's own") \
X(IGNORED, backpressure, 0, NULL, 0, 0, NULL, \
  "see --max-connections") \
X(IGNORED_FLAG, http1_pipeline_flush, 0, NULL, 0, 0, NULL, \
  "the answers of a turn always leave together") \
X(IGNORED_FLAG, respawn_failed_workers, 0, NULL, 0, 0, NULL, \
  "what dies is always started again") \
X(IGNORED, respawn_interval, 0, NULL, 0, 0, NULL, \
  "what starts takes over when it is ready") \
X(IGNORED_FLAG, preload, 0, NULL, 0, 0, NULL, \
  "each shard imports the application itself") \
X(IGNORED_FLAG, use_colors, 0, NULL, 0, 0, NULL, \
  "the terminal and $NO_COLOR decide") \
X(IGNORED, log_config, 0, NULL, 0, 0, NULL, \
  "the log is not Python's; the application sets up its own") \
X(IGNORED_FLAG, capture_output, 0, NULL, 0, 0, NULL, \
  "the application's output goes where Shoal's does") \
X(IGNORED_FLAG, enable_stdio_inheritance, 'R', NULL, 0, 0, NULL, \
  "the application's output goes where Shoal's does") \
X(IGNORED_FLAG, reuse_port, 0, NULL, 0, 0, NULL, \
  "each shard has a socket of its own anyway") \
X(IGNORED, worker_tmp_dir, 0, NULL, 0, 0, NULL, \
  "shards are watched without files")

/*
 * A(other name, option, how): other servers' names, and older ones.
 *
 * how: ""	the same
 *	"ms"	a bare number is milliseconds
 *	"=x"	takes no value, means x
 */
#define ALIASES(A) \
A(app_dir, working_dir, "") \
A(chdir, working_dir, "") \
A(url_path_prefix, root_path, "") \
A(shards, workers, "") \
A(threads, blocking_threads, "") \
A(worker_connections, max_connections, "") \
A(limit_request_field_size, limit_request_field, "") \
A(http1_buffer_size, limit_request_head, "") \
A(h11_max_incomplete_event_size, limit_request_head, "") \
A(limit_concurrency, max_connections, "") \
A(http1_header_read_timeout, header_timeout, "ms") \
A(timeout_keep_alive, keep_alive_timeout, "") \
A(keep_alive, keep_alive_timeout, "") \
A(timeout_graceful_shutdown, graceful_timeout, "") \
A(workers_kill_timeout, graceful_timeout, "") \
A(error_logfile, log_file, "") \
A(access_logfile, access_log_file, "") \
A(no_server_header, server_header, "=off") \
A(access_logformat, access_log_fmt, "") \
A(env_files, env_file, "") \
A(check_config, check, "") \
A(raw_env, env, "") \
A(pid, pid_file, "") \
A(name, process_name, "")

/*
 * S(option, word, means): what another server has as words and Shoal as a
 * FLAG, which then takes them, also as the next word of the command line.
 */
#define SPELLINGS(S) \
S(ws, "auto", "on") \
S(ws, "websockets", "on") \
S(ws, "websockets-sansio", "on") \
S(ws, "wsproto", "on") \
S(ws, "none", "off")

/*
 * V(variable, option): Granian's variables whose names are not its options';
 * the others are read as GRANIAN_<NAME> of options and aliases.
 */
#define VARIABLES(V) \
V(GRANIAN_WEBSOCKETS, ws) \
V(GRANIAN_LOG_ENABLED, log) \
V(GRANIAN_LOG_ACCESS_ENABLED, access_log) \
V(GRANIAN_LOG_ACCESS_FMT, access_log_fmt)

/*
 * W(word, value): the words of an ENUM.  The first word of a value is its
 * name; later ones are accepted and not advertised.
 */
#define WORDS_interface(W) \
W("auto", CONF_INTERFACE_AUTO) \
W("asgi", CONF_INTERFACE_ASGI) \
W("asginl", CONF_INTERFACE_ASGINL) \
W("rsgi", CONF_INTERFACE_RSGI) \
W("wsgi", CONF_INTERFACE_WSGI) \
W("asgi2", CONF_INTERFACE_ASGI2) \
W("asgi3", CONF_INTERFACE_ASGI)

#define WORDS_lifespan(W) \
W("auto", CONF_LIFESPAN_AUTO) \
W("on", CONF_LIFESPAN_ON) \
W("off", CONF_LIFESPAN_OFF)

#define WORDS_pin(W) \
W("auto", CONF_PIN_AUTO) \
W("on", CONF_PIN_ON) \
W("off", CONF_PIN_OFF)

#define WORDS_gc(W) W("auto", CONF_GC_AUTO) W("python", CONF_GC_PYTHON)
#define WORDS_isolation(W) \
W("auto", CONF_ISOLATION_AUTO) \
W("interp", CONF_ISOLATION_INTERP) \
W("process", CONF_ISOLATION_PROCESS)

#define WORDS_subscriber_overflow(W) \
W("close", CONF_OVERFLOW_CLOSE) \
W("skip", CONF_OVERFLOW_SKIP)

#define WORDS_header_map(W) \
W("drop", CONF_HEADER_MAP_DROP) \
W("refuse", CONF_HEADER_MAP_REFUSE)

#define WORDS_log_level(W) \
W("critical", LEVEL_CRITICAL) \
W("error", LEVEL_ERROR) \
W("warning", LEVEL_WARNING) \
W("info", LEVEL_INFO) \
W("debug", LEVEL_DEBUG) \
W("warn", LEVEL_WARNING) \
W("trace", LEVEL_DEBUG) \
W("notset", LEVEL_DEBUG) \
W("fatal", LEVEL_CRITICAL)

#endif
