"""A trained network made fast for a CPU, with the same answers.

Batch normalisation is folded into the convolution before it, maps are kept channels-last, and
convolutions do what follows them, sums and ReLU, while their results are in the cache. Those are
operations of oneDNN that PyTorch keeps for its own compiler, so they are used where that compiler
would: on x86.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections import Counter
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.fx import GraphModule, Node, Tracer
from torch.nn.utils.fusion import fuse_conv_bn_eval


def optimize_for_inference(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` (float32, not in training) that convolves in `dtype` where it can, and
    does the rest in float32. A network that torch.fx can't trace keeps its layers."""
    on_cpu = all(tensor.device.type == "cpu" for tensor in network.state_dict().values())
    fast: nn.Module
    try:
        fast = traced = _traced(copy.deepcopy(network))
        _fold_norms(traced)
        if on_cpu and convolutions_fuse(dtype):
            _fuse_convolutions(traced, dtype)
        traced.graph.lint()
        traced.delete_all_unused_submodules()
        traced.recompile()
    except Exception:  # tracing runs the network's own code, which may raise anything
        fast = copy.deepcopy(network)
    for module in fast.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return fast


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
    """The network as a graph of its layers. Raises what a network raises that has none."""
    with _TRACING:
        tracer = _Tracer()
        return GraphModule(network, tracer.trace(network))


#: Layers that several nodes may run: they hold nothing.
_STATELESS = (nn.Identity, nn.ReLU, nn.AvgPool2d)


def _layers(network: GraphModule) -> dict[Any, nn.Module]:
    """The layers that may be replaced, by their nodes of the graph: each is run by that node alone,
    with maps alone; nobody reads its weights or listens to it."""
    nodes = network.graph.nodes
    n_uses = Counter(
        node.target.rpartition(".")[0] if node.op == "get_attr" else node.target for node in nodes
    )
    run = {node: network.get_submodule(node.target) for node in nodes if node.op == "call_module"}
    return {
        node: layer
        for node, layer in run.items()
        if (n_uses[node.target] == 1 or isinstance(layer, _STATELESS))
        and (len(node.args) == 1 and not node.kwargs)
        and not (layer._forward_hooks or layer._forward_pre_hooks)
    }


def _fold_norms(network: GraphModule) -> None:
    """Fold each batch normalisation into the convolution that feeds only it."""
    layers = _layers(network)
    for node, norm in layers.items():
        before = node.args[0]
        convolution = layers.get(before)
        if (
            isinstance(norm, nn.BatchNorm2d)
            and norm.running_mean is not None
            and type(convolution) is nn.Conv2d
            and len(before.users) == 1
        ):
            layers[before] = fuse_conv_bn_eval(convolution, norm)
            network.set_submodule(before.target, layers[before])
            node.replace_all_uses_with(before)
            network.graph.erase_node(node)


class _Convolution(nn.Module):
    """A convolution, then a sum with `onto` (written over it), then ReLU, in one go.

    As torch._inductor does it (torch/_inductor/fx_passes/mkldnn_fusion.py).
    """

    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        sizes = (list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups)
        weight = torch.ops.mkldnn._reorder_convolution_weight(
            layer.weight.detach().to(dtype), *sizes
        )
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        self._dtype, self._layer = dtype, (weight, bias, *sizes)
        self.rectifies = False

    def forward(self, maps: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, C, H, W) -> (N, n_out, ...) of the layer's dtype."""
        maps = maps.to(self._dtype, memory_format=torch.channels_last)
        if onto is None:
            return self._convolve(maps, "relu" if self.rectifies else "none")
        try:
            result: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
                *(onto, maps, *self._layer, "add", 1.0),
                *("relu" if self.rectifies else None, [], ""),
            )
        except RuntimeError:  # the sum broadcasts one of them, which oneDNN doesn't
            result = onto + self._convolve(maps, "none")
            result = result.relu() if self.rectifies else result
        return result

    def _convolve(self, maps: Tensor, last: str) -> Tensor:
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(maps, *self._layer, last, [], "")
        return result


def _fuse_convolutions(network: GraphModule, dtype: torch.dtype) -> None:
    """Let convolutions do the sums and ReLUs that follow them."""
    graph = network.graph
    for node, layer in _layers(network).items():
        if isinstance(layer, nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        elif (
            type(layer) is nn.Conv2d
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
    for node in list(graph.nodes):
        if isinstance(layers.get(node), _Convolution):
            _give_float32(node, layers)


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


def _give_float32(convolution: Any, layers: dict[Any, nn.Module]) -> None:
    """Whoever reads a convolution's maps gets float32, but other convolutions, and poolings that
    only these read."""

    def takes_any(user: Any) -> bool:
        layer = layers.get(user)
        return isinstance(layer, _Convolution) or (
            isinstance(layer, nn.AvgPool2d) and all(map(takes_any, user.users))
        )

    others = [user for user in convolution.users if not takes_any(user)]
    if others:
        with convolution.graph.inserting_after(convolution):
            exact = convolution.graph.call_method("float", (convolution,))
        for user in others:
            user.replace_input_with(convolution, exact)
