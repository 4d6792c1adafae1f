/* See LICENSE for the terms. */
/*
 * Opening the listening sockets: see listen.h.
 *
 * Text becomes a struct want (host and port, or path), that becomes one or
 * more addresses, and each of them its sockets.
 */
#include "core/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bug.h"
#include "core/conf.h"
#include "core/mem.h"

#define SOCK_TYPE (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

/*
 * Bytes that the kernel holds for a client beyond those on their way to it.
 * Without a limit that is up to 4 MiB of one who reads nothing, and his whole
 * response may be there: he would be taken for one who is well served.
 */
#define UNSENT_MAX (256 << 10)

/* What one --bind, or --host with --port, or --uds asks for. */
struct want {
	char host[256];			/* a name of DNS has at most 253 */
	unsigned port;
	const char *path;		/* of a Unix socket, else NULL */
};

/* All that opening needs to know. */
struct opening {
	struct listeners *ls;
	int backlog;
	unsigned default_port;
	long mode;			/* of Unix sockets; -1: the umask's */
	bool has_in4;			/* some address is IPv4 */
};

/* Writes the complaint and returns -err. */
__attribute__((format(printf, 3, 4))) static int
fail(struct listeners *ls, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ls->err, sizeof(ls->err), fmt, ap);
	va_end(ap);
	return -err;
}

/* What to do about a failed bind() or listen(). */
static const char *
advice(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "another server holds this address (ss -ltnp shows "
		       "which): stop it, or choose another --port "
		       "(0 takes a free one)";
	case EACCES:
		return "ports below 1024 need CAP_NET_BIND_SERVICE: choose a "
		       "higher --port";
	case EADDRNOTAVAIL:
		return "this machine has no such address: --host 0.0.0.0 "
		       "listens at all it has";
	case EMFILE:
	case ENFILE:
		return "every address takes a socket a shard: raise the limit "
		       "of open files (ulimit -n), or lower --workers";
	default:
		return strerror(err);
	}
}

static int
cannot_listen(struct listeners *ls, const struct listen_addr *a, int err)
{
	char text[SOCK_TEXT];

	return fail(ls, err, "cannot listen at %s: %s",
	    a->path ? a->path : sock_addr_text(&a->addr, text), advice(err));
}

/* NULL without memory. */
static struct listen_addr *
add_addr(struct listeners *ls, unsigned n_fd)
{
	struct listen_addr *a;

	a = mem_try_grow(ls->addr, (ls->n + 1) * sizeof(*a));
	if (!a)
		return NULL;
	ls->addr = a;
	a = &ls->addr[ls->n];
	memset(a, 0, sizeof(*a));
	a->fd = mem_try(n_fd * sizeof(*a->fd));
	if (!a->fd)
		return NULL;
	ls->n++;
	for (unsigned i = 0; i < n_fd; i++)
		a->fd[i] = -1;
	return a;
}

static void
set_to(int fd, int level, int option, int value)
{
	/* Only of options that every supported kernel knows. */
	BUG_ON(setsockopt(fd, level, option, &value, sizeof(value)) == -1);
}

static void
set(int fd, int level, int option)
{
	set_to(fd, level, option, 1);
}

/*
 * One socket of an address, bound and listening, or -errno.  The first one
 * listens before it gets SO_REUSEPORT: of two servers that start at the same
 * moment one is refused by listen() even when both could bind.
 */
static int
open_tcp(const struct opening *o, const struct peer *addr, bool first)
{
	bool in6 = addr->sa.sa_family == AF_INET6;
	socklen_t len = in6 ? sizeof(addr->in6) : sizeof(addr->in4);
	int fd, err;

	fd = socket(addr->sa.sa_family, SOCK_TYPE, 0);
	if (fd == -1)
		return -errno;
	/* A restarted server must not wait for its old ones in TIME_WAIT. */
	set(fd, SOL_SOCKET, SO_REUSEADDR);
	/* Every accepted connection inherits it: one system call less each. */
	set(fd, IPPROTO_TCP, TCP_NODELAY);
	set_to(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
	/* [::] takes IPv4 too, unless 0.0.0.0 is asked for beside it. */
	if (in6 && o->has_in4)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (!first)
		set(fd, SOL_SOCKET, SO_REUSEPORT);
	if (bind(fd, &addr->sa, len) == -1 || listen(fd, o->backlog) == -1) {
		err = -errno;
		close(fd);
		return err;
	}
	/* Alone, it needs no others, and no stranger is let in. */
	if (first && o->ls->shards > 1)
		set(fd, SOL_SOCKET, SO_REUSEPORT);
	return fd;
}

/* <optional>: an address that this machine does not have is left out. */
static int
open_addr(const struct opening *o, const struct peer *addr, bool optional)
{
	struct listeners *ls = o->ls;
	struct listen_addr *a = add_addr(ls, ls->shards);
	int fd;

	if (!a)
		return fail(ls, ENOMEM, "cannot listen: out of memory");
	a->addr = *addr;
	for (unsigned i = 0; i < ls->shards; i++) {
		fd = open_tcp(o, &a->addr, i == 0);
		if (i == 0 && optional &&
		    (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)) {
			mem_free(a->fd);
			ls->n--;
			return 0;
		}
		if (fd < 0)
			return cannot_listen(ls, a, -fd);
		a->fd[i] = fd;
		/* Port 0: the first has picked, the others take the same. */
		if (i == 0 && sock_local(fd, &a->addr))
			return fail(ls, EIO, "getsockname failed");
	}
	return 0;
}

static void
set_port(struct peer *addr, unsigned port)
{
	if (addr->sa.sa_family == AF_INET6)
		addr->in6.sin6_port = htons((uint16_t)port);
	else
		addr->in4.sin_port = htons((uint16_t)port);
}

static bool
is_open(const struct listeners *ls, unsigned from, const struct peer *addr)
{
	for (unsigned i = from; i < ls->n; i++)
		if (memcmp(&ls->addr[i].addr, addr, sizeof(*addr)) == 0)
			return true;
	return false;
}

/* Opens every address that a name stands for, all with the same port. */
static int
open_list(const struct opening *o, const struct want *w,
    const struct addrinfo *list)
{
	struct listeners *ls = o->ls;
	unsigned from = ls->n, port = w->port;
	struct peer addr;
	int err;

	for (const struct addrinfo *i = list; i; i = i->ai_next) {
		memset(&addr, 0, sizeof(addr));
		if (i->ai_addrlen > sizeof(addr))
			continue;
		memcpy(&addr, i->ai_addr, i->ai_addrlen);
		set_port(&addr, port);
		if (is_open(ls, from, &addr))
			continue;
		/* The last chance must say what is wrong with it. */
		err = open_addr(o, &addr, i->ai_next || ls->n > from);
		if (err)
			return err;
		if (ls->n > from)
			port = sock_port(&ls->addr[from].addr);
	}
	return 0;
}

static int
open_host(const struct opening *o, const struct want *w)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	int err;

	err = getaddrinfo(w->host, NULL, &hints, &list);
	if (err)
		return fail(o->ls, EADDRNOTAVAIL, "cannot listen at %s: %s; "
		    "give an address or a name that this machine knows",
		    w->host, gai_strerror(err));
	err = open_list(o, w, list);
	freeaddrinfo(list);
	return err;
}

/* Is somebody behind the socket file?  A server that died left it behind. */
static bool
is_served(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_TYPE, 0), err;

	if (fd == -1)
		return true;
	/* A full queue (EAGAIN) is a sign of life. */
	err = connect(fd, (const struct sockaddr *)(const void *)un,
	    sizeof(*un)) == -1 ? errno : 0;
	close(fd);
	return err != ECONNREFUSED && err != ENOENT;
}

/* Binds with the permissions in force from the first moment. */
static int
bind_unix(const struct opening *o, int fd, const struct sockaddr_un *un)
{
	mode_t old = 0;
	int err;

	/* The keeper has no other thread that the umask could surprise. */
	if (o->mode >= 0)
		old = umask(~(mode_t)o->mode & 0777);
	err = bind(fd, (const struct sockaddr *)(const void *)un,
	    sizeof(*un)) == -1 ? -errno : 0;
	if (o->mode >= 0)
		umask(old);
	return err;
}

/* Removes the file of a dead server; 0 when the path is free now. */
static int
clear_path(struct listeners *ls, const struct sockaddr_un *un)
{
	struct stat st;

	if (lstat(un->sun_path, &st) == -1)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return fail(ls, EEXIST, "cannot listen at %s: a file that is "
		    "no socket is there; choose another --uds", un->sun_path);
	if (is_served(un))
		return fail(ls, EADDRINUSE, "cannot listen at %s: another "
		    "server is listening there; stop it, or choose another "
		    "--uds", un->sun_path);
	if (unlink(un->sun_path) == -1 && errno != ENOENT)
		return fail(ls, errno, "cannot remove the socket that a dead "
		    "server left at %s: %s", un->sun_path, strerror(errno));
	return 0;
}

/* What to do about a socket's file that cannot be made. */
static const char *
unix_advice(int err)
{
	switch (err) {
	case ENOENT:
		return "its directory does not exist: make that first";
	case EACCES:
		return "this user may not make files in its directory";
	default:
		return strerror(err);
	}
}

static int
open_unix(const struct opening *o, const struct want *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct listeners *ls = o->ls;
	struct listen_addr *a;
	struct stat st;
	size_t n = strlen(w->path) + 1;
	char *path;
	int err;

	if (!w->path[0] || strlen(w->path) >= sizeof(un.sun_path))
		return fail(ls, ENAMETOOLONG, "cannot listen at unix:%.200s: "
		    "the path must have 1 to %zu bytes", w->path,
		    sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, w->path, strlen(w->path));
	err = clear_path(ls, &un);
	if (err)
		return err;
	path = mem_try(n);
	a = path ? add_addr(ls, 1) : NULL;
	if (!a) {
		mem_free(path);
		return fail(ls, ENOMEM, "cannot listen: out of memory");
	}
	a->addr.sa.sa_family = AF_UNIX;
	a->path = memcpy(path, w->path, n);
	a->fd[0] = socket(AF_UNIX, SOCK_TYPE, 0);
	if (a->fd[0] == -1)
		return cannot_listen(ls, a, errno);
	err = bind_unix(o, a->fd[0], &un);
	if (err)
		return fail(ls, -err, "cannot listen at %s: %s", a->path,
		    unix_advice(-err));
	/* From here on the file is ours to remove. */
	if (lstat(a->path, &st) == 0) {
		a->dev = st.st_dev;
		a->ino = st.st_ino;
	}
	if (listen(a->fd[0], o->backlog) == -1)
		return cannot_listen(ls, a, errno);
	return 0;
}

/* A decimal number up to 65535, all of the text; or false. */
static bool
parse_port(const char *s, unsigned *port)
{
	unsigned n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (unsigned)(*s - '0');
		if (n > 65535)
			return false;
	}
	*port = n;
	return true;
}

static bool
set_host(struct want *w, const char *host, size_t n)
{
	if (n >= sizeof(w->host))
		return false;
	memcpy(w->host, host, n);
	w->host[n] = '\0';
	return true;
}

/* "[v6]:port", "v6", "host:port", ":port" (all of IPv4), "host". */
static bool
parse_host(const char *s, struct want *w)
{
	const char *end = strchr(s, s[0] == '[' ? ']' : ':');
	struct in6_addr in6;

	if (s[0] == '[') {
		if (!end || !set_host(w, s + 1, (size_t)(end - s) - 1))
			return false;
		if (!w->host[0])
			return false;
		return !end[1] || (end[1] == ':' &&
		    parse_port(end + 2, &w->port));
	}
	if (!end || inet_pton(AF_INET6, s, &in6) == 1)
		return *s && set_host(w, s, strlen(s));
	if (!set_host(w, s, (size_t)(end - s)))
		return false;
	if (!w->host[0])
		set_host(w, "0.0.0.0", 7);
	return parse_port(end + 1, &w->port);
}

static int
parse_want(const struct opening *o, const char *s, struct want *w)
{
	memset(w, 0, sizeof(*w));
	w->port = o->default_port;
	if (strncmp(s, "unix:", 5) == 0) {
		w->path = s + 5;
		return 0;
	}
	if (parse_host(s, w))
		return 0;
	return fail(o->ls, EINVAL, "cannot listen at '%.200s': write "
	    "host:port, [v6]:port or unix:PATH", s);
}

static bool
is_in4(const struct want *w)
{
	struct in_addr in4;

	return !w->path && inet_pton(AF_INET, w->host, &in4) == 1;
}

static int
open_want(const struct opening *o, const struct want *w)
{
	return w->path ? open_unix(o, w) : open_host(o, w);
}

/* --host and --port, which --bind and --uds replace. */
static int
open_default(const struct opening *o, const struct conf *conf)
{
	struct want w = { .port = o->default_port };

	if (conf->bind.n || conf->uds)
		return 0;
	if (!conf->host[0] || !set_host(&w, conf->host, strlen(conf->host)))
		return fail(o->ls, EINVAL, "--host: give an address or a name");
	return open_want(o, &w);
}

static int
open_binds(struct opening *o, const struct conf *conf)
{
	struct want w;
	int err = 0;

	/* Two rounds: whether [::] leaves IPv4 alone depends on the others. */
	for (unsigned i = 0; !err && i < conf->bind.n; i++) {
		err = parse_want(o, conf->bind.v[i], &w);
		o->has_in4 = o->has_in4 || (!err && is_in4(&w));
	}
	for (unsigned i = 0; !err && i < conf->bind.n; i++) {
		err = parse_want(o, conf->bind.v[i], &w);
		if (!err)
			err = open_want(o, &w);
	}
	return err;
}

int
listeners_open(struct listeners *ls, const struct conf *conf, unsigned shards)
{
	struct opening o = { .ls = ls, .backlog = conf->backlog,
		.default_port = (unsigned)conf->port,
		.mode = conf->uds_permissions };
	struct want w = { .path = conf->uds };
	int err;

	memset(ls, 0, sizeof(*ls));
	ls->shards = shards;
	err = open_default(&o, conf);
	if (!err && conf->uds)
		err = open_unix(&o, &w);
	if (!err)
		err = open_binds(&o, conf);
	if (err)
		listeners_close(ls, true);
	return err;
}

/* Somebody may have put another server's socket in its place. */
static void
remove_file(const struct listen_addr *a)
{
	struct stat st;

	if (a->path && a->ino && lstat(a->path, &st) == 0 &&
	    st.st_dev == a->dev && st.st_ino == a->ino)
		unlink(a->path);
}

void
listeners_close(struct listeners *ls, bool remove_files)
{
	for (unsigned i = 0; i < ls->n; i++) {
		struct listen_addr *a = &ls->addr[i];

		if (remove_files)
			remove_file(a);
		for (unsigned k = 0; k < (a->path ? 1 : ls->shards); k++)
			if (a->fd[k] != -1)
				close(a->fd[k]);
		mem_free(a->path);
		mem_free(a->fd);
	}
	mem_free(ls->addr);
	ls->addr = NULL;
	ls->n = 0;
}

int
listener_fd(const struct listeners *ls, unsigned addr, unsigned shard)
{
	BUG_ON(addr >= ls->n || shard >= ls->shards);
	return ls->addr[addr].fd[ls->addr[addr].path ? 0 : shard];
}

bool
listener_is_shared(const struct listeners *ls, unsigned addr)
{
	BUG_ON(addr >= ls->n);
	return ls->addr[addr].path;
}

char *
listener_text(const struct listeners *ls, unsigned addr, const char *scheme,
    char *buf, size_t size)
{
	const struct listen_addr *a = &ls->addr[addr];
	char text[SOCK_TEXT];

	BUG_ON(addr >= ls->n);
	if (a->path)
		snprintf(buf, size, "unix:%s", a->path);
	else
		snprintf(buf, size, "%s://%s", scheme,
		    sock_addr_text(&a->addr, text));
	return buf;
}
