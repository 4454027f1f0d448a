"""Training from TFRecords is training from the data set that they were made of."""

from __future__ import annotations

from safetensors.numpy import load_file

from garabato.dataset import export_tfrecord, prepare
from garabato.render import RenderSpec
from garabato.training import TrainConfig, train

SMALL = TrainConfig(
    model_options={"widths": [8, 16], "depths": [1, 1], "embedding_dim": 16},
    render=RenderSpec(24),
    epochs=1,
    batch_size=16,
)


def test_the_weights_come_out_the_same(sketch_source, tmp_path):
    data = prepare(sketch_source, tmp_path / "data", categories=3, n_train=20, n_test=5)
    records = export_tfrecord(data, tmp_path / "records", spec=RenderSpec(size_px=16), n_shards=2)
    weights = []
    for dataset in (data, records):
        run = tmp_path / f"run of {dataset.path.name}"
        train(dataset, run, config=SMALL)
        weights.append(load_file(run / "encoder.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert len(weights[0]) > 10
    for name, values in weights[0].items():
        assert values.tobytes() == weights[1][name].tobytes(), name
