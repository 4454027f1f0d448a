"""Runs networks with ONNX Runtime, on the CPU, without PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from garabato.drawing import ByteArray, FloatArray
from garabato.errors import EncoderError, first_line
from garabato.host.machine import n_cores
from garabato.render import RenderSpec

#: Images run at once: their feature maps stay in the CPU's cache.
_PIECE = 32


class OnnxRuntime:
    """Runs the network of an ONNX file, `content`, with the session and header in it."""

    device = "cpu"

    def __init__(self, session: Any, header: dict[str, Any], content: bytes) -> None:
        self._session = session
        self.header = header
        self.content = content
        #: 8 if the convolutions are computed with 8-bit integers, else 32.
        self.bits = int(header.get("bits", 32))
        self.model_name = str(header["model"])
        self.embedding_dim = int(header["embedding_dim"])
        self.n_parameters = int(header["n_parameters"])
        self._fingerprint = str(header["fingerprint"])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.content, self.header)

    def fingerprint(self, spec: RenderSpec) -> str:
        """The fingerprint of the encoder the file was made from: the embeddings are the same."""
        return self._fingerprint

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        outputs = [
            self._session.run(["logits", "embeddings"], {"images": images[start : start + _PIECE]})
            for start in range(0, len(images), _PIECE)
        ]
        logits, embeddings = zip(*outputs, strict=True)
        return np.concatenate(logits), np.concatenate(embeddings)


def open_session(file: Path, metadata_key: str) -> tuple[Any, str, bytes]:
    """An ONNX Runtime session for `file`, its metadata entry `metadata_key`, and its bytes.

    Uses OMP_NUM_THREADS threads, or one per core that this process may use; while they wait they
    sleep if OMP_WAIT_POLICY is PASSIVE, otherwise they spin. Raises EncoderError if the file is
    damaged or has no such entry.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EncoderError(f"cannot read {file}: {error}") from None
    try:
        session = _session(content)
    except Exception as error:  # its error classes have no common base
        raise EncoderError(
            f"{file} is truncated or not an ONNX file ({first_line(error)}); "
            "write one with: garabato export onnx"
        ) from None
    text = session.get_modelmeta().custom_metadata_map.get(metadata_key)
    if text is None:
        raise EncoderError(
            f"{file} is an ONNX file but not an encoder of garabato; "
            "write one with: garabato export onnx"
        )
    return session, str(text), content


def import_onnxruntime() -> Any:
    """The module onnxruntime, which doesn't report to Microsoft unless ORT_DISABLE_TELEMETRY=0.

    From version 1.29 on, it sends the names and properties of networks from Linux too, and keeps an
    identifier of the machine in the user's cache folder.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read on import
    import onnxruntime

    return onnxruntime


def _restored(content: bytes, header: dict[str, Any]) -> OnnxRuntime:
    """The runtime in another process, such as one of a Ray cluster."""
    return OnnxRuntime(_session(content), header, content)


def _session(content: bytes) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors are raised as well
    options.intra_op_num_threads = _n_threads()
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _n_threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(given) if given.isdigit() else n_cores()
