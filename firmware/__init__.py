"""Scrubcam: the operating-room recorder that never stores a face."""

__version__ = "0.1.0"
