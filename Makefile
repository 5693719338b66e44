# Two commands do everything: `make dev` and `make test`.
SHELL := bash
NODE := node_modules/.bin/node
PORT ?= 8787
SEEDS ?= 20000
STATES ?= 5000000
SECONDS ?= 60
SEED ?= 1
MODE ?= all
RUNTIME ?= miniflare
# A subcommand follows: nothing is built but what Cargo.lock names.
CARGO_QUIET := cargo --quiet --locked

.PHONY: help setup worker build dev test audit e2e test-postgres test-mesh chaos simulate model fuzz planted mutants coverage lint bench bench-failure bench-core bench-instructions profile size planet conformance clean

help:            ## this list
	@grep -E '^[a-z0-9-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:           ## install what is missing
	@src/tools/setup.sh

worker: setup    ## check wrangler.toml, then build the Worker (what wrangler's [build] runs)
	@$(CARGO_QUIET) run --bin homing -- check wrangler.toml
	@src/tools/build.sh

build: worker    ## build the Worker and the demo regions
	@$(CARGO_QUIET) build -p demo-region

dev:             ## regions, router and dashboard on http://localhost:$(PORT)
	@PORT=$(PORT) exec src/tools/dev.sh

test: setup      ## set up, lint, every test
	@src/tools/test.sh

lint: setup      ## format and lint of all Rust and JavaScript
	@src/tools/lint.sh

planted: setup   ## bugs planted in the router's own code, one at a time: each must be found by the test that names it
	@$(NODE) tests/planted/run.mjs

mutants: setup   ## the core changed in one place at a time: the tests must notice; FILES="src/core/decide/**" for some, SLOW=60 for slower tests
	@FILES='$(FILES)' NAMES='$(NAMES)' TESTS='$(TESTS)' AGAIN='$(AGAIN)' QUICK='$(QUICK)' SLOW='$(SLOW)' src/tools/mutants.sh

coverage: setup  ## how much of the core the tests on the host run, and where they run least
	@src/tools/coverage.sh

audit:           ## licences, sources and bans of all dependencies, by deny.toml; advisories where their database can be fetched
	@src/tools/audit.sh

e2e: build       ## the end-to-end tests alone; in RUNTIME=workerd or miniflare; FILES="tests/e2e/cache.test.mjs" for some
	@$(CARGO_QUIET) build -p history
	@src/tools/build.sh test
	@src/tools/test-e2e.sh $(RUNTIME) $(FILES)

test-postgres: worker ## the tests against a real PostgreSQL alone (part of `make test`)
	@src/tools/test-postgres.sh

test-mesh: worker ## PostgreSQL 18 as equals in a mesh, for SECONDS under load with faults (part of `make test`, shorter)
	@src/tools/test-mesh.sh $(SECONDS)

chaos: build     ## SECONDS of orders and faults at random, by SEED, under load, in MODE=calm, lag, all or network; the last line counts violations
	@$(CARGO_QUIET) build -p history
	@MODE=$(MODE) SECONDS=$(SECONDS) SEED=$(SEED) $(NODE) tests/chaos/run.mjs

simulate:        ## SEEDS worlds of the simulation, made by chance; tests/simulation.rs says how to replay one
	@SEEDS=$(SEEDS) cargo test --locked --test simulation promises -- --nocapture

model:           ## STATES states of each scope of the ownership protocol, tried in every order
	@STATES=$(STATES) cargo test --locked --test protocol -- --nocapture --test-threads 1

fuzz: setup      ## SECONDS of fuzzing for each target that reads what others hand in; TARGET=flow for one
	@src/tools/fuzz.sh $(SECONDS) $(TARGET)

bench: build     ## the router against hand-written JavaScript, in plain workerd
	@$(NODE) tests/bench/run.mjs

bench-failure: build ## latencies while the nearest region is a black hole, beside all being well
	@$(NODE) tests/bench/failure.mjs

profile: worker  ## where a request's CPU goes, function by function, in plain workerd; ROW="read miss,write" for some, REQUESTS=20000 for finer figures
	@src/tools/build.sh profile
	@ROW='$(ROW)' REQUESTS='$(REQUESTS)' $(NODE) tests/bench/profile.mjs

bench-core:      ## what a request costs in the core alone: instructions (where valgrind is), allocations; ROW="read miss,write" for some
	@ROW='$(ROW)' $(CARGO_QUIET) bench -p bench --bench core

bench-instructions: worker ## what a request costs in instructions of plain workerd, which valgrind counts; ROW="read miss,write" for some, BEFORE=FOLDER to compare
	@ROW='$(ROW)' $(NODE) tests/bench/instructions.mjs

size: setup      ## what the hot path's Wasm consists of; WITHOUT="snapshot,suggestions" tells what only those reach
	@src/tools/build.sh profile
	@WITHOUT='$(WITHOUT)' $(NODE) tests/bench/size.mjs

planet:          ## a day of requests from five continents, through this router and through what others do; writes docs/planet.md
	@$(CARGO_QUIET) run -p planet

conformance: worker ## public suites against this router and other caches; writes README's table. CACHE_TESTS=/a/clone where there is no network
	@$(NODE) tests/conformance/run.mjs

clean:           ## remove what was built
	rm -rf build target node_modules
