"""Losses by hand: small batches whose values can be worked out with pencil and paper."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from torch import tensor

from garabato.training.config import LossName
from garabato.training.learner import LOSS_FUNCTIONS

NO_EMBEDDINGS = torch.zeros(0, 2)
SCALE = tensor(10.0)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_arcface_adds_a_margin_to_the_angle() -> None:
    cosines = tensor([[0.5, 0.2]])
    loss = LOSS_FUNCTIONS["arcface"](SCALE * cosines, NO_EMBEDDINGS, tensor([0]), SCALE)
    with_margin = math.cos(math.acos(0.5) + 0.15)
    assert loss.item() == pytest.approx(softplus(10 * (0.2 - with_margin)), rel=1e-5)
    without = torch.nn.functional.cross_entropy(SCALE * cosines, tensor([0]))
    assert loss > without


def test_proxy_anchor_by_hand() -> None:
    cosines = tensor([[0.3, -0.05]])
    loss = LOSS_FUNCTIONS["proxy-anchor"](SCALE * cosines, NO_EMBEDDINGS, tensor([0]), SCALE)
    drawn = softplus(-32 * (0.3 - 0.1))
    repelled = (0 + softplus(32 * (-0.05 + 0.1))) / 2  # nothing is repelled by category 0
    assert loss.item() == pytest.approx(drawn + repelled, rel=1e-5)


def test_supcon_by_hand() -> None:
    logits = torch.zeros(3, 2)
    embeddings = tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    labels = tensor([0, 0, 1])
    loss = LOSS_FUNCTIONS["supcon"](logits, embeddings, labels, SCALE)
    # similarities / 0.1: of 0 and 1: 6, of 0 and 2: 0, of 1 and 2: 8; the third has no companion
    expected = (softplus(0 - 6) + softplus(8 - 6)) / 2
    assert loss.item() == pytest.approx(math.log(2) + expected, rel=1e-5)


def test_supcon_without_companions_is_softmax() -> None:
    embeddings = torch.eye(2)
    loss = LOSS_FUNCTIONS["supcon"](torch.zeros(2, 2), embeddings, tensor([0, 1]), SCALE)
    assert loss.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", [name for name in get_args(LossName) if name != "softmax"])
def test_gradients_are_finite_also_where_cosines_are_1(name: LossName) -> None:
    cosines = tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, -1.0]], requires_grad=True)
    embeddings = tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    labels = tensor([0, 0, 1])
    loss = LOSS_FUNCTIONS[name](SCALE * cosines, embeddings, labels, SCALE)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(cosines.grad).all()
    assert cosines.grad.abs().sum() > 0
