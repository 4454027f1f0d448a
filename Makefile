# make demo [SOURCE=DIR]   everything once: real drawings -> trained network -> results -> search
# make test                lint, types, tests
# make bench               the quick benchmarks (bench-all: the slow ones too, but not the recipe's
#                          ablations and ten million drawings) [SOURCE=DIR]
# make check-tensorflow    real TensorFlow reads an export of TFRecords, in its own environment
# make docs                write anew what is generated in docs/: commands, results, recipe, galleries
# make pictures [DEMO=DIR] copy a finished demo's pictures to docs/pictures/
# make setup               only the virtual environment (the others do it first)
# make clean               remove what the others made, but not .venv
#
# PYTHON=/path/to/python picks the interpreter, TORCH_INDEX_URL=... an index of CPU builds of PyTorch.

SHELL := /bin/bash
PYTHON ?=
TORCH_INDEX_URL ?=
SOURCE ?=
DEMO ?= demo
export PYTHON TORCH_INDEX_URL

BIN := .venv/bin
BENCH_SOURCE = $(or $(SOURCE),../shared/quickdraw/simplified)

.PHONY: setup demo test bench bench-all check-tensorflow docs pictures clean

setup: .venv/ready

.venv/ready: pyproject.toml tools/setup.sh
	@tools/setup.sh

demo: setup
	@$(BIN)/garabato demo --out demo $(if $(SOURCE),--source "$(SOURCE)")

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

bench: setup
	@$(BIN)/python benchmarks/run.py --source "$(BENCH_SOURCE)"

bench-all: setup
	@$(BIN)/python benchmarks/run.py --all --source "$(BENCH_SOURCE)"

check-tensorflow: setup .venv-tensorflow/ready
	$(BIN)/pytest tests/dataset/tfrecord/test_with_tensorflow.py

.venv-tensorflow/ready: | setup
	$(BIN)/python -m venv --clear .venv-tensorflow
	.venv-tensorflow/bin/pip install -qq tensorflow-cpu
	touch $@

docs: setup
	$(BIN)/python tools/write_cli_docs.py
	$(if $(wildcard benchmarks/results/*.json),$(BIN)/python tools/write_results.py)
	$(BIN)/python tools/write_gallery_pages.py
	$(if $(wildcard benchmarks/results/recipe/*.json),$(BIN)/python tools/write_recipe.py)

# Pictures for README, from the folder of a finished demo.
pictures:
	mkdir -p docs/pictures
	cp $(DEMO)/search/hits.png docs/pictures/hits.png
	cp $(DEMO)/data/sheets/_all.png docs/pictures/drawings.png

clean:
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
