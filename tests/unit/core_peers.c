/* See LICENSE for the terms. */
/* core/peers.h, against a plain list of everybody; and who is let in by it. */
#include "core/peers.h"

#include <arpa/inet.h>

#include "tests/unit/shard_kit.h"
#include "tests/unit/t.h"

static struct peer
peer_of(const char *text)
{
	struct peer p;

	memset(&p, 0, sizeof(p));
	if (inet_pton(AF_INET, text, &p.in4.sin_addr) == 1)
		p.sa.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &p.in6.sin6_addr) == 1)
		p.sa.sa_family = AF_INET6;
	else
		p.sa.sa_family = AF_UNIX;
	return p;
}

static void
each_address_is_counted_by_itself(void)
{
	struct peer a = peer_of("192.0.2.1"), b = peer_of("192.0.2.2");
	struct peers t;

	peers_init(&t);
	OK(peers_count(&t, &a) == 0);
	OK(peers_enter(&t, &a) == 0 && peers_enter(&t, &a) == 0);
	OK(peers_enter(&t, &b) == 0);
	/* The port is none of it. */
	a.in4.sin_port = 4711;
	OK(peers_count(&t, &a) == 2 && peers_count(&t, &b) == 1);
	peers_leave(&t, &a);
	peers_leave(&t, &b);
	OK(peers_count(&t, &a) == 1 && peers_count(&t, &b) == 0);
	peers_leave(&t, &a);
	OK(peers_count(&t, &a) == 0 && t.n == 0);
	peers_fini(&t);
}

static void
an_address_is_what_one_client_has(void)
{
	struct peer in4 = peer_of("192.0.2.1");
	struct peer mapped = peer_of("::ffff:192.0.2.1");
	struct peer here = peer_of("2001:db8:1:2::1");
	struct peer same = peer_of("2001:db8:1:2:ffff::2");
	struct peer other = peer_of("2001:db8:1:3::1");
	struct peer none = peer_of("unix");
	struct peers t;

	peers_init(&t);
	OK(peers_enter(&t, &in4) == 0 && peers_enter(&t, &here) == 0);
	OK(peers_enter(&t, &none) == 0);
	OK(peers_count(&t, &mapped) == 1 && peers_count(&t, &same) == 1);
	OK(peers_count(&t, &other) == 0 && peers_count(&t, &none) == 0);
	OK(t.n == 2);
	peers_leave(&t, &none);
	peers_leave(&t, &mapped);
	peers_leave(&t, &same);
	OK(t.n == 0);
	peers_fini(&t);
}

#define MANY 3000

static void
it_counts_as_a_plain_list_does(void)
{
	static unsigned have[MANY];
	uint64_t rng = 20261123;
	unsigned at_all = 0;
	struct peers t;

	peers_init(&t);
	for (int i = 0; i < 200000; i++) {
		struct peer p = peer_of("10.0.0.0");
		unsigned k;
		bool more;

		rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		k = (unsigned)(rng >> 33) % MANY;
		/* Filling up first, then emptying. */
		more = (rng >> 20) % 100 < (i < 100000 ? 70 : 30);
		p.in4.sin_addr.s_addr += htonl(k);
		if (!more && have[k] == 0)
			continue;
		if (more)
			OK(peers_enter(&t, &p) == 0);
		else
			peers_leave(&t, &p);
		at_all += more && have[k] == 0;
		have[k] += more ? 1 : -1u;
		at_all -= !more && have[k] == 0;
		OK(peers_count(&t, &p) == have[k] && t.n == at_all);
	}
	for (unsigned k = 0; k < MANY; k++) {
		struct peer p = peer_of("10.0.0.0");

		p.in4.sin_addr.s_addr += htonl(k);
		OK(peers_count(&t, &p) == have[k]);
	}
	peers_fini(&t);
}

static struct kit k;

/* Turns until the shard took and let go as many in all. */
static bool
counts(unsigned accepted, unsigned drops)
{
	const struct slot *slot = k.shard->slot;

	for (int i = 0; i < 2000 && (slot->accepted != accepted ||
	    slot->drops != drops); i++) {
		kit_settle(&k);
		usleep(500);
	}
	return slot->accepted == accepted && slot->drops == drops;
}

static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN;
}

static void
nobody_has_more_than_his_part(void)
{
	unsigned at;
	int fd[4];

	kit_open(&k, 1, "--max-connections-per-peer=2", true);
	k.rule.idle = true;
	OK(shard_listen(k.shard) == 0);
	at = sock_port(&k.listeners.addr[0].addr);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = kit_dial(at);
		OK(counts(i + 1, 0));
	}
	/* The third is let go, and nobody for it. */
	fd[2] = kit_dial(at);
	OK(counts(2, 1) && is_closed(fd[2]));
	OK(!is_closed(fd[0]) && !is_closed(fd[1]) && k.shard->n_conns == 2);
	/* One who left makes place. */
	conn_abort(k.notes[0].conn);
	kit_settle(&k);
	OK(k.shard->n_conns == 1);
	fd[3] = kit_dial(at);
	OK(counts(3, 1) && !is_closed(fd[3]) && k.shard->n_conns == 2);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	kit_close(&k);
}

static void
tests(void)
{
	T(nobody_has_more_than_his_part);
	T(each_address_is_counted_by_itself);
	T(an_address_is_what_one_client_has);
	T(it_counts_as_a_plain_list_does);
}

T_MAIN(tests)
