"""The workflows of GitHub Actions run what there is, on the versions that the package names."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CLASSIFIERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]


def jobs(path: Path) -> dict[str, dict]:
    return yaml.safe_load(path.read_text())["jobs"]


def test_every_kind_of_check_has_a_job() -> None:
    named = {name for path in WORKFLOWS for name in jobs(path)}
    assert {"lint", "test", "lowest-versions", "wheel", "site", "image", "publish"} <= named


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_make_target_and_script_exists(path: Path) -> None:
    commands = [step.get("run", "") for job in jobs(path).values() for step in job["steps"]]
    for target in re.findall(r"^make ([\w-]+)", "\n".join(commands), re.MULTILINE):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, target
    for script in re.findall(r"^(\.ci/\S+)", "\n".join(commands), re.MULTILINE):
        assert (ROOT / script).is_file()


def test_the_tests_run_on_every_version_that_the_package_names() -> None:
    versions = jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]
    named = [re.search(r":: (3\.\d+)$", one) for one in CLASSIFIERS]
    assert versions["python"] == [found[1] for found in named if found]
