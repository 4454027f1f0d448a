"""The demo: prepare, train, evaluate, index and search, end to end."""

from garabato.demo.demo import DemoProgress, DemoResult, run_demo

__all__ = ["DemoProgress", "DemoResult", "run_demo"]
