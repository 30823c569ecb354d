# Needs python3 (3.11 to 3.13) and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test test-slow test-ray check bench bench-sweep bench-scores clean

run: $(VENV)/.installed      ## run the whole pipeline on the built-in corpus
	$(BIN)/w2v run experiment=quickstart

test: $(VENV)/.installed-dev ## run the quick tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/.installed-dev ## run the slow tests
	$(BIN)/python -m pytest --run-slow -m slow --numprocesses auto --dist loadfile

test-ray: $(VENV)-ray/.installed ## run a sweep on a Ray cluster of two nodes, here
	$(VENV)-ray/bin/python -m pytest --run-slow tests/sweep/test_ray.py

check: $(VENV)/.installed-dev ## check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-bench ## time the kernel against gensim
	$(BIN)/python experiments/benchmark/benchmark.py $(BENCH)

bench-scores: $(VENV)/.installed-bench ## score and time our kernels beside gensim
	$(BIN)/python experiments/benchmark/scores.py $(BENCH)

bench-sweep: $(VENV)/.installed ## measure a sweep's cost beside training: CORPUS=DIR
	$(BIN)/python experiments/benchmark/sweep.py $(CORPUS)
	$(BIN)/python experiments/benchmark/sweep.py --listing 200

clean:                       ## remove the environments; runs/ is kept
	rm -rf $(VENV) $(VENV)-ray

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

# Ray's launcher wants an older cloudpickle than what the lock pins, hence its own.
$(VENV)-ray/.installed: pyproject.toml | $(VENV)/bin/python
	$(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[ray]' 'pytest>=8.3' 'pytest-timeout>=2.3' 'hypothesis>=6.110'
	@touch $@
