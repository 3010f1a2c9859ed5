# One front door for every command. Each target makes what it needs; nothing has to be installed by hand but Python 3.11-3.13.
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .venv/stamps

.PHONY: help setup demo test check format bench policies samples clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: $(STAMPS)/run  ## .venv with the console script media-screen

demo: $(STAMPS)/run  ## screen data/samples into demo-out/ and say where to look
	@rm -rf demo-out
	@$(BIN)/media-screen batch data/samples --exclude '*.yaml' --out demo-out; code=$$?; \
	if [ $$code -eq 2 ]; then exit 2; fi; \
	printf '\nExit code %s: one of the samples is a broken upload, and nothing unexamined is called clean.\nLook at demo-out/index.html in a browser.\n' $$code

test: $(STAMPS)/test  ## the whole test suite
	$(BIN)/python -m pytest

check: $(STAMPS)/check $(STAMPS)/test  ## formatting, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

format: $(STAMPS)/check  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMPS)/run .venv/peers/bin/deface  ## speed beside a plain transcode and a peer, as ratios
	$(BIN)/python scripts/bench.py

policies: $(STAMPS)/run  ## docs/policies.md anew, from the packs
	$(BIN)/python scripts/make_policies_page.py

samples: $(STAMPS)/samples  ## make data/samples anew
	$(BIN)/python scripts/make_samples.py

clean:  ## remove what the other targets made
	rm -rf .venv demo-out bench-out

# the peer wants another OpenCV than we do, so it lives apart
.venv/peers/bin/deface: | .venv/bin/python
	$(PYTHON) -m venv .venv/peers
	.venv/peers/bin/python -m pip install --quiet --disable-pip-version-check deface onnx onnxruntime

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	{ echo 'media-screen needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(STAMPS)/run: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/%: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@mkdir -p $(STAMPS) && touch $@
