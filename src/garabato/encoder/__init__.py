"""Encoders: drawings -> categories and embeddings, run by ONNX Runtime or PyTorch."""

from garabato.encoder.encoder import (
    DEFAULT_UNSURE_BELOW,
    FORMAT,
    N_TO_KNOW,
    Encoder,
    Output,
    Prediction,
    Predictions,
)
from garabato.encoder.files import (
    FILE_NAME,
    ONNX_SUFFIX,
    SHIPPED,
    categories_file,
    encoder_file,
    load_encoder,
    load_encoder_alone,
    lock_categories,
    with_categories_file,
)

__all__ = [
    "DEFAULT_UNSURE_BELOW",
    "FILE_NAME",
    "FORMAT",
    "N_TO_KNOW",
    "ONNX_SUFFIX",
    "SHIPPED",
    "Encoder",
    "Output",
    "Prediction",
    "Predictions",
    "categories_file",
    "encoder_file",
    "load_encoder",
    "load_encoder_alone",
    "lock_categories",
    "with_categories_file",
]
