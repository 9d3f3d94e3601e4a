# Everything that a person types in this repository; `make` alone lists it.
# `make demo` and `make test` need no other command before them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# `go install` puts act where few have their PATH.
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(HOME)/go/bin
# What a test skips here it should have run: tests/conftest.py makes that a failure.
export DEPLOY_ACTION_NO_SKIPS := 1
PYTEST := .venv/bin/python -m pytest
# Most of the time a test waits for something to happen; those that share something stay in one group.
BESIDE := -n 2 --dist loadgroup
# What takes too long for every change: `make faults` runs it.
SHORT := -m 'not faults and not long'
REPORTS := build/reports
BENCHMARKS := budgets peers load_proof scaling hosts startup bandit_gate

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: images ## Deploy, upgrade under load, survive a broken release, roll back: the story in a terminal
	@.venv/bin/python -m demo

.PHONY: clean-demo
clean-demo: python ## Remove what the demo made
	@.venv/bin/python -m demo --clean

.PHONY: test
test: lint types unit acceptance integration action ## Run every check and every test (but the long faults)

.PHONY: lint
lint: python ## Check style and common mistakes
	ruff check
	ruff format --check

.PHONY: types
types: python ## Check the types
	mypy

.PHONY: unit
unit: python ## Test the parts, without Docker
	$(PYTEST) tests/unit $(SHORT) $(BESIDE) --junit-xml=$(REPORTS)/unit.xml

.PHONY: acceptance
acceptance: images ## Test the command line as a user types it
	$(PYTEST) tests/acceptance $(SHORT) $(BESIDE) --junit-xml=$(REPORTS)/acceptance.xml

.PHONY: integration
integration: images apps hosts ## Test on real engines, with the fast faults
	$(PYTEST) tests/integration tests/contract tests/faults $(SHORT) $(BESIDE) --junit-xml=$(REPORTS)/integration.xml

.PHONY: action
action: images apps act action-image hosts ## Run the action and the workflows under act
	$(PYTEST) tests/action $(SHORT) --junit-xml=$(REPORTS)/action.xml

.PHONY: faults
faults: images apps act action-image hosts ## Inject every fault of docs/reliability.md, and all else that takes long
	$(PYTEST) tests/faults tests/unit/rollout $(BESIDE) --junit-xml=$(REPORTS)/faults.xml || failed=$$?; \
	$(PYTEST) tests/integration tests/action -m long --junit-xml=$(REPORTS)/long.xml || failed=$$?; \
	.venv/bin/python -m tests.faults.table $(REPORTS)/faults.xml; exit $${failed:-0}

.PHONY: bench
bench: images action-image hosts ## Measure beside others, in turn: half an hour; RESULTS.md keeps what came of it
	@over=(); for benchmark in $(BENCHMARKS); do \
		.venv/bin/python -m "benchmarks.$$benchmark" || over+=("$$benchmark"); done; \
	if [[ $${#over[@]} != 0 ]]; then echo "not good enough: $${over[*]}" >&2; exit 1; fi

.PHONY: lock
lock: python ## Refresh the locked requirements
	scripts/lock --upgrade

.PHONY: setup
setup: images apps act action-image hosts ## Only install and build what the rest needs

.PHONY: python engine images apps action-image act hosts
python:
	@scripts/ensure-python
engine:
	@scripts/ensure-engine
images: python engine
	@.venv/bin/python scripts/ensure-images edge demo
apps: python engine
	@.venv/bin/python scripts/ensure-images apps
action-image: python engine
	@.venv/bin/python scripts/ensure-images action
act:
	@scripts/ensure-act
hosts: engine
	@scripts/ensure-hosts
