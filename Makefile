# Every target sets up what is missing first. `make PYTHON=/path/to/python3` takes another Python (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.setup
PACKAGES := libs/common libs/bot libs/client services/frontend services/scheduler services/botgateway \
            services/stats deploy/standalone
PROJECT_FILES := $(PACKAGES:%=%/pyproject.toml)
# The lock names versions and hashes for all platforms, but no index, no address and none of our own packages.
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
                --no-emit-index-url --no-emit-find-links \
                $(foreach package,$(PACKAGES),--no-emit-package swarming-$(notdir $(package)))

# Whatever the environment says, Python keeps what it compiled: the tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo serve check types unit format lint imports versions test fresh-starts bench bench-engine bench-latency bench-failover bench-gateway bench-pools bench-size fmt lock clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do \
		printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(SETUP) ## install what is missing into .venv (quick when nothing changed)

demo: $(SETUP) ## run real work on a Swarming of your own, show it live, and end
	$(BIN)/python -m swarming_standalone.demo

serve: $(SETUP) ## start Swarming with two bots at http://localhost:8080 and stay up
	$(BIN)/swarming standalone --bots 2

check: $(SETUP) ## format, lint, types, import rules, unit and contract tests: under a minute
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target types unit format lint imports versions

types: $(SETUP)
	$(BIN)/mypy

unit: $(SETUP)
	$(BIN)/pytest --numprocesses=2 -m "not real" tests/unit tests/contract

format: $(SETUP)
	$(BIN)/ruff format --check

lint: $(SETUP)
	$(BIN)/ruff check

imports: $(SETUP)
	$(BIN)/lint-imports --no-logo

# A bot runs on machines that nobody updates. pidfd_open is used only where the system has it.
versions: $(SETUP)
	$(BIN)/vermin --quiet --target=3.8- --no-tips --violations --exclude os.pidfd_open libs/bot/swarming_bot

test: $(SETUP) ## run all tests, those on real PostgreSQL, RabbitMQ and Redis too; none may be skipped
	$(BIN)/python -m tests.servers
	$(BIN)/pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder tests

fresh-starts: $(SETUP) ## run a task on 20 fresh standalones, each in the moment in which it is started
	$(BIN)/python -m tests.end_to_end.fresh_starts

bench: bench-engine bench-latency bench-failover bench-gateway bench-pools bench-size ## run all benchmarks

bench-engine: $(SETUP) ## measure the matching engine's speed and memory with up to a million pending tasks
	$(BIN)/python -m tests.benchmarks.engine

bench-latency: $(SETUP) ## measure submit to process start over 200 tasks, embedded and distributed
	$(BIN)/python -m tests.benchmarks.latency

bench-failover: $(SETUP) ## measure how soon a shard with 100,000 pending tasks is served again
	$(BIN)/python -m tests.benchmarks.failover

bench-gateway: $(SETUP) ## measure one bot gateway with 5,000 idle bots: processor time, memory, latency
	$(BIN)/python -m tests.benchmarks.gateway

bench-pools: $(SETUP) ## measure bots in four pools: events of a task, tasks per second, latency on an idle system
	$(BIN)/python -m tests.benchmarks.pools

bench-size: $(SETUP) ## measure how many bytes a finished task takes in PostgreSQL, by table and index
	$(BIN)/python -m tests.benchmarks.size

fmt: $(SETUP) ## format the code and mend what the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: ## add to requirements.lock what is new in the packages and in requirements.in; UPGRADE=1 takes newer versions
	@test -x $(BIN)/uv || $(MAKE) --no-print-directory setup
	$(BIN)/uv --no-config --quiet pip compile $(LOCK_OPTIONS) $(if $(UPGRADE),--upgrade) requirements.in -o requirements.lock

clean: ## remove .venv and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(SETUP): requirements.lock $(PROJECT_FILES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Swarming needs Python 3.11 or newer; $(PYTHON) is missing or older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv with $$($(PYTHON) --version)"; $(PYTHON) -m venv .venv; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(PACKAGES:%=-e %)
	@touch $@
