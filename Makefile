# The commands of this repository; `make` alone lists them.
# `make demo` and `make test` do their own setup.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# `go install` puts act into ~/go/bin, which is often not on PATH.
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(HOME)/go/bin
# A skipped test is a failure here: see tests/conftest.py.
export DEPLOY_ACTION_NO_SKIPS := 1
# Many tests start the command line: Python compiles it once, whatever the caller's shell says.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := .venv/bin/python -m pytest
# Tests wait most of the time, so they run in parallel; those that share something are in one group.
BESIDE := -n 2 --dist loadgroup
# On a real engine they wait more.
ENGINE := -n 3 --dist loadgroup
# Tests that take too long for every change run in `make faults` only.
SHORT := -m 'not faults and not long'
REPORTS := build/reports
AUDIT := .venv/bin/pip-audit --strict --require-hashes --disable-pip
BENCHMARKS := budgets peers proxies load_proof scaling hosts startup bandit_gate analysis

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: images ## Deploy, upgrade under load, survive a broken release, roll back, in a terminal
	@.venv/bin/python -m demo

.PHONY: clean-demo
clean-demo: python ## Remove everything that the demo created
	@.venv/bin/python -m demo --clean

.PHONY: test
test: ## Run all checks and tests, except the long ones
	@# Checks that need no image run beside the set-up, which mostly waits for packages.
	@$(MAKE) --jobs 2 --output-sync=target lint types setup
	@$(MAKE) unit acceptance integration action

.PHONY: lint
lint: python ## Check style and common mistakes
	ruff check
	ruff format --check

.PHONY: types
types: python ## Check types
	mypy

.PHONY: audit
audit: python ## Look up known vulnerabilities of the locked packages, and list them (needs PyPI)
	@mkdir -p $(REPORTS)
	@# What is shipped is listed whatever is found. Nothing is resolved or installed: the locks have all hashes.
	failed=0; \
	for lock in runtime build dev; do \
	  $(AUDIT) --requirement requirements/$$lock.txt || failed=1; \
	done; \
	$(AUDIT) --requirement requirements/runtime.txt --format cyclonedx-json --output $(REPORTS)/sbom.json || \
	  test -s $(REPORTS)/sbom.json; \
	exit $$failed

.PHONY: unit
unit: python ## Run the unit tests, without Docker
	$(PYTEST) tests/unit $(SHORT) $(BESIDE) --junit-xml=$(REPORTS)/unit.xml

.PHONY: coverage
coverage: python ## Run the unit tests and show which lines of src they cover
	# Measuring makes the longest tests several times as long.
	$(PYTEST) tests/unit $(SHORT) $(BESIDE) --timeout 1200 --cov --cov-report=term --cov-report=xml:$(REPORTS)/coverage.xml

.PHONY: acceptance
acceptance: images ## Test the command line
	$(PYTEST) tests/acceptance $(SHORT) $(ENGINE) --junit-xml=$(REPORTS)/acceptance.xml

.PHONY: integration
integration: images apps hosts ## Test on real engines, including the fast faults
	$(PYTEST) tests/integration tests/contract tests/faults $(SHORT) $(ENGINE) --junit-xml=$(REPORTS)/integration.xml

.PHONY: action
action: images apps act action-image hosts ## Test the action and the workflows under act
	$(PYTEST) tests/action $(SHORT) $(ENGINE) --junit-xml=$(REPORTS)/action.xml

.PHONY: faults
faults: setup long-apps ## Inject every fault of docs/reference/reliability.md, and run the other long tests
	$(PYTEST) tests/faults tests/unit/rollout $(BESIDE) --junit-xml=$(REPORTS)/faults.xml || failed=$$?; \
	$(PYTEST) tests/integration tests/action -m long --junit-xml=$(REPORTS)/long.xml || failed=$$?; \
	.venv/bin/python -m tests.faults.table $(REPORTS)/faults.xml; exit $${failed:-0}

.PHONY: bench
bench: images action-image hosts ## Run every benchmark: half an hour
	@over=(); for benchmark in $(BENCHMARKS); do \
		.venv/bin/python -m "benchmarks.$$benchmark" || over+=("$$benchmark"); done; \
	if [[ $${#over[@]} != 0 ]]; then echo "not good enough: $${over[*]}" >&2; exit 1; fi

.PHONY: lock
lock: python ## Upgrade the locked requirements
	scripts/lock --upgrade

.PHONY: setup
setup: images apps act action-image hosts ## Install and build what the other targets need

# In an order in which no two of them use apt, or make the same image, at the same time.
.PHONY: python engine images apps long-apps action-image act hosts
python:
	@scripts/ensure-python
engine: python
	@scripts/ensure-engine
images: engine
	@.venv/bin/python scripts/ensure-images edge demo
apps: images
	@.venv/bin/python scripts/ensure-images apps
long-apps: apps
	@.venv/bin/python scripts/ensure-images long-apps
action-image: apps
	@.venv/bin/python scripts/ensure-images action
act:
	@scripts/ensure-act
hosts: images
	@scripts/ensure-hosts
