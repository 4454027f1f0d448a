"""Encoders in model repositories of the Hugging Face Hub: `hf://owner/name[@revision]`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from garabato.errors import EncoderError, MissingExtraError, first_line

#: The files that `garabato.export_hub` writes.
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "onnx/model.onnx"

_SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def is_hub_address(path: object) -> bool:
    """Whether `path` is the address of a repository."""
    return isinstance(path, str) and path.startswith(_SCHEME)


def download_encoder(address: str, *, in_onnx: bool) -> Path:
    """Download the encoder at `address` and return its file, which huggingface_hub caches.

    HF_ENDPOINT names another server than huggingface.co, HF_TOKEN a token. Raises EncoderError and,
    without the extra `hub`, MissingExtraError.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise EncoderError(f"{address!r} is not an address such as hf://owner/name@revision")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise MissingExtraError("loading an encoder from the Hub", "hub") from None
    file = ONNX_FILE if in_onnx else WEIGHTS_FILE
    try:
        return Path(
            hf_hub_download(
                found["repository"],
                file,
                revision=found["revision"],
                endpoint=os.environ.get("HF_ENDPOINT"),
            )
        )
    except (OSError, ValueError) as error:  # the base of its errors
        raise EncoderError(f"cannot download {file} of {address}: {first_line(error)}") from None
