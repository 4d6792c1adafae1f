/* See LICENSE for the terms. */
/*
 * Between a protocol and an application.  Filled by interp/ (asgi, rsgi, wsgi)
 * and by test doubles.
 *
 * Called in the run step with Python's lock held, by the thread that has the
 * shard's token.  For one request: start() once, then any number of body() and
 * room(), gone() at most once and last but for nothing; none of them after the
 * application let go by req_release().
 *
 * The application answers through res.h, and must call req_release() exactly
 * once, after which it may not touch the request.  Released without a whole
 * response, the request is answered with 500, or cut where a part has gone.
 */
#ifndef PROTO_APP_H
#define PROTO_APP_H

struct req;
struct wsock;

struct app_ops {
	/* The head is complete; the body may follow. */
	void (*start)(struct req *);
	/* More of the body, or its end, after req_want(). */
	void (*body)(struct req *);
	/* There is space again, after res_write() took less than all. */
	void (*room)(struct req *);
	/*
	 * The client left, or broke the protocol in its body.  Output goes
	 * nowhere any more (r->lost), or may still arrive (the peer shut only
	 * its sending side).
	 */
	void (*gone)(struct req *);
	/*
	 * Something came of a WebSocket that was accepted; see wsock.h.  NULL:
	 * the application knows none, and handshakes are plain requests.
	 */
	void (*ws)(struct wsock *);
};

#endif
