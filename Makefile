# Everything a fresh machine needs: Debian packages, then cargo and go by themselves.
#
#   make run    set up what is missing, build, run the quickstart on real machines, show the result
#   make test   the fast tests: no network, no KVM, no root

STATE ?= $(CURDIR)/.bellwether
PROFILE ?= quickstart
BELLWETHER = target/release/bellwether
export BELLWETHER_STATE = $(STATE)
# Where setup puts Go when the installed one is too old.
export PATH := $(CURDIR)/.bellwether/go/bin:$(PATH)

.PHONY: run test test-real lint bench build setup

run: build
	$(BELLWETHER) run $(PROFILE) $(ARGS)

build: setup
	cargo build --release --locked --bin bellwether

# One list of packages for everything; asks for root only when one is missing.
setup:
	@sh .ci/setup

test: setup
	cargo test --locked --workspace

# Boots machines and runs real specs; builds what it needs, which takes a while the first time.
test-real: build
	BELLWETHER_REAL=1 cargo test --locked --release --test real -- --nocapture --test-threads=1

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

bench:
	cargo xtask bench
