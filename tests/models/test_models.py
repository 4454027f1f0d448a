from __future__ import annotations

import pytest
import torch

from garabato.encoder import Encoder
from garabato.errors import InputError
from garabato.models import create_model, model_names, register_model
from garabato.models.base import Convolution, MaxPoolSame
from garabato.training import load_preset


@pytest.fixture(params=model_names())
def model(request):
    torch.manual_seed(0)
    return create_model(request.param, n_categories=7, image_size_px=32)


def test_every_model_gives_finite_logits_and_embeddings_of_its_shape(model):
    model.eval()
    with torch.no_grad():
        logits, embeddings = model(torch.rand(3, 1, 32, 32))
    assert logits.shape == (3, 7)
    assert embeddings.shape == (3, model.embedding_dim)
    assert torch.isfinite(logits).all()
    assert torch.isfinite(embeddings).all()


def test_logits_have_more_digits_than_bfloat16(model):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits, _ = model.eval()(torch.rand(3, 1, 32, 32))
    assert not torch.equal(logits.float(), logits.bfloat16().float())


def test_every_parameter_of_every_model_gets_a_gradient(model):
    logits, _ = model(torch.rand(8, 1, 32, 32))
    torch.nn.functional.cross_entropy(logits, torch.arange(8) % 7).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("size_px", [28, 33, 48])
def test_every_model_takes_any_input_size(name, size_px):
    model = create_model(name, n_categories=3, image_size_px=size_px).eval()
    with torch.no_grad():
        logits, _ = model(torch.rand(2, 1, size_px, size_px))
    assert logits.shape == (2, 3)


@pytest.mark.parametrize("name", model_names())
def test_every_model_takes_images_of_several_channels(name):
    model = create_model(name, n_categories=3, image_size_px=32, n_channels=3)
    logits, _ = model(torch.rand(4, 3, 32, 32))
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("name", model_names())
def test_with_mirror_an_image_and_its_mirror_image_get_the_same_output(name):
    torch.manual_seed(1)
    one_sided = create_model(name, n_categories=3, image_size_px=32).eval()
    model = create_model(name, n_categories=3, image_size_px=32, mirror=True).eval()
    model.load_state_dict(one_sided.state_dict())
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        logits, embeddings = model(images)
        mirrored_logits, mirrored_embeddings = model(images.flip(3))
        torch.testing.assert_close(logits, mirrored_logits)
        torch.testing.assert_close(embeddings, mirrored_embeddings)
        each = (one_sided(images)[0] + one_sided(images.flip(3))[0]) / 2
        torch.testing.assert_close(logits, each)
    model.train()
    assert model(images)[0].shape == (2, 3)


def test_logits_and_embeddings_are_made_of_the_features(model):
    model.eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        logits, embeddings = model(images)
        features = model.forward_features(images)
        torch.testing.assert_close(model.forward_head(features), logits)
        torch.testing.assert_close(model.forward_embedding(features, logits), embeddings)


def test_skfast_embeddings_are_pulled_towards_the_probable_categories():
    model = create_model("skfast", n_categories=2, image_size_px=32, embedding_dim=2, focus=1.0)
    with torch.no_grad():
        model.directions.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    features, logits = torch.tensor([[0.6, 0.8]]), torch.tensor([[-50.0, 50.0]])
    # (0.6, 0.8) + 1 x (0, 1) = (0.6, 1.8), of length sqrt(3.6).
    expected = torch.tensor([[0.6, 1.8]]) / 3.6**0.5
    torch.testing.assert_close(model.forward_embedding(features, logits), expected)


def test_confidence_scales_the_pull_of_skfast_embeddings():
    model = create_model(
        "skfast",
        n_categories=2,
        image_size_px=32,
        embedding_dim=2,
        focus=2.0,
        focus_by_confidence=True,
    )
    with torch.no_grad():
        model.directions.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    features = torch.tensor([[0.6, 0.8]])
    logits = torch.tensor([[1.0, 3.0]]).log()  # probabilities 1/4 and 3/4
    # (0.6, 0.8) + 2 x 3/4 x (1/4, 3/4) = (0.975, 1.925).
    expected = torch.nn.functional.normalize(torch.tensor([[0.975, 1.925]]))
    torch.testing.assert_close(model.forward_embedding(features, logits), expected)


@pytest.mark.parametrize("n_channels", [3, 4])
def test_log_priors_of_skfast_are_added_to_the_logits(n_channels):
    model = create_model(
        "skfast", n_categories=3, image_size_px=48, n_channels=n_channels, priors=True, mirror=True
    ).eval()
    images = torch.rand(2, n_channels, 48, 48)
    priors = torch.tensor([0.0, 2.0, -1.0])
    with torch.no_grad():
        before, _ = model(images)
        model.log_priors.copy_(priors)
        torch.testing.assert_close(model(images)[0], before + priors)


def test_the_embeddings_of_skfast_have_length_one():
    model = create_model("skfast", n_categories=5, image_size_px=64).eval()
    with torch.no_grad():
        _, embeddings = model(torch.rand(4, 1, 64, 64))
    assert embeddings.shape == (4, 128)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(4))


def n_parameters(name: str, size_px: int) -> int:
    model = create_model(name, n_categories=100, image_size_px=size_px)
    return sum(p.numel() for p in model.parameters())


def conv(n_in: int, n_out: int) -> int:
    return 9 * n_in * n_out + n_out + 2 * n_out  # weights, bias, batch norm's scale and shift


def test_sknet_has_the_parameters_of_the_published_table():
    convs = (
        conv(1, 64)
        + conv(64, 64)
        + conv(64, 128)
        + conv(128, 128)
        + conv(128, 128)
        + conv(128, 128)
        + conv(128, 256)
        + conv(256, 256)
    )
    # Four poolings: 128 -> 8.
    dense = 8 * 8 * 256 * 1024 + 1024 + 1024 * 100 + 100
    assert convs + dense == 18_322_468
    assert n_parameters("sknet", 128) == convs + dense


def test_skresnet_has_the_parameters_of_the_published_table():
    convs = (
        conv(1, 64)
        + conv(64, 64)
        + 4 * conv(64, 64)
        + conv(64, 128)
        + 4 * conv(128, 128)
        + conv(128, 256)
        + 4 * conv(256, 256)
        + conv(256, 256)
    )
    dense = 8 * 8 * 256 * 1024 + 1024 + 1024 * 100 + 100
    assert n_parameters("skresnet", 128) == convs + dense


def test_the_pooling_pads_as_tensorflow_does():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    # Even side, "same": windows start at 0 and 2, the last is cut by the edge.
    assert MaxPoolSame()(image).tolist() == [[[[10.0, 11.0], [14.0, 15.0]]]]
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    # Odd side: one row of padding on each side, windows centred on 0 and 2.
    assert MaxPoolSame()(image).tolist() == [[[[4.0, 5.0], [7.0, 8.0]]]]


def test_reference_models_subtract_the_mean_image():
    model = create_model("sknet", n_categories=3, image_size_px=32).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        plain, _ = model(images)
        model.mean_image.fill_(0.25)
        shifted, _ = model(images + 0.25)
    torch.testing.assert_close(plain, shifted, atol=1e-4, rtol=1e-4)


def test_an_unknown_model_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match="skfast, sknet, skresnet"):
        create_model("resnet", n_categories=3, image_size_px=32)


@pytest.mark.parametrize("name", ["skfast", "sknet"])
def test_an_unknown_option_of_a_model_is_refused(name):
    with pytest.raises(InputError, match=rf"cannot build {name} with the options .*widht"):
        create_model(name, n_categories=2, image_size_px=16, widht=3)


@pytest.mark.parametrize("options", [{"widths": [], "depths": []}, {"embedding_dim": -1}])
def test_an_impossible_option_of_a_model_is_refused(options):
    with pytest.raises(InputError, match="cannot build skfast with the options"):
        create_model("skfast", n_categories=2, image_size_px=16, **options)


def test_a_name_is_registered_once():
    with pytest.raises(InputError, match="already"):
        register_model("skfast", lambda **options: None)


def test_the_tiny_preset_makes_an_encoder_of_less_than_1_mb(tmp_path):
    config = load_preset("tiny")
    options = config.model_options | {"n_channels": config.render.n_channels}
    model = create_model(config.model, n_categories=345, image_size_px=64, **options)
    path = tmp_path / "encoder.safetensors"
    Encoder(model, spec=config.render, categories=[str(i) for i in range(345)]).save(path)
    assert 0.5e6 < path.stat().st_size < 1e6


@pytest.mark.parametrize("size_px", [1, 3, 4, 7, 8, 16])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_have_pytorchs_output_and_gradients(size_px, kernel, stride):
    torch.manual_seed(0)
    ours = Convolution(6, 9, kernel, stride=stride, padding=kernel // 2, bias=False)
    theirs = torch.nn.Conv2d(6, 9, kernel, stride=stride, padding=kernel // 2, bias=False)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(5, 6, size_px, size_px)
    gradients = []
    for network in (ours, theirs):
        maps = images.clone().requires_grad_()
        (network(maps) ** 2).sum().backward()
        gradients.append((maps.grad, network.weight.grad))
    torch.testing.assert_close(ours(images), theirs(images))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-4)


def test_a_small_convolution_follows_autocast():
    torch.manual_seed(0)
    network = Convolution(6, 9, 3, padding=1, bias=False)
    images = torch.randn(5, 6, 4, 4)
    (network(images) ** 2).sum().backward()
    exact, network.weight.grad = network.weight.grad, None
    with torch.autocast("cpu", torch.bfloat16):
        maps = network(images)
    assert maps.dtype == torch.bfloat16
    (maps.float() ** 2).sum().backward()
    assert network.weight.grad.dtype == torch.float32
    torch.testing.assert_close(network.weight.grad, exact, rtol=0.05, atol=0.5)
