"""Networks of all shapes answer as they did when made fast; skfast is fused as meant."""

from __future__ import annotations

import operator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from networks import make_encoder
from torch import Tensor, nn
from torch.fx import GraphModule

from garabato.encoder.fast_network import convolutions_fuse, optimize_for_inference

where_they_fuse = pytest.mark.skipif(
    not convolutions_fuse(torch.float32), reason="PyTorch has fused convolutions on x86 only"
)


class Network(nn.Module):
    """(N, 8, 9, 9) -> (N, ...); every kind has the layers of all."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 1)
        self.norm, self.other_norm = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.same = nn.Identity()
        self.head, self.head_norm = nn.Linear(8, 5), nn.BatchNorm1d(5)


class Plain(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.norm(self.first(maps)))


class Sum(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.norm(self.first(maps)) + self.second(maps))


class SumWithoutEnd(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return self.first(maps) + self.second(maps)


class SumOfThree(Network):
    def __init__(self) -> None:
        super().__init__()
        self.third = nn.Conv2d(8, 8, 5, padding=2)

    def forward(self, maps: Tensor) -> Tensor:
        return self.first(maps) + self.second(maps) + self.third(maps)


class ConvolvedTwice(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return self.second(self.first(maps)) + self.first(maps)


class SumWithItsInput(Network):
    """The second convolution reads what it would be written over."""

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.same(self.first(maps))
        return F.relu(self.second(maps) + maps)


class SumReadAgain(Network):
    """What the sum is made of is asked for once more afterwards."""

    def forward(self, maps: Tensor) -> Tensor:
        one = self.first(maps)
        both = one + self.second(maps)
        return both + one.flip(3)


class SumOfView(Network):
    def forward(self, maps: Tensor) -> Tensor:
        one = self.first(maps)
        view = one.transpose(2, 3)
        return one + self.second(maps) + view


class SumWithNetworksInput(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return self.first(maps) + maps


class Twice(Network):
    def forward(self, maps: Tensor) -> Tensor:
        maps = self.first(maps)
        return maps + maps


class SumOfRectified(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.first(maps)) + F.relu(self.second(maps))


class SumOverAll(Network):
    """Maps of one pixel are added to maps of many."""

    def forward(self, maps: Tensor) -> Tensor:
        return self.first(maps) + self.second(maps.mean(dim=(2, 3), keepdim=True))


class SumOntoOne(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return self.second(maps.mean(dim=(2, 3), keepdim=True)) + self.first(maps)


class SumOfOneChannel(Network):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(8, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.first(maps) + self.second(maps))


class SumWithNumber(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.first(maps) + 0.25)


class SharedLayers(Network):
    """The same convolution is normalised in one place and not in another."""

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.first(maps)) + self.first(self.norm(maps))


class TwoNorms(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return self.other_norm(self.norm(self.first(maps)))


class NormOfShared(Network):
    def forward(self, maps: Tensor) -> Tensor:
        maps = self.first(maps)
        return self.norm(maps) + maps


class Padded(Network):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 8, 3, padding="same", padding_mode="reflect")
        self.second = nn.Conv2d(8, 8, 4, padding="same", stride=1, dilation=2)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.norm(self.second(self.first(maps))))


class Grouped(Network):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(8, 8, (3, 1), padding=(1, 0), groups=4, stride=2)
        self.second = nn.Conv2d(8, 8, 3, padding=2, dilation=2, stride=2)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.norm(self.first(maps)) + self.second(maps))


class NormOfRows(Network):
    """Linear layers act on the last dimension, norms on the second."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Linear(9, 8)

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.rows(self.second(maps)))


class ReadWeights(Network):
    """Somebody else reads a layer's weights."""

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.norm(self.first(maps)) + F.conv2d(maps, self.first.weight, padding=1)
        return self.second(maps.to(self.second.weight.dtype)) * self.second.weight.norm()


class Hooked(Network):
    def __init__(self) -> None:
        super().__init__()
        self.first.register_forward_hook(lambda _layer, _inputs, maps: maps * 2)
        self.norm.register_forward_pre_hook(lambda _layer, inputs: (inputs[0] + 1,))

    def forward(self, maps: Tensor) -> Tensor:
        return self.norm(self.first(maps))


class WithKeywords(Network):
    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(input=self.norm(input=self.same(input=self.first(input=maps))))


class OfShapes(Network):
    """Python asks for sizes, which a graph has not."""

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.norm(self.first(maps))
        return maps + torch.zeros(len(maps), *[1 for _ in range(maps.shape[1])][:1], 1, 1)


class Remembers(Network):
    """Keeps a tensor from its first run."""

    ones: Tensor | None = None

    def forward(self, maps: Tensor) -> Tensor:
        if self.ones is None:
            self.ones = torch.ones_like(maps[:1])
        maps = self.norm(self.first(maps)) + self.ones
        return maps * 2 if maps.sum() > 0 else maps


class Parametrised(Network):
    def __init__(self) -> None:
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.first)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.norm(self.first(maps)))


class NormOfBatch(Network):
    """No statistics are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.batch_norm(self.first(maps))


class OtherLayers(Network):
    """Layers that take float32 only, and parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.prelu, self.up = nn.PReLU(8), nn.ConvTranspose2d(8, 8, 2)
        self.pool, self.cube = nn.AvgPool2d(2), nn.Conv3d(1, 2, 1)
        self.table = nn.Parameter(torch.randn(8, 3))

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.first(self.up(self.prelu(self.first(maps))))
        pooled = self.pool(maps)
        cubes = self.cube(pooled[:, None]).mean(dim=(1, 3, 4))
        return (self.second(pooled).mean(dim=(2, 3)) + cubes) @ self.table


class Headed(Network):
    def forward(self, maps: Tensor) -> Tensor:
        pooled = F.relu(self.first(maps)).mean(dim=(2, 3))
        return self.head_norm(self.head(pooled))


@pytest.mark.parametrize("kind", Network.__subclasses__(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@torch.inference_mode()
def test_a_network_made_fast_answers_as_it_did(
    kind: type[Network], memory: torch.memory_format
) -> None:
    torch.manual_seed(0)
    network = kind()
    for norm in (network.norm, network.other_norm, network.head_norm):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    network.eval()
    maps = torch.randn(3, 8, 9, 9).contiguous(memory_format=memory)
    before, expected = maps.clone(), network(maps)
    fast = optimize_for_inference(network, torch.float32)
    for _ in range(2):
        torch.testing.assert_close(fast(maps), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(maps, before, atol=0, rtol=0)  # the input stays as it is
    quick = optimize_for_inference(network, torch.bfloat16)(maps)
    torch.testing.assert_close(quick.float(), expected, atol=0.1, rtol=0.05)


@where_they_fuse
def test_a_relu_of_all_places_is_fused_in_each() -> None:
    class Block(Network):
        def __init__(self) -> None:
            super().__init__()
            self.third, self.relu = nn.Conv2d(8, 8, 1), nn.ReLU(inplace=True)

        def forward(self, maps: Tensor) -> Tensor:
            maps = self.relu(self.norm(self.first(maps)))
            return self.relu(self.other_norm(self.second(self.relu(self.third(maps)))) + maps)

    network = Block().eval()
    fast = optimize_for_inference(network, torch.float32)
    ran = [node.target for node in fast.graph.nodes if node.op != "call_method"]
    assert ran == ["maps", "first", "third", "second", "output"]
    maps = torch.randn(2, 8, 9, 9)
    with torch.inference_mode():
        torch.testing.assert_close(fast(maps), network(maps))


@where_they_fuse
def test_skfast_has_neither_sums_nor_relus_of_maps_left() -> None:
    fast = optimize_for_inference(make_encoder("skfast").runtime.model, torch.float32)
    assert isinstance(fast, GraphModule)
    targets = [node.target for node in fast.graph.nodes]
    assert F.relu not in targets
    assert not [m for m in fast.modules() if isinstance(m, nn.ReLU | nn.Conv2d | nn.Identity)]
    assert targets.count(operator.add) == 2  # two poolings; features and directions
