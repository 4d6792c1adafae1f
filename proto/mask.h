/* See LICENSE for the terms. */
/*
 * WebSocket's mask (RFC 6455, 5.3): every byte that a client sends is xor-ed
 * with one of its key's four.
 *
 * A pure function.  Any thread.
 */
#ifndef PROTO_MASK_H
#define PROTO_MASK_H

#include <stddef.h>

/*
 * Copies <n> bytes unmasked.  <at> is where in the payload <from> stands.
 * Both pointers have any alignment; they may be equal, but not overlap.
 */
void mask_copy(unsigned char *to, const unsigned char *from, size_t n,
    const unsigned char key[4], size_t at);

#endif
