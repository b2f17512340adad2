.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types unit openapi bench clean

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv

help:  ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/locked  ## Make the environment in .venv from the lock file

.venv/locked: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^ *"\(uv==[0-9.]*\)",$$/\1/p' pyproject.toml)"
	UV_PYTHON_DOWNLOADS=never $(UV) sync --quiet --locked
	@touch $@

demo: setup  ## Show the main job on the sandbox; stays up until Ctrl-C (ONCE=1 ends after printing)
	@$(BIN)/rosterguard demo $(if $(ONCE),--once)

test: lint types unit  ## Run lint, types and tests

lint: setup  ## Check style, architecture and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile

types: setup  ## Check types
	$(BIN)/mypy

unit: setup  ## Run the tests, with coverage
	$(BIN)/pytest --cov --cov-report=term
	$(BIN)/coverage report --include='app/domain/*' --fail-under=100

format: setup  ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

openapi: setup  ## Write openapi/ anew from the application
	$(BIN)/rosterguard openapi > openapi/openapi.json
	$(BIN)/rosterguard policy schema > openapi/policy.schema.json

bench: setup  ## Measure ratios on this machine
	$(BIN)/python -m tests.bench.cold

clean:  ## Remove the environment and all that was made
	rm -rf .venv .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
