"""Evaluation of encoders: classification and retrieval metrics, and the report."""

from __future__ import annotations

from garabato.evaluation.evaluate import evaluate
from garabato.evaluation.report import write_report
from garabato.evaluation.result import Evaluation

__all__ = ["Evaluation", "evaluate", "write_report"]
