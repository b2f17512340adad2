.DEFAULT_GOAL := help
.PHONY: help setup demo test lint compatible format types domain unit coverage openapi released audit sbom bench capacity chaos clean

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
NODE := tests/clients/typescript
NODE_LOCKED := $(NODE)/node_modules/.package-lock.json
BROWSER := tests/browser
BROWSER_UNPACKED := $(BROWSER)/node_modules/.unpacked

# Tests and demo start many processes: each of them would compile everything anew.
export PYTHONDONTWRITEBYTECODE =

help:  ## Show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/locked $(NODE_LOCKED) $(BROWSER_UNPACKED)  ## Make the environment in .venv from the lock files

.venv/locked: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^ *"\(uv==[0-9.]*\)",$$/\1/p' pyproject.toml)"
	UV_PYTHON_DOWNLOADS=never $(UV) sync --quiet --locked --compile-bytecode
	@touch $@

$(NODE_LOCKED): .venv/locked $(NODE)/package.json $(NODE)/package-lock.json
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund > /dev/null
	@touch $@

$(BROWSER_UNPACKED): .venv/locked $(BROWSER)/package.json $(BROWSER)/package-lock.json $(BROWSER)/unpack.mjs
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(BROWSER) --ignore-scripts --no-audit --no-fund > /dev/null
	PATH="$(CURDIR)/$(BIN):$$PATH" node $(BROWSER)/unpack.mjs
	@touch $@

demo: .venv/locked  ## Show the main job on the sandbox; stays up until Ctrl-C (ONCE=1 ends after printing)
	@$(BIN)/rosterguard demo $(if $(ONCE),--once)

test: setup  ## Run lint, types and tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types domain
	@$(MAKE) --no-print-directory unit

lint: setup compatible  ## Check style, architecture, the Dockerfile and the OpenAPI document
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	PATH="$(CURDIR)/$(BIN):$$PATH" REDOCLY_SUPPRESS_UPDATE_NOTICE=true \
	  $(NODE)/node_modules/.bin/redocly lint --config openapi/redocly.yaml openapi/openapi.json
	PATH="$(CURDIR)/$(BIN):$$PATH" $(NODE)/node_modules/.bin/spectral lint --quiet --fail-severity=hint \
	  --ruleset openapi/spectral.yaml openapi/openapi.json

compatible: setup  ## Check that callers of the last release are not broken, unless the version says so
	$(BIN)/python -m tests.clients.compatibility openapi/released.json openapi/openapi.json

types: setup  ## Check types
	$(BIN)/mypy

domain: setup  ## Check that plain examples, without any drawn at random, reach every branch of the domain
	$(BIN)/pytest -q tests/domain -m 'not hypothesis' --cov=app/domain --cov-report=term --cov-fail-under=100

# Without coverage, which more than doubles the processor time.
unit: setup  ## Run the tests
	$(BIN)/pytest --numprocesses=4 --dist=worksteal

coverage: setup  ## Run the tests, and measure how much of the application they reach
	$(BIN)/pytest --numprocesses=4 --dist=worksteal --cov --cov-report=term

format: setup  ## Put the code into shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

openapi: setup  ## Write openapi/ anew from the application
	$(BIN)/rosterguard openapi > openapi/openapi.json.new && mv openapi/openapi.json.new openapi/openapi.json
	$(BIN)/rosterguard policy schema > openapi/policy.schema.json
	$(BIN)/rosterguard policy test-schema > openapi/policy-test.schema.json

released: openapi audit coverage  ## At a release: what openapi/ describes now is what callers rely on from here on
	cp openapi/openapi.json openapi/released.json

audit: setup  ## Look up what is known against the locked packages; exits with 1 if anything is
	@$(BIN)/python -m tests.supply_chain

SBOM ?= dist/rosterguard.cdx.json

sbom: setup  ## Write what the image is made of as a CycloneDX bill of materials
	@mkdir -p $(dir $(SBOM))
	@$(UV) export --quiet --locked --no-dev --all-extras --format cyclonedx1.5 --output-file $(SBOM) > /dev/null
	@echo $(SBOM)

bench: setup  ## Measure ratios on this machine, in ten minutes; some of it with PARTS="hot cold", failing with STRICT=1
	@$(BIN)/python -m tests.bench $(PARTS)

capacity: setup  ## Tell from what was measured what many districts cost; some of them with DISTRICTS=200 USERS=1000000
	@$(BIN)/python -m tests.bench.capacity $(if $(DISTRICTS),--districts $(DISTRICTS)) $(if $(USERS),--users $(USERS)) \
	  $(if $(LARGEST),--largest $(LARGEST)) $(WITH)

chaos: setup  ## Let everything go wrong for some minutes, and tell what was reached
	$(BIN)/python -m tests.chaos

clean:  ## Remove the environment and all that was made
	rm -rf .venv $(NODE)/node_modules $(BROWSER)/node_modules .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
