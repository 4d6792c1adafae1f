/* See LICENSE for the terms. */
/*
 * The sections cited are RFC 7692's.
 *
 * Windows of 4 KiB where the client lets us choose: a stream of each direction
 * then costs 37 and 17 KiB instead of 260 and 45, and chat's messages are
 * shorter than that anyway.
 */
#include "proto/ws_deflate.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "core/mem.h"
#include "core/util.h"
#include "proto/field.h"

#define WINDOW_BITS 12
#define MEM_LEVEL 5
#define LEVEL 6

/* What ends a message and is not sent (7.2.1). */
static const unsigned char tail[4] = { 0x00, 0x00, 0xff, 0xff };

struct ws_deflate {
	struct ws_deflate_terms terms;
	z_stream *in;			/* NULL: not in use */
	z_stream *out;
	size_t *used;			/* the shard's */
	uint8_t n_tail;			/* of the tail, inflated so far */
};

const char *
ws_deflate_version(void)
{
	return zlibVersion();
}

/* ---- terms ------------------------------------------------------------- */

/* Cuts what is before the next <c> off <s>; quotes do not matter here. */
static struct str
cut(struct str *s, char c)
{
	const char *end = s->n ? memchr(s->p, c, s->n) : NULL;
	struct str head = *s;

	if (end) {
		head.n = (size_t)(end - s->p);
		s->p = end + 1;
		s->n -= head.n + 1;
	} else {
		s->n = 0;
	}
	return field_trim(head);
}

/* 8..15 without a leading zero, maybe quoted (7.1.2); 0: it is none. */
static unsigned
window_bits(struct str v)
{
	if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
		v = (struct str){ v.p + 1, v.n - 2 };
	if (v.n == 1 && (v.p[0] == '8' || v.p[0] == '9'))
		return (unsigned)(v.p[0] - '0');
	if (v.n == 2 && v.p[0] == '1' && v.p[1] >= '0' && v.p[1] <= '5')
		return 10 + (unsigned)(v.p[1] - '0');
	return 0;
}

enum { SERVER_FORGETS = 1, CLIENT_FORGETS = 2, SERVER_BITS = 4,
	CLIENT_BITS = 8 };

static int
param_id(struct str name)
{
	if (str_ieq(name, STR("server_no_context_takeover")))
		return SERVER_FORGETS;
	if (str_ieq(name, STR("client_no_context_takeover")))
		return CLIENT_FORGETS;
	if (str_ieq(name, STR("server_max_window_bits")))
		return SERVER_BITS;
	return str_ieq(name, STR("client_max_window_bits")) ? CLIENT_BITS : 0;
}

/* One parameter of an offer; false: the offer cannot be taken. */
static bool
take_param(struct str param, struct ws_deflate_terms *t, int *seen)
{
	bool has_value = param.n > 0 && memchr(param.p, '=', param.n);
	struct str name = cut(&param, '=');
	struct str value = field_trim(param);
	int id = param_id(name);
	unsigned bits = window_bits(value);

	if (!id || (*seen & id))
		return false;
	*seen |= id;
	switch (id) {
	case SERVER_FORGETS:
		t->server_forgets = true;
		return !has_value;
	case CLIENT_FORGETS:
		t->client_forgets = true;
		return !has_value;
	case SERVER_BITS:
		/* zlib cannot compress with a window of 256 bytes. */
		t->server_bits = (uint8_t)MIN(bits, (unsigned)WINDOW_BITS);
		return bits > 8;
	default:
		t->client_bits_offered = true;
		if (!has_value)
			bits = WINDOW_BITS;
		t->client_bits = (uint8_t)MIN(bits, (unsigned)WINDOW_BITS);
		return bits > 0;
	}
}

static bool
take_offer(struct str offer, struct ws_deflate_terms *t)
{
	int seen = 0;

	*t = (struct ws_deflate_terms){ .server_bits = WINDOW_BITS,
		.client_bits = 15 };
	if (!str_ieq(cut(&offer, ';'), STR("permessage-deflate")))
		return false;
	while (offer.n > 0)
		if (!take_param(cut(&offer, ';'), t, &seen))
			return false;
	return true;
}

bool
ws_deflate_choose(struct str offers, struct ws_deflate_terms *terms)
{
	while (offers.n > 0)
		if (take_offer(cut(&offers, ','), terms))
			return true;
	return false;
}

static char *
put(char *at, struct str s)
{
	memcpy(at, s.p, s.n);
	return at + s.n;
}

static char *
put_bits(char *at, struct str name, unsigned bits)
{
	at = put(at, name);
	if (bits >= 10)
		*at++ = '1';
	*at++ = (char)('0' + bits % 10);
	return at;
}

size_t
ws_deflate_answer(char *to, const struct ws_deflate_terms *t)
{
	char *at = put(to, STR("permessage-deflate"));

	if (t->server_forgets)
		at = put(at, STR("; server_no_context_takeover"));
	if (t->client_forgets)
		at = put(at, STR("; client_no_context_takeover"));
	at = put_bits(at, STR("; server_max_window_bits="), t->server_bits);
	/* Not to a client that did not say that it knows it (7.1.2.2). */
	if (t->client_bits_offered)
		at = put_bits(at, STR("; client_max_window_bits="),
		    t->client_bits);
	return (size_t)(at - to);
}

/* ---- streams ----------------------------------------------------------- */

struct ws_deflate *
ws_deflate_new(const struct ws_deflate_terms *terms, size_t *used)
{
	struct ws_deflate *d = mem_try(sizeof(*d));

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->terms = *terms;
	d->used = used;
	return d;
}

/* As zlib's documentation counts (zconf.h), and its state. */
static size_t
out_cost(const struct ws_deflate *d)
{
	return ((size_t)1 << (d->terms.server_bits + 2)) +
	    (1u << (MEM_LEVEL + 9)) + (6u << 10);
}

static size_t
in_cost(const struct ws_deflate *d)
{
	return ((size_t)1 << d->terms.client_bits) + (10u << 10);
}

static void
end_out(struct ws_deflate *d)
{
	if (!d->out)
		return;
	deflateEnd(d->out);
	mem_free(d->out);
	d->out = NULL;
	*d->used -= out_cost(d);
}

static void
end_in(struct ws_deflate *d)
{
	if (!d->in)
		return;
	inflateEnd(d->in);
	mem_free(d->in);
	d->in = NULL;
	*d->used -= in_cost(d);
}

void
ws_deflate_free(struct ws_deflate *d)
{
	if (!d)
		return;
	end_in(d);
	end_out(d);
	mem_free(d);
}

static void *
zalloc(void *unused, unsigned n, unsigned size)
{
	size_t all;

	(void)unused;
	return __builtin_mul_overflow((size_t)n, (size_t)size, &all) ? NULL :
	    mem_try(all);
}

static void
zfree(void *unused, void *p)
{
	(void)unused;
	mem_free(p);
}

static z_stream *
stream_new(void)
{
	z_stream *z = mem_try(sizeof(*z));

	if (!z)
		return NULL;
	memset(z, 0, sizeof(*z));
	z->zalloc = zalloc;
	z->zfree = zfree;
	return z;
}

static bool
begin_out(struct ws_deflate *d)
{
	if (d->out)
		return true;
	d->out = stream_new();
	if (!d->out)
		return false;
	if (deflateInit2(d->out, LEVEL, Z_DEFLATED, -d->terms.server_bits,
	    MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		mem_free(d->out);
		d->out = NULL;
		return false;
	}
	*d->used += out_cost(d);
	return true;
}

static bool
begin_in(struct ws_deflate *d)
{
	if (d->in)
		return true;
	d->in = stream_new();
	if (!d->in)
		return false;
	if (inflateInit2(d->in, -d->terms.client_bits) != Z_OK) {
		mem_free(d->in);
		d->in = NULL;
		return false;
	}
	*d->used += in_cost(d);
	return true;
}

/* ---- sending ----------------------------------------------------------- */

bool
ws_deflate_is_worth(const struct ws_deflate *d, size_t n)
{
	/* What has its stream already costs no more memory. */
	return n >= WS_DEFLATE_MIN && n <= UINT_MAX / 2 &&
	    (d->out || *d->used + out_cost(d) <= WS_DEFLATE_BUDGET);
}

unsigned char *
ws_deflate_pack(struct ws_deflate *d, const void *p, size_t n,
    size_t *packed)
{
	unsigned char *to = NULL;
	size_t room;
	z_stream *z;
	int err = Z_MEM_ERROR;

	if (begin_out(d)) {
		/* A flush may add a block to what deflateBound() counts. */
		room = deflateBound(d->out, (uLong)n) + 16;
		to = mem_try(room);
	}
	if (to) {
		z = d->out;
		z->next_in = (unsigned char *)(uintptr_t)p;
		z->avail_in = (unsigned)n;
		z->next_out = to;
		z->avail_out = (unsigned)room;
		err = deflate(z, Z_SYNC_FLUSH);
		*packed = room - z->avail_out;
	}
	/*
	 * Begun anew the stream refers to nothing before, so the client's
	 * needs nothing of what it missed.
	 */
	if (err != Z_OK || d->out->avail_in > 0 || d->out->avail_out == 0 ||
	    *packed < sizeof(tail)) {
		end_out(d);
		mem_free(to);
		return NULL;
	}
	*packed -= sizeof(tail);
	if (d->terms.server_forgets)
		end_out(d);
	return to;
}

/* ---- receiving --------------------------------------------------------- */

int
ws_deflate_unpack(struct ws_deflate *d, const unsigned char **p, size_t *n,
    unsigned char *to, size_t *room)
{
	size_t out = MIN(*room, (size_t)UINT_MAX);
	z_stream *z;
	int err;

	if (!begin_in(d))
		return -ENOMEM;
	z = d->in;
	z->next_in = (unsigned char *)(uintptr_t)*p;
	z->avail_in = (unsigned)*n;
	z->next_out = to;
	z->avail_out = (unsigned)out;
	err = inflate(z, Z_SYNC_FLUSH);
	/* A client may end its stream in a message (7.2.3.4), and go on. */
	if (err == Z_STREAM_END)
		err = inflateResetKeep(z);
	*p = z->next_in;
	*n = z->avail_in;
	*room -= out - z->avail_out;
	if (err == Z_MEM_ERROR)
		return -ENOMEM;
	if (err != Z_OK && err != Z_BUF_ERROR)
		return -EINVAL;
	return z->avail_in > 0 || z->avail_out == 0;
}

int
ws_deflate_unpack_end(struct ws_deflate *d, unsigned char *to, size_t *room)
{
	const unsigned char *p = tail + d->n_tail;
	size_t n = sizeof(tail) - d->n_tail;
	int more = ws_deflate_unpack(d, &p, &n, to, room);

	d->n_tail = (uint8_t)(sizeof(tail) - n);
	return more;
}

void
ws_deflate_unpacked(struct ws_deflate *d)
{
	d->n_tail = 0;
	if (d->terms.client_forgets)
		end_in(d);
}
