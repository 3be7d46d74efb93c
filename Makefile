# SPDX-License-Identifier: Apache-2.0
# The two commands that matter are `make run` and `make test`; `make help` lists all.
# Meson does the building; this file installs what is missing, calls it, and says what happens.

PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
ARGS ?=

state := $(or $(XDG_STATE_HOME),$(HOME)/.local/state)/sluice
sources = $(shell git ls-files '*.c' '*.h' '*.cpp')

.PHONY: help run build test tsan install bench format lint clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      install what is missing, build, and serve data/sluice.toml (ARGS=... adds options)'
	@echo 'make test     install what is missing, build, and run every test, also under sanitizers'
	@echo 'make tsan     run the unit tests under the thread sanitizer'
	@echo 'make build    build build/sluice'
	@echo 'make install  build optimized and install below PREFIX ($(PREFIX)); DESTDIR is honored'
	@echo 'make bench    measure this machine: cameras in, readers out'
	@echo 'make format   format the C sources'
	@echo 'make lint     check formatting, source rules and static analysis'
	@echo 'make clean    remove the build folders'

run: build
	@tools/install-packages run
	@mkdir -p '$(state)'
	@echo 'Serving data/sluice.toml; state is kept in $(state). Stop with Ctrl-C.'
	@SLUICE_STATE_PATH="$${SLUICE_STATE_PATH:-$(state)}" exec build/sluice serve --config data/sluice.toml $(ARGS)

build: build/build.ninja
	@tools/install-packages build
	@ninja -C build -j $(JOBS)

build/build.ninja:
	@tools/install-packages build
	meson setup build

build-asan/build.ninja:
	@tools/install-packages build
	meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false

build-release/build.ninja:
	@tools/install-packages build
	meson setup build-release --buildtype=release --prefix='$(abspath $(PREFIX))'

test: build/build.ninja build-asan/build.ninja
	@tools/install-packages build run test
	@/usr/bin/python3 tools/run-tests --jobs $(JOBS) $(ARGS)

# GLib's libraries by run path and not by LD_LIBRARY_PATH: the programs that tests start keep the system's.
# What GLib's old allocator reuses would look like races of its users, hence G_SLICE. The sanitizer cannot place its
# shadow where addresses are randomized over 32 bits, hence setarch.
tsan:
	@tools/install-packages build run test
	@glib=$$(JOBS=$(JOBS) tools/build-tsan-glib) && link="-Wl,--disable-new-dtags,-rpath,$$glib" && \
	  { [ -e build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false; } && \
	  meson configure build-tsan -Dc_link_args="$$link" -Dcpp_link_args="$$link" >/dev/null
	@ninja -C build-tsan -j $(JOBS)
	@G_SLICE=always-malloc TSAN_OPTIONS=second_deadlock_stack=1:ignore_noninstrumented_modules=1 \
	  $$(setarch -R true 2>/dev/null && echo setarch -R) meson test -C build-tsan --no-rebuild --print-errorlogs --suite unit --timeout-multiplier 6 \
	  --num-processes $(JOBS) $(ARGS)

install: build-release/build.ninja
	@tools/install-packages build
	@meson configure build-release -Dprefix='$(abspath $(PREFIX))'
	ninja -C build-release -j $(JOBS)
	DESTDIR='$(DESTDIR)' meson install -C build-release --no-rebuild

bench: build-release/build.ninja
	@tools/install-packages build run test
	@ninja -C build-release -j $(JOBS)
	@SLUICE_BINARY=$(CURDIR)/build-release/sluice bench/run $(ARGS)

format:
	@tools/install-packages lint
	@tools/lint --format $(sources)

lint: build/build.ninja
	@tools/install-packages build lint
	@tools/lint $(sources)

clean:
	rm -rf build build-asan build-tsan build-release
