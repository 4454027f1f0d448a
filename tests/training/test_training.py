from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sketches import SKETCH_CATEGORIES, make_drawings, write_source

import garabato
from garabato.dataset import prepare
from garabato.drawing import DrawingBatch
from garabato.encoder import FILE_NAME
from garabato.errors import EncoderError, InputError, StorageError, TrainingError
from garabato.formats import write_drawings
from garabato.render import RenderSpec, render_batch
from garabato.render.augment import AugmentSpec
from garabato.training import TrainConfig, load_preset, loop, preset_names, train
from garabato.training.config import image_size_px, learning_rate, read_config, to_toml
from garabato.training.data import TrainingBatches, prefetch, split_off_validation, without_order
from garabato.training.run_folder import locked

SMALL = TrainConfig(
    model_options={"widths": [8, 16], "depths": [1, 1], "embedding_dim": 16},
    render=RenderSpec(24),
    epochs=3,
    batch_size=32,
)


@pytest.fixture(scope="module")
def finished_run(dataset, tmp_path_factory):
    """The run folder of a training of one step."""
    run = tmp_path_factory.mktemp("finished") / "run"
    train(dataset, run, config=small(steps=1))
    return run


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of it, to change."""
    return shutil.copytree(finished_run, tmp_path / "run")


def small(**changes):
    """`SMALL` with changes."""
    return replace(SMALL, **changes)


def state(run):
    return load_file(run / FILE_NAME)


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same_weights(run, other):
    first, second = state(run), state(other)
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_a_trained_encoder_knows_the_sketches_it_never_saw(dataset, tmp_path):
    heard = []
    result = train(dataset, tmp_path / "run", config=small(epochs=30), on_metrics=heard.append)
    probabilities = result.encoder.predict(dataset.split("test")).probabilities
    assert (probabilities.argmax(1) == dataset.labels("test")).mean() > 0.6
    lines = read_lines(tmp_path / "run/metrics.jsonl")
    assert heard == lines
    epochs = [line for line in lines if line["kind"] == "epoch"]
    assert [line["epoch"] for line in epochs] == list(range(1, 31))
    assert epochs[-1]["loss"] < epochs[0]["loss"]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(dataset, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(dataset, tmp_path / name, config=small(epochs=1, seed=seed))
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    assert not torch.equal(state(tmp_path / "a")["directions"], state(tmp_path / "c")["directions"])


@pytest.mark.parametrize(("stop_at", "optimizer"), [(3, "adamw"), (8, "muon"), (12, "adamw")])
def test_a_resumed_run_gives_the_same_weights(dataset, tmp_path, stop_at, optimizer):
    config = small(sizes=((0.5, 16),), optimizer=optimizer)
    train(dataset, tmp_path / "whole", config=config)

    def stop(progress):
        if progress.step == stop_at:
            signal.raise_signal(signal.SIGINT)

    stopped = train(dataset, tmp_path / "stopped", config=config, on_progress=stop)
    assert stopped.interrupted
    assert stopped.steps == stop_at + 1  # the step in hand was finished
    assert not (tmp_path / "stopped" / FILE_NAME).exists()
    done = train(dataset, tmp_path / "stopped", resume=True)
    assert not done.interrupted
    assert_same_weights(tmp_path / "whole", tmp_path / "stopped")


def test_ctrl_c_after_the_last_step_can_be_resumed_too(dataset, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.finish, "add_binary_codes", interrupted)
        stopped = train(dataset, tmp_path / "run", config=small(steps=1))
    assert (stopped.interrupted, stopped.encoder) == (True, None)
    assert not train(dataset, tmp_path / "run", resume=True).interrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_on_the_command_line_says_how_to_resume(dataset, tmp_path, number):
    run = tmp_path / "run"
    arguments = ["train", "--data", str(dataset.path), "--out", str(run), "--epochs", "1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "garabato", *arguments, "--image-size", "16"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "300"},
    )
    timer = threading.Timer(120, process.kill)
    timer.start()
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        threading.Event().wait(0.1)
    process.send_signal(number)
    stderr = process.communicate()[1]
    timer.cancel()
    assert process.returncode == 130, stderr
    assert "--resume" in stderr
    assert re.search(r"^training +\d+% epoch \d+ · loss \d", stderr, re.MULTILINE)
    assert (run / "checkpoint.pt").is_file()


def test_a_time_budget_ends_the_training_with_the_whole_schedule(dataset, tmp_path):
    seen = []
    train(
        dataset,
        tmp_path / "run",
        config=small(minutes=0.05),
        on_progress=lambda progress: seen.append(progress.share_done),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    last = read_lines(tmp_path / "run/metrics.jsonl")[-1]
    assert last["learning_rate"] < 0.1 * SMALL.learning_rate


@pytest.mark.parametrize(("chosen", "expected"), [(None, 1), ("3", 2)])
def test_a_training_uses_the_cores_of_its_container_unless_told_otherwise(
    dataset, tmp_path, monkeypatch, chosen, expected
):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr("garabato.training.loop.n_cores", lambda: 1)
    if chosen is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    seen = []
    train(
        dataset,
        tmp_path / "run",
        config=small(steps=1),
        on_progress=lambda progress: seen.append(torch.get_num_threads()),
    )
    assert seen == [expected]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_a_time_budget_covers_the_work_after_the_last_step_too(dataset, tmp_path, monkeypatch):
    """Work that takes long gets a fifth of the budget: 3.6 of 18 s, so a busy machine has room."""
    monkeypatch.setattr("garabato.training.loop._Training._time_to_finish", lambda self: 60.0)
    config = small(minutes=0.3, validation=0.2)
    result = train(dataset, tmp_path / "run", config=config)
    lines = read_lines(tmp_path / "run/metrics.jsonl")
    last_step = [line for line in lines if line["kind"] == "step"][-1]
    assert last_step["seconds"] < 18
    assert result.elapsed_s > last_step["seconds"]
    assert sorted(result.encoder.coders) == [64, 128]


def test_a_training_killed_after_its_last_step_has_time_to_finish_when_it_resumes(
    dataset, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    train(dataset, run, config=small(steps=1, validation=0.5))
    without_limit = read_lines(run / "metrics.jsonl")[-1]
    plain = torch.load(run / "checkpoint.pt", weights_only=True)
    plain["config"] |= {"minutes": 5.0}
    del plain["config"]["steps"]
    plain["elapsed_s"] = 301.0  # all the time is used up
    torch.save(plain, run / "checkpoint.pt")
    monkeypatch.setattr("garabato.training.loop._Training._time_to_finish", lambda self: 60.0)
    resumed = train(dataset, run, resume=True)
    with_limit = read_lines(run / "metrics.jsonl")[-1]
    assert resumed.steps == 1
    assert with_limit["top1"] == without_limit["top1"]  # of all 150 held-out drawings
    assert with_limit["temperature"] == pytest.approx(without_limit["temperature"], rel=1e-3)


def test_a_time_budget_too_short_for_a_useful_network_is_noted_early(dataset, tmp_path):
    seen = []
    result = train(dataset, tmp_path / "run", config=small(minutes=0.02), on_progress=seen.append)
    forecasts = {note for progress in seen for note in progress.notes}
    assert [note.startswith("the time is too short") for note in forecasts] == [True]
    assert re.search(r"give it about [1-9][\d,]* min$", *forecasts)  # more than given
    # at the end the number of drawings is known, so the forecast is dropped
    assert not forecasts & set(result.notes)
    assert any(note.startswith("the network saw only") for note in result.notes)
    by_epochs = train(dataset, tmp_path / "epochs", config=small(epochs=1))
    assert not any("the network saw only" in note for note in by_epochs.notes)


def test_a_network_that_starts_from_another_needs_no_long_training(dataset, tmp_path):
    train(dataset, tmp_path / "first", config=small(epochs=1))
    seen = []
    config = small(minutes=0.02, start_from=tmp_path / "first")
    result = train(dataset, tmp_path / "run", config=config, on_progress=seen.append)
    notes = {note for progress in seen for note in progress.notes} | set(result.notes)
    assert not any("too short" in note or "saw only" in note for note in notes)


def test_a_second_training_in_the_same_folder_is_refused(dataset, tmp_path):
    with locked(tmp_path / "run"):
        with pytest.raises(TrainingError, match=r"another training is running in .*run"):
            train(dataset, tmp_path / "run", config=small(steps=1))
        assert list((tmp_path / "run").iterdir()) == []
    assert train(dataset, tmp_path / "run", config=small(steps=1)).steps == 1
    with (
        locked(tmp_path / "run"),
        pytest.raises(TrainingError, match="another training is running"),
    ):
        train(dataset, tmp_path / "run", config=small(steps=1))  # not "already holds a training"
    with pytest.raises(TrainingError, match="already holds a training; continue it with --resume"):
        train(dataset, tmp_path / "run", config=small(steps=1))


def test_a_run_folder_that_is_a_file_is_refused(dataset, tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(StorageError, match=r"cannot write .*run: there is a file of this name"):
        train(dataset, tmp_path / "run", config=small(steps=1))


def test_reference_networks_train_on_their_mean_image(dataset, tmp_path):
    config = replace(load_preset("sknet"), epochs=1, batch_size=100).at_size(16)
    result = train(dataset, tmp_path / "run", config=config)
    mean = state(tmp_path / "run")["mean_image"]
    assert mean.shape == (16, 16)
    assert 0 < mean.mean() < 0.5
    assert result.encoder.spec == RenderSpec.reference(16)


def test_reference_networks_refuse_progressive_resizing(dataset, tmp_path):
    config = replace(load_preset("sknet").at_size(24), sizes=((0.5, 16),))
    with pytest.raises(TrainingError, match="sknet takes images of one size only"):
        train(dataset, tmp_path / "run", config=config)


def test_a_validation_part_is_held_out_and_scored(dataset, tmp_path):
    result = train(dataset, tmp_path / "run", config=small(epochs=2, validation=0.2))
    assert 0 <= result.validation_top1 <= 1
    lines = read_lines(tmp_path / "run/metrics.jsonl")
    assert lines[-1]["kind"] == "validation"
    assert lines[-1]["unsure_below"] == result.encoder.unsure_below > 0


@pytest.mark.parametrize("validation", [0.996, 0.999], ids=["one left", "none left"])
def test_a_validation_part_that_leaves_nothing_to_train_on_is_refused(
    dataset, tmp_path, validation
):
    with pytest.raises(
        TrainingError, match=rf"validation = {validation} holds out .* of 300 .* lower it"
    ):
        train(dataset, tmp_path / "run", config=small(validation=validation))


def test_too_few_held_out_drawings_calibrate_nothing(dataset, tmp_path):
    result = train(dataset, tmp_path / "run", config=small(epochs=1, validation=0.02))
    assert result.validation_top1 is not None
    assert result.encoder.temperature == 1.0
    assert (result.encoder.unsure_below, result.encoder.unsure_precision) == (0.5, None)
    assert "only 6 drawings were held out, at least 50 are needed" in result.notes[0]


def test_the_threshold_reaches_its_precision_on_the_held_out_part(dataset, tmp_path):
    config = small(epochs=30, validation=0.3, unsure_precision=0.8)
    train(dataset, tmp_path / "run", config=config)
    encoder = garabato.load_encoder(tmp_path / "run")
    assert encoder.unsure_precision == 0.8
    drawings, labels = split_off_validation(dataset, config)[2]
    right = [
        p[0].category == encoder.categories[label]
        for p, label in zip(encoder.classify(drawings), labels, strict=True)
        if not p.unsure
    ]
    assert 0 < len(right) < len(labels)
    assert np.mean(right) >= 0.8 - 1 / len(right)  # one prediction may be at the threshold


def test_a_trained_encoder_gives_binary_codes_before_and_after_its_file(dataset, tmp_path):
    result = train(dataset, tmp_path / "run", config=small(epochs=1))
    loaded = garabato.load_encoder(tmp_path / "run")
    drawings = dataset.split("test")
    for n_bits in (64, 128):
        codes = result.encoder.codes(drawings, n_bits)
        assert codes.shape == (100, n_bits // 8)
        np.testing.assert_array_equal(loaded.codes(drawings, n_bits), codes)
    with pytest.raises(EncoderError, match=r"no codes of 32 bits .*64, 128"):
        loaded.codes(drawings, 32)


def test_codes_are_trained_on_bitmaps_as_the_network_sees_them(tmp_path):
    source = tmp_path / "bitmaps"
    source.mkdir()
    for category in SKETCH_CATEGORIES[:2]:
        sketches = DrawingBatch.from_drawings(make_drawings([category], 20, seed=0))
        np.save(source / f"{category}.npy", render_batch(sketches, RenderSpec(28)).reshape(20, -1))
    dataset = prepare(source, tmp_path / "data", categories="all", n_train=16, n_test=4)
    config = small(steps=2, render=RenderSpec(24, order=True))
    encoder = train(dataset, tmp_path / "run", config=config).encoder
    mean = encoder.embed(dataset.split("train")).mean(axis=0)
    coder = encoder.coders[64]
    np.testing.assert_allclose(coder.offsets, -(mean @ coder.weights), atol=1e-3)


def test_a_network_that_never_saw_an_order_ignores_that_of_queries(tmp_path):
    source = tmp_path / "traced"
    source.mkdir()
    for category in SKETCH_CATEGORIES[:2]:
        sketches = [one.replace(traced=True) for one in make_drawings([category], 10, seed=0)]
        write_drawings(source / f"{category}.ndjson", sketches)
    dataset = prepare(source, tmp_path / "data", categories="all", n_train=8, n_test=2)
    config = small(steps=2, render=RenderSpec(32, order=True, path=True))
    result = train(dataset, tmp_path / "run", config=config)
    assert result.encoder.spec == RenderSpec(32)
    assert read_config(tmp_path / "run/config.toml").render == RenderSpec(32)
    first = dataset.categories[0]
    assert result.notes[0].endswith(f"which is unknown for most drawings of {first}")
    further = replace(config, start_from=tmp_path / "run", steps=1)
    assert train(dataset, tmp_path / "further", config=further).encoder.spec == RenderSpec(32)


def test_a_run_that_shows_an_order_nobody_knows_resumes_as_it_began(dataset, tmp_path, monkeypatch):
    """As one that an earlier version began on pictures."""
    config = small(steps=4, render=RenderSpec(32, order=True))

    def stop(progress):
        if progress.step == 1:
            signal.raise_signal(signal.SIGINT)

    assert train(dataset, tmp_path / "run", config=config, on_progress=stop).interrupted
    monkeypatch.setattr(loop, "without_order", lambda *_: 0)
    assert train(dataset, tmp_path / "run", resume=True).encoder.spec == config.render


def test_a_network_sees_the_order_if_most_drawings_of_each_category_have_one():
    drawings = DrawingBatch.from_drawings(make_drawings(["star", "house"], 4, seed=0))
    labels = np.array([0, 0, 0, 0, 2, 2, 2, 2])
    for n_traced, expected in ((0, None), (2, None), (3, 2)):
        traced = [None] * 4 + [True] * n_traced + [None] * (4 - n_traced)
        assert without_order(drawings.replace(traced=traced), labels) == expected


def test_a_number_of_steps_ends_the_training_within_an_epoch(dataset, tmp_path):
    result = train(dataset, tmp_path / "run", config=small(steps=13))
    assert result.steps == 13
    with pytest.raises(TrainingError, match="give steps or minutes, not both: steps = 13, minutes"):
        small(steps=13, minutes=1.0)


def test_a_folder_with_a_training_is_not_overwritten(dataset, run):
    with pytest.raises(TrainingError, match="--resume"):
        train(dataset, run, config=small(epochs=1))


def test_nothing_to_resume_is_reported(dataset, tmp_path):
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(dataset, tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_reported(dataset, run):
    checkpoint = run / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(dataset, run, resume=True)


def test_a_checkpoint_of_a_later_version_is_reported(dataset, run):
    plain = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.save(plain | {"version": 99, "of_tomorrow": 1}, run / "checkpoint.pt")
    with pytest.raises(TrainingError, match="format version 99"):
        train(dataset, run, resume=True)


def test_a_run_is_not_resumed_on_other_categories(run, sketch_source, tmp_path):
    other = prepare(sketch_source, tmp_path / "other", categories=5, n_train=30, n_test=10)
    with pytest.raises(TrainingError, match="categories"):
        train(other, run, resume=True)


def test_a_run_is_not_resumed_on_other_drawings(run, sketch_source, tmp_path):
    sizes = {"categories": "all", "n_train": 30, "n_test": 10, "sheets": False}
    other = prepare(sketch_source, tmp_path / "other", **sizes, seed=1)
    with pytest.raises(TrainingError, match=r"drawings that differ from those in .*other;"):
        train(other, run, resume=True)
    again = prepare(sketch_source, tmp_path / "again", **sizes, seed=0)
    train(again, run, resume=True)


def test_a_checkpoint_of_another_network_is_reported(dataset, run):
    plain = torch.load(run / "checkpoint.pt", weights_only=True)
    del plain["model"]["directions"]
    torch.save(plain, run / "checkpoint.pt")
    with pytest.raises(TrainingError, match="differs from the one in the checkpoint"):
        train(dataset, run, resume=True)


def test_a_finished_training_that_is_resumed_ends_once_more(dataset, tmp_path):
    train(dataset, tmp_path / "run", config=small(steps=1, validation=0.2))
    before, lines = state(tmp_path / "run"), read_lines(tmp_path / "run/metrics.jsonl")
    train(dataset, tmp_path / "run", resume=True)
    again = read_lines(tmp_path / "run/metrics.jsonl")
    assert [line["kind"] for line in again] == [line["kind"] for line in lines]
    assert torch.equal(before["directions"], state(tmp_path / "run")["directions"])


@pytest.mark.parametrize(("steps", "what"), [(1, "weights"), (2, "loss")])
def test_a_training_that_diverges_even_in_the_last_step_leaves_no_encoder(
    dataset, tmp_path, steps, what
):
    config = small(steps=steps, learning_rate=1e30, validation=0.2)
    with pytest.raises(TrainingError, match=rf"the {what} became .* a lower learning_rate"):
        train(dataset, tmp_path / "run", config=config)
    assert not (tmp_path / "run" / FILE_NAME).exists()


@pytest.mark.parametrize("version", [1, 2])
def test_a_checkpoint_of_an_older_version_resumes(dataset, run, version):
    plain = torch.load(run / "checkpoint.pt", weights_only=True)
    plain["optimizer"] = plain.pop("optimizers")["adamw"]
    if version == 1:
        del plain["training_files"]
    torch.save(plain | {"version": version}, run / "checkpoint.pt")
    assert train(dataset, run, resume=True).steps == 1


def test_every_preset_survives_a_round_trip_through_toml(tmp_path):
    assert {"skfast", "sknet", "skresnet"} <= set(preset_names())
    for name in preset_names():
        config = load_preset(name)
        path = tmp_path / f"{name}.toml"
        path.write_text(to_toml(config))
        assert read_config(path) == config


def test_an_unknown_setting_is_named_with_its_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("learning_speed = 3\n")
    with pytest.raises(TrainingError, match=r"mine\.toml.*learning_speed"):
        load_preset(str(path))


def test_an_unknown_preset_lists_the_presets():
    with pytest.raises(TrainingError, match="skfast"):
        load_preset("fastest")


def test_the_learning_rate_warms_up_and_comes_down():
    config = TrainConfig(learning_rate=1.0, warmup=0.1)
    rates = [learning_rate(config, progress) for progress in np.linspace(0, 1, 101)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] < 0.01
    constant = TrainConfig(learning_rate=1.0, schedule="constant")
    assert learning_rate(constant, 0.0) == learning_rate(constant, 0.99) == 1.0


def test_images_grow_in_the_course_of_the_training():
    config = TrainConfig(sizes=((0.5, 32), (0.8, 48)))
    sizes = [image_size_px(config, progress) for progress in (0.0, 0.49, 0.5, 0.79, 0.8, 1.0)]
    assert sizes == [32, 32, 48, 48, 64, 64]
    assert TrainConfig(sizes=((0.5, 32),)).at_size(32).sizes == ((0.5, 16),)


def test_augmentation_does_not_depend_on_the_number_of_threads(dataset):
    batches = TrainingBatches(
        dataset.split("train"), dataset.labels("train"), 16, AugmentSpec(), RenderSpec(16), 0
    )

    def first_three(n_threads):
        ready = prefetch(lambda step: partial(batches.at, step, size_px=16), 0, n_threads=n_threads)
        return [next(ready)[1].images for _ in range(3)]

    for one, many in zip(first_three(1), first_three(4), strict=True):
        np.testing.assert_array_equal(one, many)


def test_an_epoch_shows_every_drawing_once(dataset):
    labels = np.arange(300)
    batches = TrainingBatches(
        dataset.split("train"), labels, 30, AugmentSpec.none(), RenderSpec(16), 0
    )
    assert batches.steps_per_epoch == 10
    seen = np.concatenate([batches.at(step, size_px=16).labels for step in range(10)])
    assert sorted(seen) == list(range(300))
    again = np.concatenate([batches.at(step, size_px=16).labels for step in range(10, 20)])
    assert list(seen) != list(again)


def test_an_impossible_device_is_refused(dataset, tmp_path):
    with pytest.raises(InputError, match=r"device must be auto, cpu, .*, not 'gpu9'"):
        train(dataset, tmp_path / "run", config=small(device="gpu9"))


def test_a_training_starts_from_an_encoders_weights_by_the_names_of_categories(
    dataset, sketch_source, tmp_path
):
    first = train(dataset, tmp_path / "first", config=SMALL).encoder
    known = dataset.categories
    others = prepare(
        write_source(tmp_path / "source", [*known[3:6], "spiral"], per_category=20, seed=0),
        tmp_path / "others",
        categories="all",
        n_train=15,
        n_test=5,
    )
    config = replace(SMALL, start_from=tmp_path / "first", learning_rate=1e-30, epochs=1)
    second = train(others, tmp_path / "second", config=config).encoder
    before, after = state(tmp_path / "first"), state(tmp_path / "second")
    assert second.categories == others.categories != first.categories
    for i, name in enumerate(second.categories):
        if name in known:
            row = before["directions"][known.index(name)]
            assert torch.equal(after["directions"][i], row)
    for name in before:
        if name != "directions" and "running" not in name and "num_batches" not in name:
            assert torch.equal(after[name], before[name]), name
    wider = replace(config, model_options=SMALL.model_options | {"widths": [8, 32]})
    with pytest.raises(TrainingError, match=r"is \(16, .*not \(32, .*the preset"):
        train(others, tmp_path / "third", config=wider)


def test_log_priors_stay_zero_whatever_the_training_starts_from(dataset, tmp_path):
    options = SMALL.model_options | {"priors": True}
    plain = train(dataset, tmp_path / "plain", config=SMALL).encoder
    config = replace(SMALL, model_options=options, start_from=tmp_path / "plain", epochs=1)
    first = train(dataset, tmp_path / "first", config=config).encoder
    assert plain.as_pytorch().model.log_priors is None
    assert not first.as_pytorch().model.log_priors.any()
    first.as_pytorch().model.log_priors += 1
    first.save(tmp_path / "changed.safetensors")
    config = replace(config, start_from=tmp_path / "changed.safetensors")
    second = train(dataset, tmp_path / "second", config=config).encoder
    assert not second.as_pytorch().model.log_priors.any()


def test_a_stroke_branch_is_trained_and_starts_from_an_encoder_without_one(dataset, tmp_path):
    in_order = replace(SMALL, render=RenderSpec(32, order=True))
    first = train(dataset, tmp_path / "first", config=in_order).encoder
    with_path = replace(
        SMALL,
        render=RenderSpec(32, order=True, path=True),
        augment=AugmentSpec(picture=0.3),
        start_from=tmp_path / "first",
        epochs=6,
        learning_rate=0.005,
    )
    second = train(dataset, tmp_path / "second", config=with_path).encoder
    branch = state(tmp_path / "second").keys() - state(tmp_path / "first").keys()
    assert {name.split(".")[0] for name in branch} == {"strokes", "stroke_weights"}
    drawings, labels = dataset.split("test"), dataset.labels("test")
    of_image, both = (
        (one.predict(drawings).probabilities.argmax(1) == labels).mean() for one in (first, second)
    )
    assert both > max(of_image, 0.3)


def test_paths_are_for_networks_with_a_stroke_branch_and_cannot_be_blended(dataset, tmp_path):
    spec = RenderSpec(32, order=True, path=True)
    with pytest.raises(TrainingError, match="sknet has no stroke branch; train skfast"):
        train(dataset, tmp_path / "run", config=TrainConfig(model="sknet", render=spec))
    in_order = TrainConfig(model="skresnet", render=RenderSpec(32, order=True))
    with pytest.raises(TrainingError, match="skresnet takes images of one channel"):
        train(dataset, tmp_path / "run", config=in_order)
    with pytest.raises(TrainingError, match="mixup = 0"):
        train(dataset, tmp_path / "run", config=replace(SMALL, render=spec, mixup=0.2))


def test_an_encoder_of_a_few_steps_is_as_accurate_as_during_training(dataset, tmp_path):
    """Averaged statistics of batch norms would still be mostly those a network starts with."""
    run = tmp_path / "run"
    encoder = train(dataset, run, config=replace(SMALL, epochs=4, learning_rate=0.01)).encoder
    learned = read_lines(run / "metrics.jsonl")[-1]["accuracy"]
    drawings, labels = dataset.split("train"), dataset.labels("train")
    right = encoder.predict(drawings).probabilities.argmax(1) == labels
    assert right.mean() > 0.8 * learned > 2 / len(dataset.categories)
