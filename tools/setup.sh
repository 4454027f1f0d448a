#!/usr/bin/env bash
# Create .venv with garabato (editable) and everything its tests need. Safe to run again.
#   PYTHON           the interpreter to use (default: the first that is 3.11 or newer)
#   TORCH_INDEX_URL  a package index with CPU builds of PyTorch (default: pip's own index)
set -euo pipefail
cd "$(dirname "$0")/.."

is_usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if is_usable "$name"; then
            echo "$name"
            return
        fi
    done
    echo "garabato needs Python 3.11 or newer; tried: ${PYTHON:-python3, python3.14 ... python3.11, python}." >&2
    echo "Install one, or point to it: make setup PYTHON=/path/to/python" >&2
    return 1
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# On Linux the ordinary PyTorch package brings gigabytes of CUDA. Without a GPU, prefer a CPU build:
# from TORCH_INDEX_URL, else from the index that pip is configured with, if it has one.
install_torch() {
    local wanted newest_cpu
    wanted=$(.venv/bin/python -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
extra = project["optional-dependencies"]["train"]
print(next(one for one in extra if one.startswith("torch")))')
    if .venv/bin/python -c 'import torch' >/dev/null 2>&1; then
        return
    fi
    if [ -n "${TORCH_INDEX_URL:-}" ]; then
        .venv/bin/python -m pip install -qq --index-url "$TORCH_INDEX_URL" "$wanted"
    elif [ "$(uname -s)" = Linux ] && ! has_gpu; then
        newest_cpu=$(.venv/bin/python -m pip index versions torch 2>/dev/null | grep -o '[0-9.]*+cpu' | head -n 1 || true)
        if [ -n "$newest_cpu" ]; then
            .venv/bin/python -m pip install -qq "torch==$newest_cpu"
        else
            echo "pip finds no CPU build of PyTorch; installing the ordinary package, which is large." >&2
            echo "For the small one: make setup TORCH_INDEX_URL=<PyTorch's CPU wheel index>" >&2
        fi
    fi
}

if ! is_usable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Creating .venv with $("$python" --version) ..." >&2
    if ! "$python" -m venv --clear .venv; then
        echo "$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
fi
echo "Installing garabato and its dependencies into .venv (minutes on a new machine) ..." >&2
install_torch
.venv/bin/python -m pip install -qq --editable '.[dev]'
touch .venv/ready
