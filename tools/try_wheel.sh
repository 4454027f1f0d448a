#!/usr/bin/env bash
# Install a wheel into a new environment outside the checkout and try what a new user would:
#   tools/try_wheel.sh dist/garabato-0.1.0-py3-none-any.whl [EXTRAS]
# PYTHON is the interpreter to use; TORCH_INDEX_URL an index with CPU builds of PyTorch.
set -euo pipefail
wheel=$(realpath "$1")
extras=${2:-serve}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH

"${PYTHON:-python3}" -m venv env
if [ -n "${TORCH_INDEX_URL:-}" ]; then
    env/bin/pip install -qq --index-url "$TORCH_INDEX_URL" 'torch>=2.6,<3'
fi
env/bin/pip install -qq "${wheel}[$extras]"
export PATH="$folder/env/bin:$PATH"

mkdir -p icons/house icons/ladder
cat > icons/house/house.svg <<'SVG'
<svg xmlns="http://www.w3.org/2000/svg" fill="none" stroke="black"><path d="M10 90V40H90V90Z"/><path d="M5 42L50 5L95 42"/></svg>
SVG
cat > icons/ladder/ladder.svg <<'SVG'
<svg xmlns="http://www.w3.org/2000/svg" fill="none" stroke="black"><path d="M30 5V95M70 5V95M30 20H70M30 40H70M30 60H70M30 80H70"/></svg>
SVG

python -c "import garabato, sys; assert garabato.__file__.startswith(sys.prefix), garabato.__file__"
garabato --version
garabato classify icons/house/house.svg -k 3
garabato index --source icons --gallery my.gallery
garabato search --gallery my.gallery icons/ladder/ladder.svg -k 1 --json | grep -q '"category": *"ladder"'

port=$(python -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
garabato serve --gallery my.gallery --port "$port" 2> serve.log &
trap 'kill $! && wait $! || true; rm -rf "$folder"' EXIT
python - "$port" $! <<'PY' || { cat serve.log >&2; exit 1; }
import os, sys, time
import garabato

client = garabato.Client(f"http://127.0.0.1:{sys.argv[1]}")
drawing = next(garabato.read_drawings("icons/ladder/ladder.svg"))
for _ in range(1_200):
    os.kill(int(sys.argv[2]), 0)  # an error once it has ended
    try:
        (hit,) = client.search(drawing, k=1)
        break
    except garabato.ServiceError as error:  # it has not started yet
        problem = error
        time.sleep(0.5)
else:
    sys.exit(str(problem))
assert hit.category == "ladder", hit
PY
echo "the wheel works: $(du -sh env | cut -f1) installed"
