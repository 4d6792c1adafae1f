/* See LICENSE for the terms. */
/*
 * HTTP/1.1 and 1.0 (RFC 9112) on one connection: llhttp reads, one request at
 * a time is with the application, what was pipelined behind it waits unparsed
 * in conn->in.  h1.c is the connection's life, h1_in.c the parser's callbacks
 * and the checks of syntax that llhttp leaves to its caller, head.c what the
 * fields of a whole head must say, h1_out.c the response's framing.
 *
 * States of h1.c:
 *
 *   IDLE    no byte of the next request: keep-alive deadline; may be shed
 *   HEAD    reading a head: absolute header deadline from its first byte
 *   BODY    the application has the request; its body is still coming: a
 *           deadline between bytes
 *   BUSY    the request is whole; the response is not
 *   SKIP    the response is whole, the body is not: it is read and thrown
 *           away up to H1_SKIP_MAX bytes, then the connection ends
 *   OVER    refused or closing: no byte is parsed any more
 *
 * A refusal answers everything before it first (requests are served one by
 * one, so they are answered already), sends the status with
 * "connection: close", and closes with linger.  In a body, that an application
 * already has, it does the same and the application hears that it is gone,
 * unless the head of its response is out: then that may be finished.
 */
#ifndef PROTO_H1_H
#define PROTO_H1_H

#include "core/conn.h"

/* Unread body that is skipped to keep the connection. */
#define H1_SKIP_MAX (256u << 10)

extern const struct proto_ops proto_h1;

/*
 * The request was answered with 101: the connection is <proto>'s from now on,
 * which has <pstate>, and the request is done.  Not from inside input().
 */
void h1_upgrade(struct req *r, const struct proto_ops *proto, void *pstate);

/* "9.4.3" */
const char *h1_parser_version(void);

#endif
