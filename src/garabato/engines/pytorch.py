"""A network run by PyTorch, on a CPU or a GPU.

On a CPU it is made fast first: batch normalisation is folded into the convolutions before it, sums
are made in place, maps are kept channels-last, long batches are cut into pieces that fit the cache,
and pieces of many images go through the convolutions in bfloat16 where the CPU has it in hardware.
Measured by benchmarks/inference.py, with what bfloat16 changes: next to nothing.
"""

from __future__ import annotations

import copy
import hashlib
import json
import operator
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.fx import GraphModule, Node, Tracer
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from garabato.drawing import ByteArray, FloatArray
from garabato.models import Model, as_input
from garabato.render import RenderSpec

#: "auto" is "bfloat16" where that pays, else "float32".
Precision = Literal["auto", "float32"]
#: Images that go through the network together on a CPU: their maps stay in its cache.
_PIECE = 32
#: In fewer images than these (a query is one) bfloat16 saves little, so they stay exact.
_LEAST_FOR_BFLOAT16 = 16


class TorchEngine:
    """Runs `model` on `device`. Its weight matrices are rounded to half precision, in place."""

    def __init__(
        self, model: Model, *, device: str | torch.device = "cpu", precision: Precision = "auto"
    ) -> None:
        for tensor in model.state_dict().values():
            if is_stored_in_half(tensor):
                tensor.copy_(tensor.half())
        self._device = torch.device(device)
        self.model: Model = model.to(self._device).eval()
        self._uses_bfloat16 = (
            precision == "auto"
            and self._device.type == "cpu"
            and bool(torch.cpu._is_avx512_bf16_supported())
        )

    @property
    def model_name(self) -> str:
        return str(self.model.name)

    @property
    def embedding_dim(self) -> int:
        return int(self.model.embedding_dim)

    @property
    def n_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @property
    def device(self) -> str:
        return str(self._device)

    def fingerprint(self, spec: RenderSpec) -> str:
        digest = hashlib.sha256(spec.fingerprint.encode())
        if self.model.options:
            digest.update(json.dumps(self.model.options, sort_keys=True).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def stored_weights(self) -> dict[str, Tensor]:
        """Name -> tensor as files hold it: weight matrices in half precision, which halves them."""
        return {
            name: (tensor.half() if is_stored_in_half(tensor) else tensor).cpu().contiguous()
            for name, tensor in self.model.state_dict().items()
        }

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        with torch.inference_mode():
            outputs = [self._run_piece(piece) for piece in self._pieces(images)]
        logits, embeddings = zip(*outputs, strict=True)
        return np.concatenate(logits), np.concatenate(embeddings)

    def _pieces(self, images: ByteArray) -> Iterator[ByteArray]:
        n_piece = _PIECE if self._device.type == "cpu" else len(images)
        for start in range(0, len(images), n_piece):
            yield images[start : start + n_piece]

    def _run_piece(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        is_long = len(images) >= _LEAST_FOR_BFLOAT16
        network = self._in_bfloat16 if self._uses_bfloat16 and is_long else self._folded
        logits, embeddings = network(as_input(images, self._device))
        return logits.float().cpu().numpy(), embeddings.float().cpu().numpy()

    @cached_property
    def _folded(self) -> nn.Module:
        """The network without batch normalisations: the layers before them do their work."""
        network: nn.Module = copy.deepcopy(self.model)
        with suppress(TraceError):  # a network whose path depends on its input runs as it is
            network = _add_in_place(_fold_norms(_traced(network)))
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    @cached_property
    def _in_bfloat16(self) -> nn.Module:
        """The same with convolutions, where nearly all the time goes, in bfloat16."""
        network = copy.deepcopy(self._folded)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.to(torch.bfloat16).register_forward_pre_hook(_to_bfloat16)
            elif isinstance(module, nn.Linear):
                module.register_forward_pre_hook(_to_float32)
        return network


def is_stored_in_half(tensor: Tensor) -> bool:
    """Weights of convolutions and linear layers; norms and their statistics keep full precision."""
    return tensor.is_floating_point() and tensor.ndim >= 2


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


def _fold_norms(network: GraphModule) -> GraphModule:
    """Fold each batch normalisation into the convolution or linear layer that feeds only it."""
    layers = dict(network.named_modules())
    for node in network.graph.nodes:
        if node.op != "call_module" or not isinstance(
            layers[node.target], nn.modules.batchnorm._BatchNorm
        ):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1:
            continue
        layer, norm = layers[before.target], layers[node.target]
        if isinstance(layer, nn.Conv2d):
            folded: nn.Module = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear):
            folded = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        network.set_submodule(before.target, folded)
        node.replace_all_uses_with(before)
        network.graph.erase_node(node)
    network.delete_all_unused_submodules()
    network.recompile()
    return network


def _add_in_place(network: GraphModule) -> GraphModule:
    """Write sums over what a convolution gave and nobody else reads, and ReLUs over such sums:
    fresh memory for maps takes longer to get than to fill."""
    layers = dict(network.named_modules())
    for node in network.graph.nodes:
        first = node.args[0] if node.args else None
        if not isinstance(first, Node) or len(first.users) > 1:
            continue
        if node.target is operator.add and isinstance(layers.get(first.target), nn.Conv2d):
            node.target = operator.iadd
        elif node.target is F.relu and first.target is operator.iadd:
            node.update_kwarg("inplace", True)
    network.recompile()
    return network


def _to_bfloat16(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    return (inputs[0].bfloat16(),)


def _to_float32(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Tensor]:
    return (inputs[0].float(),)
