"""Encoders: drawings -> categories and embeddings, by PyTorch or ONNX Runtime."""

from garabato.encoder.encoder import (
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
    "FILE_NAME",
    "FORMAT",
    "ONNX_SUFFIX",
    "Encoder",
    "Output",
    "Prediction",
    "encoder_file",
    "load_encoder",
]
