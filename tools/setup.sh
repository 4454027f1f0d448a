#!/usr/bin/env bash
# Make .venv with garabato (editable) and everything its tests need. Safe to run again.
#   PYTHON           the interpreter to build on (default: the first that is 3.11 or newer)
#   TORCH_INDEX_URL  a package index that has CPU builds of PyTorch (default: what pip is set up with)
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
    echo "garabato needs Python 3.11 or newer; none of these is: ${PYTHON:-python3, python3.14 ... python3.11, python}." >&2
    echo "Install one, or say where it is: make setup PYTHON=/path/to/python" >&2
    return 1
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }

# On Linux the ordinary PyTorch package brings gigabytes of CUDA; where there is no GPU, take a CPU
# build: from the index given, else a "+cpu" file if pip's own settings lead to one, else the
# ordinary package, which runs on CPUs just as well and is only larger.
install_torch() {
    if .venv/bin/python -c 'import torch' >/dev/null 2>&1; then
        return
    fi
    if [ -n "${TORCH_INDEX_URL:-}" ]; then
        .venv/bin/python -m pip install -qq --index-url "$TORCH_INDEX_URL" 'torch>=2.6,<2.14'
    elif [ "$(uname -s)" = Linux ] && ! has_gpu; then
        if ! .venv/bin/python -m pip install -qq 'torch==2.13.0+cpu' 2>/dev/null; then
            echo "No CPU build of PyTorch found with pip's settings; taking the ordinary package, a large" >&2
            echo "download. For the small one: make setup TORCH_INDEX_URL=<PyTorch's CPU wheel index>" >&2
            .venv/bin/python -m pip install -qq 'torch==2.13.0'
        fi
    fi
}

if ! is_usable .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version) ..." >&2
    if ! "$python" -m venv --clear .venv; then
        echo "$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
fi
echo "Installing garabato and its dependencies into .venv (minutes on a new machine) ..." >&2
install_torch
.venv/bin/python -m pip install -qq --editable '.[dev,serve,map]'
touch .venv/ready
