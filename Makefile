# The ways in. Each target is one script in scripts/; read there what it does.

.DEFAULT_GOAL := help
.PHONY: help setup demo test check sim chaos bench peers

SEED ?= 1
SEEDS ?= 500

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what building needs and this machine lacks (quiet when nothing is)
	@scripts/setup.sh

demo: ## set up, build, run the sample photographs through the mill; results in demo-out/
	@scripts/demo.sh

test: ## set up, run all tests
	@scripts/test.sh

check: ## what must hold before a change goes in: format, lints, docs, licences, tests; same as CI
	@scripts/check.sh

sim: ## the simulator; SEED=1 SEEDS=500 say where to start and how many
	cargo run --release -p gristmill-sim -- --start $(SEED) --seeds $(SEEDS)

chaos: ## kills, failing disks, backups, compactions on real processes in full size; make test runs a small one
	GRISTMILL_CHAOS_KILLS=100 GRISTMILL_CHAOS_JOBS=20000 GRISTMILL_CHAOS_LEASE=15s \
	GRISTMILL_CHAOS_BACKUPS=12 GRISTMILL_CHAOS_BACKUP_JOBS=6000 \
	GRISTMILL_CHAOS_SESSION_KILLS=1000 GRISTMILL_CHAOS_COMPACTIONS=60 GRISTMILL_CHAOS_COMPACTED_JOBS=6000 \
	cargo test -p gristmill --test chaos -- --nocapture --test-threads 1

bench: ## measure images and queue on this machine
	cargo run --release -p gristmill -- bench images
	cargo run --release -p gristmill -- bench queue

peers: ## measure the queue beside its peers, which the first call installs below /tmp
	bench/queue/run.py
