# What a person edits.  Every line can be given on make's command line, too:
#	make FLAVOUR=debug PYTHON=/usr/bin/python3.13

VERSION = 0.1

PREFIX = /usr/local
BINDIR = $(PREFIX)/bin

# release  what is installed: optimised, hardened, jemalloc
# debug    asserts on, little optimisation, jemalloc
# asan     address and undefined behaviour sanitizers, the C library's malloc
# tsan     thread sanitizer, the C library's malloc
# cov      counts which lines run ("make coverage")
# train    counts which way the branches go, for "make pgo" (gcc)
# pgo      release, as "make pgo" makes it of those counts
# lines    notes which threads touch each cache line ("make lines")
# fuzz     what "make fuzz" builds: clang's libFuzzer, sanitizers as in asan
FLAVOUR = release

# The Python to embed.  Empty: the newest of 3.14, 3.13 and 3.12 that has
# headers and an embeddable library (tools/findpython says where it looks).
PYTHON =

# 1: libpython is in the binary, where that Python has a static one of code that
# may lie anywhere (pyenv's; Debian's may not).  Faster by what the calls into a
# shared library cost.
STATIC_PYTHON =

CC = cc

# For continuous integration only (make WERROR=-Werror): a newer compiler
# with a new warning must not break a user's build.
WERROR =

OPT_release = -O2 -g -DNDEBUG
OPT_train   = $(OPT_release) -fprofile-generate -fprofile-update=atomic
# Counts of threads are never exact (-fprofile-correction), nor are there any of
# what the training did not reach.  Those of other code are an error.
OPT_pgo     = $(OPT_release) -fprofile-use -fprofile-partial-training \
	-fprofile-correction -Wno-missing-profile
OPT_debug   = -O1 -g
OPT_asan    = -O1 -g -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    = -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPT_cov     = -O0 -g --coverage -fprofile-update=atomic
# The release's code; -fno-builtin: a copy is a call that can be noted.
OPT_lines   = -O2 -g -DNDEBUG -fsanitize=thread -U__SANITIZE_THREAD__ \
	-fno-builtin-memcpy -fno-builtin-memmove -fno-builtin-memset -Wno-tsan
# clang does not say of itself that the sanitizer is on, as gcc does.
OPT_fuzz    = -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -fno-omit-frame-pointer \
	-D__SANITIZE_ADDRESS__

# Files of end-to-end tests at a time: they wait more than they compute.
E2E_JOBS = 3

# Seconds that "make fuzz" gives each fuzzer.
FUZZ_TIME = 3600

# Of release and pgo: 2 to 5 % fewer instructions of a request.  The objects are
# fat: the code that tools/globals looks at is in them, too.  Taken where the
# compiler knows both flags and links what it made (old clangs do not).
LTO = -flto=auto -ffat-lto-objects

# Taken only where the compiler knows them (tools/ccflags tries each).
HARDEN = -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero
HARDEN_LD = -Wl,-z,relro,-z,now,-z,noexecstack

WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wpointer-arith -Wwrite-strings -Wvla \
	-Wswitch-enum -Wformat=2 -Wundef
