PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo check docs documents site fast test lowest release torture mutants bench bench-peers all clean

setup: .venv/.installed

# The pip of an older Python takes three times as long to find out what belongs together.
.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -U pip

# Most of the 18,000 modules of the libraries are never imported; those that are get compiled then.
.venv/.package: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e .
	touch $@

.venv/.installed: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e ".[dev,docs]"
	touch .venv/.package $@

demo: .venv/.package
	$(BIN)/arignote fit digits_mlp

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: setup
	$(BIN)/python -m pytest -x -n 2 --dist worksteal -m "not slow" tests

# Three workers for two cores: tests of kills wait for a fifth of their time.
test: setup
	$(BIN)/python -m pytest -n 3 --dist worksteal

# The oldest versions that pyproject.toml allows, in an environment of its own; torch as TORCH names it.
TORCH ?= 2.13.0
.lowest/.installed: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv .lowest
	.lowest/bin/python -m pip install -q -c constraints.txt -U pip
	.lowest/bin/python -m pip install -q --no-compile torch==$(TORCH)
	.lowest/bin/python -m pip install -q --no-compile -c constraints-lowest.txt -e ".[dev]"
	touch $@

lowest: .lowest/.installed
	.lowest/bin/python -m pytest -n 3 --dist worksteal

# dist/ with a wheel and a source distribution, checked; the upload is left to you.
release: setup
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[release]"
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

torture: setup
	$(BIN)/python tests/resume/torture.py --kills 300 --pieces
	$(BIN)/python -m pytest -m torture tests/resume
	$(BIN)/python tests/hostile/fuzz.py --minutes 60
	$(BIN)/python tests/hostile/configs.py --n 10000

docs: documents site

# What is generated of the documents: tables of parts, words of other libraries, licences. Tests compare it with the code.
documents: setup
	$(BIN)/python tests/parts_document.py
	$(BIN)/python tests/predecessors_document.py
	$(BIN)/python tests/export_document.py
	$(BIN)/python tests/licences_document.py
	$(BIN)/python tests/modules_document.py
	$(BIN)/python tests/first_hour/test_words.py

site: setup
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

# One module: make mutants ONLY=arignote/engine/update.py
mutants: setup
	$(BIN)/python tests/mutants/run.py $(if $(ONLY),--only $(ONLY))

bench: setup
	$(BIN)/python benchmarks/throughput.py

# The peers have a place of their own: nothing of ours needs them.
.peers/.installed: pyproject.toml constraints.txt benchmarks/peers-constraints.txt
	$(PYTHON) -m venv .peers
	.peers/bin/python -m pip install -q -c benchmarks/peers-constraints.txt -e . skorch lightning keras jax
	touch $@

bench-peers: .peers/.installed
	.peers/bin/python benchmarks/peers.py

all: check test

clean:
	rm -rf .venv .peers .lowest dist .mutants build *.egg-info
