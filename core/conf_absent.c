/* See LICENSE for the terms. */
#include "core/conf_absent.h"

#include <stdbool.h>
#include <string.h>

#include "core/util.h"

#define FILES "files are not watched; the signal HUP starts the application " \
	"anew, and no request is lost"
#define TLS "there is no TLS; put a proxy in front that has"
#define PROXY "the application gets the proxy's headers as they came; its " \
	"framework's middleware can use them"
#define RECYCLE "processes are not recycled; the signal HUP replaces them " \
	"all, and no request is lost"
#define USER "start it as that user, by setpriv or the service manager"

static const struct absent {
	const char *name;
	bool begins;		/* and all that begin with it */
	const char *instead;
} absent[] = {
	{ "reload", true, FILES },
	{ "ssl-", true, TLS },
	{ "certfile", false, TLS },
	{ "keyfile", false, TLS },
	{ "ca-certs", false, TLS },
	{ "proxy-headers", false, PROXY },
	{ "forwarded-allow-ips", false, PROXY },
	{ "max-requests", true, RECYCLE },
	{ "limit-max-requests", true, RECYCLE },
	{ "workers-lifetime", false, RECYCLE },
	{ "workers-max-rss", false, RECYCLE },
	{ "daemon", false, "it stays in the foreground, as service managers "
	    "and containers want it; a shell's & does the rest" },
	{ "user", false, USER },
	{ "group", false, USER },
	{ "fd", false, "a socket that is open already is not taken over; "
	    "--bind says where to listen" },
	{ "static-path-", true, "the application serves its files, or the "
	    "proxy in front" },
	{ "config", false, "options stand on the command line, or in SHOAL_ "
	    "variables" },
	{ "metrics", true, "the server counts nothing yet that could be read" },
	{ "statsd-", true, "the server counts nothing yet that could be sent" },
};

/* Their short forms. */
static const struct {
	char letter;
	const char *name;
} letters[] = {
	{ 'D', "daemon" }, { 'u', "user" }, { 'g', "group" }, { 'c', "config" },
};

static bool
is_it(const struct absent *a, struct str name)
{
	size_t n = strlen(a->name);

	if (name.n < n || (name.n > n && !a->begins))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((name.p[i] == '_' ? '-' : name.p[i]) != a->name[i])
			return false;
	return true;
}

const char *
conf_absent(struct str name)
{
	for (unsigned i = 0; i < ARRAY_LEN(absent); i++)
		if (is_it(&absent[i], name))
			return absent[i].instead;
	return NULL;
}

const char *
conf_absent_letter(char letter)
{
	for (unsigned i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i].letter == letter)
			return conf_absent(str_of(letters[i].name));
	return NULL;
}

const char *
conf_absent_at(unsigned i)
{
	return i < ARRAY_LEN(absent) ? absent[i].name : NULL;
}
