"""Categories from a few drawings, without training.

A drawing's logits say how similar it is to each category of the network, so the mean direction of
the logits of a few drawings describes a new category. The logit of the new category is

    level * (SLOPE * cosine(logits of the drawing, mean of the examples) + OFFSET)

where the logits of every drawing are centred on 0 first. `level` puts new and old logits on one
scale: it is the logit of a category with log-odds of 3 (95%) if all others are 0, which for C
categories is temperature * (log(C - 1) + 3). Only logits are needed, so this works for every
runtime and network. benchmarks/few_shot.py measures it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from shlex import quote
from typing import Any
from unicodedata import category as unicode_category

import numpy as np

from garabato.drawing import Drawing, FloatArray
from garabato.encoder.binary_codes import array_as_text, array_from_text
from garabato.errors import EncoderError, InputError
from garabato.host.atomic import write_bytes

FORMAT = "garabato.categories"
FORMAT_VERSION = 1

#: Chosen so that 12 categories by other people cost the shipped encoder less than one point of
#: top-1 on the drawings it was trained for (benchmarks/few_shot.py).
SLOPE, OFFSET = 1.2, 0.24
_LOG_ODDS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class AddedCategory:
    """A category made from `n_drawings` drawings.

    `prototype` (C,) float32 has length 1: the mean direction of the centred logits.
    """

    name: str
    prototype: FloatArray = field(repr=False)
    n_drawings: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the prototype in half precision."""
        return {
            "name": self.name,
            "n_drawings": self.n_drawings,
            "prototype": array_as_text(self.prototype.astype("<f2")),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], n_categories: int) -> AddedCategory:
        """The inverse of `to_dict`. Raises ValueError, naming what is wrong."""
        try:
            name, n_drawings = check_name(plain["name"]), int(plain["n_drawings"])
            prototype = array_from_text(plain["prototype"], "<f2")
        except (KeyError, TypeError, ValueError, InputError) as error:
            raise ValueError(f"an added category is damaged: {error}") from None
        if prototype.shape != (n_categories,):
            raise ValueError(
                f"the added category {name!r} has {len(prototype)} numbers, not {n_categories}"
            )
        if not np.isfinite(prototype).all():
            raise ValueError(f"the added category {name!r} contains NaN or infinity")
        return cls(name, prototype, n_drawings)


def learn_category(name: str, logits: FloatArray) -> AddedCategory:
    """A category from the logits (N, C) of its drawings, N >= 1, C >= 2."""
    mean = unit_vectors(_centred(logits)).mean(axis=0)
    # Rounded as in the file, so that a saved encoder gives the same predictions.
    prototype = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float16)
    return AddedCategory(name, prototype.astype(np.float32), len(logits))


def with_added_logits(
    logits: FloatArray, added: Sequence[AddedCategory], *, temperature: float
) -> FloatArray:
    """Logits (N, C) of the network -> (N, C + A): centred, then those of the added categories."""
    centred = _centred(logits)
    weights, offset = added_weights(added, temperature=temperature)
    return np.concatenate([centred, unit_vectors(centred) @ weights.T + offset], axis=1)


def added_weights(
    added: Sequence[AddedCategory], *, temperature: float
) -> tuple[FloatArray, np.float32]:
    """Weights (A, C) and an offset: `weights` times the centred logits at length 1, plus `offset`,
    are the logits of the added categories."""
    prototypes = np.stack([one.prototype for one in added])
    level = np.float32(temperature * (np.log(prototypes.shape[1] - 1) + _LOG_ODDS))
    return level * np.float32(SLOPE) * prototypes, level * np.float32(OFFSET)


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Vectors (N, D), of any type of float -> the same directions, float32, of length 1 (or 0)."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    unit: FloatArray = (vectors / lengths).astype(np.float32, copy=False)
    return unit


def check_examples(name: str, drawings: Sequence[Drawing]) -> None:
    """Raise InputError if a new category has no drawings, or one is empty."""
    if not drawings:
        raise InputError(f"the category {name!r} has no drawing; give at least one")
    for number, drawing in enumerate(drawings, start=1):
        if drawing.is_empty:
            raise InputError(f"drawing {number} of the category {name!r} is empty; leave it out")


def check_name(name: object) -> str:
    """The name of a category. Raises InputError if it is blank, too long or not one line."""
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"the name of a category must be text that is not blank, not {name!r}")
    if name != name.strip():
        raise InputError(f"the category name {name!r} begins or ends with a space; remove it")
    if any(unicode_category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise InputError(f"the category name {name!r} has a line break or control character")
    if len(name) > 200:
        raise InputError(f"the category name {name[:20]!r}... is longer than 200 characters")
    return name


def save_categories(
    path: str | PathLike[str], added: Sequence[AddedCategory], *, fingerprint: str
) -> None:
    """Write categories to a JSON file, atomically. Raises StorageError."""
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "categories": [one.to_dict() for one in added],
    }
    write_bytes(path, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def load_categories(
    path: str | PathLike[str], *, fingerprint: str, n_categories: int
) -> list[AddedCategory]:
    """The categories in a file of `save_categories`, for a network with `n_categories` outputs.

    Raises EncoderError if the file is missing, damaged or was made with another encoder.
    """
    file = Path(path)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EncoderError(
            f"there are no categories at {file}; add one with: garabato categories add NAME "
            f"FILE... --categories {quote(str(file))}"
        ) from None
    except (OSError, ValueError) as error:
        raise EncoderError(f"cannot read the categories in {file}: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EncoderError(f"{file} is not a file that `garabato categories add` wrote")
    if document.get("version") != FORMAT_VERSION:
        raise EncoderError(
            f"{file} has format version {document.get('version')}, this version of garabato reads "
            f"{FORMAT_VERSION}; use the version of garabato that wrote it"
        )
    if document.get("fingerprint") != fingerprint:
        raise EncoderError(
            f"the categories in {file} were made with the encoder {document.get('fingerprint')}, "
            f"not with {fingerprint}; add them again with this one"
        )
    try:
        return [AddedCategory.from_dict(one, n_categories) for one in document["categories"]]
    except (KeyError, TypeError, ValueError) as error:
        raise EncoderError(f"{file} is damaged: {error}") from None


def _centred(logits: FloatArray) -> FloatArray:
    centred: FloatArray = logits - logits.mean(axis=1, keepdims=True)
    return centred
