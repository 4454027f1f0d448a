"""What an encoder's file says about its network, beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from garabato.errors import EncoderError


def parse_header(text: str, file: Path) -> dict[str, Any]:
    """The header of an encoder's `file`. Raises EncoderError where it is no JSON object."""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise EncoderError(f"{file} is damaged: its header is no JSON ({error})") from None
    if not isinstance(header, dict):
        raise EncoderError(f"{file} is damaged: its header is no JSON object")
    return header
