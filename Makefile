# Two commands do all set-up: `make run` shows an agent at work, `make test` checks everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAMPLE := build/workspace

.PHONY: setup run test lint types arrows unit wheel bench colt clean

setup: $(READY)

# llama-cpp-python is built from source here, which takes a few minutes.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing; llama.cpp is compiled on the way, which takes a few minutes"
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

run: $(READY)
	@rm -rf $(SAMPLE) && mkdir -p build && cp -r tests/workspace $(SAMPLE)
	$(BIN)/bridle run --workspace $(SAMPLE) --show-thinking "What is the sum of amount in expenses.csv?"
	$(BIN)/bridle run --workspace $(SAMPLE) --show-thinking "Schedule team lunch on 2026-12-04 at 12:00"
	$(BIN)/bridle trace last

test: lint types arrows unit wheel

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

arrows: $(READY)
	$(BIN)/lint-imports --no-cache

unit: $(READY)
	$(BIN)/pytest -q

# The wheel, in a clean environment, away from the checkout: shelves inside, a task done.
wheel: $(READY)
	@rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --quiet --wheel --outdir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet build/wheel/*.whl
	cd build/wheel && export BRIDLE_HOME=home BRIDLE_CACHE=cache && \
		venv/bin/bridle doctor && venv/bin/bridle run --json "What is 15% of 240?"

bench: $(READY)
	$(BIN)/bridle bench decode --peers
	$(BIN)/bridle bench agents

colt: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	$(BIN)/python models/colt/recipe/make.py
	$(BIN)/python models/colt/recipe/suite.py build/colt-suite --cases 100
	$(BIN)/bridle eval build/colt-suite

clean:
	rm -rf build dist $(VENV) .pytest_cache .ruff_cache .hypothesis
