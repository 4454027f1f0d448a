"""garabato train as it is typed: what it refuses before it starts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typed import run

import garabato
from garabato.cli import output, train
from garabato.training import TrainingProgress
from garabato.training.config import preset_names


@pytest.mark.parametrize(
    ("option", "name", "told"),
    [
        ("--preset", "resnet", "unknown preset 'resnet'; did you mean 'skresnet'?"),
        (
            "--preset",
            "mine",
            "unknown preset 'mine'; choose one of large, shipped, skfast, sknet, skresnet",
        ),
        ("--model", "resnet", "'resnet' is not one of skfast, sknet, skresnet"),
        ("--model", "shipped", "is not one of skfast, sknet, skresnet; to start from the weights"),
    ],
)
def test_an_unknown_name_gets_a_suggestion_or_the_known_ones(tmp_path, option, name, told):
    done = run("train", "--data", tmp_path, "--out", tmp_path / "run", option, name)
    assert done.exit_code != 0
    assert told in " ".join(done.output.split())


def test_the_help_names_all_presets():
    shown = run("train", "--help").output
    assert all(name in shown for name in preset_names())


def config_of(*options):
    """The configuration that `garabato train` would use."""
    return train._config(**dict(options))


def test_an_option_overrides_the_preset_only_when_it_is_given(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text('minutes = 12.0\ndevice = "cuda:3"\nseed = 7\nepochs = 4\n')
    config = config_of(("preset", str(preset)))
    assert (config.minutes, config.device, config.seed, config.epochs) == (12.0, "cuda:3", 7, 4)
    assert config_of(("preset", str(preset)), ("seed", 0)).seed == 0
    assert config_of(("preset", str(preset)), ("device", "auto")).device == "auto"
    by_epochs = config_of(("preset", str(preset)), ("epochs", 2))
    assert (by_epochs.epochs, by_epochs.minutes) == (2, None)


def test_time_or_epochs_replace_the_steps_of_a_preset(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text("steps = 100\n")
    assert config_of(("preset", str(preset))).steps == 100
    by_minutes = config_of(("preset", str(preset)), ("minutes", 3.0))
    assert (by_minutes.steps, by_minutes.minutes) == (None, 3.0)
    assert config_of(("preset", str(preset)), ("epochs", 2)).steps is None


def test_options_that_resume_would_ignore_are_refused(tmp_path):
    done = run("train", "--data", tmp_path, "--out", tmp_path, "--resume", "--minutes", 5)
    assert done.exit_code == 2
    assert "leave out --minutes" in done.output


def test_a_log_file_gets_a_line_every_thirty_seconds(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(output, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with output.training_progress(output.TrainingNotes()) as show:
        for step, seconds in enumerate((0, 10, 29.9, 30, 45, 61)):
            now[0] = 100 + seconds
            notes = ("too short",) if seconds >= 45 else ()
            show(TrainingProgress(0.1 + step / 100, step, 0, 2.0, 0.5, 100.0, seconds, notes))
        show(TrainingProgress(1.0, 6, 1, 2.0, 0.5, 100.0, 62, ("too short",)))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["10%", "13%", "too", "15%", "100%"]


def test_progress_in_a_log_file_is_a_line_every_30_seconds_and_one_per_stage_at_the_end(
    monkeypatch, capsys
):
    clock = iter([0.0, 10.0, 29.0, 31.0, 40.0, 62.0, 70.0])
    monkeypatch.setattr(output, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    lines = output._StageLines("drawings")
    for n_done in (100, 1_000, 3_100, 4_000, 5_200):
        lines.report("index", n_done, 6_000)
    assert capsys.readouterr().err.splitlines() == [
        "index 3,100 of 6,000, 148 drawings/s",  # 3,100 in the 21 s since the first report
        "index 5,200 of 6,000, 100 drawings/s",
    ]
    lines.report("index", 6_000, 6_000)
    lines.finish()
    assert capsys.readouterr().err == "index 6,000 of 6,000, 100 drawings/s\n"


def test_a_busy_machine_is_noted(capsys):
    class Meter(garabato.CpuMeter):
        def read(self) -> garabato.CpuShare:
            return garabato.CpuShare(used=0.4, wanted=1.0, n_cores=2)

    output.print_busy(Meter())
    assert capsys.readouterr().err == "note: this machine was busy: garabato got 0.4 of 2 cores\n"
