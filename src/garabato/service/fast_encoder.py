"""The encoder in the form that answers one drawing fastest: run by ONNX Runtime, where it is."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
from os import PathLike
from pathlib import Path

import garabato
from garabato.encoder import Encoder, encoder_file, load_encoder
from garabato.errors import EncoderError, StorageError
from garabato.host.cache import cache_folder

_log = logging.getLogger("garabato.service")


def load_fast_encoder(path: str | PathLike[str] | None = None) -> Encoder:
    """As `load_encoder` in float32: a drawing's answer doesn't depend on what it comes with.

    A `.safetensors` file is written in ONNX form on first use, which needs PyTorch, and kept in
    the cache; from then on PyTorch is not even imported. Where the packages for that are missing
    (pip install 'garabato[onnx]') or the cache cannot be written, PyTorch runs it.
    """
    file = encoder_file(path)
    if file.suffix != ".safetensors" or not _has("onnxruntime"):
        return load_encoder(file, precision="float32")
    try:
        cached = _cached_form(file)
    except StorageError as error:
        _log.warning("PyTorch runs the encoder: its ONNX form could not be kept: %s", error)
        return load_encoder(file, precision="float32")
    if cached.is_file():
        try:
            return load_encoder(cached)
        except EncoderError as error:
            _log.warning("the encoder is written anew in ONNX form: %s", error)
    encoder = load_encoder(file, precision="float32")
    if not _has("onnx"):
        return encoder
    from garabato.export.onnx import export_onnx

    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        export_onnx(encoder, cached)
    except (OSError, StorageError) as error:
        _log.warning("PyTorch runs the encoder: its ONNX form could not be kept: %s", error)
        return encoder
    return load_encoder(cached)


def _cached_form(file: Path) -> Path:
    """Where the ONNX form is kept of a file with this content, written by this version."""
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise EncoderError(f"cannot read {file}: {error}") from None
    return cache_folder() / "encoders" / f"{digest}-{garabato.__version__}.onnx"


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
