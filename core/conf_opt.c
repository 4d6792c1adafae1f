/* See LICENSE for the terms. */
/*
 * The table of options, names and values; see the header.
 */
#include "core/conf_opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/amount.h"
#include "core/bug.h"
#include "core/conf.h"
#include "core/util.h"

struct opt_word {
	const char *word;	/* NULL ends the words of an option */
	int value;
};

#define W(text, number) { text, number },
#define WORDS(name) static const struct opt_word words_##name[] = { \
	WORDS_##name(W) { NULL, 0 } };
WORDS(interface)
WORDS(lifespan)
WORDS(pin)
WORDS(isolation)
WORDS(header_map)
WORDS(gc)
WORDS(subscriber_overflow)
WORDS(log_level)
#undef WORDS
#undef W

#define AT_TARGET(name)		offsetof(struct conf, name)
#define AT_FLAG(name)		offsetof(struct conf, name)
#define AT_INT(name)		offsetof(struct conf, name)
#define AT_COUNT(name)		offsetof(struct conf, name)
#define AT_OCTAL(name)		offsetof(struct conf, name)
#define AT_SIZE(name)		offsetof(struct conf, name)
#define AT_TIME(name)		offsetof(struct conf, name##_ms)
#define AT_USEC(name)		offsetof(struct conf, name##_us)
#define AT_TEXT(name)		offsetof(struct conf, name)
#define AT_LIST(name)		offsetof(struct conf, name)
#define AT_ENUM(name)		offsetof(struct conf, name), \
				.words = words_##name
#define AT_IGNORED(name)	0
#define AT_IGNORED_FLAG(name)	0

const struct opt opt_table[OPT_ROWS] = {
#define G(title) { .group = title },
#define X(t, n, l, d, low, high, a, h) { \
	.name = #n, .def = d, .arg = a, .help = h, .lo = low, .hi = high, \
	.type = OPT_##t, .letter = l, .member = AT_##t(n) },
	OPTIONS(G, X)
#undef G
#undef X
};

const struct opt_alias opt_aliases[OPT_ALIASES] = {
#define A(n, o, h) { #n, #o, h },
	ALIASES(A)
#undef A
};

const struct opt_var opt_vars[OPT_VARS] = {
#define V(n, o) { #n, #o },
	VARIABLES(V)
#undef V
};

static void
print_bound(const struct opt *o, char *buf, int64_t n)
{
	if (o->type == OPT_SIZE)
		amount_print_size(buf, n);
	else if (o->type == OPT_TIME)
		amount_print_time(buf, n * AMOUNT_MS);
	else if (o->type == OPT_USEC)
		amount_print_time(buf, n);
	else if (o->type == OPT_OCTAL)
		snprintf(buf, AMOUNT_TEXT, "%" PRIo64, n);
	else
		snprintf(buf, AMOUNT_TEXT, "%" PRId64, n);
}

/* Later words of a value are not advertised. */
static bool
word_is_shown(const struct opt_word *words, const struct opt_word *w)
{
	for (; words != w; words++)
		if (words->value == w->value)
			return false;
	return true;
}

const char *
opt_word(const struct opt *o, int value)
{
	const struct opt_word *w = o->words;

	while (w->word && w->value != value)
		w++;
	return w->word;
}

void
opt_print_words(const struct opt *o, const char *between, char *buf,
                size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (const struct opt_word *w = o->words; w->word; w++) {
		if (!word_is_shown(o->words, w) || n >= size)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%s%s",
		                      n ? between : "", w->word);
	}
}

void
opt_print_accepted(const struct opt *o, const char *how, char *buf,
                   size_t size)
{
	char lo[AMOUNT_TEXT], hi[AMOUNT_TEXT], words[100];

	print_bound(o, lo, o->lo);
	print_bound(o, hi, o->hi);
	switch (o->type) {
	case OPT_FLAG:
		snprintf(buf, size, "on or off");
		break;
	case OPT_COUNT:
		snprintf(buf, size, "auto, or a number from %s to %s", lo, hi);
		break;
	case OPT_OCTAL:
		snprintf(buf, size, "an octal mode such as 660, at most %s",
		         hi);
		break;
	case OPT_SIZE:
		if (o->hi == INT64_MAX)
			snprintf(buf, size, "a size such as 64k, 10m or 1g");
		else
			snprintf(buf, size, "a size from %s to %s, such as "
			         "12000 or 16k", lo, hi);
		break;
	case OPT_TIME:
	case OPT_USEC:
		snprintf(buf, size, "a time from %s to %s, such as 500ms, "
		         "1.5s or 1h30m; a bare number is %s", lo, hi,
		         *how ? "milliseconds" : "seconds");
		break;
	case OPT_ENUM:
		opt_print_words(o, ", ", words, sizeof(words));
		snprintf(buf, size, "one of %s", words);
		break;
	case OPT_INT:
		snprintf(buf, size, "a number from %s to %s", lo, hi);
		break;
	case OPT_TARGET:
	case OPT_TEXT:
	case OPT_LIST:
	case OPT_IGNORED:
	case OPT_IGNORED_FLAG:
		snprintf(buf, size, "%s", o->arg ? o->arg : "a text");
		break;
	}
}

const char *
opt_spelling(const struct opt *o, const char *s)
{
	static const struct {
		const char *name;
		const char *word;
		const char *means;
	} spellings[] = {
#define S(n, w, m) { #n, w, m },
		SPELLINGS(S)
#undef S
	};

	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (strcmp(o->name, spellings[i].name) == 0 &&
		    strcmp(s, spellings[i].word) == 0)
			return spellings[i].means;
	return NULL;
}

static int
parse_flag(const struct opt *o, const char *s, int64_t *n)
{
	static const char *const on[] = { "on", "true", "yes", "1" };
	static const char *const off[] = { "off", "false", "no", "0" };
	const char *means = opt_spelling(o, s);

	s = means ? means : s;
	for (size_t i = 0; i < ARRAY_LEN(on); i++) {
		*n = strcasecmp(s, on[i]) == 0;
		if (*n || strcasecmp(s, off[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int
parse_octal(const char *s, int64_t *n)
{
	/* Python's spelling, 0o660, is what many would write. */
	if (s[0] == '0' && s[1] == 'o')
		s += 2;
	if (!*s || s[strspn(s, "01234567")] || strlen(s) > 10)
		return -EINVAL;
	*n = (int64_t)strtoul(s, NULL, 8);
	return 0;
}

static int
parse_word(const struct opt_word *w, const char *s, int64_t *n)
{
	for (; w->word; w++) {
		if (strcasecmp(s, w->word) == 0) {
			*n = w->value;
			return 0;
		}
	}
	return -EINVAL;
}

/* The number that <s> means for <o>, in the member's unit, in its bounds. */
int
opt_number(const struct opt *o, const char *how, const char *s, int64_t *n)
{
	int64_t bare = *how ? AMOUNT_MS : AMOUNT_S;
	int err;

	if (o->type == OPT_FLAG)
		return parse_flag(o, s, n);
	if (o->type == OPT_ENUM)
		return parse_word(o->words, s, n);
	if (o->type == OPT_COUNT) {
		*n = 0;
		if (strcasecmp(s, "auto") == 0 || strcmp(s, "0") == 0)
			return 0;
	}
	if (o->type == OPT_OCTAL)
		err = parse_octal(s, n);
	else if (o->type == OPT_SIZE)
		err = amount_size(s, n);
	else if (o->type == OPT_TIME || o->type == OPT_USEC)
		err = amount_time(s, bare, n);
	else
		err = amount_number(s, n);
	/* Rounded up: what is not nothing must not become it. */
	if (o->type == OPT_TIME && !err)
		*n = *n / AMOUNT_MS + (*n % AMOUNT_MS != 0);
	if (!err && (*n < o->lo || *n > o->hi))
		err = -ERANGE;
	return err;
}

static char
dashed(char c)
{
	return c == '_' ? '-' : c;
}

static bool
begins_with(const char *name, struct str s)
{
	size_t i;

	for (i = 0; i < s.n && name[i]; i++)
		if (dashed(name[i]) != dashed(s.p[i]))
			return false;
	return i == s.n;
}

bool
opt_name_is(const char *name, struct str s)
{
	return strlen(name) == s.n && begins_with(name, s);
}

const struct opt *
opt_named(struct str s)
{
	for (size_t i = 0; i < OPT_ROWS; i++)
		if (opt_table[i].name && opt_name_is(opt_table[i].name, s))
			return &opt_table[i];
	return NULL;
}

const struct opt *
opt_lettered(char letter)
{
	for (size_t i = 0; i < OPT_ROWS; i++)
		if (opt_table[i].letter && opt_table[i].letter == letter)
			return &opt_table[i];
	return NULL;
}

bool
opt_is_ignored(const struct opt *o)
{
	return o->type == OPT_IGNORED || o->type == OPT_IGNORED_FLAG;
}

bool
opt_takes_value(const struct opt *o)
{
	return o->type != OPT_FLAG && o->type != OPT_IGNORED_FLAG;
}

bool
opt_find(struct opt_found *f, struct str s)
{
	f->how = "";
	f->no = false;
	f->o = opt_named(s);
	for (size_t i = 0; !f->o && i < OPT_ALIASES; i++) {
		if (opt_name_is(opt_aliases[i].name, s)) {
			f->o = opt_named(str_of(opt_aliases[i].of));
			f->how = opt_aliases[i].how;
			BUG_ON(!f->o);
		}
	}
	if (!f->o && s.n > 3 && opt_name_is("no_", (struct str){ s.p, 3 })) {
		f->o = opt_named((struct str){ s.p + 3, s.n - 3 });
		f->no = true;
		if (f->o && opt_takes_value(f->o))
			f->o = NULL;
	}
	return f->o != NULL;
}

/*
 * How many letters must be added, left out or changed to make <name> of <s>
 * (Levenshtein, one row at a time).  Long words are far from everything.
 */
static size_t
distance(const char *name, struct str s)
{
	size_t row[64], n = strlen(name), diagonal, above;

	if (s.n >= ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= s.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= s.n; j++) {
			above = row[j];
			row[j] = MIN(MIN(above, row[j - 1]) + 1, diagonal +
			         (dashed(name[i - 1]) != dashed(s.p[j - 1])));
			diagonal = above;
		}
	}
	return row[s.n];
}

/*
 * How far off <name> is as a guess at <s>: letters times 64.  The beginning
 * of a name is a better guess than two slips, the more so the less is missing.
 */
static size_t
guess(const char *name, struct str s)
{
	size_t d = distance(name, s);

	if (d == SIZE_MAX)
		return d;
	if (d > 1 && s.n >= 3 && begins_with(name, s))
		return 64 + MIN(d, 63);
	return d * 64;
}

const char *
opt_nearest(struct str s, size_t most)
{
	const char *best = NULL, *name;
	size_t d, best_d = most * 64 + 1;

	for (size_t i = 0; i < OPT_ROWS + OPT_ALIASES; i++) {
		name = i < OPT_ROWS ? opt_table[i].name :
		       opt_aliases[i - OPT_ROWS].name;
		if (!name || (i < OPT_ROWS && opt_is_ignored(&opt_table[i])))
			continue;
		d = guess(name, s);
		/* Of a short name nothing may be left. */
		if (d < best_d && d < 64 * strlen(name)) {
			best = name;
			best_d = d;
		}
	}
	return best;
}

void
opt_print_dashed(char *buf, size_t size, const char *name)
{
	size_t n = strnlen(name, size - 1);

	for (size_t i = 0; i < n; i++)
		buf[i] = dashed(name[i]);
	buf[n] = '\0';
}

bool
opt_only_informs(const struct opt *o)
{
	static const char *const names[] = {
		"check", "help", "print_config", "print_module", "version"
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(o->name, names[i]) == 0)
			return true;
	return false;
}

/*
 * SHOAL_VERSION is what image builders call theirs, SHOAL_ENV says production,
 * and a server that only prints would surprise: none of them is read.
 */
bool
opt_has_env(const struct opt *o)
{
	return o->name && !opt_is_ignored(o) && !opt_only_informs(o) &&
	       strcmp(o->name, "env") != 0;
}

void
opt_print_env(char *buf, size_t size, const char *prefix, const char *name)
{
	snprintf(buf, size, "%s%s", prefix, name);
	for (; *buf; buf++)
		if (*buf >= 'a' && *buf <= 'z')
			*buf = (char)(*buf - 'a' + 'A');
}
