"""Five first tasks with garabato, and with the scripts one would otherwise write (by_hand/).

Each way gets its own environment, made by uv: garabato from a wheel of this checkout, the other
packages from PyPI. Lines are commands, or lines of a script without empty lines and comments. Each
task runs twice as a whole process, first on a new installation and then again; training runs once.

python benchmarks/first_tasks.py --source DIR
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import harness
from PIL import Image, ImageDraw

import garabato

CATEGORIES = ("bicycle", "house", "ladder", "star")
N_TRAIN, N_TEST = 40, 20
_BY_HAND = Path(__file__).resolve().parent / "by_hand"
_PORT = 8731
#: The PyTorch of this environment: on Linux, the index offers builds with CUDA, of several GB.
_TORCH = f"torch=={version('torch')}"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a task.

    `requirements`: what is installed; "garabato[EXTRA]" means the wheel. `script`: a file of
    by_hand/ whose lines count, else `commands` do. `served`: the last command serves this URL, and
    the time is until `POST` of the picture to it is answered.
    """

    task: str
    who: str
    requirements: tuple[str, ...]
    commands: tuple[str, ...]
    script: str | None = None
    served: str | None = None
    not_run: str = ""


WAYS = (
    Way("classify a picture", "garabato", ("garabato",), ("garabato classify house.png",)),
    Way(
        *("classify a picture", "CLIP by transformers", ("transformers", _TORCH, "pillow")),
        ("python classify_clip.py house.png",),
        script="classify_clip.py",
        not_run="needs 600 MB of weights from huggingface.co",
    ),
    Way(
        *("search own icons", "garabato", ("garabato",)),
        (
            "garabato index --source icons --gallery icons.gallery",
            "garabato search --gallery icons.gallery house.png",
        ),
    ),
    Way(
        *("search own icons", "faiss on pixels", ("faiss-cpu", "numpy", "pillow", "resvg_py")),
        ("python search_pixels.py icons house.png",),
        script="search_pixels.py",
    ),
    Way(
        *("train on own drawings", "garabato", ("garabato[train]", _TORCH)),
        (
            "garabato prepare --source train --out data --categories all --train 40 --test 0",
            "garabato train --data data --out run --preset shipped --start-from shipped "
            "--minutes 1",
            "garabato evaluate --model run --source test",
        ),
    ),
    Way(
        *("train on own drawings", "PyTorch", ("numpy", "pillow", _TORCH)),
        ("python train_cnn.py train test model.pt",),
        script="train_cnn.py",
    ),
    Way(
        *("serve", "garabato", ("garabato[serve]",), ("garabato serve --port 8731",)),
        served=f"http://127.0.0.1:{_PORT}/v1/classify",
    ),
    Way(
        *("serve", "FastAPI, PyTorch"),
        ("fastapi", "numpy", "pillow", "python-multipart", "uvicorn", _TORCH),
        ("uvicorn serve_fastapi:app --port 8731",),
        script="serve_fastapi.py",
        served=f"http://127.0.0.1:{_PORT}/classify",
    ),
    Way("clean a data set", "garabato", ("garabato",), ("garabato inspect train",)),
    Way(
        *("clean a data set", "ImageHash", ("ImageHash", "pillow")),
        ("python clean_imagehash.py train",),
        script="clean_imagehash.py",
    ),
)


def run(context: harness.Context) -> list[harness.Row]:
    """For each way: installed size, processor time of both runs, lines."""
    work = context.work / "tasks"
    make_files(context.source, work)
    wheel = build_wheel(context.work)
    rows = []
    for way in WAYS:
        print(f"{way.task}: {way.who} ...", file=sys.stderr, flush=True)
        environment = context.work / "env"
        install(environment, way, wheel)
        rows += list(measure(way, work, environment))
        shutil.rmtree(environment)
    return rows


def make_files(source: Path, work: Path) -> None:
    """Pictures to train and test, icons in SVG, and a picture to ask about.

    One training picture is empty, and one is a copy.
    """
    for category in CATEGORIES:
        drawings = garabato.read_drawings(source / f"{category}.ndjson")
        for i, drawing in zip(range(N_TRAIN + N_TEST), drawings, strict=False):
            folder = work / ("train" if i < N_TRAIN else "test") / category
            folder.mkdir(parents=True, exist_ok=True)
            _draw(drawing).save(folder / f"{i}.png")
            icons = work / "icons" / category
            icons.mkdir(parents=True, exist_ok=True)
            (icons / f"{i}.svg").write_text(drawing._repr_svg_())
        if category == "house":
            _draw(next(drawings)).save(work / "house.png")
    shutil.copy(work / "train" / "star" / "0.png", work / "train" / "star" / "copy.png")
    Image.new("L", (256, 256), 255).save(work / "train" / "star" / "empty.png")
    for script in _BY_HAND.glob("*.py"):
        shutil.copy(script, work)


def _draw(drawing: garabato.Drawing) -> Image.Image:
    image = Image.new("L", (276, 276), 255)
    pen = ImageDraw.Draw(image)
    for xs, ys in drawing.on_grid().strokes:
        points = [(float(x) + 10, float(y) + 10) for x, y in zip(xs, ys, strict=True)]
        pen.line(points, fill=0, width=4)
    return image


def build_wheel(work: Path) -> Path:
    """A wheel of this checkout."""
    command = [sys.executable, "-m", "build", "-w", "--no-isolation", "--outdir", str(work)]
    subprocess.run([*command, str(harness.ROOT)], check=True, stdout=subprocess.DEVNULL)
    return next(work.glob("*.whl"))


def install(environment: Path, way: Way, wheel: Path) -> None:
    """Make a virtual environment with the requirements of `way`."""
    uv = [str(harness.GARABATO.with_name("uv"))]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    command = [*uv, "pip", "install", "-q", "--python", str(environment / "bin" / "python")]
    command.append("--compile-bytecode")  # as pip does
    if os.environ.get("PIP_FIND_LINKS"):  # uv has its own variable
        command += ["--find-links", os.environ["PIP_FIND_LINKS"]]
    for requirement in way.requirements:
        extras = requirement.removeprefix("garabato")
        command.append(requirement if extras == requirement else f"{wheel}{extras}")
    subprocess.run(command, check=True)


def measure(way: Way, work: Path, environment: Path) -> Iterator[harness.Row]:
    """The figures of one way, in folders that hold only the files of `work`."""
    name = f"{way.task}: {way.who}"
    size = sum(path.lstat().st_size for path in environment.rglob("*") if path.is_file())
    yield harness.Row(f"{name}: installed", "MB", [size / 1e6])
    yield harness.Row(f"{name}: lines", "", [n_lines(way)], note=way.not_run)
    if way.not_run:
        return
    folder = work / "run"
    for when in ("the first time", "again")[: 1 if "train" in way.task else 2]:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(work, folder, ignore=shutil.ignore_patterns("run", "model.pt"))
        if (work / "model.pt").exists():
            shutil.copy(work / "model.pt", folder)
        before_s = _children_s()
        shown, wall_s = (serve if way.served else do)(way, folder, environment)
        processor_s = _children_s() - before_s
        yield harness.Row(f"{name}: {when}", "s", [wall_s])
        yield harness.Row(f"{name}: {when}, processor time", "s", [processor_s])
    if (folder / "model.pt").exists():
        shutil.copy(folder / "model.pt", work)  # what the page by hand serves
    # "top-1   95.0% ± 2.4%"
    top1 = re.search(r"^ *top-1 +([\d.]+)%", shown, re.MULTILINE)
    if top1:
        yield harness.Row(f"{name}: top-1", "%", [float(top1[1]) / 100])


def n_lines(way: Way) -> int:
    """The lines to type."""
    if way.script is None:
        return len(way.commands)
    lines = map(str.strip, (_BY_HAND / way.script).read_text().splitlines())
    return sum(bool(line) and not line.startswith(("#", '"""')) for line in lines)


def do(way: Way, folder: Path, environment: Path) -> tuple[str, float]:
    """Run the commands; returns what the last one printed, and the seconds."""
    shown, started_s = "", time.perf_counter()
    for command in way.commands:
        done = subprocess.run(
            command.split(), cwd=folder, env=_variables(folder, environment), **_CAPTURED
        )
        if done.returncode:
            sys.exit(f"{command}\n{done.stdout}{done.stderr}")
        shown = done.stdout
    return shown, time.perf_counter() - started_s


def serve(way: Way, folder: Path, environment: Path) -> tuple[str, float]:
    """Start the server and wait until it classifies the picture; returns the answer, and the
    seconds until then."""
    started_s = time.perf_counter()
    program = subprocess.Popen(
        way.commands[-1].split(),
        cwd=folder,
        env=_variables(folder, environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        picture = (folder / "house.png").read_bytes()
        answer = _answer(way, picture, lambda: program.poll() is None)
        return answer, time.perf_counter() - started_s
    finally:
        program.terminate()
        program.wait()


def _answer(way: Way, picture: bytes, is_running: Callable[[], bool]) -> str:
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    body, kind = head + picture + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"
    while is_running():
        request = urllib.request.Request(str(way.served), body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            if error.code != 503:
                sys.exit(f"{way.served}: {error.code} {error.read().decode()}")
        except OSError:
            pass
        time.sleep(0.05)
    sys.exit(f"{way.commands[-1]} ended")


_CAPTURED: dict[str, Any] = {"capture_output": True, "text": True, "check": False}


def _variables(folder: Path, environment: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
        "MODEL": str(folder / "model.pt"),
        "COLUMNS": "120",
    }


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


BENCHMARK = harness.Benchmark(
    "first_tasks",
    f"{N_TRAIN} + {N_TEST} drawings of each of {len(CATEGORIES)} categories as pictures and SVG",
    "what a person would otherwise write (benchmarks/by_hand)",
    run,
    quick=False,
)

if __name__ == "__main__":
    harness.main(BENCHMARK)
