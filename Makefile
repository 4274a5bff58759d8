# From a fresh clone: `make demo` and `make test`. Each makes its own environment in .venv.
# `make blender` makes another one with Blender's module (Python 3.11 only, 1.5 GB), in which
# `make test` then renders, too: it asks for NumPy 1, which the tools of .venv no longer do.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BLENDER_VENV ?= .venv-blender
BLENDER_READY := $(BLENDER_VENV)/.ready
ifneq ($(wildcard $(BLENDER_READY)),)
export POINTTRACK_BLENDER_PYTHON ?= $(CURDIR)/$(BLENDER_VENV)/bin/python
endif

.PHONY: demo test test-fast lint benchmark blender clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(BLENDER_READY):
	$(PYTHON) -m venv $(BLENDER_VENV)
	$(BLENDER_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(BLENDER_VENV)/bin/python -m pip install --quiet 'bpy==5.0.1' 'OpenEXR>=3.4' 'av>=15' \
	    'opencv-python-headless>=4.10'
	touch $@

blender: $(BLENDER_READY)

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
	rm -rf $(VENV) $(BLENDER_VENV)
