# `make help` lists the targets: the comment after ## is the help.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run demo test lint types bench airflow train clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.run

run: $(VENV)/.run ## Install into .venv, run the demo, and serve the dashboard on 127.0.0.1:8050.
	$(BIN)/barograph demo

demo: $(VENV)/.run ## The demo without the dashboard: run it once and print the summary.
	$(BIN)/barograph demo --once

test: $(VENV)/.dev ## Run the tests.
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check the types.
	$(BIN)/mypy

bench: $(VENV)/.dev ## Run every benchmark and print the table.
	$(BIN)/python -m tests.benchmarks

airflow: $(VENV)/.dev ## Start a local Airflow with our DAGs on 127.0.0.1:8085, until stopped.
	$(BIN)/python docker/airflow_local.py

train: $(VENV)/.dev ## Train the shipped model again (needs the data; see its MODEL_CARD.md).
	$(BIN)/barograph train --recipe barograph-minilm-1 --root $(or $(BAROGRAPH_SHARED_DATA),../shared/data) --out build/model

clean: ## Remove what the demo and the local Airflow made.
	rm -rf .demo .airflow
