/* See LICENSE for the terms. */
/*
 * The broadcast ring (core/ring.h), as a model for Spin: "make model".
 *
 * Two publishers, each with a lane of one record; an index of two slots; two
 * readers that sleep and are woken; a killer that ends a publisher before any
 * of its steps, and a keeper that then starts it again.  A step is one access
 * to shared memory.  Laps are counted modulo 8 and begin at 6, and a record's
 * position is told by its low bits: index, laps, lanes and low bits all wrap
 * around within a run.
 *
 * Asserted: what a reader takes at an index position is what was published
 * there (one order for all, nothing twice), with both its words (nothing
 * torn); when nothing moves any more, every publisher is through and every
 * reader has seen the last message.  And no loop goes on without progress.
 *
 * What weak memory adds is not here: Spin's memory is sequentially consistent.
 * core/ring.c says at each order what it pairs with, and loom/ tries it.
 *
 * Each of these, defined, takes out a line that the algorithm needs, and Spin
 * must find the fault (tests/model/run):
 *
 *   NO_SINCE	the reader does not look when a record was begun
 *   EARLY_POS	a record's position is written first, not last
 *   LATE_RES	the reservation comes after the record
 *   NO_CHECK	the reader does not look again after its copy
 *   NO_LOOK	a reader falls asleep without a last look
 *   NO_KEEPER	nobody wakes the readers when a publisher was killed
 *   BLIND	the index is written without compare-and-swap
 */
#ifndef TRIES
#define TRIES 2			/* messages a publisher begins */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef READERS
#define READERS 2
#endif

#ifndef NS
#define NS 2			/* slots of the index */
#endif
#ifndef U
#define U 1			/* records of a lane */
#endif
#define LOW U			/* values of a position's low bits */
#define LAPS 8			/* values of a slot's lap */
#define FIRST (NS * 6)		/* the first index position */
#define LAST (FIRST + 2 * TRIES)

#define lap(p)		(((p) / NS) % LAPS)
/* How far lap <a> is before <b>: negative, 0 or positive. */
#define ahead(a, b)	((((a) - (b) + LAPS + LAPS / 2) % LAPS) - LAPS / 2)

typedef slot_t { byte lap; bit lane; bit low }
typedef cell_t { byte pos; byte since; byte w0; byte w1 }
typedef lane_t { byte res; cell_t c[U] }

slot_t slot[NS];
lane_t lane[2];
byte hint = FIRST;

bool sleeping[READERS];
bool efd[READERS];		/* the eventfd was written */
bool kill[2];
bool done[2];

/* Not in memory: what the assertions know. */
byte tail = FIRST;
byte order[LAST];		/* by index position: what is there */
byte cursor[READERS];

/* The first free position, from the hint on. */
inline walk(t)
{
	t = hint;
	do
	:: atomic {
		ahead(slot[t % NS].lap, lap(t)) == 0 -> t++ }
	:: atomic {
		ahead(slot[t % NS].lap, lap(t)) > 0 ->
		t = t + ahead(slot[t % NS].lap, lap(t)) * NS + 1 }
	:: atomic {
		ahead(slot[t % NS].lap, lap(t)) < 0 -> break }
	od
}

inline wake(r)
{
	if
	:: atomic { sleeping[r] -> sleeping[r] = false }
		efd[r] = true
	:: atomic { !sleeping[r] -> skip }
	fi
}

inline swap()
{
	slot[t % NS].lap = lap(t);
	slot[t % NS].lane = me;
	slot[t % NS].low = pos % LOW;
	order[t] = id;
	tail = t + 1
}

inline publish()
{
	walk(t);
	/* Nobody else writes it: what it reads, it knows. */
	atomic {
		pos = lane[me].res;
#ifndef LATE_RES
		lane[me].res = pos + 1
#endif
	};
#ifdef EARLY_POS
	lane[me].c[pos % U].pos = pos;
#endif
	lane[me].c[pos % U].since = t;
	lane[me].c[pos % U].w0 = id;
	lane[me].c[pos % U].w1 = id;
	lane[me].c[pos % U].pos = pos;
#ifdef LATE_RES
	lane[me].res = pos + 1;
#endif
	do
#ifdef BLIND
	:: atomic { ahead(slot[t % NS].lap, lap(t)) < 0 -> skip };
		atomic { swap() };
		break
#else
	:: atomic { ahead(slot[t % NS].lap, lap(t)) < 0 -> swap() };
		break
#endif
	:: atomic { ahead(slot[t % NS].lap, lap(t)) == 0 -> t++ }
	:: atomic { ahead(slot[t % NS].lap, lap(t)) > 0 ->
		t = t + ahead(slot[t % NS].lap, lap(t)) * NS + 1 }
	od;
	hint = t + 1;
	wake(0);
#if READERS > 1
	wake(1);
#endif
}

/* A killed one's place is taken by the next, which goes on with its lane. */
proctype publisher(bit me)
{
	byte t, pos, id;
	byte try = 0;

	do
	:: try < TRIES ->
		try++;
		id = 1 + me * TRIES + try;
		{
			publish();
			goto next
		} unless { kill[me] };
#ifndef NO_KEEPER
		efd[0] = true;
#if READERS > 1
		efd[1] = true;
#endif
#endif
		kill[me] = false;
next:		atomic { t = 0; pos = 0; id = 0 }
	:: try == TRIES ->
		break
	od;
	done[me] = true
}

/* The oldest position that may still be there: the tail's, a ring before. */
inline skip_lap()
{
	walk(t);
	atomic {
		if
		:: t - NS > c -> c = t - NS
		:: else -> c++
		fi;
		t = 0
	}
}

/* The record of the descriptor (l, low) at index position c, or lost. */
inline take()
{
	atomic {
		pos = lane[l].res - 1;
		pos = pos - ((pos % LOW) ^ low)
	};
	got = (lane[l].c[pos % U].pos == pos);
#ifndef NO_SINCE
	got = got && (lane[l].c[pos % U].since <= c);
#endif
	a = lane[l].c[pos % U].w0;
	b = lane[l].c[pos % U].w1;
	atomic {
#ifndef NO_CHECK
		got = got && (lane[l].res - pos <= U);
#endif
		if
		:: got ->
			assert(a == b);
			assert(a == order[c])
		:: else -> skip
		fi;
		c++;
		pos = 0; a = 0; b = 0; got = false; l = 0; low = 0
	}
}

proctype reader(byte me)
{
	byte c = FIRST;
	byte t, pos, a, b;
	bit l, low;
	bool got;

	do
	:: atomic { ahead(slot[c % NS].lap, lap(c)) == 0 ->
			l = slot[c % NS].lane; low = slot[c % NS].low };
		take()
	:: atomic { ahead(slot[c % NS].lap, lap(c)) > 0 -> skip };
		skip_lap()
	:: atomic { ahead(slot[c % NS].lap, lap(c)) < 0 -> cursor[me] = c };
		sleeping[me] = true;
#ifndef NO_LOOK
		if
		:: atomic { ahead(slot[c % NS].lap, lap(c)) < 0 -> skip };
#endif
end_asleep:		atomic { efd[me] -> efd[me] = false }
#ifndef NO_LOOK
		:: atomic { ahead(slot[c % NS].lap, lap(c)) >= 0 -> skip }
		fi;
#endif
		sleeping[me] = false
	od
}

/* Ends a publisher that is at work, at whatever step it is. */
proctype killer()
{
	byte kills = 0;

end_idle:
	do
	:: kills < KILLS && !done[0] && !kill[0] -> kill[0] = true; kills++
	:: kills < KILLS && !done[1] && !kill[1] -> kill[1] = true; kills++
	:: kills == KILLS -> break
	:: done[0] && done[1] -> break
	od
}

init
{
	byte i = 0;

	atomic {
		do
		:: i < NS -> slot[i].lap = lap(FIRST) - 1; i++
		:: else -> break
		od;
		/* An empty cell is at no position that is asked for. */
		lane[0].res = U; lane[1].res = U;
		i = 0;
		do
		:: i < READERS -> cursor[i] = FIRST; run reader(i); i++
		:: else -> break
		od;
		run publisher(0);
		run publisher(1);
		run killer()
	}
	/* When nothing can move any more. */
	timeout;
	assert(done[0] && done[1]);
	assert(cursor[0] == tail);
#if READERS > 1
	assert(cursor[1] == tail)
#endif
}
