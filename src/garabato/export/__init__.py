"""Exports: encoders as ONNX files or Hub repositories, galleries as static web pages."""

from garabato.export.hub import export_hub, push_to_hub
from garabato.export.onnx import export_onnx
from garabato.export.web import ExportedPage, export_web

__all__ = ["ExportedPage", "export_hub", "export_onnx", "export_web", "push_to_hub"]
