/* See LICENSE for the terms. */
/* proto/ws_deflate.h, and what proto/ws.c makes of it; zlib is the client. */
#include "proto/ws_deflate.h"

#include <zlib.h>

#include "tests/unit/ws_kit.h"

#define MAX_SIZE 100000

static struct kit_bytes in;
static char line[2000];
static size_t used;

static struct str
of(const char *z)
{
	return (struct str){ z, strlen(z) };
}

/* ---- terms ------------------------------------------------------------- */

/* The answer to an offer; "" where there is none. */
static const char *
answer(const char *offer)
{
	static char to[WS_DEFLATE_ANSWER + 1];
	struct ws_deflate_terms t;
	size_t n = 0;

	if (ws_deflate_choose(of(offer), &t))
		n = ws_deflate_answer(to, &t);
	OK(n <= WS_DEFLATE_ANSWER);
	to[n] = 0;
	return to;
}

#define PMD "permessage-deflate"

static void
offers_are_answered(void)
{
	OK_STR(answer(PMD), PMD "; server_max_window_bits=12");
	OK_STR(answer("x-webkit-deflate-frame, Permessage-Deflate ;"
	    "client_max_window_bits"), PMD "; server_max_window_bits=12; "
	    "client_max_window_bits=12");
	OK_STR(answer(PMD "; server_no_context_takeover;"
	    "client_no_context_takeover"), PMD "; server_no_context_takeover; "
	    "client_no_context_takeover; server_max_window_bits=12");
	OK_STR(answer(PMD "; server_max_window_bits=9; "
	    "client_max_window_bits=8"), PMD "; server_max_window_bits=9; "
	    "client_max_window_bits=8");
	OK_STR(answer(PMD "; server_max_window_bits=\"10\""), PMD
	    "; server_max_window_bits=10");
	OK_STR(answer(PMD "; client_max_window_bits=15"), PMD
	    "; server_max_window_bits=12; client_max_window_bits=12");
	/* The first that can be taken. */
	OK_STR(answer(PMD "; server_max_window_bits=8, " PMD), PMD
	    "; server_max_window_bits=12");
	/* All there can be has room. */
	OK(strlen(answer(PMD "; server_no_context_takeover; "
	    "client_no_context_takeover; server_max_window_bits=12; "
	    "client_max_window_bits=12")) <= WS_DEFLATE_ANSWER);
}

static void
bad_offers_are_declined(void)
{
	static const char *const bad[] = {
		"", ",", "deflate", "permessage-bzip2", PMD "x",
		PMD "; unknown", PMD "; unknown=1",
		PMD "; server_max_window_bits",
		PMD "; server_max_window_bits=",
		PMD "; server_max_window_bits=7",
		PMD "; server_max_window_bits=8",	/* zlib cannot */
		PMD "; server_max_window_bits=08",
		PMD "; server_max_window_bits=16",
		PMD "; server_max_window_bits=+9",
		PMD "; server_max_window_bits=100",
		PMD "; client_max_window_bits=",
		PMD "; client_max_window_bits=7",
		PMD "; client_max_window_bits=1000000000000000000000",
		PMD "; server_no_context_takeover=1",
		PMD "; client_no_context_takeover=true",
		PMD "; client_max_window_bits; client_max_window_bits=9",
		PMD "; server_no_context_takeover; "
		"server_no_context_takeover",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		OK_STR(answer(bad[i]), "");
}

/* ---- streams ----------------------------------------------------------- */

/* A client's stream; what it made is in client_buf. */
static z_stream client;
static unsigned char client_buf[300000];

static void
client_begin(int bits)
{
	memset(&client, 0, sizeof(client));
	OK(deflateInit2(&client, 9, Z_DEFLATED, -bits, 8,
	    Z_DEFAULT_STRATEGY) == Z_OK);
}

static size_t
client_pack(const void *p, size_t n, int flush)
{
	client.next_in = (unsigned char *)(uintptr_t)p;
	client.avail_in = (unsigned)n;
	client.next_out = client_buf;
	client.avail_out = sizeof(client_buf);
	OK(deflate(&client, flush) >= 0 && client.avail_in == 0);
	n = sizeof(client_buf) - client.avail_out;
	if (flush == Z_SYNC_FLUSH)
		n -= 4;
	return n;
}

static void
ws_begin(struct ws *w, const char *offer)
{
	struct ws_deflate_terms t;

	ws_init(w, MAX_SIZE, 8);
	OK(ws_deflate_choose(of(offer), &t));
	w->deflate = ws_deflate_new(&t, &used);
	OK(w->deflate && used == 0);
	line[0] = 0;
}

/* What comes of <in>, in pieces of <step>; empties it. */
static const char *
fed(struct ws *w, size_t step)
{
	line[0] = 0;
	for (size_t i = 0; i < in.n; i += step)
		kit_feed(w, &in, i, MIN(in.n, i + step), line,
		    sizeof(line));
	in.n = 0;
	return line;
}

static void
compressed_messages_arrive(void)
{
	static const size_t steps[] = { 1, 2, 7, 100, 1 << 20 };
	struct ws w;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		size_t n;

		ws_begin(&w, PMD);
		client_begin(15);
		n = client_pack("Hello", 5, Z_SYNC_FLUSH);
		kit_frame(&in, 0xc1, client_buf, n);
		OK_STR(fed(&w, steps[i]), "text(Hello) ");
		OK(used > 0);
		ws_fini(&w);
		OK(used == 0);
		deflateEnd(&client);
	}
}

static void
contexts_are_carried_over(void)
{
	struct ws w;
	size_t first, second;

	ws_begin(&w, PMD);
	client_begin(15);
	first = client_pack("carried over", 12, Z_SYNC_FLUSH);
	kit_frame(&in, 0xc1, client_buf, first);
	kit_text(&in, 0x81, "plain between");
	second = client_pack("carried over", 12, Z_SYNC_FLUSH);
	kit_frame(&in, 0xc2, client_buf, second);
	OK(second < first);
	OK_STR(fed(&w, 3), "text(carried over) text(plain between) "
	    "binary(carried over) ");
	ws_fini(&w);
	deflateEnd(&client);
}

static void
without_context_nothing_stays_allocated(void)
{
	struct ws w;
	size_t n;

	ws_begin(&w, PMD "; client_no_context_takeover");
	for (int i = 0; i < 2; i++) {
		client_begin(15);
		n = client_pack("alone", 5, Z_SYNC_FLUSH);
		kit_frame(&in, 0xc1, client_buf, n);
		OK_STR(fed(&w, 1), "text(alone) ");
		OK(used == 0);
		deflateEnd(&client);
	}
	ws_fini(&w);
}

static void
fragments_are_one_stream(void)
{
	struct ws w;
	size_t n;

	ws_begin(&w, PMD);
	client_begin(15);
	n = client_pack("fragments of one", 16, Z_SYNC_FLUSH);
	kit_frame(&in, 0x41, client_buf, 3);
	kit_text(&in, 0x89, "p");
	kit_text(&in, 0x00, "");
	kit_frame(&in, 0x00, client_buf + 3, 1);
	kit_frame(&in, 0x80, client_buf + 4, n - 4);
	OK_STR(fed(&w, 1), "ping(p) text(fragments of one) ");
	/* An empty one, as RFC 7692, 7.2.3.6 writes it. */
	kit_frame(&in, 0xc2, "\0", 1);
	OK_STR(fed(&w, 1), "binary() ");
	ws_fini(&w);
	deflateEnd(&client);
}

/* RFC 7692, 7.2.3: the forms a message may take. */
static void
all_forms_of_the_rfc_are_read(void)
{
	struct ws w;

	ws_begin(&w, PMD);
	kit_frame(&in, 0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
	/* The window carried over. */
	kit_frame(&in, 0xc1, "\xf2\x00\x11\x00\x00", 5);
	/* No compression. */
	kit_frame(&in, 0xc1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
	    11);
	/* With BFINAL set, and two blocks. */
	kit_frame(&in, 0xc1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
	kit_frame(&in, 0xc1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9"
	    "\x07\x00", 13);
	OK_STR(fed(&w, 1), "text(Hello) text(Hello) text(Hello) text(Hello) "
	    "text(Hello) ");
	ws_fini(&w);
	OK(used == 0);
}

static void
reserved_bits_stay_reserved(void)
{
	static const unsigned firsts[] = { 0xa1, 0x91, 0xd1, 0xe1, 0xc9,
		0xc8, 0xca, 0xc0 };
	struct ws w;

	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		ws_begin(&w, PMD);
		kit_frame(&in, firsts[i], "", 0);
		OK_STR(fed(&w, 1), "fail 1002() ");
		ws_fini(&w);
	}
	ws_begin(&w, PMD);
	kit_frame(&in, 0x41, "", 0);
	kit_frame(&in, 0xc0, "", 0);
	OK_STR(fed(&w, 1), "fail 1002() ");
	ws_fini(&w);
}

static void
the_limit_is_on_what_is_inflated(void)
{
	static unsigned char big[10 * MAX_SIZE];
	struct ws w;
	size_t n;

	for (int extra = 0; extra < 2; extra++) {
		memset(big, 'x', sizeof(big));
		ws_begin(&w, PMD);
		client_begin(15);
		n = client_pack(big, MAX_SIZE + (size_t)extra,
		    Z_SYNC_FLUSH);
		OK(n < 500);
		kit_frame(&in, 0xc1, client_buf, n);
		OK_STR(fed(&w, 50), extra ? "fail 1009() " :
		    "text(100000) ");
		ws_fini(&w);
		deflateEnd(&client);
	}
	/* Said before the bomb is whole, and nothing of it is left. */
	ws_begin(&w, PMD);
	client_begin(15);
	n = client_pack(big, sizeof(big), Z_SYNC_FLUSH);
	kit_frame(&in, 0x42, client_buf, n / 2);
	OK_STR(fed(&w, 1 << 20), "fail 1009() ");
	OK(w.msg == NULL);
	ws_fini(&w);
	deflateEnd(&client);
}

static void
text_is_checked_as_it_is_inflated(void)
{
	struct ws w;
	size_t n;

	ws_begin(&w, PMD);
	client_begin(15);
	n = client_pack("abc\xff" "def", 7, Z_SYNC_FLUSH);
	kit_frame(&in, 0x41, client_buf, n);
	OK_STR(fed(&w, 1), "fail 1007() ");
	ws_fini(&w);
	deflateEnd(&client);
}

/*
 * A block of fixed codes (RFC 1951, 3.2.6) in client_buf: <n> times "x", then
 * the code 286, which means nothing.
 */
static size_t
broken_block(size_t n)
{
	size_t bit = 3;

	memset(client_buf, 0, sizeof(client_buf));
	client_buf[0] = 2;
	for (size_t i = 0; i <= n; i++) {
		unsigned code = i < n ? 0x30 + 'x' : 0xc0 + 286 - 280;

		for (int k = 7; k >= 0; k--, bit++)
			client_buf[bit / 8] |= (unsigned char)((code >> k & 1)
			    << bit % 8);
	}
	return bit / 8 + 1;
}

/* What <n> bytes of deflate give at every step. */
static void
gives_always(unsigned first, const void *p, size_t n, const char *want)
{
	static const size_t steps[] = { 1, 2, 3, 50, 2048, 1 << 20 };
	struct ws w;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		ws_begin(&w, PMD);
		kit_frame(&in, first, p, n);
		OK_STR(fed(&w, steps[i]), want);
		ws_fini(&w);
	}
}

/* A message that breaks two rules breaks the one that comes first. */
static void
the_first_fault_counts_however_the_bytes_are_split(void)
{
	static unsigned char big[2 * MAX_SIZE];
	size_t n;

	memset(big, 'x', sizeof(big));
	big[MAX_SIZE - 1] = 0xff;
	client_begin(15);
	n = client_pack(big, sizeof(big), Z_SYNC_FLUSH);
	gives_always(0xc1, client_buf, n, "fail 1007() ");
	deflateEnd(&client);
	big[MAX_SIZE - 1] = 'x';
	big[MAX_SIZE] = 0xff;
	client_begin(15);
	n = client_pack(big, sizeof(big), Z_SYNC_FLUSH);
	gives_always(0xc1, client_buf, n, "fail 1009() ");
	deflateEnd(&client);
	/* A byte too many, or none, and then no deflate. */
	n = broken_block(MAX_SIZE + 1);
	gives_always(0xc1, client_buf, n, "fail 1009() ");
	n = broken_block(MAX_SIZE);
	gives_always(0xc1, client_buf, n, "fail 1007() ");
}

static void
what_is_no_deflate_is_refused(void)
{
	struct ws w;

	ws_begin(&w, PMD);
	kit_frame(&in, 0xc2, "\xff\xff\xff\xff", 4);
	OK_STR(fed(&w, 1), "fail 1007() ");
	ws_fini(&w);
	OK(used == 0);
}

/* ---- what we send ------------------------------------------------------ */

static void
what_we_pack_a_client_unpacks(void)
{
	static unsigned char text[200000], back[200010];
	static const size_t sizes[] = { 256, 1000, 65536, sizeof(text) };
	struct ws_deflate_terms t;
	size_t first = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)(i * i >> 7);
	for (int forgets = 0; forgets < 2; forgets++) {
		struct ws_deflate *d;

		OK(ws_deflate_choose(of(forgets ? PMD
		    "; server_no_context_takeover" : PMD), &t));
		d = ws_deflate_new(&t, &used);
		memset(&client, 0, sizeof(client));
		OK(inflateInit2(&client, -12) == Z_OK);
		for (size_t i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
			size_t n = sizes[i / 2], packed;
			unsigned char *p = ws_deflate_pack(d, text, n,
			    &packed);

			if (!OK(p != NULL))
				return;
			OK((used == 0) == forgets);
			if (i == 0)
				first = packed;
			if (i == 1)
				OK(forgets ? packed == first :
				    packed < first);
			p = realloc(p, packed + 4);
			memcpy(p + packed, "\0\0\xff\xff", 4);
			client.next_in = p;
			client.avail_in = (unsigned)packed + 4;
			client.next_out = back;
			client.avail_out = sizeof(back);
			if (forgets)
				OK(inflateReset(&client) == Z_OK);
			OK(inflate(&client, Z_SYNC_FLUSH) == Z_OK);
			OK(sizeof(back) - client.avail_out == n);
			OK(memcmp(back, text, n) == 0);
			free(p);
		}
		inflateEnd(&client);
		ws_deflate_free(d);
		OK(used == 0);
	}
}

static void
small_messages_and_an_empty_purse_are_not_worth_it(void)
{
	struct ws_deflate_terms t;
	struct ws_deflate *d;
	size_t packed;
	char text[1000] = "";

	OK(ws_deflate_choose(of(PMD), &t));
	d = ws_deflate_new(&t, &used);
	OK(!ws_deflate_is_worth(d, WS_DEFLATE_MIN - 1));
	OK(ws_deflate_is_worth(d, WS_DEFLATE_MIN));
	used = WS_DEFLATE_BUDGET;
	OK(!ws_deflate_is_worth(d, WS_DEFLATE_MIN));
	used = 0;
	free(ws_deflate_pack(d, text, sizeof(text), &packed));
	/* One that has its stream goes on. */
	used += WS_DEFLATE_BUDGET;
	OK(ws_deflate_is_worth(d, WS_DEFLATE_MIN));
	used -= WS_DEFLATE_BUDGET;
	ws_deflate_free(d);
	OK(used == 0);
}

static void
tests(void)
{
	T(offers_are_answered);
	T(bad_offers_are_declined);
	T(compressed_messages_arrive);
	T(contexts_are_carried_over);
	T(without_context_nothing_stays_allocated);
	T(fragments_are_one_stream);
	T(all_forms_of_the_rfc_are_read);
	T(reserved_bits_stay_reserved);
	T(the_limit_is_on_what_is_inflated);
	T(text_is_checked_as_it_is_inflated);
	T(the_first_fault_counts_however_the_bytes_are_split);
	T(what_is_no_deflate_is_refused);
	T(what_we_pack_a_client_unpacks);
	T(small_messages_and_an_empty_purse_are_not_worth_it);
}

T_MAIN(tests)
