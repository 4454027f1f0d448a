"""What garabato made, for places where it isn't: encoders in ONNX form, pages without a server."""

from garabato.export.onnx import export_onnx

__all__ = ["export_onnx"]
