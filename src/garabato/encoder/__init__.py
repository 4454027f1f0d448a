"""Encoders: drawings -> categories and embeddings, by PyTorch or ONNX Runtime."""

from garabato.encoder.encoder import (
    DEFAULT_UNSURE_BELOW,
    FILE_NAME,
    FORMAT,
    ONNX_SUFFIX,
    Encoder,
    Output,
    Prediction,
    encoder_file,
    load_encoder,
)

__all__ = [
    "DEFAULT_UNSURE_BELOW",
    "FILE_NAME",
    "FORMAT",
    "ONNX_SUFFIX",
    "Encoder",
    "Output",
    "Prediction",
    "encoder_file",
    "load_encoder",
]
