"""Prepared data sets: drawings chosen, sampled, split and written once, read many times."""

from __future__ import annotations

from garabato.dataset.prepare import prepare
from garabato.dataset.store import Dataset

__all__ = ["Dataset", "prepare"]
