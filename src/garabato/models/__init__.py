"""Networks: images -> logits and embeddings. One file per family, and their registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garabato.errors import InputError
from garabato.models.base import Model, as_input
from garabato.models.reference import sknet, skresnet
from garabato.models.skfast import SkFast

__all__ = ["Model", "as_input", "create_model", "model_names", "register_model"]

_BUILDERS: dict[str, Callable[..., Model]] = {}


def register_model(name: str, builder: Callable[..., Model]) -> None:
    """Register a network for `create_model`. Raises InputError if the name is taken.

    `builder` is called with `n_categories`, `image_size_px`, and the options of the preset or
    encoder file as keyword arguments. Every network has the options `n_channels` and `mirror`.
    """
    if name in _BUILDERS:
        raise InputError(f"a model named {name!r} is already registered")
    _BUILDERS[name] = builder


def create_model(name: str, *, n_categories: int, image_size_px: int, **options: Any) -> Model:
    """A new network with random weights, for (N, n_channels, image_size_px, image_size_px) images.

    Every network has the options `n_channels`, 1 by default, and `mirror` (see `Model`). Raises
    InputError for an unknown name or option.
    """
    if name not in _BUILDERS:
        raise InputError(f"unknown model {name!r}; choose one of {', '.join(model_names())}")
    try:
        model = _BUILDERS[name](n_categories=n_categories, image_size_px=image_size_px, **options)
    except (TypeError, ValueError, LookupError, RuntimeError) as error:
        raise InputError(f"cannot build {name} with the options {options}: {error}") from error
    model.name, model.options = name, options
    return model


def model_names() -> list[str]:
    """All registered names, sorted."""
    return sorted(_BUILDERS)


register_model("skfast", SkFast)
register_model("sknet", sknet)
register_model("skresnet", skresnet)
