"""Exports: encoders as ONNX files, galleries as static web pages."""

from garabato.export.onnx import export_onnx
from garabato.export.web import ExportedPage, export_web

__all__ = ["ExportedPage", "export_onnx", "export_web"]
