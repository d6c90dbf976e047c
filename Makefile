# Tidegate. On a fresh machine with Rust, `make run` and `make test` need nothing else.

# Built files live outside the tree when they can, so that every checkout shares them (RocksDB alone takes minutes).
ifndef CARGO_TARGET_DIR
shared_target := $(shell dir="$$HOME/.cache/tidegate/target"; [ -n "$$HOME" ] && mkdir -p "$$dir" 2>/dev/null && [ -w "$$dir" ] && echo "$$dir")
ifneq ($(shared_target),)
export CARGO_TARGET_DIR := $(shared_target)
endif
endif

# rustup's own place, for shells that were started before Rust was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO := cargo
# Benches: our code optimised as for a release, the dependencies as everywhere else, so that they need no build of their own.
FAST := --profile dev --config profile.dev.opt-level=3
# Further arguments of `run` and `demo`, such as ARGS="--listen 127.0.0.1:9090"; of `test`, such as ARGS=journey.
ARGS ?=

.PHONY: run test demo bench bench-peers privacy-score soak lint fmt setup setup-test help
.DEFAULT_GOAL := help

help: ## shows this
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

run: setup ## builds, and serves on 127.0.0.1:8080 with ./data
	$(CARGO) run --locked --bin tidegate -- serve $(ARGS)

demo: setup ## the whole product on made-up traffic
	$(CARGO) run --locked --bin tidegate -- demo $(ARGS)

test: setup-test ## runs every test
	$(CARGO) test --locked $(ARGS)

soak: setup-test ## kills the gateway under load a thousand times, cuts its power and damages its files as often; fuzzes the scrubber
	TIDEGATE_TEST_ROUNDS=3000 $(CARGO) test --locked --lib -- app::tests::damaged --nocapture
	TIDEGATE_TEST_ROUNDS=20000 $(CARGO) test --locked --lib -- privacy::corpus
	TIDEGATE_TEST_ROUNDS=1000 $(CARGO) test --locked --test it -- power::what_was_acknowledged recovery::what_was_acknowledged --nocapture

bench: setup ## measures throughput and latency, and the store against its goals
	$(CARGO) bench --locked $(FAST) $(ARGS)
	FAST="$(FAST)" PEERS=0 bash benches/peers/run.sh 1

bench-peers: setup ## the store beside ClickHouse's engine, DuckDB and PostgreSQL on the same events (installs them; an hour)
	FAST="$(FAST)" bash benches/peers/run.sh $(ARGS)

privacy-score: setup-test ## how much of a labelled set of personal data and secrets is found, and what else is altered
	$(CARGO) build --locked --bin tidegate
	cd benches/privacy && python3 score.py --labels pos.jsonl.gz neg.jsonl.gz --groups \
		--run "$$($(CARGO) metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/tidegate" scrub $(ARGS)

lint: setup ## format, lints as errors, dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		$(CARGO) deny --locked check bans licenses sources; \
	else \
		echo "lint: cargo-deny is not installed: licences and sources of dependencies were NOT checked" \
		     "(cargo install cargo-deny --locked)"; \
	fi

fmt: ## formats the code
	$(CARGO) fmt --all

setup: ## installs missing system packages
	@bash .ci/setup

setup-test: ## the same, with what the tests need
	@bash .ci/setup test
