/* See LICENSE for the terms. */
/*
 * struct pystate: everything Python of one interpreter.
 *
 * It is the state of the interpreter's _shoal module, so nothing of it is
 * static and nothing crosses interpreters.  Reached from the shard (shard->py)
 * and from our objects (each keeps a plain pointer: the module outlives them,
 * since interp.c holds it).
 *
 * Thread: whoever holds the interpreter's GIL.
 */
#ifndef INTERP_STATE_H
#define INTERP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/log.h"
#include "interp/py.h"

struct aloop_state;
struct berth;
struct rsgi;
struct scope_cache;
struct shard;
struct wpool;
struct wsgi;

/* Interned strings: member, text. */
#define STATE_NAMES(X) \
	X(type, "type") \
	X(asgi, "asgi") \
	X(http_version, "http_version") \
	X(method, "method") \
	X(scheme, "scheme") \
	X(path, "path") \
	X(raw_path, "raw_path") \
	X(query_string, "query_string") \
	X(root_path, "root_path") \
	X(headers, "headers") \
	X(client, "client") \
	X(server, "server") \
	X(state, "state") \
	X(extensions, "extensions") \
	X(body, "body") \
	X(more_body, "more_body") \
	X(status, "status") \
	X(http, "http") \
	X(http_request, "http.request") \
	X(http_disconnect, "http.disconnect") \
	X(response_start, "http.response.start") \
	X(response_body, "http.response.body") \
	X(websocket, "websocket") \
	X(ws_connect, "websocket.connect") \
	X(ws_receive, "websocket.receive") \
	X(ws_disconnect, "websocket.disconnect") \
	X(ws_accept, "websocket.accept") \
	X(ws_send, "websocket.send") \
	X(ws_close, "websocket.close") \
	X(ws_response_start, "websocket.http.response.start") \
	X(ws_response_body, "websocket.http.response.body") \
	X(subprotocol, "subprotocol") \
	X(subprotocols, "subprotocols") \
	X(text, "text") \
	X(bytes, "bytes") \
	X(code, "code") \
	X(reason, "reason") \
	X(response_trailers, "http.response.trailers") \
	X(response_pathsend, "http.response.pathsend") \
	X(response_zerocopysend, "http.response.zerocopysend") \
	X(response_early_hint, "http.response.early_hint") \
	X(trailers, "trailers") \
	X(more_trailers, "more_trailers") \
	X(file, "file") \
	X(offset, "offset") \
	X(count, "count") \
	X(links, "links") \
	X(broadcast, "shoal.broadcast") \
	X(connection, "shoal.connection") \
	X(shoal_join, "shoal.join") \
	X(shoal_leave, "shoal.leave") \
	X(shoal_publish, "shoal.publish") \
	X(channel, "channel") \
	X(scope, "scope") \
	X(done, "done") \
	X(set_result, "set_result") \
	X(create_future, "create_future") \
	X(throw_, "throw") \
	X(close, "close") \
	X(join, "join") \
	X(request_name, "request")

struct state_names {
#define X(member, text) PyObject *member;
	STATE_NAMES(X)
#undef X
};

struct pystate {
	struct berth *berth;
	struct shard *shard;
	struct log log;			/* for those who hold the GIL */
	PyObject *module;		/* _shoal itself */
	PyObject *boot;			/* boot.py's module */
	struct state_names s;

	PyTypeObject *selector_type;
	PyTypeObject *exchange_type;	/* an ASGI request */
	PyTypeObject *send_type;
	PyTypeObject *receive_type;
	PyTypeObject *subscription_type;	/* channel.c */
	PyTypeObject *ws_piece_type;	/* a websocket.send that waits */
	PyTypeObject *done_type;	/* awaitable that is done */
	PyTypeObject *flow_type;	/* awaitable that may wait */
	PyTypeObject *rsgi_scope_type;
	PyTypeObject *rsgi_headers_type;
	PyTypeObject *rsgi_proto_type;
	PyTypeObject *rsgi_stream_type;
	PyTypeObject *rsgi_coro_type;
	PyTypeObject *wsgi_start_type;
	PyTypeObject *wsgi_write_type;
	PyTypeObject *wsgi_input_type;
	PyTypeObject *wsgi_wrapper_type;

	PyObject *app;			/* what is called */
	PyObject *loop;
	PyObject *task_type;		/* asyncio.Task */
	PyObject *cancelled;		/* asyncio.CancelledError */
	PyObject *task_kwargs;		/* loop, eager_start, name */
	PyObject *done;			/* the one object of done_type */
	PyObject *format_exc;		/* boot.py: exception to text */
	PyObject *empty_bytes;
	PyObject *empty_str;
	PyObject *message_type;		/* shoal.Message, when it is imported */
	PyObject *more_false;		/* for http.request messages */

	struct aloop_state *al;		/* made with the first event loop */
	struct scope_cache *cache;
	struct wpool *wpool;
	struct rsgi *rsgi;
	struct wsgi *wsgi;
	PyThreadState *shard_ts;	/* of the shard's own thread */
	unsigned arena;			/* mem.h: its threads' */
	PyObject *scope;		/* ASGI: what all requests have alike */
	PyObject *ws_scope;		/* the same for WebSockets */
	PyObject *asgi_info;		/* scope["asgi"], copied a request */
	PyObject *asgi_extensions;	/* scope["extensions"], likewise */
	PyObject *lifespan_state;	/* dict, copied a request; or NULL */
	unsigned n_tasks;		/* requests' coroutines not over */
	struct list inlets;		/* of Subscriptions: channel.c */
	bool in_python;			/* the event loop's thread is */
	bool ready;			/* serving: a refusal is late */
};

/* Makes names and types; -1 with an exception. */
int state_init(struct pystate *st, PyObject *module);

/* The pystate of a shard. */
static inline struct pystate *
state_of(const void *py)
{
	return (struct pystate *)(uintptr_t)py;
}

#endif
