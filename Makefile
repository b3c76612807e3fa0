# Every target does its own set-up: Python 3.10 and a C++ compiler are all it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint wheel golden bench clean
export OMP_WAIT_POLICY := passive
export TF_CPP_MIN_LOG_LEVEL := 3

BIN := .venv/bin

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: .venv/installed ## make .venv with everything in it

.venv/installed: pyproject.toml constraints.txt setup.py $(wildcard native/*)
	@python=""; \
	for p in python3.10 "$$(pyenv root 2>/dev/null)"/versions/3.10*/bin/python \
	         "$$HOME"/.local/share/uv/python/cpython-3.10*/bin/python3.10 python3 python; do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then python="$$p"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "make: Lava needs Python 3.10 and none was found; install it (e.g. 'pyenv install 3.10') and try again" >&2; exit 1; fi; \
	echo "setting up .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv && $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: .venv/installed ## train on real digits, export to the Loihi simulator, prove parity
	$(BIN)/python examples/demo.py

test: .venv/installed ## the quick tests, Lava included
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/installed ## all tests, the long ones too
	$(BIN)/python -m pytest

lint: .venv/installed ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

golden: .venv/installed ## write the golden spike files of hw_tests anew
	$(BIN)/python hw_tests/regenerate_golden.py

bench: .venv/installed ## measure speed and memory into benchmarks/results/ (half an hour)
	env -u OMP_WAIT_POLICY PYTHONPATH=.venv-bench $(BIN)/python benchmarks/training_step.py --json benchmarks/results/training_step.json
	$(BIN)/python benchmarks/emulator.py --json benchmarks/results/emulator.json
	$(BIN)/python benchmarks/on_lava.py --json benchmarks/results/on_lava.json
	$(BIN)/python benchmarks/scaling.py --json benchmarks/results/scaling.json --plot benchmarks/results/scaling.svg
	$(BIN)/python benchmarks/roofline.py --json benchmarks/results/roofline.json

wheel: .venv/installed ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove .venv and what was built
	rm -rf .venv build dist *.egg-info
