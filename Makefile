# `make` alone prints what there is. Every target builds what it needs first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

# SEED=n fixes the order of the tests; without it pytest-randomly picks one and prints it.
PYTEST := $(BIN)/python -m pytest $(if $(SEED),-p randomly --randomly-seed=$(SEED))

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit property check docs bench witness clean venv dev

help:
	@echo 'make demo    a download under two layers: what the log saw, the rate asked and the rate measured'
	@echo 'make test    the whole test suite (make test SEED=n repeats an order, ARGS="..." goes to pytest)'
	@echo 'make property the state machines, each so many steps (make property STEPS=10000 SEED=n)'
	@echo 'make check   the static checks: ruff, mypy --strict, floors of imports, generated documents'
	@echo 'make bench   the budgets, measured side by side with their peers (QUICK=1 for a short run)'
	@echo 'make witness what Wine does beside what we do, line by line; needs wine64 and mingw-w64 (ARGS="-v", ARGS=ports)'
	@echo 'make docs    build the generated pages under docs/ again'
	@echo 'make clean   remove what make has built, $(VENV) too'

demo: venv
	@$(BIN)/python scripts/demo.py

# A whole run also fails for an error code that is documented and that no test has provoked (tests/provoked.toml).
test: dev
	@VENV=$(VENV) scripts/test-tools
	@$(PYTEST) $(or $(ARGS),--provoked-report)

# The part of the suite that needs nothing but Python; CI runs it under a second order.
test-unit: dev
	@$(PYTEST) -q tests/unit $(ARGS)

# Long runs of the state machines in tests/property; the suite runs a short one of each.
property: dev
	@$(BIN)/python -m pytest -q tests/property --timeout=0 --property-steps=$(or $(STEPS),10000) \
	  $(if $(SEED),--property-seed=$(SEED)) $(ARGS)

check: dev
	@$(BIN)/ruff check src tests scripts bench examples
	@$(BIN)/mypy
	@$(BIN)/python scripts/build_docs.py --check
	@$(BIN)/python -m pytest -q tests/repo

docs: venv
	@$(BIN)/python scripts/build_docs.py

bench: venv
	@$(PIP) -e '.[bench]' || echo 'bench: uvloop could not be installed; its line is left out' >&2
	@scripts/test-tools --bench
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(ARGS)

# Wine and a compiler for Windows' programs are installed where that is allowed; scripts/witness.py says what is missing.
witness: dev
	@scripts/test-tools --witness
	@$(BIN)/python scripts/witness.py $(ARGS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find src tests scripts bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The two states of the virtual environment are stamps, so that a second `make` starts at once.
# Byte code is written at once, because some surroundings forbid Python to write it later, and `ws2spi run` must start fast.
venv: $(VENV)/.installed
	@$(BIN)/python -m compileall -q src
dev: $(VENV)/.installed-dev
	@$(BIN)/python -m compileall -q src

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'ws2spi: Python 3.11 or newer is needed: install python3 (Debian 12: apt-get install python3), or make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo 'ws2spi: this Python cannot make virtual environments: install the package python3-venv (apt-get install python3-venv)' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed
