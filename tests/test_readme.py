"""What README tells people to type works, on sketches and with seconds of training."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bucket_server import BucketServer, serving, simplified_file
from sketches import SKETCH_CATEGORIES, make_drawings, write_source

from garabato.categories import CATEGORIES
from garabato.encoder import FILE_NAME, Encoder
from garabato.models import create_model
from garabato.training import load_preset

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()

#: The recipes' sizes -> sizes for a test.
SMALLER = {
    "--categories 100": "--categories 4",
    "--train 200": "--train 24",
    "--test 25": "--test 6",
    "--minutes 10": "--minutes 0.05",
}


def recipes(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the shell recipes have been run, beside a folder `simplified`."""
    desk = tmp_path_factory.mktemp("desk")
    write_source(desk / "simplified", SKETCH_CATEGORIES[:6], per_category=40, seed=3)
    with serving(BucketServer()) as bucket:
        for name, shown in (("cat", "circle"), ("dog", "star")):
            content = simplified_file(make_drawings([shown], 20, seed=0))
            bucket.add(f"/full/simplified/{name}.ndjson", content)
        for recipe in recipes("bash"):
            for size, small in SMALLER.items():
                assert size in README, f"{size} is no longer in README: bring SMALLER up to date"
                recipe = recipe.replace(size, small)
            shell = ["bash", "-euo", "pipefail", "-c", recipe]
            run(shell, desk, GARABATO_BUCKET=bucket.url)
    return desk


def run(command: list[str], folder: Path, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_shell_recipes_leave_what_they_say(desk: Path) -> None:
    for made in ("data/dataset.json", "run/encoder.safetensors", "report/report.html", "hits.png"):
        assert (desk / made).is_file(), made
    assert len((desk / "drawings" / "dog.ndjson").read_text().splitlines()) == 20
    assert (desk / "my.gallery").is_dir()


def test_the_python_recipes_run_and_print(desk: Path) -> None:
    recipe_in_its_own_names = "exec(compile({!r}, 'README.md', 'exec'), {{}})\nprint('--')\n"
    code = "".join(recipe_in_its_own_names.format(recipe) for recipe in recipes("python"))
    *printed, rest = run([sys.executable, "-c", code], desk).split("--\n")
    assert rest == ""
    assert len(printed) == len(recipes("python"))
    assert all(text.strip() for text in printed)


def test_there_are_recipes_for_both() -> None:
    assert len(recipes("bash")) >= 1
    assert len(recipes("python")) >= 2


def test_every_file_that_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_sizes_that_the_docs_give_are_those_of_the_networks(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "training.md").read_text()
    told = re.findall(r"^\| `(\w+)` \|.*\| ([\d,]+) \| ([\d.]+) MB \|$", text, flags=re.MULTILINE)
    assert [preset for preset, _, _ in told] == ["tiny", "skfast", "large"]
    for preset, weights, megabytes in told:
        config = load_preset(preset)
        options = config.model_options | {"n_channels": config.render.n_channels}
        size_px = config.render.size_px
        model = create_model(config.model, n_categories=345, image_size_px=size_px, **options)
        encoder = Encoder(model, spec=config.render, categories=list(CATEGORIES))
        encoder.save(tmp_path / FILE_NAME)
        assert f"{encoder.n_parameters:,}" == weights
        assert f"{(tmp_path / FILE_NAME).stat().st_size / 1e6:.1f}" == megabytes


def test_make_test_and_make_demo_are_what_the_makefile_has() -> None:
    assert shutil.which("make"), "make is needed for the two commands"
    for target in re.findall(r"make ([a-z-]+)", README):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, f"make {target}"
