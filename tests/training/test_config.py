"""The settings of a training: which are refused, and what is kept of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garabato.errors import TrainingError
from garabato.training import TrainConfig, load_preset
from garabato.training.config import read_config, to_toml


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\), not 1.0"),
        ({"ema_decay": 1.0}, r"ema_decay must be in \[0, 1\), not 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be in \[0, 1\), not -0.1"),
        ({"validation": 1.0}, r"validation must be in \[0, 1\), not 1.0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, not 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be positive, not nan"),
        ({"learning_rate": math.inf}, "learning_rate must be positive, not inf"),
        ({"mixup": math.nan}, "mixup must be at least 0, not nan"),
        ({"minutes": math.nan}, "minutes must be positive, not nan"),
        ({"sizes": ((0.5, 8),)}, "image sizes must be 16 to 1024 px"),
        ({"sizes": ((0.5, 2048),)}, "image sizes must be 16 to 1024 px"),
        ({"sizes": ((0.0, 32),)}, r"increase within \(0, 1\)"),
        ({"sizes": ((1.0, 32),)}, r"increase within \(0, 1\)"),
        ({"sizes": ((0.6, 32), (0.5, 48))}, "shares in sizes must increase"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; choose one of cosine, constant"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; choose one of adamw, muon"),
        ({"precision": "half"}, "unknown precision 'half'; choose one of auto, bfloat16, float32"),
        ({"teachers": "runs/large"}, r"teachers must be a list: \['runs/large'\]"),
        ({"teachers": Path("runs/large")}, "teachers must be a list"),
    ],
    ids=str,
)
def test_settings_that_cannot_train_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        TrainConfig(**changes)


def test_a_file_with_a_single_teacher_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('teachers = "runs/large"\n')
    with pytest.raises(TrainingError, match="teachers must be a list"):
        read_config(path)


def test_paths_are_stored_as_text(tmp_path: Path) -> None:
    config = TrainConfig(start_from=Path("runs/first"), teachers=[Path("runs/large"), "shipped"])
    assert config.start_from == "runs/first"
    assert config.teachers == ("runs/large", "shipped")
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert read_config(path) == config


def test_sizes_become_pairs_of_numbers() -> None:
    assert TrainConfig(sizes=[[0.5, 32]]) == TrainConfig(sizes=((0.5, 32),))
    assert replace(load_preset("skfast"), sizes=()).sizes == ()
