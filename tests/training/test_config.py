"""The settings of a training: which are refused, and what is kept of them."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from garabato.errors import TrainingError
from garabato.render import RenderSpec
from garabato.training import TrainConfig, load_preset
from garabato.training.config import TimeBudget, read_config, to_toml


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
        ({"mixup": math.nan}, "mixup must be finite and at least 0, not nan"),
        ({"minutes": math.nan}, "minutes must be positive, not nan"),
        ({"sizes": ((0.5, 8),)}, "image sizes must be 16 to 1024 px"),
        ({"sizes": ((0.5, 2048),)}, "image sizes must be 16 to 1024 px"),
        ({"sizes": ((0.0, 32),)}, r"increase within \(0, 1\)"),
        ({"sizes": ((1.0, 32),)}, r"increase within \(0, 1\)"),
        ({"sizes": ((0.6, 32), (0.5, 48))}, "shares in sizes must increase"),
        ({"schedule": "linear"}, "unknown schedule 'linear'; choose one of cosine, constant"),
        ({"loss": "hinge"}, "unknown loss 'hinge'; choose one of softmax, arcface"),
        ({"loss": "arcface", "mixup": 0.2}, "need loss = \"softmax\", not 'arcface'"),
        ({"loss": "supcon", "teachers": ("shipped",)}, "not 'supcon'"),
        ({"mixup": -1.0}, "mixup must be finite and at least 0, not -1"),
        ({"teaching": 1.5}, r"teaching must be in \[0, 1\], not 1.5"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; choose one of adamw, muon"),
        ({"precision": "half"}, "unknown precision 'half'; choose one of auto, bfloat16, float32"),
        ({"teachers": "runs/large"}, r"teachers must be a list: \['runs/large'\]"),
        ({"teachers": Path("runs/large")}, "teachers must be a list"),
        ({"sizes": (0.5, 32)}, r"sizes must be a list of pairs \[share, size in px\]"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, not 2.5"),
        ({"epochs": True}, "epochs must be a whole number, not True"),
        ({"minutes": "ten"}, "minutes must be a number, not 'ten'"),
        ({"model_options": 3}, "model_options must be a table, not 3"),
        ({"seed": -1}, "seed must be between 0 and 4294967295, not -1"),
        ({"weight_decay": math.nan}, "weight_decay must be finite and at least 0, not nan"),
        ({"weight_decay": math.inf}, "weight_decay must be finite and at least 0, not inf"),
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


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("epoch = 3", "mine.toml: there is no setting 'epoch'; did you mean 'epochs'?"),
        ('epochs = "many"', "mine.toml: epochs must be a whole number, not 'many'"),
        (
            "[augment]\npartal = 0.3",
            "there is no setting 'partal'; did you mean 'partial'?",
        ),
        ('[augment]\nflip = "often"', "mine.toml: [augment] flip must be a number, not 'often'"),
        ("[render]\norder = 1", "mine.toml: [render] order must be true or false, not 1"),
        ("render = 64", "mine.toml: [render] must be a table of settings, not 64"),
    ],
)
def test_a_mistake_in_a_preset_file_names_the_file_and_the_setting(
    tmp_path: Path, toml: str, says: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(toml)
    with pytest.raises(TrainingError) as caught:
        read_config(path)
    assert says in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"# \xe9t\xe9\n")
    with pytest.raises(TrainingError, match=r"mine\.toml is not valid TOML: .*utf-8"):
        read_config(path)


def test_numbers_of_numpy_are_numbers() -> None:
    config = TrainConfig(
        seed=np.int64(3), mixup=np.float32(0.5), render=RenderSpec(size_px=np.int64(32))
    )
    assert config.seed == 3
    written = tomllib.loads(to_toml(config))
    assert (written["seed"], written["mixup"], written["render"]["size_px"]) == (3, 0.5, 32)


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


def test_a_preset_file_may_be_a_path(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 7")
    assert load_preset(tmp_path / "mine.toml").epochs == 7


def test_a_time_budget_leaves_at_most_a_fifth_for_the_end() -> None:
    budget = TimeBudget(10, finish_s=60, n_categories=5, from_scratch=True)
    assert (budget.seconds, budget.steps_s) == (600, 540)
    assert [budget.share_done(s) for s in (0, 270, 540, 700)] == [0, 0.5, 1, 1]
    assert TimeBudget(10, finish_s=300, n_categories=5, from_scratch=True).steps_s == 480


@pytest.mark.parametrize(
    ("elapsed_s", "step", "rate", "from_scratch", "warns"),
    [
        (27.0, 10, 10.0, True, True),
        (26.9, 10, 10.0, True, False),  # less than 5% of the 540 s
        (27.0, 9, 10.0, True, False),  # too few steps to tell
        (135.0, 9, 10.0, True, True),  # but after a quarter of the time, any number will do
        (134.9, 9, 10.0, True, False),
        (27.0, 10, 20.0, True, False),  # 270 + 513 x 20 drawings, at least 10,000
        (27.0, 10, 10.0, False, False),
    ],
)
def test_a_time_too_short_is_forecast_when_the_rate_is_known(
    elapsed_s: float, step: int, rate: float, from_scratch: bool, warns: bool
) -> None:
    budget = TimeBudget(10, finish_s=60, n_categories=5, from_scratch=from_scratch)
    budget.forecast(elapsed_s, step=step, n_seen=270, rate=rate)
    assert bool(budget.warning) is warns


def test_the_forecast_says_how_many_minutes_are_enough() -> None:
    budget = TimeBudget(10, finish_s=60, n_categories=5, from_scratch=True)
    budget.forecast(27.0, step=10, n_seen=270, rate=10.0)
    # 270 + 513 x 10 are 5,400 of 10,000 drawings; 10 min x 10,000 / 5,400 = 18.5 min
    assert budget.warning == (
        "the time is too short for a useful network: in 10 min, at 10 drawings/s, it will see "
        "about 1,080 drawings of each category, and needs about 2,000; give it about 19 min"
    )
    budget.end(10_000)
    assert budget.warning == ""
    budget.end(9_000)
    assert budget.warning == (
        "the network saw only 1,800 drawings of each category in 10 min, and needs about 2,000 to "
        "be useful; train for longer or on a faster machine"
    )
