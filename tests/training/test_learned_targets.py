"""The targets of training: labels, teachers' probabilities, mixup."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
from networks import CATEGORIES, make_encoder
from sketches import SKETCH_CATEGORIES, write_source
from test_training import SMALL

from garabato.dataset import prepare
from garabato.drawing import Drawing, DrawingBatch
from garabato.encoder.torch_runtime import choose_device
from garabato.errors import EncoderError, TrainingError
from garabato.render import render_batch
from garabato.render.augment import AugmentSpec
from garabato.training import TrainConfig, train
from garabato.training.config import read_config
from garabato.training.data import Teachers

CPU = choose_device("cpu")
DRAWINGS = DrawingBatch.from_drawings(
    [Drawing([[[0, 255], [0, 255]]]), Drawing([[[0, 90, 0], [0, 90, 200]]])]
)


def test_teachers_give_their_mean_probabilities_in_the_given_order(tmp_path) -> None:
    first, second = make_encoder("skfast"), make_encoder("skfast", "order")
    for name, encoder in (("first", first), ("second", second)):
        encoder.save(tmp_path / f"{name}.safetensors")
    paths = tuple(str(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    wanted = CATEGORIES[::-1][:3]
    teachers = Teachers(TrainConfig(teachers=paths), wanted, CPU)
    seen = []

    def render(spec):
        seen.append(spec)
        return render_batch(DRAWINGS, spec)

    probabilities = teachers.probabilities(render)
    assert seen == [first.spec, second.spec]  # each is shown drawings its own way
    expected = np.zeros((2, 3))
    for encoder in (first, second):
        logits, _ = encoder.runtime.run(render_batch(DRAWINGS, encoder.spec))
        shares = np.exp(logits[:, [4, 3, 2]])
        expected += shares / shares.sum(1, keepdims=True) / 2
    assert probabilities == pytest.approx(expected, abs=1e-5)


def test_with_full_distillation_a_network_learns_the_predictions_not_the_labels(
    dataset, tmp_path
) -> None:
    """The teacher calls each category by the next one's name; its pupil is told the right ones."""
    shifted = replace(SMALL, epochs=30, label_smoothing=0.0)
    teacher = train(dataset, tmp_path / "teacher", config=shifted).encoder
    teacher.network_categories = teacher.categories[1:] + teacher.categories[:1]
    teacher.save(tmp_path / "wrong.safetensors")
    config = replace(shifted, teachers=(str(tmp_path / "wrong.safetensors"),), teaching=1.0)
    pupil = train(dataset, tmp_path / "pupil", config=config).encoder
    drawings, labels = dataset.split("test"), dataset.labels("test")
    predicted = pupil.predict(drawings).probabilities.argmax(1)
    assert (predicted == labels).mean() < 0.3
    assert (predicted == (labels + 1) % len(dataset.categories)).mean() > 0.6


def test_a_distilled_run_resumes_from_another_working_directory(tmp_path, monkeypatch) -> None:
    known = make_encoder("skfast")
    known.categories = SKETCH_CATEGORIES[: len(known.categories)]
    known.network_categories = known.categories
    few = prepare(
        write_source(tmp_path / "source", known.categories, per_category=20, seed=0),
        tmp_path / "data",
        categories="all",
        n_train=16,
        n_test=4,
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    known.save("teacher.safetensors")
    config = replace(SMALL, teachers=("teacher.safetensors",))

    def stop(progress):
        if progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    assert train(few, tmp_path / "run", config=config, on_progress=stop).interrupted
    monkeypatch.chdir(tmp_path)
    assert not train(few, tmp_path / "run", resume=True).interrupted
    # What people read and model cards print knows nothing of this machine's folders.
    assert read_config(tmp_path / "run" / "config.toml") == config


def test_the_shipped_teacher_and_those_from_the_hub_are_no_paths() -> None:
    config = TrainConfig(teachers=("shipped", "hf://owner/name"))
    assert config.with_absolute_teachers() == config


def test_an_unsuitable_teacher_is_named(tmp_path) -> None:
    make_encoder("skfast").save(tmp_path / "t.safetensors")
    make_encoder("sknet", "reference").save(tmp_path / "s.safetensors")
    config = TrainConfig(teachers=(str(tmp_path / "t.safetensors"),))
    with pytest.raises(TrainingError, match=r"t\.safetensors doesn't know 1 of .* such as 'ant'"):
        Teachers(config, [*CATEGORIES, "ant"], CPU)
    config = TrainConfig(teachers=(str(tmp_path / "s.safetensors"),))
    with pytest.raises(TrainingError, match="cannot be augmented; train without augmentation"):
        Teachers(config, CATEGORIES, CPU)
    with pytest.raises(EncoderError, match="there is no encoder at"):
        Teachers(TrainConfig(teachers=(str(tmp_path / "none"),)), CATEGORIES, CPU)


@pytest.mark.parametrize(
    "changes",
    [{"loss": "arcface"}, {"loss": "proxy-anchor"}, {"loss": "supcon"}, {"mixup": 0.4}],
    ids=str,
)
def test_every_loss_and_mixup_learn_sketches(dataset, tmp_path, changes) -> None:
    config = replace(SMALL, epochs=30, **changes)
    encoder = train(dataset, tmp_path / "run", config=config).encoder
    probabilities = encoder.predict(dataset.split("test")).probabilities
    assert (probabilities.argmax(1) == dataset.labels("test")).mean() > 0.3  # chance: 0.1


def test_cosine_losses_need_a_network_with_cosine_logits(dataset, tmp_path) -> None:
    config = TrainConfig(model="sknet", loss="arcface", augment=AugmentSpec.none(), steps=1)
    with pytest.raises(TrainingError, match=r"logits are cosines \(skfast\), not sknet"):
        train(dataset, tmp_path / "run", config=config)
