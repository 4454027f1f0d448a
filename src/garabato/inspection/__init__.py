"""Inspection: counts what a data set or a folder of drawings holds."""

from __future__ import annotations

from garabato.inspection.inspect import Inspection, inspect
from garabato.inspection.page import write_inspection

__all__ = ["Inspection", "inspect", "write_inspection"]
