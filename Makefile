# Everything here does its own set-up: a machine with only Python (3.11 or newer) and make is enough.
#   make PYTHON=python3.12 test      another interpreter
#   make test ARGS="-k links -x"     arguments for pytest

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check test-all bench-pingpong beam soak mutants conformance install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## count the words of Python's standard library on every core, on one, and without otpnode
	$(BIN)/python examples/demo.py $(ARGS)

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP) ## lint, format check, types, and the architecture tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict otpnode examples
	$(BIN)/python -m pytest -q tests/architecture

test-all: ## run the tests on Python 3.11, 3.12 and 3.13, each where it exists
	bash scripts/test_all.sh $(ARGS)

bench-pingpong: $(STAMP) ## messages per second against two asyncio tasks
	$(BIN)/python benchmarks/pingpong.py $(ARGS)

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
	rm -rf .venv .venv-3.* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON): not found; name an interpreter: make PYTHON=/path/to/python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "otpnode needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name a newer one: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@
