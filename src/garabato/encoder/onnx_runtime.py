"""A network run by ONNX Runtime, from a file `garabato export onnx` wrote: no PyTorch needed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from garabato.drawing import ByteArray, FloatArray
from garabato.encoder.header import parse_header
from garabato.errors import EncoderError, MissingExtraError
from garabato.host.machine import n_cores
from garabato.render import RenderSpec

#: Images that go through the network together: their maps stay in the CPU's cache.
_PIECE = 32


class OnnxEngine:
    """Runs the network in `file`; `header` is what the file says about it (None: not ours).

    Uses as many threads as OMP_NUM_THREADS says, or as there are cores, which don't spin where
    OMP_WAIT_POLICY is PASSIVE. Raises EncoderError where the file is damaged and
    MissingExtraError where ONNX Runtime is not installed.
    """

    def __init__(self, file: Path, *, metadata_key: str) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("an encoder in ONNX form", "onnx") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # what is wrong is raised too
        options.intra_op_num_threads = _n_threads()
        if os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE":
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise EncoderError(f"cannot read {file}: {error}") from None
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own classes derive from nothing but Exception
            raise EncoderError(
                f"{file} is truncated or not an ONNX file ({_first_line(error)}); "
                "write one with: garabato export onnx"
            ) from None
        text = self._session.get_modelmeta().custom_metadata_map.get(metadata_key)
        if text is None:
            raise EncoderError(
                f"{file} is an ONNX file but not an encoder of garabato; "
                "write one with: garabato export onnx"
            )
        self.header = parse_header(text, file)

    @property
    def model_name(self) -> str:
        return str(self.header["model"])

    @property
    def embedding_dim(self) -> int:
        return int(self.header["embedding_dim"])

    @property
    def n_parameters(self) -> int:
        return int(self.header["n_parameters"])

    @property
    def device(self) -> str:
        return "cpu"

    def fingerprint(self, spec: RenderSpec) -> str:
        """That of the encoder the file was made from: its embeddings are the same."""
        return str(self.header["fingerprint"])

    def run(self, images: ByteArray) -> tuple[FloatArray, FloatArray]:
        outputs = [
            self._session.run(["logits", "embeddings"], {"images": images[start : start + _PIECE]})
            for start in range(0, len(images), _PIECE)
        ]
        logits, embeddings = zip(*outputs, strict=True)
        return np.concatenate(logits), np.concatenate(embeddings)


def _n_threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(given) if given.isdigit() else n_cores()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
