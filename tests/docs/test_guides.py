"""The commands and the Python of the guides work as they are written, on sketches."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from running import Running
from sketches import make_drawings, write_source

import garabato
from garabato.encoder import Encoder
from garabato.models import create_model
from garabato.service.settings import Settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *("README", "concepts", "export", "formats", "galleries", "icons", "own_drawings"),
    *("run_for_others", "training"),
)
#: These make `data` and `run` themselves.
TRAINING = ("own_drawings", "training")
#: What a line of the shell or a block of Python has that needs another machine, the Internet or too
#: much time, or does not end.
NOT_HERE = re.compile(
    r"garabato serve|garabato reproduce|garabato icons|://|RAY_ADDRESS|--tensorboard|garabato\.train"
)
#: What a page takes for granted.
BEFORE = """
import pyarrow
import garabato
encoder = garabato.load_encoder()
drawings = others = queries = list(garabato.read_drawings("cat.ndjson"))
drawing = drawings[0]
svg_bytes = open("query.svg", "rb").read()
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the pages name."""
    desk = tmp_path_factory.mktemp("sources")
    for name, category in (("armchair", "house"), ("mug", "circle"), ("pot plant", "star")):
        drawings = make_drawings([category], 40, seed=1)
        (desk / "mine" / name).mkdir(parents=True)
        for number, drawing in enumerate(drawings, start=1):
            garabato.write_drawings(desk / "mine" / name / f"{number:02}.svg", [drawing])
    write_source(desk / "mine", ["ladder"], 40, seed=1)
    (desk / "mine" / "ladder.ndjson").rename(desk / "mine" / "lamp.ndjson")
    (desk / "mine" / "notes.txt").write_text("")
    cats = [drawing.replace(category="cat") for drawing in make_drawings(["circle"], 5, seed=2)]
    for name in ("cat.ndjson", "query.ndjson", "query.svg"):
        garabato.write_drawings(desk / name, cats if name == "cat.ndjson" else cats[:1])
    (desk / "cat.csv").write_text('word,drawing\ncat,"[[[0, 9], [0, 5]]]"\n')
    for number in (1, 2, 3):
        garabato.write_drawings(
            desk / f"resistor-{number}.svg", make_drawings(["zigzag"], 1, number)
        )
    for folder in ("icons", "my-icons"):
        (desk / folder).mkdir()
        for name, category in (("cloud", "circle"), ("arrow-left", "zigzag")):
            garabato.write_drawings(desk / folder / f"{name}.svg", make_drawings([category], 1, 3))
    shutil.copy(desk / "query.svg", desk / "icon.svg")
    for name in ("photo.png", "photo.jpg"):
        picture = garabato.render_batch(cats[:1], garabato.RenderSpec(size_px=200))[0]
        Image.fromarray(255 - picture).save(desk / name)
    gallery = garabato.open_gallery(desk / "my.gallery", encoder=garabato.load_encoder())
    gallery.add([*cats, cats[0].replace(key_id="1234"), *make_drawings(["star"], 3, seed=4)])
    return desk


@pytest.fixture(scope="module")
def trained(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sources` with a data set, `data`, and an encoder of its categories, `run`."""
    desk = tmp_path_factory.mktemp("trained")
    shutil.copytree(sources, desk, dirs_exist_ok=True)
    data = garabato.prepare(desk / "mine", desk / "data", categories="all", n_train=30, n_test=10)
    network = create_model("skfast", n_categories=4, image_size_px=32, focus=0.0)
    encoder = Encoder(network, spec=garabato.RenderSpec(32), categories=list(data.categories))
    (desk / "run").mkdir()
    encoder.save(desk / "run" / "encoder.safetensors")
    (desk / "run" / "config.toml").write_text('model = "skfast"\n')
    (desk / "run" / "metrics.jsonl").write_text('{"step": 1200, "seconds": 90.0}\n')
    (desk / "runs").mkdir()
    (desk / "runs" / "mine").symlink_to(desk / "run")
    return desk


def text_of(page: str) -> str:
    path = ROOT / "README.md" if page == "README" else ROOT / "docs" / f"{page}.md"
    return path.read_text()


def commands(text: str) -> list[str]:
    """The lines that begin with garabato, with or without a prompt, and can be run here."""
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [line.removeprefix("$ ") for line in lines]
    found = [line for line in found if line.startswith("garabato ") and not NOT_HERE.search(line)]
    return [re.sub(r"--minutes [\d.]+", "--minutes 0.05", line) for line in found]


def python(text: str) -> list[str]:
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [block for block in blocks if not NOT_HERE.search(block)]


def run(command: list[str], folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_works(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    desk = request.getfixturevalue("sources" if page in TRAINING else "trained")
    shutil.copytree(desk, tmp_path, dirs_exist_ok=True, symlinks=True)
    lines, blocks = commands(text_of(page)), python(text_of(page))
    assert lines or blocks
    for line in lines:
        run(["bash", "-euo", "pipefail", "-c", line], tmp_path)
    if blocks and page != "README":  # tests/test_readme.py runs it
        run([sys.executable, "-c", "\n".join([BEFORE, *blocks])], tmp_path)


def test_every_guide_with_commands_is_run() -> None:
    generated = ("cli", "results", "recipe", "growth", "reliability", "fifty_million")
    elsewhere = (
        "http",
        "json",
        "quickstart",
    )  # below; tests/cli/test_json_output.py, test_readme.py
    for path in (ROOT / "docs").glob("*.md"):
        text = path.read_text()
        if path.stem not in (*PAGES, *generated, *elsewhere):
            assert not commands(text), path
            assert not python(text), path


def test_what_the_page_on_http_says_works(sources: Path, tmp_path: Path) -> None:
    text = text_of("http")
    curls = [b for b in re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S) if "curl" in b]
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(curls) == 4
    assert len(blocks) == 1
    shutil.copytree(sources / "my.gallery", tmp_path / "my.gallery")
    shutil.copy(sources / "photo.png", tmp_path / "cat.png")
    gallery = garabato.open_gallery(tmp_path / "my.gallery", encoder=garabato.load_encoder())
    gallery.add([gallery.list(limit=1)[0].replace(key_id="5152802093400064")])
    with Running(Settings(gallery=str(tmp_path / "my.gallery"))) as service:
        service.wait_until("/readyz")
        for curl in curls:
            line = curl.replace("curl ", "curl -fsS ").replace("http://127.0.0.1:8000", service.url)
            run(["bash", "-euo", "pipefail", "-c", line], tmp_path)
        code = blocks[0].replace("http://127.0.0.1:8000", service.url)
        assert re.search(r"^0\.\d{3}  cat  \d+$", run([sys.executable, "-c", code], tmp_path), re.M)
