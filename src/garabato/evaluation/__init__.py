"""Measure encoders, and show what was found."""

from __future__ import annotations

from garabato.evaluation.evaluate import evaluate
from garabato.evaluation.report import write_report
from garabato.evaluation.result import Evaluation

__all__ = ["Evaluation", "evaluate", "write_report"]
