/* See LICENSE for the terms. */
/*
 * Writes the unit tests' vectors as inputs of the fuzzers, a file each:
 *
 *	build/fuzz/tests/fuzz/seeds FOLDER
 *
 * into h1_head, h1_body and h1_conn below that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/util.h"
#include "tests/unit/h1_bad_bodies.h"
#include "tests/unit/h1_bad_heads.h"
#include "tests/unit/h1_good.h"

/* What stands before the message: of h1_conn, which application. */
static const struct {
	const char *name, *before;
	size_t n;
} fuzzers[] = {
	{ "h1_head", "", 0 },
	{ "h1_conn", "\0\1", 2 },
	{ "h1_conn", "\1\2", 2 },
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
	return 0;
}
