/* See LICENSE for the terms. */
/*
 * What may stand in a field's name and value, in a target and in Host.
 *
 * Pure functions over one table of bytes, for requests and responses of every
 * protocol.  Any thread.
 */
#ifndef PROTO_FIELD_H
#define PROTO_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/str.h"

/* token = 1*tchar (RFC 9110, 5.6.2): a field's name, a method. */
bool field_is_token(struct str s);

/*
 * Of a field: visible bytes, space, HTAB, and obs-text 0x80-0xff (RFC 9110,
 * 5.5).  No other control byte, so neither CR, LF nor NUL.  May be empty.
 */
bool field_is_value(struct str s);

/* Visible ASCII without '#': no target has a fragment (RFC 9112, 3.2). */
bool field_is_target(struct str s);

/*
 * uri-host [ ":" port ] (RFC 9110, 7.2), not empty.  Narrower than the
 * grammar in one point: no comma in a name, which no host has and which would
 * let a list pass.  Brackets hold an IPv6 address and nothing else.
 */
bool field_is_host(struct str s);

/* 1*DIGIT of at most 19 digits up to 2^63-1; -1: it is none. */
int64_t field_number(struct str s);

/* Without the spaces and tabs at both ends. */
struct str field_trim(struct str s);

/* Whether a comma-separated list has this token; <token> in lower case. */
bool field_lists(struct str list, struct str token);

/* Copies ASCII with A-Z made a-z. */
void field_lower(char *to, const char *from, size_t n);

static inline bool
field_is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' &&
	    (c | 0x20) <= 'f');
}

#endif
