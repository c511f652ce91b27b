# Protostore's house. Each target says what it does after `##`; `make` lists them.

SWIFT ?= swift
# Release programs carry the Swift library: they run on machines without Swift.
BUILD_RELEASE = $(SWIFT) build -c release --static-swift-stdlib
# How much longer than usual the random tests run in `make soak`.
SOAK_FACTOR ?= 50
# Histories of `make simulate`; each compares about ten states.
SIMULATE_SEEDS ?= 1500
# Shares of the damages to one store: with 1000 every byte, length and pair of blocks has had its turn.
ROT_SEEDS ?= 12
# How long `make soak` churns a nearly full store, and where.
CHURN_SECONDS ?= 3600
CHURN_DIRECTORY ?= /var/tmp/protostore-churn
# Sanitizers multiply the memory of a program, so that a limit on it cannot hold, and
# take system calls and allocations before the shims see them.
SANITIZER_SKIPS = --skip takesLessThan64BytesOfMemoryPerKey --skip FaultShimTests --skip AllocationTests
# Swift 6.3 checks the code it makes for the thread sanitizer before that is complete, and ends
# with "Invalid bitcast".
THREAD_SANITIZER = --sanitize=thread -Xswiftc -DTHREAD_SANITIZER -Xswiftc -Xfrontend -Xswiftc -disable-llvm-verify
# Crash points of `make powercut` with --sync always.
POWERCUT_POINTS ?= 220
# How much longer than in .ci/run the random tests of `make clients` run.
CLIENTS_FACTOR ?= 1
# How often `make fulldisk` fills the disk, and the memory of the index.
FULLDISK_CYCLES ?= 20
# How long `make fuzz` looks for bytes that the parser of the Redis protocol does not stand.
FUZZ_SECONDS ?= 300
# What `make bench` measures, and how: `make bench ARGS="iops qd1 --seconds 30"`.
ARGS ?= all

.PHONY: help demo test build bench bench-quick simulate survey fuzz clients powercut fulldisk soak clean bootstrap

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' Makefile | expand -t 14

demo: build ## Generate a store, serve it, read and write, kill the server, verify what it acknowledged
	scripts/demo

test: bootstrap ## Run all tests
	SWIFT="$(SWIFT)" scripts/test

build: bootstrap ## Build mk_data, run, bench and table for release: .build/release
	$(BUILD_RELEASE)
	scripts/check-release

bench: build ## Measure everything beside fio and redis: about 100 minutes; see Benchmarks/README.md
	scripts/bootstrap bench
	python3 -m Benchmarks $(ARGS)

bench-quick: build ## Run every measurement for a moment: shows that the harness works
	scripts/bootstrap bench
	python3 -m Benchmarks all --quick

simulate: bootstrap ## Crash simulated stores: some 15,000 states compared, then damage
	$(BUILD_RELEASE) --product simulate
	.build/release/simulate --seeds $(SIMULATE_SEEDS)
	.build/release/simulate --lane rot --first-seed 1000 --seeds $(ROT_SEEDS)

survey: bootstrap ## Plant bugs in the engine and the shared table, and see that each is caught
	$(SWIFT) build -c release --product simulate --scratch-path .build/bugs -Xswiftc -DPLANTED_BUGS
	.build/bugs/release/simulate --survey-bugs --seeds 10000000 --seconds 300
	$(SWIFT) build -c release --product table --scratch-path .build/bugs -Xswiftc -DPLANTED_BUGS
	.build/bugs/release/table histories --survey-bugs --rounds 10000 --seconds 120

fuzz: bootstrap ## Fuzz the parser of the Redis protocol for FUZZ_SECONDS; needs lld, which comes with Swift
	$(SWIFT) build --package-path Fuzz -c release
	mkdir -p Fuzz/.build/corpus/resp
	Fuzz/.build/release/fuzz_resp -max_total_time=$(FUZZ_SECONDS) -max_len=4000 -timeout=10 -print_final_stats=1 \
		-artifact_prefix=Fuzz/.build/ Fuzz/.build/corpus/resp Fuzz/Corpus/resp

clients: build ## Use a server by the Redis protocol: as redis-server is, by its clients, by strangers, and while it is killed
	scripts/bootstrap clients
	PROTOSTORE_TEST_FACTOR=$(CLIENTS_FACTOR) python3 -m Tests.RedisClients

powercut: build ## Cut the power under real servers on a real file system; needs root, FUSE and loop devices
	scripts/bootstrap soak
	python3 -m Tests.RealDisk powercut --points $(POWERCUT_POINTS)

fulldisk: build ## Fill up a small file system and a small memory under a real server; needs root and loop devices
	scripts/bootstrap soak
	python3 -m Tests.RealDisk fulldisk --cycles $(FULLDISK_CYCLES)

soak: bootstrap survey ## Run all tests under the thread and address sanitizers, the random ones for longer, then fuzzing, churn and power cuts
	TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/thread-sanitizer.suppressions \
		$(SWIFT) test --scratch-path .build/thread $(THREAD_SANITIZER) $(SANITIZER_SKIPS)
	ASAN_OPTIONS=detect_leaks=0 \
		$(SWIFT) test --scratch-path .build/address --sanitize=address $(SANITIZER_SKIPS)
	PROTOSTORE_TEST_FACTOR=$(SOAK_FACTOR) $(SWIFT) test
	$(MAKE) fuzz
	$(MAKE) simulate SIMULATE_SEEDS=200000 ROT_SEEDS=2000
	$(SWIFT) build -c release --product table && .build/release/table torture --kills 5000
	.build/release/table histories --rounds 5000
	$(SWIFT) build --product table && .build/debug/table torture --kills 500 --keys 3000 --moments
	$(SWIFT) build -c release --product bench
	.build/release/bench churn --directory $(CHURN_DIRECTORY) --seconds $(CHURN_SECONDS)
	$(MAKE) clients CLIENTS_FACTOR=10
	$(MAKE) fulldisk
	$(MAKE) powercut

clean: ## Remove everything that was built
	rm -rf .build .demo

bootstrap:
	@scripts/bootstrap
