"""Everything once, end to end: prepare, train, evaluate, index, search."""

from garabato.demo.demo import DemoProgress, DemoResult, run_demo

__all__ = ["DemoProgress", "DemoResult", "run_demo"]
