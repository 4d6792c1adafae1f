/* See LICENSE for the terms. */
#include "proto/ws_shake.h"

#include <string.h>

#include "core/conf.h"
#include "proto/field.h"
#include "proto/req.h"
#include "proto/sha1.h"

#define KEY_SIZE 24
/* Of RFC 6455, 1.3. */
#define SALT "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#define ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* Whether any of the fields of that name lists <token>. */
static bool
lists(const struct req *r, struct str name, struct str token)
{
	for (unsigned i = 0; i < r->n_fields; i++) {
		const struct field *f = &r->fields[i];

		if (str_eq(field_name(f), name) &&
		    field_lists(field_value(f), token))
			return true;
	}
	return false;
}

/* The only field of that name; NULL: none, or several. */
static const struct field *
only(const struct req *r, struct str name)
{
	const struct field *found = NULL;

	for (unsigned i = 0; i < r->n_fields; i++) {
		if (!str_eq(field_name(&r->fields[i]), name))
			continue;
		if (found)
			return NULL;
		found = &r->fields[i];
	}
	return found;
}

/* Sixteen bytes in base64 (4.2.1). */
static bool
is_key(struct str s)
{
	if (s.n != KEY_SIZE || memcmp(s.p + KEY_SIZE - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < KEY_SIZE - 2; i++)
		if (s.p[i] == '\0' || !strchr(ALPHABET, s.p[i]))
			return false;
	return true;
}

/* Only browsers say where a script came from, and only they can be misled. */
static bool
origin_is_allowed(const struct req *r, const struct conf *conf)
{
	const struct field *f = req_field(r, STR("origin"));

	if (conf->ws_origins.n == 0 || !f)
		return true;
	if (!only(r, STR("origin")))
		return false;
	for (unsigned i = 0; i < conf->ws_origins.n; i++)
		if (str_ieq(field_value(f), str_of(conf->ws_origins.v[i])))
			return true;
	return false;
}

static bool
subprotocols_are_tokens(const struct req *r)
{
	struct ws_offers at = { 0, 0 };
	struct str s;

	while ((s = ws_shake_subprotocol(r, &at)).n > 0)
		if (!field_is_token(s))
			return false;
	return true;
}

int
ws_shake_check(struct req *r, const struct conf *conf, const char **why)
{
	const struct field *f;

	if (!lists(r, STR("upgrade"), STR("websocket")))
		return 0;
	*why = "a WebSocket handshake that is not GET";
	if (!str_eq(r->method, STR("GET")))
		return 400;
	*why = "a WebSocket handshake in HTTP/1.0";
	if (r->major != 1 || r->minor < 1)
		return 400;
	*why = "a WebSocket handshake without Connection: upgrade";
	if (!lists(r, STR("connection"), STR("upgrade")))
		return 400;
	*why = "a WebSocket handshake with a body";
	if (r->chunked || r->length > 0)
		return 400;
	*why = "not WebSocket's version 13";
	f = only(r, STR("sec-websocket-version"));
	if (!f || !str_eq(field_value(f), STR("13")))
		return 426;
	*why = "a WebSocket handshake without a valid key";
	f = only(r, STR("sec-websocket-key"));
	if (!f || !is_key(field_value(f)))
		return 400;
	*why = "a WebSocket subprotocol that is no token";
	if (!subprotocols_are_tokens(r))
		return 400;
	*why = "a WebSocket handshake from an Origin not in --ws-origins";
	if (!origin_is_allowed(r, conf))
		return 403;
	r->ws = true;
	return 0;
}

void
ws_shake_accept(const struct req *r, char to[WS_ACCEPT_SIZE])
{
	const struct field *key = req_field(r, STR("sec-websocket-key"));
	unsigned char text[KEY_SIZE + sizeof(SALT) - 1];
	unsigned char sum[SHA1_SIZE + 1] = { 0 };

	memcpy(text, field_value(key).p, KEY_SIZE);
	memcpy(text + KEY_SIZE, SALT, sizeof(SALT) - 1);
	sha1(sum, text, sizeof(text));
	for (unsigned i = 0; i < WS_ACCEPT_SIZE; i++) {
		unsigned bit = 6 * i, at = bit / 8;
		unsigned two = (unsigned)sum[at] << 8 |
		    (at < SHA1_SIZE ? sum[at + 1] : 0);

		to[i] = ALPHABET[two >> (10 - bit % 8) & 63];
	}
	/* The 28th stands for no byte. */
	to[WS_ACCEPT_SIZE - 1] = '=';
}

struct str
ws_shake_subprotocol(const struct req *r, struct ws_offers *at)
{
	while (at->field < r->n_fields) {
		const struct field *f = &r->fields[at->field];
		struct str v = field_value(f), s;
		const char *end;

		if (at->at < v.n &&
		    str_eq(field_name(f), STR("sec-websocket-protocol"))) {
			s = (struct str){ v.p + at->at, v.n - at->at };
			end = memchr(s.p, ',', s.n);
			if (end)
				s.n = (size_t)(end - s.p);
			at->at += s.n + 1;
			s = field_trim(s);
			if (s.n > 0)
				return s;
			continue;
		}
		at->field++;
		at->at = 0;
	}
	return (struct str){ "", 0 };
}
