/* See LICENSE for the terms. */
/*
 * The atoms of the access log, for core/alog.c and core/alog_fmt.c.
 */
#ifndef CORE_ALOG_PRIV_H
#define CORE_ALOG_PRIV_H

/*
 * A(atom, name, number): what may stand in %(name)s; a number takes d and f,
 * too.  Those of Granian have words, those of gunicorn letters.
 */
#define ATOMS(A) \
A(ADDR, "addr", false) A(ADDR, "h", false) \
A(NOTHING, "l", false) \
A(USER, "u", false) \
A(TIME, "time", false) A(TIME_CLF, "t", false) \
A(LINE, "r", false) \
A(METHOD, "method", false) A(METHOD, "m", false) \
A(PATH, "path", false) A(PATH, "U", false) \
A(QUERY, "query_string", false) A(QUERY, "q", false) \
A(PROTOCOL, "protocol", false) A(PROTOCOL, "H", false) \
A(SCHEME, "scheme", false) \
A(STATUS, "status", true) A(STATUS, "s", true) \
A(BYTES, "bytes", true) A(BYTES, "B", true) A(BYTES_CLF, "b", false) \
A(REFERER, "f", false) A(REFERER_PATH, "referer", false) \
A(AGENT, "a", false) \
A(SECONDS, "T", true) A(MS, "M", true) A(US, "D", true) \
A(DT_MS, "dt_ms", true) A(DECIMAL_S, "L", true) \
A(PID, "p", false) A(SHARD, "shard", true) A(END, "end", false)

/* The atoms, each once, though some have two names. */
enum alog_atom {
	ATOM_TEXT, ATOM_ADDR, ATOM_NOTHING, ATOM_USER, ATOM_TIME,
	ATOM_TIME_CLF, ATOM_LINE, ATOM_METHOD, ATOM_PATH, ATOM_QUERY,
	ATOM_PROTOCOL, ATOM_SCHEME, ATOM_STATUS, ATOM_BYTES, ATOM_BYTES_CLF,
	ATOM_REFERER, ATOM_REFERER_PATH, ATOM_AGENT, ATOM_SECONDS, ATOM_MS,
	ATOM_US, ATOM_DT_MS, ATOM_DECIMAL_S, ATOM_PID, ATOM_SHARD, ATOM_END,
	/* With the name of a field: %({name}i)s, %(header{name})s, o. */
	ATOM_REQUEST_FIELD, ATOM_RESPONSE_FIELD
};

#endif
