/* See LICENSE for the terms. */
/*
 * WebSocket's opening handshake over HTTP/1.1 (RFC 6455, 4.2): what a request
 * must say, and the proof that goes into the answer.
 *
 * Pure functions.  Thread: the shard's token holder.
 */
#ifndef PROTO_WS_SHAKE_H
#define PROTO_WS_SHAKE_H

#include <stdbool.h>

#include "core/str.h"

struct conf;
struct req;

/* Sec-WebSocket-Accept's value, without NUL. */
#define WS_ACCEPT_SIZE 28

/*
 * Once head_check() was content: a request with "Upgrade: websocket" is a
 * handshake, and must be a whole one: GET, HTTP/1.1, Connection, version and
 * key, no body, an Origin that is allowed.  Fills r->ws.  0, or the status to
 * refuse with; 426 goes with the version that we speak.
 */
int ws_shake_check(struct req *r, const struct conf *conf, const char **why);

/* The proof for the request's key. */
void ws_shake_accept(const struct req *r, char to[WS_ACCEPT_SIZE]);

/*
 * The next of the subprotocols that the client offers, in its order, also
 * from several fields.  <at> begins as { 0, 0 }; an empty one: no more.
 */
struct ws_offers { unsigned field; size_t at; };
struct str ws_shake_subprotocol(const struct req *r, struct ws_offers *at);

#endif
