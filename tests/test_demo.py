"""Stages that are done once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garabato.demo import Stages
from garabato.errors import InputError


class Workshop:
    """Two stages, "saw" and then "paint", that note what was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []

    def work(self, *, length: int = 1, colour: str = "red", stop_in: str = "") -> dict[str, Any]:
        self.done = []
        stages = Stages(
            self.folder, on_reuse=lambda name, seconds: self.done.append(f"{name} reused")
        )

        def doing(name: str, found: dict[str, Any]) -> Any:
            def do() -> dict[str, Any]:
                resumes = (self.folder / name).exists()
                (self.folder / name).mkdir(exist_ok=resumes)
                self.done.append(f"{name} resumed" if resumes else name)
                if stop_in == name:
                    raise KeyboardInterrupt
                return found

            return do

        sawn = stages.run(
            "saw", self.folder / "saw", {"length": length}, doing("saw", {"wood": length})
        )
        painted = stages.run(
            "paint", self.folder / "paint", {"colour": colour}, doing("paint", {"paint": colour})
        )
        assert stages.seconds > 0
        return sawn | painted


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "shop")


def test_finished_stages_are_not_repeated_and_return_their_results(workshop: Workshop) -> None:
    first = workshop.work()
    assert workshop.done == ["saw", "paint"]
    assert workshop.work() == first == {"wood": 1, "paint": "red"}
    assert workshop.done == ["saw reused", "paint reused"]


def test_other_settings_redo_the_stage_and_those_after_it(workshop: Workshop) -> None:
    workshop.work()
    assert workshop.work(colour="blue")["paint"] == "blue"
    assert workshop.done == ["saw reused", "paint"]
    workshop.work(length=2, colour="blue")
    assert workshop.done == ["saw", "paint"]


def test_an_interrupted_stage_resumes_with_its_files(workshop: Workshop) -> None:
    with pytest.raises(KeyboardInterrupt):
        workshop.work(stop_in="paint")
    workshop.work()
    assert workshop.done == ["saw reused", "paint resumed"]


def test_an_interrupted_stage_with_other_settings_starts_again(workshop: Workshop) -> None:
    with pytest.raises(KeyboardInterrupt):
        workshop.work(stop_in="paint")
    workshop.work(colour="blue")
    assert workshop.done == ["saw reused", "paint"]


def test_a_stage_whose_files_are_missing_is_repeated_with_those_after_it(
    workshop: Workshop,
) -> None:
    workshop.work()
    (workshop.folder / "saw").rmdir()
    workshop.work()
    assert workshop.done == ["saw", "paint"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="choose another with --out"):
        Stages(tmp_path, on_reuse=lambda name, seconds: None)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_second_demo_in_a_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first, second = (Stages(tmp_path, on_reuse=lambda name, seconds: None) for _ in range(2))
    with (
        first.locked(),
        pytest.raises(InputError, match="another demo is running"),
        second.locked(),
    ):
        pass
    with second.locked():
        assert (tmp_path / ".stages").is_dir()
