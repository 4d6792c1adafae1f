/* See LICENSE for the terms. */
/* proto/ws.h: every rule of RFC 6455's frames, whole and at every split. */
#include "proto/ws.h"

#include "proto/mask.h"
#include "proto/utf8.h"
#include "tests/unit/ws_kit.h"

#define FIN 0x80
#define TEXT 0x81
#define BINARY 0x82
#define CLOSE 0x88
#define PING 0x89
#define PONG 0x8a

#define MAX_SIZE 100000
#define MAX_FRAGMENTS 8

static struct kit_bytes in;
static char line[2000];

/* What comes of <in> when it is cut at these two places. */
static const char *
cut_at(size_t a, size_t b)
{
	struct ws w;

	ws_init(&w, MAX_SIZE, MAX_FRAGMENTS);
	line[0] = 0;
	kit_feed(&w, &in, 0, a, line, sizeof(line));
	kit_feed(&w, &in, a, b, line, sizeof(line));
	kit_feed(&w, &in, b, in.n, line, sizeof(line));
	ws_fini(&w);
	return line;
}

/* The same, byte by byte. */
static const char *
in_bytes(void)
{
	struct ws w;

	ws_init(&w, MAX_SIZE, MAX_FRAGMENTS);
	line[0] = 0;
	for (size_t i = 0; i < in.n; i++)
		kit_feed(&w, &in, i, i + 1, line, sizeof(line));
	ws_fini(&w);
	return line;
}

/* Whole, byte by byte, and at every split; empties <in>. */
static void
gives(const char *want)
{
	size_t step = in.n > 600 ? in.n / 97 : 1;

	OK_STR(cut_at(in.n, in.n), want);
	OK_STR(in_bytes(), want);
	for (size_t i = 0; i < in.n; i += step)
		if (!OK_STR(cut_at(i, i), want))
			break;
	for (size_t i = 0; in.n < 40 && i < in.n; i++)
		for (size_t k = i; k < in.n; k++)
			OK_STR(cut_at(i, k), want);
	in.n = 0;
}

static void
messages_arrive(void)
{
	char big[70000];

	memset(big, 'x', sizeof(big));
	kit_text(&in, TEXT, "hello");
	gives("text(hello) ");
	kit_text(&in, TEXT, "");
	kit_text(&in, BINARY, "");
	gives("text() binary() ");
	kit_text(&in, BINARY, "\xff\xfe");
	kit_text(&in, TEXT, "gr\xc3\xbc\xc3\x9f");
	gives("binary(\xff\xfe) text(gr\xc3\xbc\xc3\x9f) ");
	kit_frame(&in, BINARY, big, 125);
	kit_frame(&in, BINARY, big, 126);
	kit_frame(&in, TEXT, big, 300);
	gives("binary(125) binary(126) text(300) ");
	kit_frame(&in, BINARY, big, 65535);
	gives("binary(65535) ");
	kit_frame(&in, TEXT, big, 65536);
	gives("text(65536) ");
}

static void
fragments_become_one_message(void)
{
	kit_text(&in, 0x01, "he");
	kit_text(&in, 0x00, "");
	kit_text(&in, 0x00, "ll");
	kit_text(&in, 0x80, "o");
	gives("text(hello) ");
	kit_text(&in, 0x02, "");
	kit_text(&in, 0x80, "");
	gives("binary() ");
	/* A character may lie on both sides of a frame's end. */
	kit_text(&in, 0x01, "\xe2\x82");
	kit_text(&in, 0x80, "\xac");
	gives("text(\xe2\x82\xac) ");
}

static void
control_frames_stand_between_fragments(void)
{
	kit_text(&in, 0x01, "a");
	kit_text(&in, PING, "p");
	kit_text(&in, 0x00, "b");
	kit_text(&in, PONG, "");
	kit_text(&in, PING, "");
	kit_text(&in, 0x80, "c");
	gives("ping(p) pong() ping() text(abc) ");
	kit_text(&in, 0x02, "a");
	kit_text(&in, CLOSE, "\x03\xe8" "bye");
	kit_text(&in, 0x80, "never read");
	gives("close 1000(bye) ");
}

static void
control_frames_have_up_to_125_bytes(void)
{
	char big[200];

	memset(big, 'x', sizeof(big));
	kit_frame(&in, PING, big, 125);
	gives("ping(125) ");
	kit_frame(&in, PING, big, 126);
	gives("fail 1002() ");
	kit_frame(&in, PONG, big, 200);
	gives("fail 1002() ");
	for (unsigned op = 8; op <= 10; op++) {
		kit_text(&in, op, "");
		gives("fail 1002() ");
	}
}

static void
reserved_bits_and_opcodes_are_refused(void)
{
	for (unsigned bit = 0x10; bit <= 0x40; bit <<= 1) {
		kit_text(&in, TEXT | bit, "a");
		gives("fail 1002() ");
		kit_text(&in, PING | bit, "a");
		gives("fail 1002() ");
	}
	for (unsigned op = 0; op < 16; op++) {
		if (op <= 2 || (op >= 8 && op <= 10))
			continue;
		kit_text(&in, FIN | op, "");
		gives("fail 1002() ");
	}
}

static void
a_frame_without_a_mask_is_refused(void)
{
	kit_add(&in, "\x81\x05hello", 7);
	gives("fail 1002() ");
	kit_add(&in, "\x89\x00", 2);
	gives("fail 1002() ");
}

static void
messages_do_not_mix(void)
{
	kit_text(&in, FIN, "a");
	gives("fail 1002() ");
	kit_text(&in, 0x00, "a");
	gives("fail 1002() ");
	kit_text(&in, 0x01, "a");
	kit_text(&in, TEXT, "b");
	gives("fail 1002() ");
	kit_text(&in, 0x01, "a");
	kit_text(&in, 0x02, "b");
	gives("fail 1002() ");
	kit_text(&in, TEXT, "a");
	kit_text(&in, 0x80, "b");
	gives("text(a) fail 1002() ");
}

static void
lengths_are_in_their_shortest_form(void)
{
	static const struct { uint64_t n; unsigned bytes; const char *want; }
	    heads[] = {
		{ 125, 2, "fail 1002() " }, { 0, 2, "fail 1002() " },
		{ 125, 8, "fail 1002() " }, { 65535, 8, "fail 1002() " },
		{ 126, 2, "" }, { 65536, 8, "" },
		{ MAX_SIZE, 8, "" }, { MAX_SIZE + 1, 8, "fail 1009() " },
		{ INT64_MAX, 8, "fail 1009() " },
		{ 1ull << 63, 8, "fail 1009() " },
		{ UINT64_MAX, 8, "fail 1009() " },
	};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		kit_head(&in, BINARY, heads[i].n, heads[i].bytes, "abcd");
		gives(heads[i].want);
	}
}

/* The claim of a head costs nothing before its bytes come. */
static void
memory_follows_the_bytes(void)
{
	struct ws w;

	kit_head(&in, BINARY, MAX_SIZE, 8, "abcd");
	ws_init(&w, MAX_SIZE, MAX_FRAGMENTS);
	line[0] = 0;
	kit_feed(&w, &in, 0, in.n, line, sizeof(line));
	OK(w.msg == NULL);
	kit_byte(&in, 0);
	kit_feed(&w, &in, in.n - 1, in.n, line, sizeof(line));
	OK(w.msg && w.msg->cap <= 4096);
	ws_fini(&w);
	in.n = 0;
}

static void
the_limit_is_on_the_whole_message(void)
{
	static char big[MAX_SIZE];

	memset(big, 'x', sizeof(big));
	kit_frame(&in, 0x02, big, MAX_SIZE - 1);
	kit_text(&in, 0x80, "x");
	gives("binary(100000) ");
	kit_frame(&in, 0x02, big, MAX_SIZE - 1);
	kit_text(&in, 0x80, "xy");
	gives("fail 1009() ");
	kit_frame(&in, BINARY, big, MAX_SIZE);
	kit_text(&in, TEXT, "next");
	gives("binary(100000) text(next) ");
}

static void
fragments_are_counted(void)
{
	kit_text(&in, 0x01, "");
	for (unsigned i = 0; i < MAX_FRAGMENTS - 2; i++)
		kit_text(&in, 0x00, "");
	kit_text(&in, 0x80, "end");
	kit_text(&in, 0x01, "");
	kit_text(&in, 0x80, "again");
	gives("text(end) text(again) ");
	kit_text(&in, 0x01, "");
	for (unsigned i = 0; i < MAX_FRAGMENTS; i++)
		kit_text(&in, 0x00, "");
	gives("fail 1009() ");
}

static void
text_fails_at_the_byte_where_it_shows(void)
{
	static const char *const bad[] = {
		"\xff", "\xc0", "\xc1", "\x80", "\xf5", "\xc3(", "\xe0\x9f",
		"\xed\xa0", "\xf0\x8f", "\xf4\x90", "\xe2\x82\xff",
		"\xf0\x9f\x98" "A",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		size_t n = strlen(bad[i]);

		/* More was announced than ever comes. */
		kit_head(&in, 0x01, 300, 2, "\0\0\0\0");
		kit_text(&in, 0, "");
		in.n -= 6;
		kit_add(&in, "0123456789abcdefghi", 19);
		kit_add(&in, bad[i], n);
		OK_STR(cut_at(in.n, in.n), "fail 1007() ");
		OK_STR(in_bytes(), "fail 1007() ");
		OK_STR(cut_at(in.n - 1, in.n - 1), "fail 1007() ");
		in.n--;
		OK_STR(cut_at(in.n, in.n), "");
		in.n = 0;
		kit_frame(&in, BINARY, bad[i], n);
		OK(strncmp(cut_at(in.n, in.n), "binary(", 7) == 0);
		in.n = 0;
	}
	kit_text(&in, TEXT, "\xe2\x82");
	gives("fail 1007() ");
	kit_text(&in, 0x01, "ok \xe2");
	kit_text(&in, 0x00, "\x82");
	kit_text(&in, 0x80, "");
	gives("fail 1007() ");
}

/* The definition, read off RFC 3629's grammar, as an oracle. */
static bool
is_utf8(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned long c = p[i++], min;
		unsigned more;

		if (c < 0x80)
			continue;
		if (c >= 0xc0 && c < 0xe0)
			more = 1, c &= 0x1f, min = 0x80;
		else if (c >= 0xe0 && c < 0xf0)
			more = 2, c &= 0x0f, min = 0x800;
		else if (c >= 0xf0 && c < 0xf8)
			more = 3, c &= 0x07, min = 0x10000;
		else
			return false;
		for (; more > 0; more--) {
			if (i == n || (p[i] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (p[i++] & 0x3f);
		}
		if (c < min || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			return false;
	}
	return true;
}

static void
utf8_agrees_with_its_definition(void)
{
	unsigned char p[24] = "0123456789abcdefghij";

	/* All of two bytes, and each lead with all of two behind it. */
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 65536; b += a < 0xe0 ? 256 : 1) {
			struct utf8 u = { 0, 0, 0 };
			bool ok;

			p[3] = (unsigned char)a;
			p[4] = (unsigned char)(b >> 8);
			p[5] = (unsigned char)(b ? b : 'x');
			p[6] = a >= 0xf0 ? 0xbf : 'y';
			ok = utf8_add(&u, p, 20) && utf8_is_whole(&u);
			if (ok != is_utf8(p, 20)) {
				OK(ok == is_utf8(p, 20));
				return;
			}
		}
	OK(true);
}

static void
masks_at_every_alignment(void)
{
	static const unsigned char key[4] = { 0x12, 0xe4, 0x00, 0x9d };
	unsigned char from[320], to[320 + 16], want[320];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 3);
	for (size_t n = 0; n <= 300; n++)
		for (size_t align = 0; align < 16; align++) {
			size_t at = (n + align) % 5;

			for (size_t i = 0; i < n; i++)
				want[i] = from[align + i] ^
				    key[(at + i) & 3];
			memset(to, 0xaa, sizeof(to));
			mask_copy(to + 15 - align, from + align, n, key, at);
			if (memcmp(to + 15 - align, want, n) != 0 ||
			    to[15 - align + n] != 0xaa)
				OK(!"the mask is the oracle's");
			memcpy(to + align, from + align, n);
			mask_copy(to + align, to + align, n, key, at);
			if (memcmp(to + align, want, n) != 0)
				OK(!"the mask in place is the oracle's");
		}
	OK(true);
}

static void
close_frames_say_why(void)
{
	kit_text(&in, CLOSE, "");
	gives("close 1005() ");
	kit_text(&in, CLOSE, "\x0f\xa1" "gr\xc3\xbc\xc3\x9f");
	gives("close 4001(gr\xc3\xbc\xc3\x9f) ");
	kit_text(&in, CLOSE, "\x03");
	gives("fail 1002() ");
	kit_text(&in, CLOSE, "\x03\xe8\xff");
	gives("fail 1007() ");
	kit_text(&in, CLOSE, "\x03\xe8\xe2\x82");
	gives("fail 1007() ");
	kit_text(&in, CLOSE, "\x03\xe8");
	kit_text(&in, TEXT, "ignored");
	kit_add(&in, "\xff\xff\xff", 3);
	gives("close 1000() ");
}

static void
close_codes_have_their_ranges(void)
{
	for (unsigned code = 0; code < 65536; code++) {
		bool ok = (code >= 1000 && code <= 1003) ||
		    (code >= 1007 && code <= 1014) ||
		    (code >= 3000 && code <= 4999);
		unsigned char body[2] = { (unsigned char)(code >> 8),
			(unsigned char)code };
		char want[24];

		OK(ws_code_is_valid(code) == ok);
		if (code > 5100 && code < 65500)
			continue;
		kit_frame(&in, CLOSE, body, 2);
		snprintf(want, sizeof(want), ok ? "close %u() " :
		    "fail 1002() ", code);
		OK_STR(cut_at(in.n, in.n), want);
		in.n = 0;
	}
}

static void
nothing_is_read_behind_a_failure(void)
{
	kit_text(&in, 0x83, "");
	kit_text(&in, TEXT, "a");
	kit_text(&in, CLOSE, "\x03\xe8");
	gives("fail 1002() ");
}

static void
heads_that_we_send_are_the_shortest(void)
{
	unsigned char to[WS_HEAD_MAX];

	OK(ws_head(to, WS_TEXT, 0) == 2 && !memcmp(to, "\x81\x00", 2));
	OK(ws_head(to, WS_TEXT, 125) == 2 && !memcmp(to, "\x81\x7d", 2));
	OK(ws_head(to, WS_BINARY, 126) == 4 &&
	    !memcmp(to, "\x82\x7e\x00\x7e", 4));
	OK(ws_head(to, WS_BINARY, 65535) == 4 &&
	    !memcmp(to, "\x82\x7e\xff\xff", 4));
	OK(ws_head(to, WS_BINARY, 65536) == 10 &&
	    !memcmp(to, "\x82\x7f\0\0\0\0\0\x01\0\0", 10));
}

static void
close_frames_that_we_send_hold_what_fits(void)
{
	unsigned char to[WS_CONTROL_FRAME];
	char reason[200];

	OK(ws_close(to, 1000, STR("")) == 4 &&
	    !memcmp(to, "\x88\x02\x03\xe8", 4));
	OK(ws_close(to, 4001, STR("why")) == 7 &&
	    !memcmp(to, "\x88\x05\x0f\xa1why", 7));
	/* 61 characters of two bytes and half of another would fit. */
	for (size_t i = 0; i < sizeof(reason); i++)
		reason[i] = "\xc3\xbc"[i & 1];
	OK(ws_close(to, 1000, (struct str){ reason, 200 }) == 2 + 2 + 122);
	OK(ws_control(to, WS_PONG, "abc", 3) == 5 &&
	    !memcmp(to, "\x8a\x03" "abc", 5));
}

static uint64_t
draw(uint64_t *state, uint64_t below)
{
	/* xorshift64: the same everywhere for the same seed. */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

/* Frames with bytes changed at random: no split changes what comes of them. */
static void
broken_frames_are_the_same_at_every_split(void)
{
	static const unsigned firsts[] = { TEXT, BINARY, 0x01, 0x02, 0x00,
		0x80, PING, PONG, CLOSE };
	uint64_t rng = 0x9e3779b97f4a7c15ull;
	char whole[sizeof(line)];

	for (unsigned round = 0; round < 20000; round++) {
		in.n = 0;
		for (unsigned i = draw(&rng, 6) + 1; i > 0; i--) {
			unsigned char p[200];
			size_t n = draw(&rng, draw(&rng, 20) ? 12 : 200);

			for (size_t k = 0; k < n; k++)
				p[k] = (unsigned char)draw(&rng, 128);
			kit_frame(&in, firsts[draw(&rng,
			    ARRAY_LEN(firsts))], p, n);
		}
		for (unsigned i = draw(&rng, 3); i > 0; i--)
			in.p[draw(&rng, in.n)] ^= 1 << draw(&rng, 8);
		memcpy(whole, cut_at(in.n, in.n), sizeof(whole));
		if (!OK_STR(in_bytes(), whole) || !OK_STR(cut_at(
		    draw(&rng, in.n), in.n), whole)) {
			fprintf(stderr, "round %u\n", round);
			break;
		}
	}
	in.n = 0;
}

static void
tests(void)
{
	T(messages_arrive);
	T(fragments_become_one_message);
	T(control_frames_stand_between_fragments);
	T(control_frames_have_up_to_125_bytes);
	T(reserved_bits_and_opcodes_are_refused);
	T(a_frame_without_a_mask_is_refused);
	T(messages_do_not_mix);
	T(lengths_are_in_their_shortest_form);
	T(memory_follows_the_bytes);
	T(the_limit_is_on_the_whole_message);
	T(fragments_are_counted);
	T(text_fails_at_the_byte_where_it_shows);
	T(utf8_agrees_with_its_definition);
	T(masks_at_every_alignment);
	T(close_frames_say_why);
	T(close_codes_have_their_ranges);
	T(nothing_is_read_behind_a_failure);
	T(heads_that_we_send_are_the_shortest);
	T(close_frames_that_we_send_hold_what_fits);
	T(broken_frames_are_the_same_at_every_split);
}

T_MAIN(tests)
