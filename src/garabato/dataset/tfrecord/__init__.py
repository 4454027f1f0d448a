"""Data sets as TFRecords, without TensorFlow."""

from garabato.dataset.tfrecord.drawings import read_categories, read_split

__all__ = ["read_categories", "read_split"]
