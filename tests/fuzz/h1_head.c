/* See LICENSE for the terms. */
/*
 * A head, against a reader that follows the grammars of RFC 9112 and 9110 line
 * by line and knows nothing of the server's parser: the application is called
 * exactly if that takes it, with the same line and the same fields.
 */
#include <arpa/inet.h>
#include <ctype.h>

#include "tests/fuzz/kit.h"

#define FIELDS_MAX 100

struct text {
	const char *p;
	size_t n;
};

struct head {
	struct text method, target;
	struct text name[FIELDS_MAX], value[FIELDS_MAX];
	unsigned n_fields;
	bool is_11;			/* or 1.0 */
	size_t end;			/* bytes of it */
};

/* ---- the reader -------------------------------------------------------- */

static bool
is(struct text t, const char *z)
{
	return t.n == strlen(z) && memcmp(t.p, z, t.n) == 0;
}

static bool
is_low(struct text t, const char *z)
{
	return t.n == strlen(z) && strncasecmp(t.p, z, t.n) == 0;
}

static bool
is_all(struct text t, bool (*ok)(int))
{
	for (size_t i = 0; i < t.n; i++)
		if (!ok((unsigned char)t.p[i]))
			return false;
	return true;
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool
is_tchar(int c)
{
	return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	    (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool
is_vchar(int c)
{
	return c > ' ' && c < 0x7f && c != '#';
}

static bool
is_text(int c)
{
	return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* Of a name in Host: unreserved or sub-delims, but the comma. */
static bool
is_reg(int c)
{
	return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	    (c && strchr("-._~!$&'()*+;=", c));
}

/* A line up to CRLF; false: there is none, or another CR, LF or NUL in it. */
static bool
line(struct text *in, struct text *to)
{
	const char *lf = memchr(in->p, '\n', in->n);

	if (!lf || lf == in->p || lf[-1] != '\r')
		return false;
	*to = (struct text){ in->p, (size_t)(lf - in->p) - 1 };
	in->n -= to->n + 2;
	in->p = lf + 1;
	return !memchr(to->p, '\r', to->n) && !memchr(to->p, 0, to->n);
}

static struct text
trim(struct text t)
{
	while (t.n > 0 && (*t.p == ' ' || *t.p == '\t')) {
		t.p++;
		t.n--;
	}
	while (t.n > 0 && (t.p[t.n - 1] == ' ' || t.p[t.n - 1] == '\t'))
		t.n--;
	return t;
}

/* What is before <c>, which is dropped; false: there is none. */
static bool
cut(struct text *t, char c, struct text *before)
{
	const char *p = memchr(t->p, c, t->n);

	if (!p)
		return false;
	*before = (struct text){ t->p, (size_t)(p - t->p) };
	t->n -= before->n + 1;
	t->p = p + 1;
	return true;
}

static bool
is_port(struct text t)
{
	char z[8] = "";

	if (t.n > 5 || !is_all(t, is_digit))
		return false;
	memcpy(z, t.p, t.n);
	return strtoul(z, NULL, 10) < 65536;
}

static bool
is_host(struct text t)
{
	char z[INET6_ADDRSTRLEN] = "";
	struct in6_addr a;
	struct text h = t;

	if (t.n > 0 && *t.p == '[') {
		t.p++;
		t.n--;
		if (!cut(&t, ']', &h) || h.n >= sizeof(z))
			return false;
		memcpy(z, h.p, h.n);
		if (strlen(z) != h.n || inet_pton(AF_INET6, z, &a) != 1)
			return false;
		return t.n == 0 || (*t.p == ':' &&
		    is_port((struct text){ t.p + 1, t.n - 1 }));
	}
	if (cut(&t, ':', &h) && !is_port(t))
		return false;
	for (size_t i = 0; i < h.n; i++)
		if (h.p[i] == '%' && h.n - i > 2 &&
		    isxdigit((unsigned char)h.p[i + 1]) &&
		    isxdigit((unsigned char)h.p[i + 2]))
			i += 2;
		else if (!is_reg((unsigned char)h.p[i]))
			return false;
	return h.n > 0;
}

/* <host>: of absolute form, else empty. */
static bool
is_target(const struct head *h, struct text *host)
{
	struct text t = h->target;
	size_t n;

	*host = (struct text){ t.p, 0 };
	if (t.n == 0 || !is_all(t, is_vchar))
		return false;
	if (*t.p == '/' || (is(t, "*") && is(h->method, "OPTIONS")))
		return true;
	n = t.n > 7 && strncasecmp(t.p, "http://", 7) == 0 ? 7 :
	    t.n > 8 && strncasecmp(t.p, "https://", 8) == 0 ? 8 : 0;
	if (n == 0)
		return false;
	host->p = t.p + n;
	while (n + host->n < t.n && !strchr("/?", host->p[host->n]))
		host->n++;
	return is_host(*host);
}

static bool
request_line(struct head *h, struct text t)
{
	if (!cut(&t, ' ', &h->method) || !cut(&t, ' ', &h->target))
		return false;
	h->is_11 = is(t, "HTTP/1.1");
	return h->method.n > 0 && is_all(h->method, is_tchar) &&
	    (h->is_11 || is(t, "HTTP/1.0"));
}

static bool
fields(struct head *h, struct text *in)
{
	struct text t;

	for (;;) {
		struct text *name = &h->name[h->n_fields];

		if (!line(in, &t))
			return false;
		if (t.n == 0)
			return true;
		if (h->n_fields == FIELDS_MAX || !cut(&t, ':', name) ||
		    name->n == 0 || !is_all(*name, is_tchar) ||
		    !is_all(t, is_text))
			return false;
		h->value[h->n_fields++] = trim(t);
	}
}

/* The only field of that name; one of no bytes if there is none. */
static bool
single(const struct head *h, const char *name, struct text *value, bool *there)
{
	*there = false;
	for (unsigned i = 0; i < h->n_fields; i++) {
		if (!is_low(h->name[i], name))
			continue;
		if (*there)
			return false;
		*there = true;
		*value = h->value[i];
	}
	return true;
}

static bool
is_length(struct text t)
{
	char z[24] = "";

	if (t.n == 0 || t.n > 19 || !is_all(t, is_digit))
		return false;
	memcpy(z, t.p, t.n);
	return strtoull(z, NULL, 10) <= 1u << 30;
}

static bool
framing(const struct head *h)
{
	struct text length, coding, expect;
	bool has_length, has_coding, has_expect;

	if (!single(h, "content-length", &length, &has_length) ||
	    !single(h, "transfer-encoding", &coding, &has_coding) ||
	    !single(h, "expect", &expect, &has_expect))
		return false;
	if (has_coding && (has_length || !h->is_11 ||
	    !is_low(coding, "chunked")))
		return false;
	return (!has_length || is_length(length)) &&
	    (!has_expect || is_low(expect, "100-continue"));
}

static bool
others_are_single(const struct head *h)
{
	struct text v;
	bool there;

	return single(h, "content-type", &v, &there) &&
	    single(h, "authorization", &v, &there) &&
	    single(h, "sec-websocket-key", &v, &there);
}

static bool
read_head(struct head *h, struct text in)
{
	struct text t, host, authority, all = in;
	bool has_host;

	h->n_fields = 0;
	for (int i = 0; i < 4 && in.n > 1 && !memcmp(in.p, "\r\n", 2); i++) {
		in.p += 2;
		in.n -= 2;
	}
	if (!line(&in, &t) || !request_line(h, t) ||
	    !is_target(h, &authority) || !fields(h, &in))
		return false;
	h->end = all.n - in.n;
	if (!single(h, "host", &host, &has_host) || (!has_host && h->is_11))
		return false;
	if (has_host && !is_host(host))
		return false;
	if (has_host && authority.n > 0 && (authority.n != host.n ||
	    strncasecmp(authority.p, host.p, host.n) != 0))
		return false;
	return framing(h) && others_are_single(h);
}

/* ---- the fuzzer -------------------------------------------------------- */

/* What the server should have read, and whether it was asked. */
static const struct head *want;
static unsigned calls;

static bool
same(struct str a, struct text b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void
start(struct req *r)
{
	const struct head *h = want;

	if (calls++ == 0 && OK(h != NULL)) {
		OK(same(r->method, h->method));
		OK(same(r->target, h->target));
		OK(r->minor == h->is_11 && r->n_fields == h->n_fields);
		for (unsigned i = 0; i < h->n_fields; i++) {
			struct str name = field_name(&r->fields[i]);

			OK(name.n == h->name[i].n && strncasecmp(name.p,
			    h->name[i].p, name.n) == 0);
			OK(same(field_value(&r->fields[i]), h->value[i]));
		}
	}
	req_release(r);
}

static void
never(struct req *r)
{
	(void)r;
	OK(!"called after it let go");
}

static const struct app_ops ops = {
	.start = start, .body = never, .room = never, .gone = never
};

/* Refusals beyond the grammar: sizes, methods, "chunked\t". */
static bool
may_refuse(const struct head *h, unsigned status)
{
	static const char *const common[] = {
		"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT",
	};

	if (status != 400)
		return status == 414 || status == 431 || status == 501;
	for (unsigned i = 0; i < h->n_fields; i++)
		if (is_low(h->name[i], "transfer-encoding"))
			return true;
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		if (is(h->method, common[i]))
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stub *s = fuzz_stub(&ops);
	struct blob in = { NULL, 0, 0 }, out = { NULL, 0, 0 };
	struct head h;
	bool good;

	blob_add(&in, data, n);
	good = read_head(&h, (struct text){ in.p, in.n });
	want = good ? &h : NULL;
	/* Its body, or whatever else is behind it, is another's concern. */
	if (good)
		in.n = h.end;
	for (int way = 0; way < 2; way++) {
		out.n = 0;
		calls = 0;
		(void)(way ? mem_bytes(s, &in, &out) :
		    mem_split(s, &in, 0, &out));
		OK(calls <= good);
		OK(calls == good || may_refuse(&h, fuzz_status(&out)));
	}
	blob_free(&in);
	blob_free(&out);
	fuzz_end(s);
	return 0;
}
