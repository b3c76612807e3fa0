# Every target does its own set-up: Python 3.10 and a C++ compiler are all it needs. Another Python:
# make test PYTHON=python3.12 (or 3.11), with current libraries and an environment of its own.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all interchange sanitize soak neon prove mutants fuzz lint wheel golden bench bench-step results clean
export OMP_WAIT_POLICY := passive
export TF_CPP_MIN_LOG_LEVEL := 3

PYTHON = python3.10
VERSION := $(patsubst python%,%,$(notdir $(PYTHON)))
# Lava declares Python 3.10 only. On a later one it is installed all the same, with other pins.
VENV := $(if $(filter 3.10,$(VERSION)),.venv,.venv-$(VERSION))
PINS := $(if $(filter 3.10,$(VERSION)),constraints.txt,constraints-modern.txt)
BIN := $(VENV)/bin
SPREAD = -n auto --dist worksteal  # tests take one core each
SEED = 0
COUNT = 8
CASES = 100000
BESIDE = $(if $(AGAINST),--against $(AGAINST))

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(VENV)/installed ## make .venv with everything in it

$(VENV)/installed: pyproject.toml $(PINS) setup.py $(wildcard native/* native/neurons/*)
	@python=""; \
	for p in "$(PYTHON)" "$$(pyenv root 2>/dev/null)"/versions/$(VERSION)*/bin/python \
	         "$$HOME"/.local/share/uv/python/cpython-$(VERSION)*/bin/python$(VERSION) python3 python; do \
	  if [ "$$("$$p" -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$(VERSION)" ]; then python="$$p"; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "make: no Python $(VERSION) with venv was found; install it (e.g. 'pyenv install $(VERSION)') and try again" >&2; exit 1; fi; \
	echo "setting up $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv $(VENV) && $(BIN)/python -m pip install -qq --disable-pip-version-check -c $(PINS) -e '.[dev]'
ifneq ($(VERSION),3.10)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --ignore-requires-python --no-deps lava-nc==0.10.0
endif
	@touch $@

demo: $(VENV)/installed ## train on real digits, export to the Loihi simulator, prove parity
	$(BIN)/python examples/demo.py

test: $(VENV)/installed ## the quick tests, Lava included
	$(BIN)/python -m pytest -m "not slow" $(SPREAD)

test-all: $(VENV)/installed ## all tests, the long ones too
	$(BIN)/python -m pytest $(SPREAD)

# Networks of each framework, drawn from SEED; the frameworks come into .interchange/, by pip. lava-dl is
# here already.
interchange: $(VENV)/installed ## read what six other frameworks export, and compare with their own spikes
	@failed=0; PYTHONPATH=. $(BIN)/python tests/interchange/environments.py || failed=1; \
	$(BIN)/python -m pytest tests/interchange --seed $(SEED) --count $(COUNT) || failed=1; \
	exit $$failed

# Two processes read CASES changed files; FUZZ=--reader NAME takes one reader, --seed N other files.

fuzz: $(VENV)/installed ## changed files for every reader, within a time and a memory each (half an hour)
	$(BIN)/python tests/fuzz/run.py --cases $(CASES) $(FUZZ)

sanitize: $(VENV)/installed ## the kernel's tests under address, undefined-behaviour and thread sanitizers
	$(BIN)/python tests/sanitize.py

# LSNN_NEURO_SEED draws other moments, LSNN_NEURO_KILLS and LSNN_NEURO_ROUNDS set how often.
soak: export LSNN_NEURO_KILLS ?= 20
soak: $(VENV)/installed ## end commands at random moments, and repeat runs in one process: nothing may be left
	$(BIN)/python -m pytest -s tests/test_kill.py tests/test_soak.py

neon: $(VENV)/installed ## the kernel built for 64-bit ARM, run under an emulator: the same bits
	$(BIN)/python tests/neon.py

prove: $(VENV)/installed ## the integer arithmetic for every number, one step from every combination of boundary states
	$(BIN)/python tests/prove.py && $(BIN)/python -m pytest -m slow -q -s tests/deploy/test_one_step.py

mutants: $(VENV)/installed ## change the arithmetic on purpose: a test must notice each change (half an hour)
	$(BIN)/python tests/mutants/run.py

lint: $(VENV)/installed ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

golden: $(VENV)/installed ## write the golden spike files of hw_tests anew
	$(BIN)/python hw_tests/regenerate_golden.py

# What can't be measured has its reason in the table; the rest goes on, and make fails in the end.
# AGAINST=PATH adds an older checkout of this project, in its own environment if it has one.
bench: $(VENV)/installed ## measure speed and memory beside the peers' into benchmarks/results/ (an hour)
	@failed=0; run() { echo "$$*"; "$$@" || failed=1; }; \
	run $(BIN)/python benchmarks/peers.py; \
	run $(BIN)/python benchmarks/import_time.py --json benchmarks/results/import_time.json; \
	run $(BIN)/python benchmarks/training_step.py --isa $(BESIDE) --json benchmarks/results/training_step.json; \
	run $(BIN)/python benchmarks/large.py --json benchmarks/results/large.json; \
	run $(BIN)/python benchmarks/streaming.py $(BESIDE) --json benchmarks/results/streaming.json; \
	run $(BIN)/python benchmarks/emulator.py --json benchmarks/results/emulator.json; \
	run $(BIN)/python benchmarks/on_lava.py --json benchmarks/results/on_lava.json; \
	run $(BIN)/python benchmarks/scaling.py --json benchmarks/results/scaling.json --plot benchmarks/results/scaling.svg; \
	run $(BIN)/python benchmarks/roofline.py --json benchmarks/results/roofline.json; \
	exit $$failed

bench-step: $(VENV)/installed ## only the training step beside the peers' (half an hour)
	@failed=0; $(BIN)/python benchmarks/peers.py || failed=1; \
	$(BIN)/python benchmarks/training_step.py --isa $(BESIDE) --json benchmarks/results/training_step.json || failed=1; \
	exit $$failed

results: $(VENV)/installed ## write docs/results.md and its figures from models/
	$(BIN)/python -m experiments

wheel: $(VENV)/installed ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove .venv and what was built
	rm -rf $(VENV) .bench .interchange .mutants build dist *.egg-info
