# From a fresh clone: `make demo` and `make test`. Each makes its own environment in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-fast lint benchmark clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/pointtrack track demo/clip.mp4 --grid 20x11 --out demo/tracks.csv \
	    --overlay demo/overlay.mp4 --sheet demo/tracks.png

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(READY)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

benchmark: $(READY)
	$(BIN)/python benchmarks/trackers.py
	$(BIN)/python benchmarks/memory.py

clean:
	rm -rf $(VENV)
