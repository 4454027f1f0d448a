"""What garabato made, for places where it isn't: encoders in ONNX form, pages without a server."""

from garabato.export.onnx import export_onnx
from garabato.export.web import ExportedPage, export_web

__all__ = ["ExportedPage", "export_onnx", "export_web"]
