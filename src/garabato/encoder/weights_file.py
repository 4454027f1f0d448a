"""Encoder files of PyTorch's weights: safetensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from garabato.encoder.header import parse_header
from garabato.encoder.torch_runtime import Precision, TorchEngine
from garabato.errors import EncoderError
from garabato.models import create_model
from garabato.render import RenderSpec


def read_weights_file(
    file: Path, *, metadata_key: str, device: str | torch.device, precision: Precision
) -> tuple[dict[str, Any], Callable[[RenderSpec], TorchEngine]]:
    """What `file` says about its network, and what builds it for images of a RenderSpec.

    Raises EncoderError where the file is truncated or not ours; building raises KeyError,
    TypeError, RuntimeError or InputError where it is damaged.
    """
    try:
        with safe_open(file, framework="pt") as reader:
            header_text = (reader.metadata() or {}).get(metadata_key)
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
    header = parse_header(header_text, file)

    def build_engine(spec: RenderSpec) -> TorchEngine:
        model = create_model(
            header["model"],
            n_categories=len(header["categories"]),
            image_size_px=spec.size_px,
            **header["options"],
        )
        model.load_state_dict(state)
        return TorchEngine(model, device=device, precision=precision)

    return header, build_engine
