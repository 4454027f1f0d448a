"""What runs a network: PyTorch or ONNX Runtime, behind one face."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from garabato.drawing import ByteArray, FloatArray
from garabato.render import RenderSpec


@runtime_checkable
class Engine(Protocol):
    """Rendered images in, logits and embeddings out. Safe to use from several threads."""

    @property
    def model_name(self) -> str:
        """The network's name in the registry."""

    @property
    def embedding_dim(self) -> int:
        """Length D of an embedding."""

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0"."""

    def fingerprint(self, spec: RenderSpec) -> str:
        """Sixteen hex digits of the weights together with how drawings become images."""

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        """Images as `render_batch` gives them, N >= 1 -> logits (N, C), embeddings (N, D).

        Both float32; the embeddings of any length.
        """
