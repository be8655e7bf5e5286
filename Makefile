# Every target sets up what it needs: a clone and Python 3.11+ are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EMBEDDINGS := .venv-embeddings
export DAGSTER_HOME := $(CURDIR)/.dagster_home

.PHONY: help demo dev test embeddings check lint types imports cov chaos bench docs lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("pipex needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) from requirements.lock (about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	@mkdir -p $(DAGSTER_HOME)
	@cp dagster.yaml $@

demo: $(READY) $(DAGSTER_HOME)/dagster.yaml  ## Evaluate the shipped suites on the shipped targets and compare them
	@$(BIN)/pipex-dagster demo

dev: $(READY) $(DAGSTER_HOME)/dagster.yaml  ## Open the Dagster UI with daemon on http://127.0.0.1:3000
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dagster dev -h 127.0.0.1 -p 3000 -w workspace.yaml

# Dagster redirects the output of the process that it runs in, so its tests have processes of their own.
test: $(READY)  ## Run all tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q --ignore=tests/dagster
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q tests/dagster

# A second environment that looks into the first one, so that the first needs no torch.
$(EMBEDDINGS)/.ready: $(READY) tests/requirements-embeddings.txt
	@echo "Setting up $(EMBEDDINGS) with torch (about a minute) ..."
	@test -x $(EMBEDDINGS)/bin/python || $(BIN)/python -m venv $(EMBEDDINGS)
	@cd $(EMBEDDINGS) && realpath ../$(VENV)/lib/python*/site-packages > "$$(echo lib/python*/site-packages)/pipex.pth"
	@$(EMBEDDINGS)/bin/pip install -qq --disable-pip-version-check -r tests/requirements-embeddings.txt
	@touch $@

embeddings: $(EMBEDDINGS)/.ready  ## Run the tests of the extra `embeddings` with a real model
	@HF_HUB_OFFLINE=1 $(EMBEDDINGS)/bin/python -m pytest -q -m embeddings tests/unit

check: lint types imports test  ## Format, lint, types, import contracts, declared dependencies, tests

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

types: $(READY)
	@$(BIN)/mypy

imports: $(READY)
	@$(BIN)/lint-imports
	@$(BIN)/deptry .

cov: $(READY)  ## Tests with both coverage gates
	@$(BIN)/coverage erase
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q --cov --cov-report= --ignore=tests/dagster
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q --cov --cov-report= --cov-append tests/dagster
	@$(BIN)/coverage report
	@$(BIN)/coverage report --fail-under=100 --omit='pipex_core/adapters/*,pipex_core/app/*,pipex_core/cli/*,pipex_dagster/*'

chaos: $(READY)  ## Kill runs and evaluations at KILLS moments chosen by SEED, and compare all witnesses
	@$(BIN)/python -m tests.chaos.harness --kills $(or $(KILLS),30) --seed $(or $(SEED),1)

bench: $(READY)  ## Run the benchmarks, JSON into benchmarks/results/
	@$(BIN)/python -m benchmarks

docs: $(READY)  ## Check links, anchors and code of the docs
	@$(BIN)/python -m pytest -q tests/e2e/test_docs.py

lock:  ## Resolve the dependencies anew into requirements.lock (needs uv)
	@uv pip compile pyproject.toml --group dev --universal -p 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate -q -o requirements.lock

clean:  ## Remove what runs left behind, not the environment
	@rm -rf .dagster_home .pipex results checkpoints outputs workspace .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
