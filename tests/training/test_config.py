"""The settings of a training: which are refused, and what is kept of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garabato.errors import TrainingError
from garabato.training import TrainConfig, load_preset
from garabato.training.config import read_config, write_toml


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"warmup": 1.0}, r"warmup is a share in \[0, 1\), not 1.0"),
        ({"ema_decay": 1.0}, r"ema_decay is a share in \[0, 1\), not 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing is a share in \[0, 1\), not -0.1"),
        ({"validation": 1.0}, r"validation is a share in \[0, 1\), not 1.0"),
        ({"learning_rate": 0.0}, "learning_rate is more than 0, not 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is more than 0, not nan"),
        ({"learning_rate": math.inf}, "learning_rate is more than 0, not inf"),
        ({"mixup": math.nan}, "mixup is at least 0, not nan"),
        ({"minutes": math.nan}, "minutes is more than 0, not nan"),
        ({"sizes": ((0.5, 8),)}, "images of 16 to 1024 px"),
        ({"sizes": ((0.5, 2048),)}, "images of 16 to 1024 px"),
        ({"sizes": ((0.0, 32),)}, r"shares in \(0, 1\)"),
        ({"sizes": ((1.0, 32),)}, r"shares in \(0, 1\)"),
        ({"sizes": ((0.6, 32), (0.5, 48))}, "each more than the last"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; there are cosine, constant"),
        ({"precision": "half"}, "unknown precision 'half'; there are auto, bfloat16, float32"),
        ({"teachers": "runs/large"}, r"teachers is a list, also of a single one: \['runs/large'\]"),
        ({"teachers": Path("runs/large")}, "teachers is a list"),
    ],
    ids=str,
)
def test_settings_that_cannot_train_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        TrainConfig(**changes)


def test_a_teacher_that_is_no_list_is_refused_in_a_file_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('teachers = "runs/large"\n')
    with pytest.raises(TrainingError, match="teachers is a list"):
        read_config(path)


def test_paths_are_kept_as_text_that_files_can_hold(tmp_path: Path) -> None:
    config = TrainConfig(start_from=Path("runs/first"), teachers=[Path("runs/large"), "shipped"])
    assert config.start_from == "runs/first"
    assert config.teachers == ("runs/large", "shipped")
    path = tmp_path / "config.toml"
    path.write_text(write_toml(config))
    assert read_config(path) == config


def test_sizes_survive_as_pairs_of_numbers_however_they_are_given() -> None:
    assert TrainConfig(sizes=[[0.5, 32]]) == TrainConfig(sizes=((0.5, 32),))
    assert replace(load_preset("skfast"), sizes=()).sizes == ()
