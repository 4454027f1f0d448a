"""Measure encoders, and show what was found."""

from __future__ import annotations

from garabato.evaluation.evaluate import Evaluation, evaluate
from garabato.evaluation.report import write_report

__all__ = ["Evaluation", "evaluate", "write_report"]
