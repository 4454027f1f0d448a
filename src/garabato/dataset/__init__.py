"""Prepared data sets: sampled drawings in two splits, for training and evaluation."""

from __future__ import annotations

from garabato.dataset.prepare import prepare
from garabato.dataset.store import Dataset
from garabato.dataset.tfrecord_export import export_tfrecord

__all__ = ["Dataset", "export_tfrecord", "prepare"]
