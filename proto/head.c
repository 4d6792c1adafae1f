/* See LICENSE for the terms. */
/*
 * The rules cited are RFC 9110's and 9112's; where those leave a choice between
 * repairing and refusing, this refuses.
 */
#include "proto/head.h"

#include <string.h>

#include "core/shard.h"
#include "core/util.h"
#include "proto/field.h"
#include "proto/req.h"

/* Fields of which a second one is an attack or a mistake. */
enum { HOST, EXPECT, TYPE, AUTHORIZATION, LENGTH, CODING, WS_KEY, N_SINGLE };

static int
single_id(struct str name)
{
	switch (name.n) {
	case 4:
		return str_eq(name, STR("host")) ? HOST : -1;
	case 6:
		return str_eq(name, STR("expect")) ? EXPECT : -1;
	case 12:
		return str_eq(name, STR("content-type")) ? TYPE : -1;
	case 13:
		return str_eq(name, STR("authorization")) ? AUTHORIZATION : -1;
	case 14:
		return str_eq(name, STR("content-length")) ? LENGTH : -1;
	case 17:
		if (str_eq(name, STR("transfer-encoding")))
			return CODING;
		return str_eq(name, STR("sec-websocket-key")) ? WS_KEY : -1;
	default:
		return -1;
	}
}

/* Finds them; what is not there stays NULL.  false: one is there twice. */
static bool
find_singles(const struct req *r, const struct field **found)
{
	for (unsigned i = 0; i < r->n_fields; i++) {
		int id = single_id(field_name(&r->fields[i]));

		if (id < 0)
			continue;
		if (found[id])
			return false;
		found[id] = &r->fields[i];
	}
	return true;
}

/*
 * One Host, by its grammar, in every HTTP/1.1 request (RFC 9112, 3.2); with a
 * target in absolute form it says the same.
 */
static int
check_host(const struct req *r, const struct field *host, const char **why)
{
	*why = "no Host";
	if (!host)
		return r->minor == 0 ? 0 : 400;
	*why = "invalid Host";
	if (!field_is_host(field_value(host)))
		return 400;
	*why = "Host and target differ";
	if (r->authority.n > 0 && !str_ieq(r->authority, field_value(host)))
		return 400;
	return 0;
}

/*
 * The body's length (RFC 9112, 6): exactly "chunked", or digits, or none; not
 * both; no Transfer-Encoding in HTTP/1.0, whose proxies would not know it.
 */
static int
check_framing(struct req *r, const struct field *length,
    const struct field *coding, const char **why)
{
	if (coding) {
		*why = "both Content-Length and Transfer-Encoding";
		if (length)
			return 400;
		*why = "Transfer-Encoding in HTTP/1.0";
		if (r->minor == 0)
			return 400;
		*why = "invalid Transfer-Encoding";
		if (!str_ieq(field_value(coding), STR("chunked")))
			return 400;
		r->chunked = true;
	}
	if (length) {
		*why = "invalid Content-Length";
		r->length = field_number(field_value(length));
		if (r->length < 0)
			return 400;
		*why = "body too large";
		if (r->length > r->shard->conf->limit_request_body)
			return 413;
	}
	return 0;
}

/* "_" and "-" become the same in CGI's names, and so in WSGI's. */
static int
check_names(const struct req *r, const char **why)
{
	if (r->shard->conf->header_map != CONF_HEADER_MAP_REFUSE)
		return 0;
	*why = "an underscore in a field's name";
	for (unsigned i = 0; i < r->n_fields; i++)
		if (memchr(r->fields[i].p, '_', r->fields[i].n_name))
			return 400;
	return 0;
}

/* 100-continue or nothing (RFC 9110, 10.1.1); HTTP/1.0 never gets a 100. */
static int
check_expect(struct req *r, const struct field *expect, const char **why)
{
	if (!expect)
		return 0;
	*why = "unknown expectation";
	if (!str_ieq(field_value(expect), STR("100-continue")))
		return 417;
	r->expects = r->minor > 0 && (r->chunked || r->length > 0);
	return 0;
}

int
head_check(struct req *r, const char **why)
{
	const struct field *found[N_SINGLE] = { NULL };
	int status;

	*why = "a field is given twice";
	if (!find_singles(r, found))
		return 400;
	status = check_host(r, found[HOST], why);
	if (!status)
		status = check_framing(r, found[LENGTH], found[CODING], why);
	if (!status)
		status = check_expect(r, found[EXPECT], why);
	if (!status)
		status = check_names(r, why);
	return status;
}

/*
 * What changes framing, routing, authentication or the body's meaning may not
 * come behind the body (RFC 9110, 6.5.1).  Other trailers are read and dropped:
 * no interface has a place for them, and they are never merged.
 */
bool
head_may_trail(struct str name)
{
	static const struct str never[] = {
		STR("authorization"), STR("cache-control"), STR("connection"),
		STR("content-encoding"), STR("content-length"),
		STR("content-range"), STR("content-type"), STR("cookie"),
		STR("expect"), STR("forwarded"), STR("host"),
		STR("keep-alive"), STR("max-forwards"),
		STR("proxy-authorization"), STR("proxy-connection"),
		STR("range"), STR("te"), STR("trailer"),
		STR("transfer-encoding"), STR("upgrade"),
	};

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (str_eq(name, never[i]))
			return false;
	return true;
}
