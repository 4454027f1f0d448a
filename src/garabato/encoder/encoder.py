"""Encoder: what a finished training leaves behind, in one file.

The file is safetensors: the weights, and as metadata the network's name, the RenderSpec and the
categories. Whoever has it turns drawings into categories and embeddings as its training did. Its
ONNX form (`garabato export onnx`) holds the same, and does the same without PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from garabato.drawing import ByteArray, Drawing, DrawingBatch, FloatArray
from garabato.encoder.binary_codes import BinaryCoder
from garabato.encoder.runtime import Engine
from garabato.errors import EncoderError, InputError
from garabato.host.atomic import write_bytes
from garabato.render import RenderSpec, render_batch

if TYPE_CHECKING:  # PyTorch is imported only where an encoder runs by it
    import torch

    from garabato.encoder.torch_runtime import Precision, TorchEngine
    from garabato.models import Model

FORMAT = "garabato.encoder"
FORMAT_VERSION = 1
#: The file's name within a run's folder.
FILE_NAME = "encoder.safetensors"
#: What files in ONNX form are called.
ONNX_SUFFIX = ".onnx"
#: `Encoder.unsure_below` of an encoder whose training chose no threshold.
DEFAULT_UNSURE_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class Prediction:
    """A category and how probable it is (0..1)."""

    category: str
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """`probabilities` (N, C) float32 and `embeddings` (N, D) float32, L2-normalised."""

    probabilities: FloatArray
    embeddings: FloatArray


class Encoder:
    """Turns drawings into categories and embeddings. Made by `load_encoder` or by training.

    `categories` are the names of the network's outputs, in order; `spec` says how drawings become
    its images; `temperature` divides the logits before they become probabilities. Predictions less
    probable than `unsure_below` are unsure (see `is_unsure`). Where training chose that threshold
    on drawings kept out, the predictions above it were right as often as `unsure_precision` says
    (0..1); otherwise the threshold is `DEFAULT_UNSURE_BELOW` and `unsure_precision` is None.
    `coders` make binary codes, by their number of bits. A network of PyTorch has its weight
    matrices rounded to half precision, as the file holds them; `device` and `precision` are for
    it (see `load_encoder`).
    """

    def __init__(
        self,
        model: Model | Engine,
        *,
        spec: RenderSpec,
        categories: Iterable[str],
        temperature: float = 1.0,
        unsure_below: float | None = None,
        unsure_precision: float | None = None,
        coders: Mapping[int, BinaryCoder] | None = None,
        notes: dict[str, Any] | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "auto",
    ) -> None:
        self.spec = spec
        self.categories = list(categories)
        self.temperature = temperature
        self.unsure_below = DEFAULT_UNSURE_BELOW if unsure_below is None else unsure_below
        self.unsure_precision = unsure_precision
        self.coders = dict(coders or {})
        self.notes = notes or {}
        if not isinstance(model, Engine):
            from garabato.encoder.torch_runtime import TorchEngine

            model = TorchEngine(model, device=device, precision=precision)
        self.engine = model

    def __repr__(self) -> str:
        return (
            f"Encoder({self.model_name}, {len(self.categories)} categories, "
            f"{self.spec.size_px} px, fingerprint {self.fingerprint})"
        )

    @property
    def model_name(self) -> str:
        """The network's name in the registry."""
        return self.engine.model_name

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self.engine.embedding_dim

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network."""
        return self.engine.n_parameters

    @property
    def device(self) -> str:
        """Where it runs: "cpu", "cuda:0"."""
        return self.engine.device

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change with anything that changes an embedding."""
        return self.engine.fingerprint(self.spec)

    def predict(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, *, batch_size: int = 256
    ) -> Output:
        """Probabilities and embeddings of drawings, rendered and encoded `batch_size` at a time.

        A drawing without ink gets what the network makes of an empty page.
        """
        outputs = [self._forward(images) for images in self._images(drawings, batch_size)]
        if not outputs:
            return Output(
                np.zeros((0, len(self.categories)), np.float32),
                np.zeros((0, self.embedding_dim), np.float32),
            )
        return Output(
            np.concatenate([o.probabilities for o in outputs]),
            np.concatenate([o.embeddings for o in outputs]),
        )

    def embed(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, *, batch_size: int = 256
    ) -> FloatArray:
        """Embeddings (N, D) float32, L2-normalised: their dot products are cosine similarities."""
        return self.predict(drawings, batch_size=batch_size).embeddings

    def codes(
        self,
        drawings: Drawing | Iterable[Drawing] | DrawingBatch,
        n_bits: int = 128,
        *,
        batch_size: int = 256,
    ) -> ByteArray:
        """Binary codes (N, n_bits / 8) uint8: the fewer bits differ, the more alike the drawings.

        Raises EncoderError where the encoder has no codes of that length.
        """
        if n_bits not in self.coders:
            there_are = ", ".join(map(str, sorted(self.coders))) or "none"
            raise EncoderError(
                f"this encoder has no codes of {n_bits} bits (it has: {there_are}); "
                "encoders trained by this version of garabato have 64 and 128"
            )
        return self.coders[n_bits].encode(self.embed(drawings, batch_size=batch_size))

    @overload
    def classify(self, drawings: Drawing, k: int = 5) -> list[Prediction]: ...
    @overload
    def classify(
        self, drawings: Iterable[Drawing] | DrawingBatch, k: int = 5
    ) -> list[list[Prediction]]: ...
    def classify(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, k: int = 5
    ) -> list[Prediction] | list[list[Prediction]]:
        """The `k` most probable categories, best first; of several drawings a list of lists.

        Raises InputError for one drawing without ink; among several it doesn't hold up the others,
        and its answer means nothing (see `predict`).
        """
        if k < 1:
            raise InputError(f"k is at least 1, not {k}")
        if isinstance(drawings, Drawing) and drawings.is_empty:
            raise InputError("the drawing has no ink: nothing to recognise")
        probabilities = self.predict(drawings).probabilities
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        answers = [
            [Prediction(self.categories[c], float(row[c])) for c in order]
            for row, order in zip(probabilities, best, strict=True)
        ]
        return answers[0] if isinstance(drawings, Drawing) else answers

    def is_unsure(self, predictions: Sequence[Prediction]) -> bool:
        """Whether the best of one drawing's predictions is less probable than `unsure_below`.

        The command line, the HTTP API and the page mark the same predictions as unsure.
        """
        if not predictions:
            raise InputError("there are no predictions to be sure of; ask classify with k >= 1")
        return predictions[0].probability < self.unsure_below

    def description(self) -> dict[str, Any]:
        """All that files hold beside the weights and the network's options, for JSON."""
        return {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "model": self.model_name,
            "render": self.spec.to_dict(),
            "categories": self.categories,
            "temperature": self.temperature,
            "unsure_below": self.unsure_below,
            "unsure_precision": self.unsure_precision,
            "codes": {str(n_bits): coder.to_dict() for n_bits, coder in self.coders.items()},
            "notes": self.notes,
        }

    def save(self, path: str | PathLike[str]) -> None:
        """Write the encoder to one file, atomically. Raises StorageError.

        One in ONNX form cannot be saved again: raises EncoderError.
        """
        from safetensors.torch import save

        network = self.as_pytorch()
        header = self.description() | {"options": network.model.options}
        text = json.dumps(header, ensure_ascii=False)
        write_bytes(path, save(network.stored_weights(), {FORMAT: text}))

    def as_pytorch(self) -> TorchEngine:
        """The engine, which must be PyTorch's: raises EncoderError for an encoder in ONNX form."""
        from garabato.encoder.torch_runtime import TorchEngine

        if not isinstance(self.engine, TorchEngine):
            raise EncoderError(
                "an encoder in ONNX form only answers; to save or export, load the .safetensors "
                "file it was made from"
            )
        return self.engine

    def _images(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, batch_size: int
    ) -> Iterator[ByteArray]:
        if isinstance(drawings, Drawing):
            drawings = [drawings]
        if not isinstance(drawings, DrawingBatch):
            drawings = _listed(drawings)
            kinds = {None if d.bitmap is None else d.bitmap.shape for d in drawings}
            if len(kinds) > 1:  # strokes and bitmaps of several sizes: one by one
                for drawing in drawings:
                    yield render_batch(DrawingBatch.from_drawings([drawing]), self.spec)
                return
            drawings = DrawingBatch.from_drawings(drawings)
        for start in range(0, len(drawings), batch_size):
            yield render_batch(drawings[start : start + batch_size], self.spec)

    def _forward(self, images: ByteArray) -> Output:
        logits, embeddings = self.engine.run(images)
        scaled = logits / np.float32(self.temperature)
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        lengths = np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
        return Output(
            exponentials / exponentials.sum(axis=1, keepdims=True),
            (embeddings / lengths).astype(np.float32, copy=False),
        )


def _listed(drawings: Iterable[Drawing]) -> list[Drawing]:
    """All of them, or InputError for what is no drawings: a file's name for one."""
    wrong: object = drawings
    if isinstance(drawings, Iterable) and not isinstance(drawings, str):
        listed = list(drawings)
        wrong = next((one for one in listed if not isinstance(one, Drawing)), None)
        if wrong is None:
            return listed
    raise InputError(
        f"an encoder takes a Drawing, several of them or a DrawingBatch, not a "
        f"{type(wrong).__name__}; garabato.read_drawings gives the drawings of a file"
    )


def load_encoder(
    path: str | PathLike[str] | None = None,
    *,
    device: str | torch.device = "cpu",
    precision: Precision = "auto",
) -> Encoder:
    """The encoder in a file or in a run's folder; without `path` the one that ships.

    A `.safetensors` file is run by PyTorch on `device`, a `.onnx` file by ONNX Runtime on the CPU.
    With `precision` "auto", PyTorch computes long batches in bfloat16 where the CPU has it in
    hardware, twice as fast; embeddings then differ in the fourth digit (docs/export.md). With
    "float32" it never does.

    Raises EncoderError, saying what to do, where there is no file, it is truncated or not ours.
    """
    file = encoder_file(path)
    if file.suffix == ONNX_SUFFIX:
        from garabato.encoder.onnx_runtime import OnnxEngine

        engine = OnnxEngine(file, metadata_key=FORMAT)
        return _build(engine.header, file, lambda _spec: engine)
    try:
        from garabato.encoder.weights_file import read_weights_file
    except ModuleNotFoundError as error:
        raise EncoderError(
            f"{file} is run by PyTorch, which cannot be imported ({error}): pip install torch; "
            "or, where it is installed, write the encoder for ONNX Runtime: garabato export onnx"
        ) from None

    header, build_engine = read_weights_file(
        file, metadata_key=FORMAT, device=device, precision=precision
    )
    return _build(header, file, build_engine)


def encoder_file(path: str | PathLike[str] | None) -> Path:
    """The file that `load_encoder` reads for a path: itself, a run's, or the one that ships.

    Raises EncoderError, saying what to do, where there is none.
    """
    if path is None:
        file = Path(str(resources.files("garabato") / "pretrained" / FILE_NAME))
        if not file.is_file():
            raise EncoderError(
                "this version of garabato ships without an encoder; "
                "train one with `garabato train` and give it with --model"
            )
        return file
    file = Path(path)
    if file.is_dir():
        file = file / FILE_NAME
        if not file.is_file():
            raise EncoderError(
                f"there is no {FILE_NAME} in {path}; finish the training with: "
                f"garabato train --data DATA --out {path} --resume"
            )
    if not file.is_file():
        raise EncoderError(f"there is no encoder at {path}; train one with: garabato train")
    return file


def _build(
    header: dict[str, Any], file: Path, build_engine: Callable[[RenderSpec], Engine]
) -> Encoder:
    if header.get("version") != FORMAT_VERSION:
        raise EncoderError(
            f"{file} has format version {header.get('version')}, this garabato reads "
            f"{FORMAT_VERSION}; use the garabato that wrote it or train again"
        )
    try:
        spec = RenderSpec.from_dict(header["render"])
        return Encoder(
            build_engine(spec),
            spec=spec,
            categories=header["categories"],
            temperature=header.get("temperature", 1.0),
            unsure_below=header.get("unsure_below"),
            unsure_precision=header.get("unsure_precision"),
            coders={
                int(n_bits): BinaryCoder.from_dict(plain)
                for n_bits, plain in header.get("codes", {}).items()
            },
            notes=header.get("notes"),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise EncoderError(f"{file} is damaged: {error}") from None
