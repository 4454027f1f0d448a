"""Runs networks with PyTorch, on a CPU or a GPU.

Feature maps are kept channels-last. On a CPU long batches are run in pieces that fit the cache, and
pieces of many images in bfloat16 if the CPU supports it (benchmarks/inference.py measures speed and
the small differences).
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from garabato.drawing import ByteArray, FloatArray
from garabato.errors import InputError, first_line
from garabato.models import Model, as_input
from garabato.render import RenderSpec

#: "auto": bfloat16 for long batches if the CPU supports it.
Precision = Literal["auto", "float32"]
#: Images run at once on a CPU: their feature maps stay in its cache.
_PIECE = 32
#: Fewer images than these (such as one query) are computed in float32: bfloat16 saves little.
_MIN_FOR_BFLOAT16 = 16


def choose_device(name: str | torch.device) -> torch.device:
    """The device called `name`; "auto" is CUDA if available. Raises InputError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:  # its message lists sixteen kinds of devices, most of them rare
        raise InputError(f"device must be auto, cpu, cuda, cuda:1 ..., not {name!r}") from None
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use device {str(name)!r}: {first_line(error)}") from None
    return device


class TorchRuntime:
    """Runs `model` on `device`. Its weight matrices are rounded to half precision, in place."""

    def __init__(
        self, model: Model, *, device: str | torch.device = "cpu", precision: Precision = "auto"
    ) -> None:
        for tensor in model.state_dict().values():
            if is_stored_in_half(tensor):
                tensor.copy_(tensor.half())
        self._device = choose_device(device)
        self.device = str(self._device)
        self.model_name = model.name
        self.embedding_dim = model.embedding_dim
        self.n_parameters = sum(p.numel() for p in model.parameters())
        self.model: Model = model.to(self._device).eval()
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._uses_bfloat16 = (
            precision == "auto" and self._device.type == "cpu" and cpu_has_bfloat16()
        )

    def fingerprint(self, spec: RenderSpec) -> str:
        digest = hashlib.sha256(spec.fingerprint.encode())
        if self.model.options:
            digest.update(json.dumps(self.model.options, sort_keys=True).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def stored_weights(self) -> dict[str, Tensor]:
        """Name -> tensor as stored in files: weight matrices in half precision."""
        return {
            name: (tensor.half() if is_stored_in_half(tensor) else tensor).cpu().contiguous()
            for name, tensor in self.model.state_dict().items()
        }

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        n_piece = _PIECE if self._device.type == "cpu" else len(images)
        with torch.inference_mode():
            outputs = [
                self._run_piece(images[start : start + n_piece])
                for start in range(0, len(images), n_piece)
            ]
        logits, embeddings = zip(*outputs, strict=True)
        return np.concatenate(logits), np.concatenate(embeddings)

    def _run_piece(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        in_bfloat16 = self._uses_bfloat16 and len(images) >= _MIN_FOR_BFLOAT16
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            logits, embeddings = self.model(as_input(images, self._device))
        return logits.float().cpu().numpy(), embeddings.float().cpu().numpy()


def cpu_has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 (AVX512-BF16). PyTorch has no public name for this."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def is_stored_in_half(tensor: Tensor) -> bool:
    """Whether a tensor is a weight matrix or kernel; norms keep full precision."""
    return tensor.is_floating_point() and tensor.ndim >= 2
