"""The README's and the quickstart's recipes work, on sketches and with seconds of training."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bucket_server import BucketServer, serving, simplified_file
from sketches import make_drawings
from test_architecture import commands

from garabato.categories import CATEGORIES
from garabato.encoder import FILE_NAME, Encoder
from garabato.models import create_model
from garabato.training import load_preset

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
QUICKSTART = (ROOT / "docs" / "quickstart.md").read_text()

#: The quickstart's sizes -> sizes for a test.
SMALLER = {
    "--per-category 300": "--per-category 36",
    "--train 200": "--train 24",
    "--test 50": "--test 6",
    "--minutes 5": "--minutes 0.05",
}


def recipes(language: str, *pages: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```"
    return [
        recipe
        for page in pages
        for recipe in re.findall(pattern, page, flags=re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the quickstart's shell recipes have been run, one after the other."""
    desk = tmp_path_factory.mktemp("desk")
    with serving(BucketServer()) as bucket:
        for name in ("circle", "house", "ladder", "star"):
            drawings = make_drawings([name], 40, seed=0)
            bucket.add(f"/full/simplified/{name}.ndjson", simplified_file(drawings))
        for size in SMALLER:
            assert size in QUICKSTART, f"{size} is not in the quickstart: bring SMALLER up to date"
        for recipe in recipes("bash", QUICKSTART):
            for size, small in SMALLER.items():
                recipe = recipe.replace(size, small)
            shell = ["bash", "-euo", "pipefail", "-c", recipe]
            printed = run(shell, desk, GARABATO_BUCKET=bucket.url)
            assert "garabato search" not in recipe or "house" in printed
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
    for made in (
        *("inspect.html", "data/dataset.json", "data/sheets/_all.png", "report/report.html"),
        *("run/encoder.safetensors", "hits.png", "odd.png", "duplicates.png"),
    ):
        assert (desk / made).is_file(), made
    assert len((desk / "simplified" / "star.ndjson").read_text().splitlines()) == 36
    assert (desk / "my.gallery").is_dir()


def test_without_training_the_recipes_after_it_work_as_the_quickstart_says(
    desk: Path, tmp_path: Path
) -> None:
    section = QUICKSTART.partition("## Train and evaluate")[2].partition("## The same in Python")[0]
    told = {" --model run": "", "--data data --split train": "--source simplified"}
    for said in ("`--model run`", "`--data data --split train`", "`--source simplified`"):
        assert said in " ".join(section.split())
    shutil.copytree(desk / "simplified", tmp_path / "simplified")
    for recipe in recipes("bash", section.partition("## Classify and search")[2]):
        for trained, shipped in told.items():
            recipe = recipe.replace(trained, shipped)
        run(["bash", "-euo", "pipefail", "-c", recipe], tmp_path)
    assert (tmp_path / "hits.png").is_file()


def test_the_python_recipes_run_and_print(desk: Path) -> None:
    recipe_in_its_own_names = "exec(compile({!r}, 'recipe', 'exec'), {{}})\nprint('--')\n"
    found = recipes("python", README, QUICKSTART)
    code = "".join(recipe_in_its_own_names.format(recipe) for recipe in found)
    *printed, rest = run([sys.executable, "-c", code], desk).split("--\n")
    assert rest == ""
    assert len(printed) == len(found)
    assert all(text.strip() for text in printed)


def test_there_are_recipes() -> None:
    assert len(recipes("bash", QUICKSTART)) >= 4
    assert len(recipes("python", README)) == 1
    assert len(recipes("python", QUICKSTART)) >= 3


def test_the_readme_s_example_says_house() -> None:
    printed = run([sys.executable, "-c", *recipes("python", README)], ROOT)
    assert re.match(r"\[Prediction\(category='house'", printed), printed


def test_the_readme_fits_two_screens() -> None:
    assert len(README.splitlines()) <= 90


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        *sorted(map(str, (ROOT / "docs").glob("*.md"))),
    ],
    ids=lambda page: Path(page).name,
)
def test_every_link_leads_to_a_file_or_heading(page: str) -> None:
    path = ROOT / page
    text = path.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, link


def _anchor(heading: str) -> str:
    """The address that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_command_and_option_in_the_docs_exists() -> None:
    options = {
        name: {text for param in command.params for text in (*param.opts, *param.secondary_opts)}
        for name, command in commands()
    }
    groups = {name.split()[0] for name in options if " " in name}
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        text = path.read_text().replace("\\\n", " ")
        for line in re.findall(r"\bgarabato ([a-z]+(?: [^`\n|#]*)?)", text):
            name, _, rest = line.partition(" ")
            if name in groups:
                sub, _, rest = rest.partition(" ")
                name = f"{name} {sub}"
            if name not in options:  # a sentence about garabato
                continue
            for option in re.findall(r"(?<=\s)--[a-z-]+", f" {rest.partition(' && ')[0]}"):
                known = options[name] | {"--help", "--version"}
                assert option in known, f"{path.name}: garabato {name} has no {option}"


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


def test_every_make_target_in_the_docs_exists() -> None:
    assert shutil.which("make"), "make is needed for the two commands"
    pages = README + (ROOT / "CONTRIBUTING.md").read_text()
    for target in set(re.findall(r"make ([a-z-]+)", pages)):
        done = subprocess.run(
            ["make", "-n", target, "SOURCE=x"], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == 0, f"make {target}"
