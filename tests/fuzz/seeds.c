/* See LICENSE for the terms. */
/*
 * Writes the unit tests' vectors as inputs of the fuzzers, a file each:
 *
 *	build/fuzz/tests/fuzz/seeds FOLDER
 *
 * into a folder below that for each of them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "core/util.h"
#include "tests/unit/h1_bad_bodies.h"
#include "tests/unit/h1_bad_heads.h"
#include "tests/unit/h1_good.h"
#include "tests/unit/ws_kit.h"

/* What stands before the message: of h1_conn, which application. */
static const struct {
	const char *name, *before;
	size_t n;
} fuzzers[] = {
	{ "h1_head", "", 0 },
	{ "h1_conn", "\0\1", 2 },
	{ "h1_conn", "\1\2", 2 },
	/* The same, and four times. */
	{ "h1_conn", "\2\3", 2 },
	{ "h1_conn", "\3\4", 2 },
};

static void
write_file(const char *dir, const char *name, const char *before,
    size_t n_before, const char *p, size_t n)
{
	static unsigned number;
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (mkdir(path, 0777) != 0 && errno != EEXIST) {
		perror(path);
		exit(1);
	}
	snprintf(path, sizeof(path), "%s/%s/%04u", dir, name, number++);
	f = fopen(path, "w");
	if (!f || fwrite(before, 1, n_before, f) != n_before ||
	    fwrite(p, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void
write_vector(const char *dir, const struct vector *v)
{
	size_t head = strlen(CHUNKED);

	for (size_t i = 0; i < ARRAY_LEN(fuzzers); i++)
		write_file(dir, fuzzers[i].name, fuzzers[i].before,
		    fuzzers[i].n, v->p, v->n);
	/* The fuzzer of bodies has the head. */
	if (v->n > head && memcmp(v->p, CHUNKED, head) == 0)
		write_file(dir, "h1_body", "", 0, v->p + head, v->n - head);
}

/* ---- WebSocket --------------------------------------------------------- */

/* A frame of text; the first byte says all about it. */
struct seed {
	unsigned char first;
	const char *text;
};

static const struct seed conversations[][6] = {
	{ { 0x81, "hello" }, { 0x82, "" }, { 0x89, "ping" }, { 0x8a, "" } },
	{ { 0x01, "gr\xc3" }, { 0x89, "" }, { 0x00, "" },
	    { 0x80, "\xbc\xc3\x9f" }, { 0x88, "\x03\xe8" "bye" } },
	{ { 0x81, "\xf0\x9f\x98\x80 \xe2\x82\xac" }, { 0x88, "" } },
	{ { 0x81, "\xed\xa0\x80" } }, { { 0x81, "\xf4\x90" } },
	{ { 0x01, "a" }, { 0x81, "b" } }, { { 0x80, "a" } },
	{ { 0x09, "a" } }, { { 0x8b, "a" } }, { { 0xc1, "a" } },
	{ { 0x88, "\x03" } }, { { 0x88, "\x03\xed" } },
	{ { 0x88, "\x0f\xa0" "\xff" } },
};

static struct kit_bytes frames;

/* Frames, with each of the four limits. */
static void
write_frames(const char *dir)
{
	for (unsigned i = 0; i < 8; i += 2) {
		char before[2] = { (char)i, 7 };

		write_file(dir, "ws_frames", before, 2,
		    (const char *)frames.p, frames.n);
	}
	frames.n = 0;
}

static void
write_conversations(const char *dir)
{
	static const size_t sizes[] = { 125, 126, 127, 4000 };
	char text[4000];

	for (size_t i = 0; i < ARRAY_LEN(conversations); i++) {
		for (size_t k = 0; conversations[i][k].text; k++)
			kit_text(&frames, conversations[i][k].first,
			    conversations[i][k].text);
		write_frames(dir);
	}
	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		kit_frame(&frames, 0x82, text, sizes[i]);
		write_frames(dir);
	}
	for (unsigned bytes = 2; bytes <= 8; bytes += 6) {
		kit_head(&frames, 0x82, bytes == 2 ? 125 : 65535, bytes,
		    "abcd");
		write_frames(dir);
	}
	kit_head(&frames, 0x82, UINT64_MAX, 8, "abcd");
	write_frames(dir);
}

/* A message of ws_inflate.c: zlib's bytes, flushed this way. */
static void
add_packed(z_stream *z, unsigned flags, const char *text, size_t n, int flush)
{
	unsigned char to[8192];

	z->next_in = (unsigned char *)(uintptr_t)text;
	z->avail_in = (unsigned)n;
	z->next_out = to;
	z->avail_out = sizeof(to);
	deflate(z, flush);
	n = sizeof(to) - z->avail_out;
	n -= flush == Z_SYNC_FLUSH ? 4 : 0;
	kit_byte(&frames, flags);
	kit_byte(&frames, n & 0xff);
	kit_byte(&frames, (unsigned)(n >> 8) & 0xff);
	kit_add(&frames, to, n);
}

static void
write_packed(const char *dir, int level, int strategy)
{
	static const char json[] = "{\"room\":\"a\",\"text\":\"gr\xc3\xbc\"}";
	static char big[6000];

	for (int bits = 9; bits <= 15; bits += 3) {
		char before[2] = { (char)((bits - 8) | 3 << 3), 7 };
		z_stream z;

		memset(&z, 0, sizeof(z));
		memset(big, 'x', sizeof(big));
		if (deflateInit2(&z, level, Z_DEFLATED, -bits, 8,
		    strategy) != Z_OK)
			exit(1);
		add_packed(&z, 1, json, sizeof(json) - 1, Z_SYNC_FLUSH);
		add_packed(&z, 3, json, sizeof(json) - 1, Z_SYNC_FLUSH);
		add_packed(&z, 0, big, 4000, Z_SYNC_FLUSH);
		add_packed(&z, 0, "", 0, Z_FINISH);
		deflateReset(&z);
		add_packed(&z, 1, big, sizeof(big), Z_SYNC_FLUSH);
		deflateEnd(&z);
		write_file(dir, "ws_inflate", before, 2,
		    (const char *)frames.p, frames.n);
		before[0] |= 0x60;	/* nothing carried over */
		write_file(dir, "ws_inflate", before, 2,
		    (const char *)frames.p, frames.n);
		frames.n = 0;
	}
}

#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"

static const char *const shakes[] = {
	UPGRADE KEY V13 "\r\n",
	UPGRADE KEY V13 "Sec-WebSocket-Protocol: a, b\r\n"
	"Sec-WebSocket-Protocol: c\r\n\r\n",
	UPGRADE KEY V13 "Sec-WebSocket-Extensions: x, permessage-deflate; "
	"client_max_window_bits; server_max_window_bits=\"10\"\r\n\r\n",
	UPGRADE KEY V13 "Sec-WebSocket-Extensions: permessage-deflate; "
	"server_no_context_takeover; client_no_context_takeover\r\n\r\n",
	UPGRADE KEY V13 "Origin: http://a\r\nContent-Length: 0\r\n\r\n",
	UPGRADE KEY V13 "Content-Length: 1\r\n\r\n",
	UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n",
	UPGRADE V13 "Sec-WebSocket-Key: short==\r\n\r\n",
	UPGRADE KEY KEY V13 "\r\n",
	KEY V13 "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
	KEY V13 "Upgrade: WebSocket\r\n\r\n",
};

static void
write_shakes(const char *dir)
{
	for (size_t i = 0; i < ARRAY_LEN(shakes); i++) {
		kit_byte(&frames, (unsigned)i);
		kit_add(&frames, shakes[i], strlen(shakes[i]));
		kit_text(&frames, 0x81, "hello");
		kit_text(&frames, 0x89, "ping");
		kit_text(&frames, 0x88, "\x03\xe8");
		write_file(dir, "ws_shake", "", 0, (const char *)frames.p,
		    frames.n);
		frames.n = 0;
	}
}

/* Messages of sse_event.c. */
static void
write_events(const char *dir)
{
	static const char *const texts[] = {
		"", "hello", "two\nlines", "\r\n", "\r\r", "end\n", " data: x",
		"id: 7\n\ndata: y", "gr\xc3\xbc\xc3\x9f", "\xff",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		kit_byte(&frames, i & 1);
		kit_byte(&frames, (unsigned)strlen(texts[i]));
		kit_byte(&frames, 0);
		kit_add(&frames, texts[i], strlen(texts[i]));
		write_file(dir, "sse_event", "", 0, (const char *)frames.p,
		    frames.n);
	}
	frames.n = 0;
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(bad_heads); i++)
		write_vector(argv[1], &bad_heads[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad_bodies); i++)
		write_vector(argv[1], &bad_bodies[i]);
	for (size_t i = 0; i < ARRAY_LEN(well_formed); i++)
		write_vector(argv[1], &well_formed[i]);
	write_conversations(argv[1]);
	write_packed(argv[1], 9, Z_DEFAULT_STRATEGY);
	write_packed(argv[1], 1, Z_FIXED);
	write_packed(argv[1], 0, Z_DEFAULT_STRATEGY);
	write_shakes(argv[1]);
	write_events(argv[1]);
	return 0;
}
