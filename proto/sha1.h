/* See LICENSE for the terms. */
/*
 * SHA-1 (FIPS 180-4), which WebSocket's handshake wants as proof that the
 * server understood it; it protects nothing.  A pure function.  Any thread.
 */
#ifndef PROTO_SHA1_H
#define PROTO_SHA1_H

#include <stddef.h>

#define SHA1_SIZE 20

/* Of at most 119 bytes: two blocks are all that a handshake needs. */
void sha1(unsigned char out[SHA1_SIZE], const void *p, size_t n);

#endif
