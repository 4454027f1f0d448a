# make demo [SOURCE=DIR]   everything once: drawings -> trained network -> results -> search
# make icons [SETS=...]    icon sets from npm -> gallery -> page: draw an icon to find it
# make test                lint, types and the quick tests (about five minutes on two cores)
# make test-all            the slow tests too: kills, servers, clusters, browsers, fuzzing
# make test-lowest         the quick tests with the lowest versions of all dependencies
# make wheel               build dist/ and try the wheel in a new environment outside the checkout
# make bench SOURCE=DIR    the quick benchmarks (bench-all: the slow ones too, except the recipe's
#                          ablations and ten million drawings)
# make check-tensorflow    let TensorFlow itself, in an environment of its own, read a TFRecord export
# make docs                regenerate what is generated in docs/: commands, results, recipe, galleries
# make site                build the documentation site in site/
# make pictures [DEMO=DIR] copy a finished demo's pictures to docs/pictures/
# make setup               only the virtual environment (the other targets create it first)
# make clean               remove what the other targets created, except .venv
#
# SOURCE is a folder of Google's simplified <category>.ndjson files, for example from
# `garabato download --out DIR --categories all`; its default is the variable GARABATO_SOURCE.
# PYTHON=/path/to/python chooses the interpreter, TORCH_INDEX_URL=... an index of CPU builds of PyTorch.

SHELL := /bin/bash
PYTHON ?=
TORCH_INDEX_URL ?=
SOURCE ?= $(GARABATO_SOURCE)
DEMO ?= demo
export PYTHON TORCH_INDEX_URL

BIN := .venv/bin
PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: setup demo icons lint test test-all test-lowest wheel bench bench-all need-source check-tensorflow docs site pictures clean

setup: .venv/ready

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh

demo: setup
	@$(BIN)/garabato demo --out demo $(if $(SOURCE),--source "$(SOURCE)")

icons: setup
	@$(BIN)/garabato icons $(SETS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(PYTEST) -m "not slow"

test-all: lint
	$(PYTEST)

test-lowest: .venv-lowest/ready
	.venv-lowest/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile -m "not slow"

# With the newest SymPy, which ONNX Runtime would take, uv would pass over the lowest PyTorch.
.venv-lowest/ready: pyproject.toml | setup
	$(BIN)/uv venv -q --clear --seed --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install -q --python .venv-lowest --resolution lowest-direct \
	    --constraints <(echo 'sympy<1.13.2') -e '.[serve,dev]'
	touch $@

wheel: setup
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	PYTHON="$(abspath $(BIN)/python)" tools/try_wheel.sh dist/*.whl

bench: setup need-source
	@$(BIN)/python benchmarks/run.py --source "$(SOURCE)"

bench-all: setup need-source
	@$(BIN)/python benchmarks/run.py --all --source "$(SOURCE)"

need-source:
	$(if $(SOURCE),,$(error say where the drawings are: make bench SOURCE=DIR))
	@true

check-tensorflow: setup .venv-tensorflow/ready
	$(BIN)/pytest tests/dataset/test_with_tensorflow.py

.venv-tensorflow/ready: | setup
	$(BIN)/python -m venv --clear .venv-tensorflow
	.venv-tensorflow/bin/pip install -qq tensorflow-cpu
	touch $@

docs: setup
	$(BIN)/python tools/write_cli_docs.py
	$(if $(wildcard benchmarks/results/*.json),$(BIN)/python tools/write_results.py)
	$(BIN)/python tools/write_gallery_pages.py
	$(if $(wildcard benchmarks/results/growth/*.json),$(BIN)/python tools/write_growth.py)
	$(if $(wildcard benchmarks/results/recipe/*.json),$(BIN)/python tools/write_recipe.py)

site: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The README's pictures, from the folder of a finished demo.
pictures:
	mkdir -p docs/pictures
	cp $(DEMO)/search/hits.png docs/pictures/hits.png
	cp $(DEMO)/data/sheets/_all.png docs/pictures/drawings.png

clean:
	rm -rf demo build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
