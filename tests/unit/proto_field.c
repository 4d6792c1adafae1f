/* See LICENSE for the terms. */
/* proto/field.h: every byte, and the grammars. */
#include "proto/field.h"

#include "tests/unit/t.h"

static struct str
of(const char *z)
{
	return (struct str){ z, strlen(z) };
}

static void
each_byte_is_in_its_classes(void)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		struct str s = { &byte, 1 };
		bool alnum = (c >= '0' && c <= '9') ||
		    ((c | 32) >= 'a' && (c | 32) <= 'z' && c < 128);

		OK(field_is_token(s) == (alnum ||
		    (c && strchr("!#$%&'*+-.^_`|~", c))));
		OK(field_is_value(s) == (c == '\t' ||
		    (c >= 32 && c != 127)));
		OK(field_is_target(s) == (c > 32 && c < 127 && c != '#'));
		OK(field_is_hex((unsigned char)c) == (c &&
		    strchr("0123456789abcdefABCDEF", c) != NULL));
		OK(field_is_host(s) == (alnum ||
		    (c && strchr("-._~!$&'()*+;=", c))));
	}
	OK(!field_is_token(of("")) && field_is_value(of("")));
	OK(!field_is_target(of("")) && !field_is_host(of("")));
	OK(!field_is_token(of("a b")) && !field_is_value(of("ab\ncd")));
}

static void
hosts_follow_their_grammar(void)
{
	static const char *const good[] = { "a", "a.b", "a-b_c.d", "1.2.3.4",
		"a:80", "a:0", "a:65535", "a:", "[::1]", "[::1]:80", "[::]",
		"[2001:db8::192.0.2.1]", "%41", "a%2fb", "xn--a.example." };
	static const char *const bad[] = { ":80", "a:80a", "a:65536",
		"a:123456", "a:+1", "a:1:2", "[", "[]", "[:]", "[::1", "::1",
		"[::1]a", "[::1]:x", "[1.2.3.4]", "[::%25lo]", "a,b", "a b",
		"a/b", "a@b", "%", "%4", "%4g", "a%", "a\x80", "a\\b",
		"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]" };

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!OK(field_is_host(of(good[i]))))
			fprintf(stderr, "%s\n", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!OK(!field_is_host(of(bad[i]))))
			fprintf(stderr, "%s\n", bad[i]);
	OK(!field_is_host((struct str){ "[::1\0]", 6 }));
	OK(!field_is_host((struct str){ "a\0b", 3 }));
}

static void
numbers_are_digits_up_to_63_bits(void)
{
	OK(field_number(of("0")) == 0);
	OK(field_number(of("0005")) == 5);
	OK(field_number(of("9223372036854775807")) == INT64_MAX);
	OK(field_number(of("9223372036854775808")) == -1);
	OK(field_number(of("9999999999999999999")) == -1);
	OK(field_number(of("00000000000000000001")) == -1);
	OK(field_number(of("")) == -1 && field_number(of("-1")) == -1);
	OK(field_number(of("+1")) == -1 && field_number(of("1 ")) == -1);
	OK(field_number(of("0x1")) == -1 && field_number(of("1.0")) == -1);
}

static void
lists_are_taken_apart(void)
{
	OK(field_lists(of("close"), STR("close")));
	OK(field_lists(of(" x , CLOSE\t,y"), STR("close")));
	OK(field_lists(of(",,close"), STR("close")));
	OK(!field_lists(of(""), STR("close")));
	OK(!field_lists(of("closed, xclose, clo se"), STR("close")));
	OK(str_eq(field_trim(of(" \ta b\t ")), STR("a b")));
	OK(field_trim(of(" \t")).n == 0 && field_trim(of("")).n == 0);
}

static void
lowering_touches_capitals_only(void)
{
	char all[128], out[128];

	for (int i = 0; i < 128; i++)
		all[i] = (char)i;
	for (size_t from = 0; from < 20; from++)
		for (size_t n = 0; n + from <= 128; n++) {
			bool same = true;

			memset(out, 1, sizeof(out));
			field_lower(out, all + from, n);
			for (size_t i = 0; i < n; i++)
				same &= out[i] == (char)str_lower(
				    (unsigned char)all[from + i]);
			OK(same && (n == 128 || out[n] == 1));
		}
}

static void
tests(void)
{
	T(each_byte_is_in_its_classes);
	T(hosts_follow_their_grammar);
	T(numbers_are_digits_up_to_63_bits);
	T(lists_are_taken_apart);
	T(lowering_touches_capitals_only);
}

T_MAIN(tests)
