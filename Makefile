# Rules of Shoal, for GNU make.  What a person edits is in config.mk.
#
# Objects lie in build/<flavour>/, those that depend on the Python version in
# build/<flavour>/py3.X/, so neither FLAVOUR= nor PYTHON= needs a clean.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL = all

include config.mk

ifeq ($(OPT_$(FLAVOUR)),)
$(error FLAVOUR=$(FLAVOUR): it is release, debug, asan, tsan, cov, lines \
	or fuzz)
endif

# ---- sources: listed, not globbed: a file is added on purpose -------------

CORE = core/adopt.c core/alog.c core/alog_fmt.c core/amount.c core/arena.c \
	core/bytes.c core/child.c core/clofork.c core/conf.c \
	core/conf_absent.c core/conf_help.c core/conf_opt.c core/conf_show.c \
	core/conn.c core/cpu.c core/ctl.c core/date.c core/ear.c core/env.c \
	core/envfile.c core/file.c core/gen.c core/inbox.c core/keeper.c \
	core/line.c core/listen.c core/log.c core/logfile.c core/loop.c \
	core/mem.c core/peers.c core/pidfile.c core/preempt.c core/relay.c \
	core/ring.c core/seg.c core/shard.c core/shm.c core/sig.c core/sock.c \
	core/timer.c core/title.c core/topic.c core/watch.c

PROTO = proto/field.c proto/h1.c proto/h1_in.c proto/h1_out.c proto/head.c \
	proto/mask.c proto/req.c proto/res.c proto/section.c \
	proto/sha1.c proto/sse.c proto/utf8.c proto/ws.c proto/ws_deflate.c proto/ws_shake.c \
	proto/wsock.c

INTERP = interp/aloop.c interp/aloop_conn.c interp/aloop_handle.c \
	interp/aloop_ready.c \
	interp/aloop_sel.c interp/aloop_turn.c interp/asgi.c \
	interp/asgi_send.c interp/asgi_ws.c interp/channel.c \
	interp/check.c interp/exc.c interp/feed.c interp/flow.c \
	interp/interp.c interp/mod.c interp/rsgi.c \
	interp/rsgi_file.c interp/rsgi_headers.c interp/rsgi_proto.c \
	interp/rsgi_res.c interp/rsgi_scope.c interp/rsgi_stream.c \
	interp/rsgi_ws.c interp/scope.c interp/server.c interp/state.c \
	interp/subscription.c interp/task.c interp/wpool.c interp/wsgi.c \
	interp/wsgi_env.c interp/wsgi_file.c interp/wsgi_io.c \
	interp/wsmsg.c

MAIN = core/main.c

# Python sources that are embedded in the binary.
PYSRC = interp/py/boot.py interp/py/loop.py interp/py/own.py interp/py/rsgi.py \
	interp/py/shoal.py

HEADERS = $(wildcard core/*.h proto/*.h tls/*.h interp/*.h tests/unit/*.h \
	tests/fuzz/*.h)
FUZZERS = h1_head h1_body h1_conn ws_frames ws_inflate ws_shake sse_event
UNITS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
SOAKS = $(patsubst tests/soak/%.c,%,$(wildcard tests/soak/*.c))

# ---- what the machine has -------------------------------------------------

# Goals that compile nothing themselves must work before "make deps" has run.
COMPILE = $(filter-out deps demo test lines model loom matrix fuzz clean help \
	install uninstall, $(or $(MAKECMDGOALS),all))

ifneq ($(COMPILE),)
# override: PYTHON= on the command line may be any name; this is its path
ASKED := $(PYTHON)
override PYTHON := $(shell tools/findpython $(PYTHON))
ifeq ($(PYTHON),)
$(error $(if $(ASKED),PYTHON=$(ASKED) will not do: see above,"make deps" \
	brings a Python that Shoal can embed))
endif
PYFLAGS := $(shell $(PYTHON) tools/pyflags $(if $(STATIC_PYTHON),--static))
ifeq ($(PYFLAGS),)
$(error STATIC_PYTHON=$(STATIC_PYTHON): see above)
endif
PYVER := $(firstword $(PYFLAGS))
PYINC := $(patsubst -I%,-isystem %,$(filter -I%,$(PYFLAGS)))
PYLIB := $(filter-out $(PYVER) -I%,$(PYFLAGS))
# A fuzzer must see into the parser.
ifeq ($(FLAVOUR),fuzz)
export DEPS_CFLAGS = -fsanitize=fuzzer-no-link,address
endif
DEPS := $(shell CC='$(CC)' DEPS_CFLAGS='$(DEPS_CFLAGS)' tools/deps --path)
HARDEN := $(shell tools/ccflags $(CC) -U_FORTIFY_SOURCE $(HARDEN))
LTO := $(shell tools/ccflags --link $(CC) $(LTO))
endif

# Both of its builds are tested (tools/deps).
LLHTTP = $(DEPS)/lib/libllhttp$(if $(filter debug tsan cov,$(FLAVOUR)),_plain).a
ZLIB = $(DEPS)/lib/libz.a

O = build/$(FLAVOUR)
P = $(O)/py$(PYVER)
SHOAL = $(if $(filter release,$(FLAVOUR)),build/shoal,$(O)/shoal)

# ---- flags ----------------------------------------------------------------

# -fno-strict-aliasing: socket addresses, shared mappings and Python objects
#	are read through several types; breaking the rule by mistake is silent,
#	and keeping it buys nothing measurable here.
# -fPIC, not -fPIE: with the latter gcc copies libpython's data (its types,
#	its exceptions) into the binary and exports them from there, which
#	breaks with the next patch release's sizes.  The linker makes direct
#	accesses of all others, so it costs nothing.  The binary is PIE.
# -Werror=...: what gcc 14 refuses is refused by older ones, too.
# -isystem: other people's headers need not please WARN.
CPPFLAGS = -D_GNU_SOURCE -I.
CFLAGS = -std=c11 -fPIC -fvisibility=hidden -fno-common \
	-fno-strict-aliasing $(WARN) $(WERROR) $(OPT_$(FLAVOUR)) \
	-Werror=implicit-function-declaration -Werror=int-conversion \
	-Werror=incompatible-pointer-types
LDFLAGS = -pie $(HARDEN_LD)
LDLIBS = -lpthread -ldl -lm

# The same code, compiled with other knowledge.
RELEASES = release train pgo

# Not where branches are counted, file by file.
ifneq ($(filter release pgo,$(FLAVOUR)),)
CFLAGS += $(LTO)
endif

# _FORTIFY_SOURCE hides calls from the sanitizers.
ifneq ($(filter $(RELEASES),$(FLAVOUR)),)
CFLAGS += $(HARDEN)
endif

# jemalloc replaces malloc, and so do the sanitizers: one or the other.  Its
# operator new is in an object of its own, which nothing pulls in, so C++'s
# library is not needed.
ifneq ($(filter $(RELEASES) debug cov lines,$(FLAVOUR)),)
JEMALLOC = -l:libjemalloc_pic.a
$(O)/core/mem.o: private CPPFLAGS += -DSHOAL_JEMALLOC
endif

# The lines that server processes run are counted, too; not those of the unit
# tests' processes, of which one is stepped to its end (core_ring_kill.c).
ifeq ($(FLAVOUR),cov)
COUNTED = $(O)/tests/shim/counted.o
$(SHOAL): private LDFLAGS += -Wl,--wrap=_exit
endif

# Our own functions are called instead of the thread sanitizer's; they are not
# to call themselves.
ifeq ($(FLAVOUR),lines)
COUNTED = $(O)/tests/shim/lines.o
$(COUNTED): private CFLAGS += -fno-sanitize=thread
$(SHOAL): private LDFLAGS += -fno-sanitize=thread -Wl,--wrap=memcpy \
	-Wl,--wrap=memmove -Wl,--wrap=memset -Wl,--wrap=mmap
endif

# Elsewhere these headers are not even findable (libc's folder, where Debian
# puts jemalloc's, is: there tools/layers watches).  "private": or the stamps
# below would be made with the flags of whatever asked for them first.
$(P)/interp/%: private CPPFLAGS += $(PYINC)
SEES_LLHTTP = $(O)/proto/h1_in.o $(O)/core/main.o
$(SEES_LLHTTP): private CPPFLAGS += -isystem $(DEPS)/include
$(O)/proto/ws_deflate.o $(O)/tests/unit/proto_ws_deflate.o \
$(O)/tests/fuzz/ws_inflate.o $(O)/tests/fuzz/seeds.o: \
	private CPPFLAGS += -DZ_PREFIX
$(O)/core/main.o: private CPPFLAGS += -DVERSION='"$(VERSION)"'

# Allocations fail where a test wants it, but never in what is installed.
ifeq ($(filter $(RELEASES),$(FLAVOUR)),)
CPPFLAGS += -DSHOAL_MEM_FAULTS
endif

# V=1 prints whole commands.
ifeq ($(V),)
say = @echo '$(1)	$(2)';
endif

# ---- building -------------------------------------------------------------

LIB_O = $(CORE:%.c=$(O)/%.o) $(PROTO:%.c=$(O)/%.o)
MAIN_O = $(MAIN:%.c=$(O)/%.o)
INTERP_O = $(INTERP:%.c=$(P)/%.o)
EMBED_O = $(O)/embed.o
OBJ = $(MAIN_O) $(LIB_O) $(INTERP_O) $(EMBED_O)
UNIT_BIN = $(UNITS:%=$(O)/tests/unit/%)
SOAK_BIN = $(SOAKS:%=$(O)/tests/soak/%)

all: $(SHOAL)			## build the server (the default)

# Two stamps hold the command lines, so that a changed flag or another Python
# rebuilds what it concerns.
$(O)/flags: NOW = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(DEPS) $(VERSION)
$(P)/flags: NOW = $(PYINC)
$(O)/python: NOW = $(PYTHON) $(PYLIB)
$(O)/flags $(P)/flags $(O)/python: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(NOW))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(NOW))' > $@

# The order matters only for archives: jemalloc after all that allocates.
$(SHOAL): $(OBJ) $(COUNTED) $(LLHTTP) $(ZLIB) $(O)/python tools/exports.list
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) \
		-Wl,--dynamic-list=tools/exports.list -o $@ \
		$(OBJ) $(COUNTED) $(LLHTTP) $(ZLIB) $(PYLIB) $(JEMALLOC) $(LDLIBS)

$(O)/%.o: %.c $(O)/flags Makefile config.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(P)/%.o: %.c $(O)/flags $(P)/flags Makefile config.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(EMBED_O): $(O)/embed.c interp/embed.h $(O)/flags
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(O)/embed.c: $(PYSRC) tools/embed Makefile
	@mkdir -p $(@D)
	$(call say,EMBED,$@)$(PYTHON) tools/embed $(PYSRC) > $@

$(LLHTTP) $(ZLIB):
	@echo '$(@F) is not there: run "make deps"' >&2; exit 1

$(SEES_LLHTTP): | $(LLHTTP)

FORCE:

# ---- tests ----------------------------------------------------------------

# Each unit test and soak is a program; it gets all of core and proto but main.
# Nobody waits for the linker to compile that again for each.
$(O)/tests/%: $(O)/tests/%.o $(LIB_O) $(LLHTTP) $(ZLIB)
	$(call say,LD,$@)$(CC) $(CFLAGS) -fno-lto $(LDFLAGS) -o $@ $^ \
		$(JEMALLOC) $(LDLIBS)

unit: $(UNIT_BIN)		## build and run the unit tests of a FLAVOUR
	@tools/unit $(FLAVOUR) $^

# Which lines of core/ and proto/ the tests run: all of the unit tests, and of
# the end-to-end tests those that need what only a whole server does.
# V=1 names the lines that did not run.
COVER = test_adoption.py test_cli.py test_keeper.py test_log.py \
	test_signals.py test_startup.py
coverage:			## print line coverage of core/ and proto/
	@find build/cov -name '*.gcda' -delete 2>/dev/null || :
	+UNIT_TIMEOUT=600 $(step) unit FLAVOUR=cov
	+$(step) cover-e2e FLAVOUR=cov
	@V='$(V)' $(PYTHON) tools/coverage build/cov 90

cover-e2e: $(SHOAL)
	@venv=$$(PYTHON='$(PYTHON)' tools/testdeps) && \
	SHOAL_BIN='$(CURDIR)/$(SHOAL)' $$venv/bin/python -m pytest -q \
	$(COVER:%=tests/e2e/%) $(PYTEST)

# Those of HTTP/1 and WebSocket, FUZZ_TIME seconds each.  What they find lies in
# build/fuzz/found, what they learn beside the corpus in build/fuzz/corpus.
fuzz:				## fuzz the parsers with clang (FUZZ_TIME= seconds)
	+CC=clang DEPS_CFLAGS='-fsanitize=fuzzer-no-link,address' \
		tools/deps --fuzz
	+$(step) fuzzers CC=clang FLAVOUR=fuzz
	@tools/fuzz build/fuzz '$(FUZZ_TIME)' $(FUZZERS)

FUZZ_BIN = $(FUZZERS:%=$(O)/tests/fuzz/%)
fuzzers: $(FUZZ_BIN) $(O)/tests/fuzz/seeds

$(FUZZ_BIN): $(O)/tests/fuzz/%: $(O)/tests/fuzz/%.o $(LIB_O) $(LLHTTP) $(ZLIB)
	$(call say,LD,$@)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ \
		$(LDLIBS)

# Writes what the unit tests' vectors are as inputs of the fuzzers.
$(O)/tests/fuzz/seeds: $(O)/tests/fuzz/seeds.o $(ZLIB)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

unit-core: $(filter $(O)/tests/unit/core_%,$(UNIT_BIN))	## those of core/
	@tools/unit $(FLAVOUR) $^

# A soak's argument: how many times the work of a short slice.
soak: $(SOAK_BIN) $(SHOAL)	## the soaks, long (SOAK=1000 slices)
	@for program in $(SOAK_BIN); do \
		$$program $(or $(SOAK),1000) || exit; done
	$(PYTHON) tests/soak/attacks $(SHOAL)

soak-short: $(SOAK_BIN)		## a slice of each soak
	@tools/unit $(FLAVOUR) $^

# Preloaded into a server by a test: system calls fail and fall short.
build/faults.so: tests/shim/faults.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) -std=gnu11 -O1 -g $(WARN) \
		$(WERROR) -fPIC -shared -o $@ $< -ldl

# Python's own memory is not freed at the end: leaks are the unit tests' part.
e2e: $(SHOAL) build/faults.so	## run the end-to-end tests (PYTEST= options)
	@venv=$$(PYTHON='$(PYTHON)' tools/testdeps) && \
	SHOAL_BIN='$(CURDIR)/$(SHOAL)' ASAN_OPTIONS=detect_leaks=0 \
	$$venv/bin/python -m pytest -q -n $(E2E_JOBS) --dist loadfile \
		tests/e2e tests/tools $(PYTEST)

suite: $(SHOAL)			## CPython's tests of asyncio on the event loop (long)
	@venv=$$(PYTHON='$(PYTHON)' tools/testdeps) && SUITE=all \
	SHOAL_BIN='$(CURDIR)/$(SHOAL)' $$venv/bin/python -m pytest -q \
		tests/e2e/test_asyncio_suite.py $(PYTEST)

# Skipped where there is no Python 2.7, which it needs.
autobahn: $(SHOAL)		## Autobahn's cases of WebSocket (minutes)
	$(PYTHON) tools/autobahn $(SHOAL) $(ARGS)

check: style unit e2e		## the short round: one FLAVOUR of everything

# Steps one after the other; each compiles on all cores.
step = $(MAKE) --no-print-directory \
	$(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

test:				## everything, with one Python (README)
	+$(step) deps
	+@tools/deps --browser
	+$(step) all FLAVOUR=release
	+$(step) style FLAVOUR=release
	+$(step) unit FLAVOUR=debug
	+$(step) unit FLAVOUR=asan
	+$(step) unit-core FLAVOUR=tsan
	+$(step) soak-short FLAVOUR=release
	+$(step) soak-short FLAVOUR=tsan
	+$(step) lines
	+$(step) e2e FLAVOUR=release
	+$(step) e2e FLAVOUR=asan PYTEST='-m asan $(PYTEST)'

lines:				## two shards write no cache line that they share
	+@$(step) see-lines FLAVOUR=lines

see-lines: $(SHOAL)
	$(PYTHON) tools/lines $(SHOAL) $(ARGS)

model:				## check the ring's model with Spin (minutes)
	@CC='$(CC)' tests/model/run $(O)/model

loom:				## check the ring's memory orders with loom (cargo)
	@tests/model/loom/run $(O)/loom

matrix:				## all Pythons, sanitizers and chroots (long)
	+@tools/matrix

# ---- style ----------------------------------------------------------------

style: listed hdrs $(OBJ) $(SHOAL)	## layers, globals, source, symbols
	$(PYTHON) tools/layers
	$(PYTHON) tools/srccheck
	$(PYTHON) tools/globals $(OBJ)
	$(if $(filter release,$(FLAVOUR)),$(PYTHON) tools/symbols $(SHOAL))

# A source that is not listed above is not in the binary, which may go
# unnoticed for long.
listed:
	@for file in $(filter-out $(MAIN) $(CORE) $(PROTO) $(INTERP) $(PYSRC), \
		$(wildcard core/*.c proto/*.c tls/*.c interp/*.c \
		interp/py/*.py)); do \
		echo "Makefile: $$file is not listed"; false; done

# Every header compiles alone.
HDR_OK = $(patsubst %,$(P)/%.ok,$(filter interp/%,$(HEADERS))) \
	$(patsubst %,$(O)/%.ok,$(filter-out interp/%,$(HEADERS)))
hdrs: $(HDR_OK)

define check-header
@mkdir -p $(@D)
@echo '#include "$<"' | $(CC) $(CPPFLAGS) $(CFLAGS) -fsyntax-only \
	-MMD -MP -MF $@.d -MT $@ -x c - && touch $@
endef

$(O)/%.h.ok: %.h $(O)/flags
	$(check-header)

$(P)/%.h.ok: %.h $(O)/flags $(P)/flags
	$(check-header)

-include $(OBJ:.o=.d) $(UNIT_BIN:=.d) $(SOAK_BIN:=.d) $(FUZZ_BIN:=.d) $(HDR_OK:=.d)

# ---- using it -------------------------------------------------------------

deps:				## bring what the build needs and is missing
	@CC='$(CC)' PYTHON='$(PYTHON)' tools/deps

# ARGS='--port 9000' and the like.
demo:				## serve the example on http://127.0.0.1:8000
	+@$(step) deps
	+@$(step) all
	$(SHOAL) --working-dir tools/demo app:app $(ARGS)

# ARGS='--quick' and the like.
bench: $(SHOAL)			## measure beside the kernel's floor and peers
	$(PYTHON) tools/bench/run --shoal $(SHOAL) --python $(PYTHON) $(ARGS)

# The counts lie beside the objects that they are of, and gcc looks for them
# there: they are copied from one flavour's folder to the other's.
pgo:				## build/pgo/shoal, with gcc, trained by tools/bench
	+@$(step) all FLAVOUR=train
	@find build/train -name '*.gcda' -delete
	$(PYTHON) tools/bench/train build/train/shoal
	@rm -rf build/pgo && mkdir -p build/pgo
	@cd build/train && find . -name '*.gcda' | tar cf - -T - | \
		tar xf - -C ../pgo
	+@$(step) all FLAVOUR=pgo

# Builds nothing: under sudo another Python might be found.
install:			## copy the binary to $(DESTDIR)$(PREFIX)/bin
	@test -x $(SHOAL) || { echo 'run "make" first' >&2; false; }
	install -D -m 755 $(SHOAL) $(DESTDIR)$(BINDIR)/shoal

uninstall:			## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/shoal

clean:				## remove build/
	rm -rf build

help:				## print this
	@sed -n 's/^\([a-z0-9-]*\):.*## */\1	/p' $(MAKEFILE_LIST) | \
		expand -t 12
	@echo 'FLAVOUR=release|debug|asan|tsan  PYTHON=3.13|path  V=1 ' \
		'(config.mk has more)'

.PHONY: all unit unit-core coverage cover-e2e fuzz fuzzers soak soak-short \
	e2e suite autobahn check test lines see-lines model loom matrix style \
	listed hdrs deps demo bench pgo install uninstall clean help FORCE
