"""The demo: a whole case on one PC, staged, recorded, opened and checked against what was really in the picture."""

from firmware.demo.run import run_demo

__all__ = ["run_demo"]
