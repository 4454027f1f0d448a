"""The interface of runtimes: PyTorch and ONNX Runtime run a network in the same way."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from garabato.drawing import ByteArray, FloatArray
from garabato.render import RenderSpec


@runtime_checkable
class Runtime(Protocol):
    """Runs a network: rendered images in, logits and embeddings out. Thread-safe."""

    #: The name of the network in the registry.
    model_name: str
    #: Length D of an embedding.
    embedding_dim: int
    #: Number of weights in the network.
    n_parameters: int
    #: Where the network runs: "cpu", "cuda:0".
    device: str

    def fingerprint(self, spec: RenderSpec) -> str:
        """Sixteen hex digits of the weights and the RenderSpec."""

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        """Images from `render_batch`, N >= 1 -> logits (N, C), embeddings (N, D), float32.

        The embeddings need not be normalised.
        """
