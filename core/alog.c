/* See LICENSE for the terms. */
/*
 * A line of the access log; see the header for its forms.
 */
#include "core/alog.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/alog_priv.h"
#include "core/bug.h"
#include "core/date.h"
#include "core/line.h"
#include "core/util.h"

/* A long target or field must not push out what stands behind it. */
#define TEXT_MAX 800
/* The same for JSON, where the line has to be whole, after escaping. */
#define JSON_MAX 1000
/* "2026-01-31 23:59:59.123", with which every line of a log begins. */
#define STAMP 23

/* ---- values ------------------------------------------------------------ */

static struct str
path_of(struct str target)
{
	const char *query = target.n ? memchr(target.p, '?', target.n) : NULL;

	if (query)
		target.n = (size_t)(query - target.p);
	return target;
}

static struct str
query_of(struct str target)
{
	size_t n = path_of(target).n;

	if (n == target.n)
		return (struct str){ "", 0 };
	return (struct str){ target.p + n + 1, target.n - n - 1 };
}

static struct str
field_of(const struct access_line *a, struct str name, bool response)
{
	struct str s = { NULL, 0 };

	if (a->req)
		s = a->field(a->req, name, response);
	return s.p ? s : STR("-");
}

static int
digit64(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The user's name of "Basic ...", in <buf>; what comes behind is a secret. */
static struct str
user_of(const struct access_line *a, char *buf, size_t size)
{
	struct str s = field_of(a, STR("authorization"), false);
	unsigned bits = 0;
	size_t n = 0;
	int have = 0, digit;

	if (s.n < 6 || !str_ieq((struct str){ s.p, 6 }, STR("basic ")))
		return STR("-");
	for (size_t i = 6; i < s.n && n < size; i++) {
		digit = digit64(s.p[i]);
		if (digit < 0)
			break;
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		buf[n] = (char)(bits >> have & 255);
		if (buf[n] == ':')
			return n ? (struct str){ buf, n } : STR("-");
		n++;
	}
	return STR("-");
}

/* ---- ALOG_SHOAL -------------------------------------------------------- */

static void
put_text(struct line *ln, struct str s)
{
	line_escaped(ln, (struct str){ s.p, MIN(s.n, TEXT_MAX) }, true);
	if (s.n > TEXT_MAX)
		line_put(ln, "...", 3);
}

static void
write_shoal(struct line *ln, const struct access_line *a)
{
	line_escaped(ln, a->addr, true);
	line_put(ln, " \"", 2);
	line_escaped(ln, a->method, true);
	line_put(ln, " ", 1);
	put_text(ln, path_of(a->target));
	line_put(ln, " ", 1);
	line_escaped(ln, a->version, true);
	line_put(ln, "\" ", 2);
	line_number(ln, a->status, 3);
	line_put(ln, " ", 1);
	line_number(ln, a->bytes, 1);
	line_put(ln, " ", 1);
	line_number(ln, a->us / 1000, 1);
	line_put(ln, ".", 1);
	line_number(ln, a->us % 1000, 3);
	line_put(ln, "ms", 2);
	if (a->cut)
		line_put(ln, " cut", 4);
}

/* ---- ALOG_JSON --------------------------------------------------------- */

static void
json_text(struct line *ln, const char *key, struct str s)
{
	line_text(ln, ",\"");
	line_text(ln, key);
	line_text(ln, "\":\"");
	line_json(ln, s, JSON_MAX);
	line_put(ln, "\"", 1);
}

static void
json_number(struct line *ln, const char *key, uint64_t n)
{
	line_text(ln, ",\"");
	line_text(ln, key);
	line_text(ln, "\":");
	line_number(ln, n, 1);
}

/* Three texts of JSON_MAX at most: the line is never cut. */
static void
write_json(struct line *ln, const struct access_line *a, const char *stamp)
{
	line_text(ln, "{\"time\":\"");
	line_put(ln, stamp, 10);
	line_put(ln, "T", 1);
	line_put(ln, stamp + 11, STAMP - 11);
	line_text(ln, "Z\"");
	json_number(ln, "shard", a->shard);
	json_text(ln, "addr", (struct str){ a->addr.p, MIN(a->addr.n, 96) });
	json_text(ln, "method", (struct str){ a->method.p,
	    MIN(a->method.n, 32) });
	json_text(ln, "scheme", a->scheme);
	json_text(ln, "path", path_of(a->target));
	json_text(ln, "protocol", a->version);
	json_number(ln, "status", a->status);
	json_number(ln, "bytes", a->bytes);
	json_number(ln, "ms", a->us / 1000);
	line_put(ln, ".", 1);
	line_number(ln, a->us % 1000, 3);
	json_text(ln, "end", a->cut ? STR("cut") : STR("whole"));
	json_text(ln, "referer", path_of(field_of(a, STR("referer"), false)));
	json_text(ln, "agent", field_of(a, STR("user-agent"), false));
	line_put(ln, "}", 1);
}

/* ---- ALOG_PARTS -------------------------------------------------------- */

/* A number that is <v> times 10 to the power of minus <scale>. */
static void
put_number(struct line *ln, const struct alog_part *p, uint64_t v,
    unsigned scale)
{
	unsigned digits = p->conversion == 'd' ? 0 : scale, more = 0;
	uint64_t unit = 1, cut = 1;

	if (p->conversion == 'f') {
		digits = p->precision < 0 ? 6 : (unsigned)p->precision;
		more = digits > scale ? digits - scale : 0;
		for (unsigned i = digits; i < scale; i++)
			cut *= 10;
		/* Rounded, as Python does but for exact halves. */
		v = v / cut + (cut > 1 && v % cut >= cut / 2);
		digits -= more;
	} else if (p->conversion == 'd') {
		for (unsigned i = 0; i < scale; i++)
			v /= 10;
	}
	for (unsigned i = 0; i < digits; i++)
		unit *= 10;
	line_number(ln, v / unit, 1);
	if (digits + more == 0)
		return;
	line_put(ln, ".", 1);
	if (digits)
		line_number(ln, v % unit, digits);
	while (more--)
		line_put(ln, "0", 1);
}

static void
put_two(struct line *ln, unsigned n)
{
	line_number(ln, n, 2);
}

/* "[31/Jan/2026:23:59:59 +0000]" */
static void
put_clf_time(struct line *ln, int64_t second)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct date d = date_split(second);

	line_put(ln, "[", 1);
	put_two(ln, d.day);
	line_put(ln, "/", 1);
	line_put(ln, months + 3 * (d.month - 1), 3);
	line_put(ln, "/", 1);
	line_number(ln, d.year, 4);
	line_put(ln, ":", 1);
	put_two(ln, d.hour);
	line_put(ln, ":", 1);
	put_two(ln, d.minute);
	line_put(ln, ":", 1);
	put_two(ln, d.second);
	line_text(ln, " +0000]");
}

static void
put_part_text(struct line *ln, const struct alog_part *p, struct str s)
{
	if (p->precision >= 0)
		s.n = MIN(s.n, (size_t)p->precision);
	put_text(ln, s);
}

static void
put_pid(struct line *ln)
{
	line_put(ln, "<", 1);
	line_number(ln, (uint64_t)getpid(), 1);
	line_put(ln, ">", 1);
}

/* The request line as it came: with the query, since it was asked for. */
static void
put_request_line(struct line *ln, const struct access_line *a)
{
	line_escaped(ln, a->method, true);
	line_put(ln, " ", 1);
	put_text(ln, a->target);
	line_put(ln, " ", 1);
	line_escaped(ln, a->version, true);
}

struct moment {
	const char *date;		/* of the log: date and time */
	int64_t second;
};

static void
put_atom(struct line *ln, const struct alog_part *p,
    const struct access_line *a, const struct moment *now)
{
	char user[256];

	switch ((enum alog_atom)p->atom) {
	case ATOM_TEXT:
		line_put(ln, p->text.p, p->text.n);
		break;
	case ATOM_ADDR:
		put_part_text(ln, p, a->addr);
		break;
	case ATOM_NOTHING:
		line_put(ln, "-", 1);
		break;
	case ATOM_USER:
		put_part_text(ln, p, user_of(a, user, sizeof(user)));
		break;
	case ATOM_TIME:
		line_text(ln, now->date);
		line_text(ln, " +0000");
		break;
	case ATOM_TIME_CLF:
		put_clf_time(ln, now->second);
		break;
	case ATOM_LINE:
		put_request_line(ln, a);
		break;
	case ATOM_METHOD:
		put_part_text(ln, p, a->method);
		break;
	case ATOM_PATH:
		put_part_text(ln, p, path_of(a->target));
		break;
	case ATOM_QUERY:
		put_part_text(ln, p, query_of(a->target));
		break;
	case ATOM_PROTOCOL:
		put_part_text(ln, p, a->version);
		break;
	case ATOM_SCHEME:
		put_part_text(ln, p, a->scheme);
		break;
	case ATOM_STATUS:
		put_number(ln, p, a->status, 0);
		break;
	case ATOM_BYTES:
		put_number(ln, p, a->bytes, 0);
		break;
	case ATOM_BYTES_CLF:
		if (a->bytes)
			line_number(ln, a->bytes, 1);
		else
			line_put(ln, "-", 1);
		break;
	case ATOM_REFERER:
		put_part_text(ln, p, field_of(a, STR("referer"), false));
		break;
	case ATOM_REFERER_PATH:
		put_part_text(ln, p, path_of(field_of(a, STR("referer"),
		    false)));
		break;
	case ATOM_AGENT:
		put_part_text(ln, p, field_of(a, STR("user-agent"), false));
		break;
	case ATOM_SECONDS:
		put_number(ln, p, a->us / 1000000, 0);
		break;
	case ATOM_MS:
		put_number(ln, p, a->us / 1000, 0);
		break;
	case ATOM_US:
		put_number(ln, p, a->us, 0);
		break;
	case ATOM_DT_MS:
		put_number(ln, p, a->us, 3);
		break;
	case ATOM_DECIMAL_S:
		put_number(ln, p, a->us, 6);
		break;
	case ATOM_PID:
		put_pid(ln);
		break;
	case ATOM_SHARD:
		put_number(ln, p, a->shard, 0);
		break;
	case ATOM_END:
		put_part_text(ln, p, a->cut ? STR("cut") : STR("whole"));
		break;
	case ATOM_REQUEST_FIELD:
		put_part_text(ln, p, field_of(a, p->text, false));
		break;
	case ATOM_RESPONSE_FIELD:
		if (a->length >= 0 && str_ieq(p->text, STR("content-length")))
			line_number(ln, (uint64_t)a->length, 1);
		else
			put_part_text(ln, p, field_of(a, p->text, true));
		break;
	}
}

/* What was written from <begun> on, filled up to the part's width. */
static void
align(struct line *ln, const struct alog_part *p, size_t begun)
{
	size_t n = ln->n - begun, fill;
	char with = p->zero && p->conversion != 's' && !p->left ? '0' : ' ';

	if (n >= p->width || ln->full)
		return;
	fill = p->width - n;
	for (size_t i = 0; i < fill; i++)
		line_put(ln, &with, 1);
	if (p->left || ln->full)
		return;
	memmove(ln->text + begun + fill, ln->text + begun, n);
	memset(ln->text + begun, with, fill);
}

static void
write_parts(struct line *ln, const struct alog_form *f,
    const struct access_line *a, const struct moment *now)
{
	for (unsigned i = 0; i < f->n; i++) {
		const struct alog_part *p = &f->part[i];
		size_t begun = ln->n;

		put_atom(ln, p, a, now);
		if (p->width)
			align(ln, p, begun);
	}
}

void
alog_write(struct log *l, const struct alog_form *f,
    const struct access_line *a)
{
	struct moment now = { .date = l->date };
	char stamp[STAMP];
	struct line ln;
	int saved = errno;

	now.second = log_begin(l, &ln, "[ACCESS] ");
	switch (f->kind) {
	case ALOG_SHOAL:
		write_shoal(&ln, a);
		break;
	case ALOG_JSON:
		memcpy(stamp, ln.text, sizeof(stamp));
		ln.n = 0;
		write_json(&ln, a, stamp);
		BUG_ON_HOT(ln.full);
		break;
	case ALOG_PARTS:
		ln.n = 0;
		write_parts(&ln, f, a, &now);
		break;
	}
	log_end(l, &ln, false);
	errno = saved;
}
