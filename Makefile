# The door. `make` lists what there is; meson.build says how things are built.
#
# Variables: BUILD=dir (build), CC, CXX, ARGS (for run), TESTS (names for test), FILES (for vet), PREFIX, DESTDIR.

BUILD ?= build
PREFIX ?= /usr/local
CXX ?= g++
ifneq ($(origin CC),default)
export CC
endif
export CXX
PACKAGES = @tools/install-packages --stamp $(BUILD)/.packages-$@
FUZZED = -Db_sanitize=address,undefined -Dmalloc=system -Doptimization=1 -Dwerror=false -Db_lundef=false
SANITIZED = -Dmalloc=system -Doptimization=1 -Dwerror=false -Db_lundef=false -Dtests=enabled

.PHONY: help run run-postgres run-mysql run-gateway build test test-servers old-kernel check asan tsan aarch64 vet coverage mutate fuzz-smoke fuzz starts ends careless floods soak bench format install installed clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 13

run: ## the example shop on :8080 (ARGS='--listen=:9000' to change that)
	$(PACKAGES) build
	@tools/build $(BUILD) -- examples/shop
	@exec $(BUILD)/examples/shop --db=$(BUILD)/shop.db $(ARGS)

run-postgres: ## the shop on a PostgreSQL that is started for it in a temporary folder
	$(PACKAGES) build servers
	@tools/build $(BUILD) -- examples/shop
	@exec tools/run-database $(BUILD) postgres $(ARGS)

run-mysql: ## the same on MariaDB
	$(PACKAGES) build servers
	@tools/build $(BUILD) -- examples/shop
	@exec tools/run-database $(BUILD) mariadb $(ARGS)

run-gateway: ## the example gateway on :8080 before two upstreams of which one can be broken
	$(PACKAGES) build
	@tools/build $(BUILD) -- examples/gateway
	@exec tools/run-gateway $(BUILD) $(ARGS)

build: ## library, examples and benchmarks, optimised, in build/ or BUILD=dir
	$(PACKAGES) build
	@tools/build $(BUILD)

test: ## all tests, or TESTS='base-str e2e-shop'
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- all meson-test-prereq
	@tools/run-tests $(BUILD) $(TESTS)

test-servers: ## against real PostgreSQL, MariaDB and Redis, started in folders of their own
	$(PACKAGES) build test servers
	@tools/build $(BUILD) -Dtests=enabled -Dservers=enabled -- all meson-test-prereq
	@tools/run-tests $(BUILD) --suite servers $(TESTS)

old-kernel: ## all tests, refused what kernels before 6.13 lack (ARGS=--sample: some)
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- all meson-test-prereq
	@tools/old-kernel $(BUILD) $(ARGS)

check: ## formatting, rooms, documented headers, both compilers, no optional part
	$(PACKAGES) build test check
	@tools/check $(BUILD)

asan: ## all tests under AddressSanitizer, LeakSanitizer and UBSan
	@tools/install-packages --stamp $(BUILD)-asan/.packages build test
	@tools/build $(BUILD)-asan -Db_sanitize=address,undefined $(SANITIZED) -- all meson-test-prereq
	@WEIR_SANITIZE=address,undefined tools/run-tests $(BUILD)-asan -t 4 $(TESTS)

tsan: ## all tests under ThreadSanitizer
	@tools/install-packages --stamp $(BUILD)-tsan/.packages build test
	@tools/build $(BUILD)-tsan -Db_sanitize=thread $(SANITIZED) -- all meson-test-prereq
	@WEIR_SANITIZE=thread tools/run-tests $(BUILD)-tsan -t 8 $(TESTS)

aarch64: ## what depends on the processor, built for aarch64 and run under qemu
	$(PACKAGES) build aarch64
	@tools/aarch64 $(BUILD)

vet: ## three analysers over all sources, and over planted mistakes
	$(PACKAGES) build vet
	@tools/vet $(FILES)

coverage: ## all tests, counting which lines of src they reach; too few is a failure
	@tools/install-packages --stamp $(BUILD)-coverage/.packages build test coverage
	@tools/build $(BUILD)-coverage -Db_coverage=true -Doptimization=0 -Dwerror=false \
		-Dc_args=-fprofile-update=atomic -Dtests=enabled -- all meson-test-prereq
	@tools/coverage $(BUILD)-coverage $(TESTS)

fuzz-smoke: ## all fuzzers for two minutes in all
	@tools/install-packages --stamp $(BUILD)-fuzz/.packages build fuzz
	@CC=clang tools/build $(BUILD)-fuzz -Dfuzz=libfuzzer $(FUZZED) -- fuzzers
	@tools/fuzz $(BUILD)-fuzz --seconds 120 --seed 1

fuzz: ## all fuzzers, for an hour or ARGS='--hours 8 --engine afl wire-url'
	@tools/install-packages --stamp $(BUILD)-fuzz/.packages build fuzz
ifneq ($(findstring afl,$(ARGS)),)
	@AFL_QUIET=1 CC=afl-clang-fast tools/build $(BUILD)-fuzz-afl -Dfuzz=afl $(FUZZED) -- fuzzers
	@tools/fuzz $(BUILD)-fuzz-afl $(ARGS)
else
	@CC=clang tools/build $(BUILD)-fuzz -Dfuzz=libfuzzer $(FUZZED) -- fuzzers
	@tools/fuzz $(BUILD)-fuzz $(ARGS)
endif

mutate: ## breaks one line at a time, and sees which test says so (ARGS='--seconds N --seed S')
	$(PACKAGES) build test
	@nice tools/mutate --build $(BUILD)-mutate $(ARGS)

starts: ## a service that is started with one thing spoiled each time (ARGS='--sample 20', or rows)
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- tests/starter
	@/usr/bin/python3 tests/starts/starts.py $(BUILD)/tests/starter $(ARGS)

careless: ## handlers that make every mistake, each beside a good one (ARGS='--sample 10' for some)
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- tests/careless
	@/usr/bin/python3 tests/careless/careless.py $(BUILD)/tests/careless $(ARGS)

floods: ## 1,000 good clients beside 1,000 bad ones of each kind (ARGS=--sample for some, or kinds)
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- tests/floods tests/floods-good tests/floods-bad
	@/usr/bin/python3 tests/floods/floods.py $(BUILD)/tests/floods $(ARGS)

soak: ## twenty minutes of unkind clients, and whether anything grows (ARGS='--minutes=1')
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- examples/shop tests/drip
	@/usr/bin/python3 tests/soak/soak.py $(BUILD) $(ARGS)

ends: ## every kind of trouble x every way to be told to end (ARGS=--sample for some of them)
	$(PACKAGES) build test
	@tools/build $(BUILD) -Dtests=enabled -- tests/ends
	@/usr/bin/python3 tests/ends/ends.py $(BUILD)/tests/ends $(ARGS)

bench: ## our numbers beside those of Gin, nginx and others, as ratios (TRACE=FILE: hit ratios of these keys)
	$(PACKAGES) build test bench servers
	@tools/build $(BUILD)
	@TRACE=$(TRACE) bench/run $(BUILD) $(ARGS)
	@bench/protocols $(BUILD) $(ARGS)
	@bench/databases $(BUILD) $(ARGS)
	@bench/recovery $(BUILD) $(ARGS)

format: ## lets clang-format rewrite all files
	$(PACKAGES) check
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

installed: ## what is installed, under compilers, standards, levels, tools; then all end to end (ARGS=--sample)
	$(PACKAGES) build test check
	@tools/build $(BUILD) -- library
	@/usr/bin/python3 tests/install/lane.py $(BUILD) $(ARGS)

install: ## headers, libraries, weir.pc (PREFIX=/usr/local, DESTDIR=)
	$(PACKAGES) build
	@tools/build $(BUILD) -Dprefix=$(PREFIX) -- library
	@meson install -C $(BUILD) --no-rebuild --quiet $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

clean: ## removes what was built
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-clang $(BUILD)-bare $(BUILD)-coverage $(BUILD)-fuzz $(BUILD)-fuzz-afl $(BUILD)-mutate
