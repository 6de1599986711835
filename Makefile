# Everything here does its own set-up: a machine with only Python (3.11 or newer) and make is enough.
#   make PYTHON=python3.12 test      another interpreter
#   make test ARGS="-k links -x"     arguments for pytest
#   make test JOBS=0                 one test after the other, which shows what they print

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# Twice the processors of a small machine: many tests wait for real processes, and not for a processor.
JOBS   ?= 4
# What stands on the compiled paths itself.
PURE   := tests/process tests/semantics tests/races
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check test-all bench bench-quick bench-guard bench-peers beam soak mutants conformance install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## count the words of Python's standard library on every core, on one, and without otpnode
	$(BIN)/python examples/demo.py $(ARGS)

test: $(STAMP) ## run the tests, and those of processes once more without the compiled paths
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)
	OTPNODE_PURE=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(PURE) $(ARGS)

check: $(STAMP) ## lint, format check, types, and the architecture tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict otpnode examples
	$(BIN)/python -m pytest -q tests/architecture

test-all: ## run the tests on Python 3.11, 3.12 and 3.13, each where it exists
	bash scripts/test_all.sh $(ARGS)

bench: $(STAMP) bench-peers ## every benchmark: tables and plots into benchmarks/results
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python benchmarks/suite.py $(ARGS)
	$(BIN)/python benchmarks/growth.py --json benchmarks/results/growth.json
	$(BIN)/python benchmarks/million.py --json benchmarks/results/million.json | tee benchmarks/results/million.md
	$(BIN)/python -m benchmarks.savina --json benchmarks/results/savina.json | tee benchmarks/results/savina.md
	$(BIN)/python benchmarks/plots.py

bench-quick: $(STAMP) ## the questions that take seconds, once, in under two minutes
	$(BIN)/python benchmarks/suite.py --quick $(ARGS)

bench-guard: $(STAMP) bench-peers ## fail when a ratio has lost more than a fifth against the committed one
	$(BIN)/python benchmarks/suite.py --guard $(ARGS)

bench-peers: ## the peers, in an environment of their own; one that cannot be installed is a gap in the tables
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -c 'import tomllib; \
	  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["peers"], sep="\n")' | \
	while read -r peer; do \
	  .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" </dev/null || \
	    echo "$$peer cannot be installed: a gap in the tables" >&2; \
	done

beam: $(STAMP) ## compare 500 fresh random programs with real Erlang (Debian package erlang-base)
	$(BIN)/python -m tests.beam.fresh --count 500 $(ARGS)

soak: $(STAMP) ## ten minutes of random programs, kills and crashes: on one loop, then on real OS processes
	$(BIN)/python -m tests.invariants.soak --seconds 400 $(ARGS)
	$(BIN)/python -m tests.invariants.soak --seconds 200 --os $(ARGS)

mutants: $(STAMP) ## break the code in a hundred one-line ways, and see each break caught
	$(BIN)/python -m tests.mutants $(ARGS)

conformance: $(STAMP) ## run the tests of every rule and write docs/conformance.md
	$(BIN)/python -m tests.conformance.page $(ARGS)

install: $(STAMP) ## only make the environment

clean: ## remove environments and caches
	rm -rf .venv .venv-3.* .venv-peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml hatch_build.py $(wildcard csrc/*)
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON): not found; name an interpreter: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "otpnode needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@
