from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import garabato
from garabato.errors import InputError

SPEC = garabato.RenderSpec(32, order=True)


@pytest.fixture(scope="module")
def data(sketch_source, tmp_path_factory):
    out = tmp_path_factory.mktemp("torch") / "data"
    return garabato.prepare(sketch_source, out, categories=3, n_train=10, n_test=5, sheets=False)


def test_a_data_loader_gets_the_images_that_an_encoder_sees(data):
    dataset = garabato.torch_dataset(data.path, "test", render=SPEC)
    images, labels = next(iter(DataLoader(dataset, batch_size=15)))
    assert images.shape == (15, 3, 32, 32)
    assert images.dtype == torch.float32
    expected = garabato.render_batch(data.split("test"), SPEC).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-6)
    assert labels.tolist() == data.labels("test").tolist()
    image, label = dataset[-1]
    assert torch.equal(image, images[-1])
    assert label == labels[-1]
    with pytest.raises(IndexError):
        dataset[15]


def test_augmented_drawings_vary_with_the_seed_of_pytorch(data):
    dataset = garabato.torch_dataset(data, augment=True)
    first, again = dataset[0][0], dataset[0][0]
    assert not torch.equal(first, again)
    torch.manual_seed(7)
    one = dataset[0][0]
    torch.manual_seed(7)
    assert torch.equal(dataset[0][0], one)


def test_the_style_of_the_reference_project_cannot_be_augmented(data):
    with pytest.raises(InputError, match="cannot be augmented"):
        garabato.torch_dataset(data, render=garabato.RenderSpec.reference(), augment=True)


def test_a_size_in_place_of_a_render_spec_is_refused_before_anything_is_read(data):
    with pytest.raises(InputError, match=r"must be a RenderSpec, such as RenderSpec\(64\), not 32"):
        garabato.torch_dataset(data, render=32)


def test_embeddings_feed_scikit_learn(data):
    """The example of docs/formats.md."""
    from sklearn.linear_model import LogisticRegression

    encoder = garabato.load_encoder()
    train, test = data.split("train"), data.split("test")
    classifier = LogisticRegression(max_iter=1000)
    classifier.fit(encoder.embed(train), train.categories)
    assert classifier.score(encoder.embed(test), test.categories) >= 0.9
