"""Networks: images -> logits and embeddings. One file per family, one registry."""

from garabato.models.base import Model, as_input
from garabato.models.registry import create_model, model_names, register_model

__all__ = ["Model", "as_input", "create_model", "model_names", "register_model"]
