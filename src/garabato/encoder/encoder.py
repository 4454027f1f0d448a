"""Encoder: turns drawings into categories and embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, cast, overload, runtime_checkable

import numpy as np

from garabato.drawing import ByteArray, Drawing, DrawingBatch, FloatArray, IntArray, list_drawings
from garabato.encoder.binary_codes import BinaryCoder
from garabato.encoder.few_shot import (
    AddedCategory,
    check_examples,
    check_name,
    learn_category,
    save_categories,
    unit_vectors,
    with_added_logits,
)
from garabato.errors import EncoderError, InputError, check_count, did_you_mean
from garabato.render import RenderSpec, render_batch, with_own_ink

if TYPE_CHECKING:  # PyTorch is imported only if an encoder runs on it
    import torch

    from garabato.encoder.torch_runtime import Precision, TorchRuntime
    from garabato.models import Model

FORMAT = "garabato.encoder"
FORMAT_VERSION = 1
#: `Encoder.unsure_below` of an encoder whose training chose no threshold.
DEFAULT_UNSURE_BELOW = 0.5
#: The number of best predictions that decide whether a drawing is unknown.
N_TO_KNOW = 5
_AMONG_NOTHING = "`among` is empty; give at least one category, or leave it out"


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


@dataclass(frozen=True, slots=True)
class Prediction:
    """A category and its probability (0..1)."""

    category: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the probability rounded to six digits."""
        return {"category": self.category, "probability": round(self.probability, 6)}


class Predictions(list[Prediction]):
    """A list of a drawing's predictions, best first.

    `unsure` is True if the best prediction is less probable than the encoder's `unsure_below`.
    `unknown` is True if the drawing seems to show none of the categories: its five best predictions
    together are less probable than `unknown_below`. Few drawings of known categories are unknown;
    most drawings of other categories are unsure but not unknown.
    """

    def __init__(
        self, predictions: Iterable[Prediction], *, unsure: bool, unknown: bool = False
    ) -> None:
        super().__init__(predictions)
        self.unsure = unsure
        self.unknown = unknown

    def to_dict(self) -> dict[str, Any]:
        """For JSON: `predictions`, `unsure` and `unknown`."""
        return {
            "predictions": [prediction.to_dict() for prediction in self],
            "unsure": self.unsure,
            "unknown": self.unknown,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """`probabilities` (N, C) float32 and `embeddings` (N, D) float32, L2-normalised."""

    probabilities: FloatArray
    embeddings: FloatArray

    def __repr__(self) -> str:
        shapes = self.probabilities.shape, self.embeddings.shape
        return "Output(probabilities {}, embeddings {})".format(*shapes)


class Encoder:
    """Turns drawings into categories and embeddings. `load_encoder` and `train` make encoders.

    `network_categories` (given as `categories`) are the names of the network's outputs, in order;
    `categories` adds the names of `added_categories`, each made from a few drawings (see
    `with_categories`). `spec` says how drawings are rendered. The logits are divided by
    `temperature` before they become probabilities.

    Predictions less probable than `unsure_below` are unsure (see `Predictions`). If training chose
    that threshold on held-out drawings, predictions above it had the precision `unsure_precision`
    (0..1); otherwise the threshold is 0.5 and `unsure_precision` is None.

    Drawings whose five best predictions have a total probability below `unknown_below` are unknown.
    The default, 0, makes no drawing unknown.

    `coders` maps a number of bits to the coder of that length. The weight matrices of a PyTorch
    model are rounded to half precision, as in the file; `device` and `precision` apply to it (see
    `load_encoder`).
    """

    def __init__(
        self,
        model: Model | Runtime,
        *,
        spec: RenderSpec,
        categories: Iterable[str],
        temperature: float = 1.0,
        unsure_below: float | None = None,
        unsure_precision: float | None = None,
        unknown_below: float | None = None,
        coders: Mapping[int, BinaryCoder] | None = None,
        notes: dict[str, Any] | None = None,
        added_categories: Iterable[AddedCategory] = (),
        device: str | torch.device = "cpu",
        precision: Precision = "auto",
    ) -> None:
        self.spec = spec
        self.network_categories = list(categories)
        self.added_categories = list(added_categories)
        self.categories = self.network_categories + [one.name for one in self.added_categories]
        if len(set(self.categories)) < len(self.categories):
            twice = next(name for name, n in Counter(self.categories).items() if n > 1)
            raise InputError(f"the category {twice!r} is listed twice")
        self.temperature = temperature
        self.unsure_below = DEFAULT_UNSURE_BELOW if unsure_below is None else unsure_below
        self.unsure_precision = unsure_precision
        self.unknown_below = 0.0 if unknown_below is None else unknown_below
        self.coders = dict(coders or {})
        self.notes = notes or {}
        if not isinstance(model, Runtime):
            from garabato.encoder.torch_runtime import TorchRuntime

            model = TorchRuntime(model, device=device, precision=precision)
        self.runtime: Runtime = model
        self._fingerprint: str | None = None
        for n_bits, coder in self.coders.items():
            if coder.weights.shape != (self.embedding_dim, n_bits):
                raise InputError(
                    f"the coder for {n_bits} bits of {self.embedding_dim} numbers must have "
                    f"weights of this shape, not {coder.weights.shape}"
                )

    def __repr__(self) -> str:
        return (
            f"Encoder({self.model_name}, {len(self.categories)} categories, "
            f"{self.spec.size_px} px, fingerprint {self.fingerprint})"
        )

    def _repr_html_(self) -> str:
        from markupsafe import escape

        names = ", ".join(self.categories[:10]) + (" ..." if len(self.categories) > 10 else "")
        rows = {
            "network": f"{self.model_name}, {self.n_parameters:,} weights, on {self.device}",
            "categories": f"{len(self.categories)}: {names}",
            "added from a few drawings": ", ".join(one.name for one in self.added_categories),
            "images": " x ".join(map(str, self.spec.image_shape)),
            "embeddings": f"{self.embedding_dim} numbers, fingerprint {self.fingerprint}",
            "unsure": f"below {self.unsure_below:.2f}",
            "unknown": f"five best together below {self.unknown_below:.2f}",
        }
        lines = (f"<tr><th>{name}</th><td>{escape(v)}</td></tr>" for name, v in rows.items() if v)
        return f"<table>{''.join(lines)}</table>"

    @property
    def model_name(self) -> str:
        """The name of the network in the registry."""
        return self.runtime.model_name

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return self.runtime.embedding_dim

    @property
    def n_parameters(self) -> int:
        """Number of weights in the network."""
        return self.runtime.n_parameters

    @property
    def device(self) -> str:
        """Where the network runs: "cpu", "cuda:0"."""
        return self.runtime.device

    @property  # not cached_property, which Pyright refuses as the `fingerprint` of an Embedder
    def fingerprint(self) -> str:
        """Sixteen hex digits that identify the embeddings: galleries refuse another fingerprint."""
        if self._fingerprint is None:
            self._fingerprint = self.runtime.fingerprint(self.spec)
        return self._fingerprint

    def with_categories(
        self, drawings: Mapping[str, Drawing | Iterable[Drawing] | DrawingBatch]
    ) -> Encoder:
        """An encoder that also knows new categories, made from a few drawings without training.

        `drawings` maps the name of each new category to its drawings; five to ten are enough.
        Embeddings and fingerprint stay the same, so galleries stay valid. `save` stores the added
        categories in the encoder file, `save_categories` in a small file of their own.

        Raises InputError for a category without drawings, an empty drawing, and a name that exists.
        """
        if len(self.network_categories) < 2:
            raise InputError("an encoder of one category cannot learn others; train a new one")
        added = list(self.added_categories)
        for name, given in drawings.items():
            if check_name(name) in [*self.network_categories, *(one.name for one in added)]:
                raise InputError(
                    f"the encoder has a category {name!r} already; choose another name, or remove "
                    "the old one first if it was added"
                )
            examples = list_drawings(given)
            check_examples(name, examples)
            logits = [self._run(batch)[0] for batch in _batches(examples, 256)]
            added.append(learn_category(name, np.concatenate(logits)))
        return self.with_added(added)

    def without_categories(self, names: Iterable[str]) -> Encoder:
        """An encoder without these added categories. Raises InputError for any other name."""
        names = {names} if isinstance(names, str) else set(names)
        added = [one.name for one in self.added_categories]
        for name in sorted(names - set(added)):
            what = "is part of the network" if name in self.network_categories else "does not exist"
            raise InputError(
                f"the category {name!r} {what} and cannot be removed; added categories: "
                f"{', '.join(added) or 'none'}"
            )
        return self.with_added([one for one in self.added_categories if one.name not in names])

    def with_added(self, added: Iterable[AddedCategory]) -> Encoder:
        """The same network with these added categories only. Raises InputError for duplicates."""
        return Encoder(
            self.runtime,
            spec=self.spec,
            categories=self.network_categories,
            temperature=self.temperature,
            unsure_below=self.unsure_below,
            unsure_precision=self.unsure_precision,
            unknown_below=self.unknown_below,
            coders=self.coders,
            notes=self.notes,
            added_categories=added,
        )

    def predict(
        self, drawings: Drawing | Iterable[Drawing] | DrawingBatch, *, batch_size: int = 256
    ) -> Output:
        """Probabilities and embeddings of drawings, computed `batch_size` at a time.

        An empty drawing is encoded as an empty image.
        """
        n_categories, dim = len(self.categories), self.embedding_dim
        nothing = Output(np.zeros((0, n_categories), np.float32), np.zeros((0, dim), np.float32))
        outputs = [self._output(*self._run(batch)) for batch in _batches(drawings, batch_size)]
        return Output(
            np.concatenate([o.probabilities for o in [nothing, *outputs]]),
            np.concatenate([o.embeddings for o in [nothing, *outputs]]),
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
        """Binary codes (N, n_bits / 8) uint8, to be compared by Hamming distance.

        Raises EncoderError if the encoder has no codes of that length.
        """
        if n_bits not in self.coders:
            there_are = ", ".join(map(str, sorted(self.coders))) or "none"
            raise EncoderError(
                f"this encoder has no codes of {n_bits} bits (it has: {there_are}); "
                "encoders trained by this version of garabato have 64 and 128"
            )
        return self.coders[n_bits].encode(self.embed(drawings, batch_size=batch_size))

    @overload
    def classify(
        self, drawings: Drawing, k: int = 5, *, among: Iterable[str] | None = None
    ) -> Predictions: ...
    @overload
    def classify(
        self,
        drawings: Iterable[Drawing] | DrawingBatch,
        k: int = 5,
        *,
        among: Iterable[str] | None = None,
    ) -> list[Predictions]: ...
    def classify(
        self,
        drawings: Drawing | Iterable[Drawing] | DrawingBatch,
        k: int = 5,
        *,
        among: Iterable[str] | None = None,
    ) -> Predictions | list[Predictions]:
        """The `k` most probable categories, best first; for several drawings a list of such lists.

        With `among`, only these categories are considered: their probabilities sum to 1, and no
        drawing is unknown.

        Raises InputError for a single empty drawing (among several, an empty drawing gets
        meaningless predictions) and for a name in `among` that is not a category.
        """
        if isinstance(drawings, Drawing) and drawings.is_empty:
            raise InputError("the drawing is empty; draw at least one stroke")
        chosen = None if among is None else self.category_indices(among)
        rows = self.predict(drawings).probabilities
        predictions = [self.best_predictions(row, k, among=chosen) for row in rows]
        return predictions[0] if isinstance(drawings, Drawing) else predictions

    def category_indices(self, names: Iterable[str]) -> IntArray:
        """Indices (M,) int64 of categories, in the order of `categories`, each once.

        Raises InputError, with the most similar name, for a name that is not a category.
        """
        index = {name: i for i, name in enumerate(self.categories)}
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            if name not in index:
                parts = {part.strip() for part in str(name).split(",")}
                hint = did_you_mean(str(name), self.categories)
                if parts <= index.keys():
                    hint = "; give each category by itself"
                raise InputError(f"the encoder has no category {name!r}{hint}")
        if not names:
            raise InputError(_AMONG_NOTHING)
        return np.array(sorted({index[name] for name in names}), np.int64)

    def best_predictions(
        self, probabilities: FloatArray, k: int, *, among: IntArray | None = None
    ) -> Predictions:
        """What `classify` returns, from the probabilities (C,) of one drawing.

        `among` is as `category_indices` gives it.
        """
        check_count("k", k)
        shape, given = (len(self.categories),), np.shape(probabilities)
        if given != shape:
            raise InputError(f"probabilities of one drawing have the shape {shape}, not {given}")
        indices = np.arange(len(self.categories)) if among is None else among
        if len(indices) == 0:
            raise InputError(_AMONG_NOTHING)
        chosen = np.asarray(probabilities)[indices]
        if among is not None:
            total = chosen.sum()
            chosen = chosen / total if total > 0 else np.full(len(chosen), 1 / len(chosen))
        best = np.argsort(-chosen, kind="stable")
        together = sum(chosen[best[:N_TO_KNOW]].tolist())
        predictions = [Prediction(self.categories[indices[i]], float(chosen[i])) for i in best[:k]]
        return Predictions(
            predictions,
            unsure=self.is_unsure(predictions),
            unknown=among is None and together < self.unknown_below,
        )

    def is_unsure(self, predictions: Sequence[Prediction]) -> bool:
        """Whether the best of one drawing's predictions is less probable than `unsure_below`.

        Part of the public API, for predictions that were stored or changed.
        `Predictions.unsure` says it for what `classify` returns. Raises InputError if there are no
        predictions.
        """
        if not predictions:
            raise InputError("there are no predictions; call classify with k of at least 1")
        return predictions[0].probability < self.unsure_below

    def description(self) -> dict[str, Any]:
        """The header of encoder files, without the network's options. Plain values, for JSON."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "model": self.model_name,
            "render": self.spec.to_dict(),
            "categories": self.network_categories,
            "temperature": self.temperature,
            "unsure_below": self.unsure_below,
            "unsure_precision": self.unsure_precision,
            "unknown_below": self.unknown_below,
            "codes": {str(n_bits): coder.to_dict() for n_bits, coder in self.coders.items()},
            "notes": self.notes,
        }
        if self.added_categories:
            header["added_categories"] = [one.to_dict() for one in self.added_categories]
        return header

    def save(self, path: str | PathLike[str]) -> None:
        """Write the encoder to one safetensors file, atomically.

        Raises StorageError, and EncoderError for an encoder in ONNX form.
        """
        from garabato.encoder.files import save_encoder

        save_encoder(self, path)

    def save_categories(self, path: str | PathLike[str]) -> None:
        """Write the added categories alone to a JSON file, atomically, for `load_encoder`.

        Raises StorageError.
        """
        save_categories(path, self.added_categories, fingerprint=self.fingerprint)

    def as_pytorch(self) -> TorchRuntime:
        """The PyTorch runtime. Raises EncoderError for an encoder in ONNX form."""
        from garabato.encoder.onnx_runtime import OnnxRuntime

        if isinstance(self.runtime, OnnxRuntime):  # asked first: it needs no PyTorch
            raise EncoderError(
                "an encoder in ONNX form cannot be saved, exported or trained; load the "
                ".safetensors file it was made from (the shipped one with runtime='pytorch')"
            )
        return cast("TorchRuntime", self.runtime)

    def predict_images(self, images: ByteArray) -> Output:
        """Probabilities and embeddings of images (N, *spec.image_shape) uint8, N >= 1.

        Images are rendered with `spec`: `predict` does both.
        """
        if images.shape[1:] != self.spec.image_shape or images.dtype != np.uint8:
            raise InputError(
                f"images must have the shape (N, *{self.spec.image_shape}) and the dtype uint8, "
                f"not {images.shape} and {images.dtype}; render_batch makes them"
            )
        return self._output(*self.runtime.run(images))

    def _run(self, batch: DrawingBatch) -> tuple[FloatArray, FloatArray]:
        """Logits (N, C) and embeddings (N, D); for small bitmaps, two views count equally."""
        images = render_batch(batch, self.spec)
        logits, embeddings = self.runtime.run(images)
        if batch.bitmaps is not None:
            second = with_own_ink(images, batch.bitmaps, self.spec)
            if second is not None:
                more_logits, more_embeddings = self.runtime.run(second)
                logits = (logits + more_logits) / np.float32(2)
                embeddings = unit_vectors(embeddings) + unit_vectors(more_embeddings)
        return logits, embeddings

    def _output(self, logits: FloatArray, embeddings: FloatArray) -> Output:
        if self.added_categories:
            logits = with_added_logits(logits, self.added_categories, temperature=self.temperature)
        scaled = logits / np.float32(self.temperature)
        exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return Output(probabilities, unit_vectors(embeddings))


def _batches(
    drawings: Drawing | Iterable[Drawing] | DrawingBatch, batch_size: int
) -> Iterator[DrawingBatch]:
    check_count("batch_size", batch_size)
    if isinstance(drawings, DrawingBatch):
        alike = [drawings]
    else:
        groups = groupby(list_drawings(drawings), lambda drawing: drawing.bitmap_shape)
        alike = [DrawingBatch.from_drawings(list(group)) for _, group in groups]
    for batch in alike:
        for start in range(0, len(batch), batch_size):
            yield batch[start : start + batch_size]
