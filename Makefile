# Needs python3 (3.11 to 3.13) and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test test-slow check bench bench-scores clean

run: $(VENV)/.installed      ## run the whole pipeline on the built-in corpus
	$(BIN)/w2v run experiment=quickstart

test: $(VENV)/.installed-dev ## run the quick tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/.installed-dev ## run the slow tests
	$(BIN)/python -m pytest --run-slow -m slow --numprocesses auto --dist loadfile

check: $(VENV)/.installed-dev ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench ## time the kernel against gensim
	$(BIN)/python experiments/benchmark/benchmark.py $(BENCH)

bench-scores: $(VENV)/.installed-bench ## score and time our kernels beside gensim
	$(BIN)/python experiments/benchmark/scores.py $(BENCH)

clean:                       ## remove the environment; runs/ is kept
	rm -rf $(VENV)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v < (3, 14) or \
	  sys.exit("expected Python 3.11 to 3.13, found %d.%d: make run PYTHON=python3.12" % v)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(PIP) --constraint requirements.lock --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --constraint requirements.lock --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) --constraint requirements.lock --editable '.[bench]'
	@touch $@
