"""A trained network made fast for a CPU, with the same answers.

Batch normalisation is folded into the layer before it, maps are kept channels-last, and
convolutions do what follows them, sums and ReLU, while their results are in the cache. Those are
operations of oneDNN that PyTorch keeps for its own compiler, so they are used where that compiler
would: on x86.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.fx import GraphModule, Node, Tracer
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def made_fast(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` (float32, not in training) that convolves in `dtype`; a network whose
    path depends on its input keeps its layers. The rest stays in float32."""
    fast: nn.Module = copy.deepcopy(network)
    on_cpu = all(tensor.device.type == "cpu" for tensor in network.state_dict().values())
    with suppress(TraceError):
        fast = _fold_norms(_traced(fast))
        if on_cpu and convolutions_fuse(dtype):
            fast = _fuse_convolutions(fast, dtype)
    if dtype != torch.float32:
        for module in fast.modules():
            if isinstance(module, nn.Conv2d):
                module.to(dtype).register_forward_pre_hook(_to_dtype_of_weight)
            elif isinstance(module, nn.Linear):
                module.register_forward_pre_hook(_to_dtype_of_weight)
    return fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def convolutions_fuse(dtype: torch.dtype) -> bool:
    """Whether this processor and this PyTorch have the operations."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability().startswith("AVX")
        and (dtype != torch.bfloat16 or torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


_TRACING = threading.Lock()


class _Tracer(Tracer):
    """torch.fx's, which leaves alone the networks that other threads run while it traces.

    Tracing replaces methods of `nn.Module` itself, for all threads, so only one may trace.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def _traced(network: nn.Module) -> GraphModule:
    """The network as a graph of its layers. Raises TraceError where it has none."""
    with _TRACING:
        tracer = _Tracer()
        return GraphModule(network, tracer.trace(network))


def _layers(network: GraphModule) -> dict[Any, nn.Module]:
    """The layer that each node of the graph runs; layers that several nodes run are left out."""
    n_calls = Counter(node.target for node in network.graph.nodes)
    return {
        node: network.get_submodule(node.target)
        for node in network.graph.nodes
        if node.op == "call_module" and n_calls[node.target] == 1
    }


def _finished(network: GraphModule) -> GraphModule:
    network.graph.lint()
    network.delete_all_unused_submodules()
    network.recompile()
    return network


def _fold_norms(network: GraphModule) -> GraphModule:
    """Fold each batch normalisation into the convolution or linear layer that feeds only it."""
    layers = _layers(network)
    for node, norm in layers.items():
        if not isinstance(norm, nn.modules.batchnorm._BatchNorm):
            continue
        before = node.args[0]
        layer = layers.get(before) if len(before.users) == 1 else None
        if isinstance(layer, nn.Conv2d):
            folded: nn.Module = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear):
            folded = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        layers[before] = folded
        network.set_submodule(before.target, folded)
        node.replace_all_uses_with(before)
        network.graph.erase_node(node)
    return _finished(network)


class _Convolution(nn.Module):
    """A convolution, then a sum with `onto` (written over it), then ReLU, in one go.

    As torch._inductor does it (torch/_inductor/fx_passes/mkldnn_fusion.py).
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self._kernel, self._n_out = layer.kernel_size, layer.out_channels
        self._padding, self._stride = [int(side) for side in layer.padding], list(layer.stride)
        self._dilation = list(layer.dilation)
        sizes = (self._padding, self._stride, self._dilation, layer.groups)
        weight = torch.ops.mkldnn._reorder_convolution_weight(
            layer.weight.detach().to(dtype), *sizes
        )
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self._dtype, self._layer = dtype, (weight, bias, *sizes)
        self.rectifies = False

    def forward(self, maps: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> (N, n_out, ...) of the layer's dtype."""
        maps = maps.to(self._dtype, memory_format=torch.channels_last)
        last = "relu" if self.rectifies else "none"
        fused: Tensor
        if onto is None:
            fused = torch.ops.mkldnn._convolution_pointwise(maps, *self._layer, last, [], "")
        elif tuple(onto.shape) == self._shape(maps):
            fused = torch.ops.mkldnn._convolution_pointwise_.binary(
                onto, maps, *self._layer, "add", 1.0, last, [], ""
            )
        else:  # the sum broadcasts one of them
            fused = onto + torch.ops.mkldnn._convolution_pointwise(
                maps, *self._layer, "none", [], ""
            )
            fused = fused.relu() if self.rectifies else fused
        return fused

    def _shape(self, maps: Tensor) -> tuple[int, ...]:
        """Of the result, by the formula in torch.nn.Conv2d's documentation."""
        sides = (
            (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for side, padding, dilation, kernel, stride in zip(
                maps.shape[2:],
                self._padding,
                self._dilation,
                self._kernel,
                self._stride,
                strict=True,
            )
        )
        return (len(maps), self._n_out, *sides)


def _fuse_convolutions(network: GraphModule, dtype: torch.dtype) -> GraphModule:
    """Let convolutions do the sums and ReLUs that follow them."""
    graph = network.graph
    for node, layer in _layers(network).items():
        if isinstance(layer, nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif (
            isinstance(layer, nn.Conv2d)
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        ):
            network.set_submodule(node.target, _Convolution(layer, dtype))
    layers = _layers(network)
    order: dict[Any, int] = {node: number for number, node in enumerate(graph.nodes)}
    for node in order:
        if node.target is operator.add and all(isinstance(term, Node) for term in node.args):
            onto, last = sorted(node.args, key=order.__getitem__)
            if _may_be_summed(onto, last, layers, order):
                last.args = (*last.args, onto)
                node.replace_all_uses_with(last)
                graph.erase_node(node)
        elif node.target is F.relu or isinstance(layers.get(node), nn.ReLU):
            convolution = layers.get(node.args[0])
            if isinstance(convolution, _Convolution) and len(node.args[0].users) == 1:
                convolution.rectifies = True
                node.replace_all_uses_with(node.args[0])
                graph.erase_node(node)
    return _finished(network)


def _may_be_summed(
    onto: Any, last: Any, layers: dict[Any, nn.Module], order: dict[Any, int]
) -> bool:
    """Whether convolution `last`, which only the sum reads, may write the sum over `onto`: over
    maps that a convolution gave, which all else that reads them has read before."""
    convolution = layers.get(last)
    readers = [user for user in onto.users if order[user] < order[last]]
    return (
        isinstance(convolution, _Convolution)
        and onto is not last
        and not convolution.rectifies
        and len(last.args) == 1
        and len(last.users) == 1
        and isinstance(layers.get(onto), _Convolution)
        and len(onto.users) == len(readers) + 1
        and all(isinstance(layers.get(user), _Convolution | nn.AvgPool2d) for user in readers)
    )


def _to_dtype_of_weight(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    return (inputs[0].to(layer.weight.dtype),)
