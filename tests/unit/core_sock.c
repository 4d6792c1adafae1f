/* See LICENSE for the terms. */
/* Listening sockets and connections, with a client in the same process. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/listen.h"
#include "tests/unit/t.h"

enum { LIMIT_MS = 60000 };

static struct conf
conf_of(const char *host, int port)
{
	struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.host = host;
	conf.port = port;
	conf.backlog = 64;
	conf.uds_permissions = -1;
	return conf;
}

static int
open_binds(struct listeners *ls, const char *a, const char *b, unsigned shards)
{
	struct conf conf = conf_of("127.0.0.1", 0);

	conf.bind.v[conf.bind.n++] = a;
	if (b)
		conf.bind.v[conf.bind.n++] = b;
	return listeners_open(ls, &conf, shards);
}

static int
dial(const struct peer *to)
{
	bool in6 = to->sa.sa_family == AF_INET6;
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, &to->sa, in6 ? sizeof(to->in6) : sizeof(to->in4))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
dial_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* From whichever shard's listener has it. */
static int
take(const struct listeners *ls, unsigned addr, struct peer *peer)
{
	struct pollfd p[8];

	for (unsigned i = 0; i < ls->shards; i++)
		p[i] = (struct pollfd){ listener_fd(ls, addr, i), POLLIN, 0 };
	poll(p, ls->shards, LIMIT_MS);
	for (unsigned i = 0; i < ls->shards; i++)
		if (p[i].revents)
			return sock_accept(p[i].fd, peer);
	return -EAGAIN;
}

static int
option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	getsockopt(fd, level, name, &v, &len);
	return v;
}

static void
every_shard_has_a_socket_on_one_port(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	struct listeners ls;
	struct peer local;
	unsigned port;
	char text[64];

	if (!OK(listeners_open(&ls, &conf, 3) == 0))
		return;
	OK(ls.n == 1 && !listener_is_shared(&ls, 0));
	port = sock_port(&ls.addr[0].addr);
	OK(port != 0);
	for (unsigned i = 0; i < 3; i++) {
		int fd = listener_fd(&ls, 0, i);

		OK(sock_local(fd, &local) == 0 && sock_port(&local) == port);
		OK(fcntl(fd, F_GETFL) & O_NONBLOCK);
		OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		OK(option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	}
	OK(listener_fd(&ls, 0, 0) != listener_fd(&ls, 0, 2));
	listener_text(&ls, 0, "http", text, sizeof(text));
	OK(strncmp(text, "http://127.0.0.1:", 17) == 0);
	listeners_close(&ls, true);
	OK(dial(&local) == -1);
}

static void
all_shards_get_connections(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	unsigned got[4] = { 0 };
	struct listeners ls;
	struct peer peer;
	int client, fd;

	if (!OK(listeners_open(&ls, &conf, 4) == 0))
		return;
	for (unsigned i = 0; i < 200; i++) {
		client = dial(&ls.addr[0].addr);
		OK(client >= 0);
		for (unsigned k = 0; k < 4; k++) {
			fd = sock_accept(listener_fd(&ls, 0, k), &peer);
			if (fd < 0)
				continue;
			got[k]++;
			close(fd);
		}
		close(client);
	}
	OK(got[0] + got[1] + got[2] + got[3] == 200);
	for (unsigned k = 0; k < 4; k++)
		OK(got[k] > 0);
	listeners_close(&ls, true);
}

static void
a_connection_has_its_options_and_addresses(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	char a[SOCK_TEXT], b[SOCK_TEXT];
	struct listeners ls;
	struct peer peer, local;
	int client, fd;

	if (!OK(listeners_open(&ls, &conf, 2) == 0))
		return;
	client = dial(&ls.addr[0].addr);
	fd = take(&ls, 0, &peer);
	OK(fd >= 0);
	OK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	OK(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
	OK(option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 256 << 10);
	OK(sock_local(client, &local) == 0);
	OK_STR(sock_addr_text(&peer, a), sock_addr_text(&local, b));
	OK_STR(sock_host_text(&peer, a), "127.0.0.1");
	OK(sock_local(fd, &local) == 0);
	OK(sock_port(&local) == sock_port(&ls.addr[0].addr));
	close(fd);
	close(client);
	listeners_close(&ls, true);
}

static void
a_second_server_on_the_port_is_told_so(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	struct listeners ls, second;
	char addr[SOCK_TEXT];

	if (!OK(listeners_open(&ls, &conf, 2) == 0))
		return;
	conf.port = (int)sock_port(&ls.addr[0].addr);
	OK(listeners_open(&second, &conf, 2) == -EADDRINUSE);
	OK(strstr(second.err, sock_addr_text(&ls.addr[0].addr, addr)) != NULL);
	OK(strstr(second.err, "another server holds this address") != NULL);
	OK(second.n == 0);
	/* Also one that would listen at all addresses, or has one shard. */
	conf.host = "0.0.0.0";
	OK(listeners_open(&second, &conf, 1) == -EADDRINUSE);
	listeners_close(&ls, true);
	OK(listeners_open(&second, &conf, 2) == 0);
	listeners_close(&second, true);
}

/* Connections in TIME_WAIT are no server. */
static void
a_restart_takes_the_port_at_once(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	struct listeners ls;
	struct peer peer;
	int client, fd;

	OK(listeners_open(&ls, &conf, 2) == 0);
	conf.port = (int)sock_port(&ls.addr[0].addr);
	client = dial(&ls.addr[0].addr);
	fd = take(&ls, 0, &peer);
	close(fd);
	close(client);
	listeners_close(&ls, true);
	if (OK(listeners_open(&ls, &conf, 2) == 0))
		listeners_close(&ls, true);
}

static void
addresses_are_read_as_people_write_them(void)
{
	static const struct {
		const char *bind;
		const char *text;	/* up to the port */
	} good[] = {
		{ "127.0.0.1:0", "http://127.0.0.1:" },
		{ "127.0.0.1", "http://127.0.0.1:" },
		{ ":0", "http://0.0.0.0:" },
		{ "[::1]:0", "http://[::1]:" },
		{ "[::1]", "http://[::1]:" },
		{ "::1", "http://[::1]:" },
		{ "localhost:0", "http://" },
	};
	static const char *bad[] = { "", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:8x", "127.0.0.1:-1", "[::1", "[::1]8000", "[]:80",
		"unix:", "127.0.0.1:99999999999" };
	struct listeners ls;
	char text[64];

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!OK(open_binds(&ls, good[i].bind, NULL, 1) == 0)) {
			fprintf(stderr, "\t%s: %s\n", good[i].bind, ls.err);
			continue;
		}
		listener_text(&ls, 0, "http", text, sizeof(text));
		OK(!strncmp(text, good[i].text, strlen(good[i].text)));
		listeners_close(&ls, true);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!OK(open_binds(&ls, bad[i], NULL, 1) < 0 && ls.err[0]))
			fprintf(stderr, "\t'%s' was taken\n", bad[i]);
	OK(open_binds(&ls, "no.such.host.invalid:80", NULL, 1) < 0);
	OK(strstr(ls.err, "no.such.host.invalid") != NULL);
	OK(open_binds(&ls, "192.0.2.1:0", NULL, 1) == -EADDRNOTAVAIL);
}

static void
v6_takes_v4_unless_v4_is_there_too(void)
{
	struct listeners ls;
	struct peer to = { .in4 = { .sin_family = AF_INET } }, peer;
	char both[32], text[SOCK_TEXT];
	int client, fd;

	if (!OK(open_binds(&ls, "[::]:0", NULL, 2) == 0))
		return;
	to.in4.sin_port = ls.addr[0].addr.in6.sin6_port;
	to.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = dial(&to);
	fd = take(&ls, 0, &peer);
	OK(fd >= 0);
	OK_STR(sock_host_text(&peer, text), "127.0.0.1");
	snprintf(both, sizeof(both), "[::]:%u", ntohs(to.in4.sin_port));
	close(fd);
	close(client);
	listeners_close(&ls, true);
	snprintf(text, sizeof(text), "0.0.0.0:%u", ntohs(to.in4.sin_port));
	OK(open_binds(&ls, text, both, 2) == 0);
	listeners_close(&ls, true);
	OK(open_binds(&ls, both, text, 2) == 0);
	listeners_close(&ls, true);
}

static void
all_or_nothing_is_open(void)
{
	struct listeners ls;
	int fd = dup(0);

	close(fd);
	OK(open_binds(&ls, "127.0.0.1:0", "192.0.2.1:0", 3) < 0);
	OK(ls.n == 0);
	/* The lowest free descriptor is the one it was. */
	OK(dup(0) == fd);
	close(fd);
}

static void
a_unix_socket_is_one_for_all_and_removed(void)
{
	char dir[] = "/tmp/shoal-test-XXXXXX", path[64], text[96];
	struct conf conf = conf_of("127.0.0.1", 0);
	struct listeners ls, second;
	struct stat st;
	struct peer peer;
	int client, fd;

	OK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	conf.uds = path;
	conf.uds_permissions = 0620;
	if (!OK(listeners_open(&ls, &conf, 3) == 0))
		return;
	OK(ls.n == 1 && listener_is_shared(&ls, 0));
	OK(listener_fd(&ls, 0, 0) == listener_fd(&ls, 0, 2));
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0620);
	listener_text(&ls, 0, "http", text, sizeof(text));
	OK(strncmp(text, "unix:/tmp/", 10) == 0);
	client = dial_unix(path);
	fd = sock_accept(listener_fd(&ls, 0, 0), &peer);
	OK(fd >= 0);
	OK_STR(sock_addr_text(&peer, text), "unix");
	OK(sock_port(&peer) == 0);
	close(fd);
	close(client);
	OK(listeners_open(&second, &conf, 3) == -EADDRINUSE);
	OK(strstr(second.err, path) != NULL);
	OK(access(path, F_OK) == 0);
	listeners_close(&ls, true);
	OK(access(path, F_OK) == -1);
	rmdir(dir);
}

static void
the_socket_of_a_dead_server_is_replaced(void)
{
	char dir[] = "/tmp/shoal-test-XXXXXX", path[64];
	struct conf conf = conf_of("127.0.0.1", 0);
	struct listeners ls, next;
	int fd;

	OK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/s", dir);
	conf.uds = path;
	OK(listeners_open(&ls, &conf, 1) == 0);
	listeners_close(&ls, false);
	OK(access(path, F_OK) == 0);
	OK(listeners_open(&ls, &conf, 1) == 0);
	/* Somebody took the name: what is there is not ours to remove. */
	OK(unlink(path) == 0);
	OK(listeners_open(&next, &conf, 1) == 0);
	listeners_close(&ls, true);
	OK(access(path, F_OK) == 0);
	listeners_close(&next, true);
	OK(access(path, F_OK) == -1);
	/* A file that is no socket is somebody's data. */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	OK(listeners_open(&ls, &conf, 1) == -EEXIST);
	OK(access(path, F_OK) == 0);
	close(fd);
	unlink(path);
	rmdir(dir);
}

static void
accept_says_one_of_four_things(void)
{
	struct conf conf = conf_of("127.0.0.1", 0);
	struct rlimit old, low;
	struct listeners ls;
	struct peer peer;
	int client, fd, lfd;

	if (!OK(listeners_open(&ls, &conf, 1) == 0))
		return;
	lfd = listener_fd(&ls, 0, 0);
	OK(sock_accept(lfd, &peer) == -EAGAIN);
	OK(sock_accept(-1, &peer) == -EBADF);
	client = dial(&ls.addr[0].addr);
	OK(sock_accept(client, &peer) == -EBADF);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &low);
	fd = sock_accept(lfd, &peer);
	setrlimit(RLIMIT_NOFILE, &old);
	OK(fd == -EMFILE);
	fd = sock_accept(lfd, &peer);
	OK(fd >= 0);
	close(fd);
	close(client);
	listeners_close(&ls, true);
}

static void
addresses_as_text(void)
{
	struct peer p = { .in6 = { .sin6_family = AF_INET6 } };
	char buf[SOCK_TEXT];

	inet_pton(AF_INET6, "2001:db8::1", &p.in6.sin6_addr);
	p.in6.sin6_port = htons(80);
	OK_STR(sock_addr_text(&p, buf), "[2001:db8::1]:80");
	OK_STR(sock_host_text(&p, buf), "2001:db8::1");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &p.in6.sin6_addr);
	OK_STR(sock_addr_text(&p, buf), "192.0.2.1:80");
	inet_pton(AF_INET6, "fe80::1", &p.in6.sin6_addr);
	p.in6.sin6_scope_id = 3;
	OK_STR(sock_addr_text(&p, buf), "[fe80::1%3]:80");
	OK(sizeof(struct peer) == 28);
}

static void
tests(void)
{
	T(every_shard_has_a_socket_on_one_port);
	T(all_shards_get_connections);
	T(a_connection_has_its_options_and_addresses);
	T(a_second_server_on_the_port_is_told_so);
	T(a_restart_takes_the_port_at_once);
	T(addresses_are_read_as_people_write_them);
	T(v6_takes_v4_unless_v4_is_there_too);
	T(all_or_nothing_is_open);
	T(a_unix_socket_is_one_for_all_and_removed);
	T(the_socket_of_a_dead_server_is_replaced);
	T(accept_says_one_of_four_things);
	T(addresses_as_text);
}

T_MAIN(tests)
