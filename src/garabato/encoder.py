"""Encoder: what a finished training leaves behind, in one file.

The file is safetensors: the weights, and as metadata the network's name, the RenderSpec and the
categories. Whoever has it turns drawings into categories and embeddings as its training did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from garabato.atomic import write_bytes
from garabato.drawing import ByteArray, Drawing, DrawingBatch, FloatArray
from garabato.errors import EncoderError, InputError
from garabato.models import Model, as_input, create_model
from garabato.render import RenderSpec, render_batch

FORMAT = "garabato.encoder"
FORMAT_VERSION = 1
#: The file's name within a run's folder.
FILE_NAME = "encoder.safetensors"


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
    its images; `temperature` divides the logits before they become probabilities. Answers less
    probable than `unsure_below` count as unsure; those above it were right as often as
    `unsure_precision` says (0..1) on drawings kept out of training. Both are None where training
    kept none out. Weight matrices are rounded to half precision, as the file holds them, which
    halves it.
    """

    def __init__(
        self,
        model: Model,
        *,
        spec: RenderSpec,
        categories: Iterable[str],
        temperature: float = 1.0,
        unsure_below: float | None = None,
        unsure_precision: float | None = None,
        notes: dict[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.spec = spec
        self.categories = list(categories)
        self.temperature = temperature
        self.unsure_below = unsure_below
        self.unsure_precision = unsure_precision
        self.notes = notes or {}
        self.device = torch.device(device)
        for tensor in model.state_dict().values():
            if _is_stored_in_half(tensor):
                tensor.copy_(tensor.half())
        self._model = model.to(self.device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @property
    def model_name(self) -> str:
        """The network's name in the registry."""
        return str(self._model.name)

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return int(self._model.embedding_dim)

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network."""
        return sum(p.numel() for p in self._model.parameters())

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change with anything that changes an embedding."""
        digest = hashlib.sha256(self.spec.fingerprint.encode())
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

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

    @overload
    def classify(self, drawings: Drawing, k: int = 5) -> list[Prediction]: ...
    @overload
    def classify(
        self, drawings: Iterable[Drawing] | DrawingBatch, k: int = 5
    ) -> list[list[Prediction]]: ...
    def classify(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, k: int = 5
    ) -> list[Prediction] | list[list[Prediction]]:
        """The `k` most probable categories, best first; of several drawings a list of lists."""
        if k < 1:
            raise InputError(f"k is at least 1, not {k}")
        probabilities = self.predict(drawings).probabilities
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
        answers = [
            [Prediction(self.categories[c], float(row[c])) for c in order]
            for row, order in zip(probabilities, best, strict=True)
        ]
        return answers[0] if isinstance(drawings, Drawing) else answers

    def is_unsure(self, predictions: Sequence[Prediction]) -> bool:
        """Whether the best of one drawing's predictions is too improbable to be relied on.

        Never, where the encoder holds no threshold (`unsure_below` is None).
        """
        if not predictions:
            raise InputError("there are no predictions to be sure of; ask classify with k >= 1")
        return self.unsure_below is not None and predictions[0].probability < self.unsure_below

    def save(self, path: str | PathLike[str]) -> None:
        """Write the encoder to one file, atomically. Raises StorageError."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "model": self._model.name,
            "options": self._model.options,
            "render": self.spec.to_dict(),
            "categories": self.categories,
            "temperature": self.temperature,
            "unsure_below": self.unsure_below,
            "unsure_precision": self.unsure_precision,
            "notes": self.notes,
        }
        state = {
            name: (tensor.half() if _is_stored_in_half(tensor) else tensor).cpu().contiguous()
            for name, tensor in self._model.state_dict().items()
        }
        write_bytes(path, save(state, {FORMAT: json.dumps(header, ensure_ascii=False)}))

    def _images(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, batch_size: int
    ) -> Iterator[ByteArray]:
        if isinstance(drawings, Drawing):
            drawings = [drawings]
        if not isinstance(drawings, DrawingBatch):
            drawings = list(drawings)
            kinds = {None if d.bitmap is None else d.bitmap.shape for d in drawings}
            if len(kinds) > 1:  # strokes and bitmaps of several sizes: one by one
                for drawing in drawings:
                    yield render_batch(DrawingBatch.from_drawings([drawing]), self.spec)
                return
            drawings = DrawingBatch.from_drawings(drawings)
        for start in range(0, len(drawings), batch_size):
            yield render_batch(drawings[start : start + batch_size], self.spec)

    def _forward(self, images: ByteArray) -> Output:
        with torch.inference_mode():
            inputs = as_input(images, self.device)  # (B, K, S, S)
            logits, embeddings = self._model(inputs)
            probabilities = torch.softmax(logits.float() / self.temperature, dim=1)
            lengths = embeddings.float().norm(dim=1, keepdim=True).clamp_min(1e-12)
            return Output(probabilities.cpu().numpy(), (embeddings.float() / lengths).cpu().numpy())


def load_encoder(
    path: str | PathLike[str] | None = None, *, device: str | torch.device = "cpu"
) -> Encoder:
    """The encoder in a `.safetensors` file or in a run's folder; without `path` the one that ships.

    Raises EncoderError, saying what to do, where there is no file, it is truncated or not ours.
    """
    file = _encoder_file(path)
    try:
        with safe_open(file, framework="pt") as reader:
            header_text = (reader.metadata() or {}).get(FORMAT)
            state = {name: reader.get_tensor(name) for name in reader.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise EncoderError(
            f"{file} is truncated or not an encoder of garabato ({error}); "
            "train one with: garabato train"
        ) from None
    except OSError as error:
        raise EncoderError(f"cannot read {file}: {error}") from None
    if header_text is None:
        raise EncoderError(
            f"{file} is a safetensors file but not an encoder of garabato; "
            "train one with: garabato train"
        )
    return _build(json.loads(header_text), state, file, device)


def _is_stored_in_half(tensor: torch.Tensor) -> bool:
    """Weights of convolutions and linear layers; norms and their statistics keep full precision."""
    return tensor.is_floating_point() and tensor.ndim >= 2


def _encoder_file(path: str | PathLike[str] | None) -> Path:
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
                f"garabato train --out {path} --resume"
            )
    if not file.is_file():
        raise EncoderError(f"there is no encoder at {path}; train one with: garabato train")
    return file


def _build(
    header: dict[str, Any],
    state: dict[str, torch.Tensor],
    file: Path,
    device: str | torch.device,
) -> Encoder:
    if header.get("version") != FORMAT_VERSION:
        raise EncoderError(
            f"{file} has format version {header.get('version')}, this garabato reads "
            f"{FORMAT_VERSION}; use the garabato that wrote it or train again"
        )
    try:
        spec = RenderSpec.from_dict(header["render"])
        model = create_model(
            header["model"],
            n_categories=len(header["categories"]),
            image_size_px=spec.size_px,
            **header["options"],
        )
        model.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError, InputError) as error:
        raise EncoderError(f"{file} is damaged: {error}") from None
    return Encoder(
        model,
        spec=spec,
        categories=header["categories"],
        temperature=header.get("temperature", 1.0),
        unsure_below=header.get("unsure_below"),
        unsure_precision=header.get("unsure_precision"),
        notes=header.get("notes"),
        device=device,
    )
