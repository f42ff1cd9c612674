"""Typed JSON from a file or a network, with one kind of error for all that can be wrong with it."""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode_json(data: bytes | memoryview, model: type[T]) -> T:
    """What `data` says, as `model`. Raises ValueError: no JSON, not of that form, or nested too deeply.

    msgspec itself raises RecursionError for the last, also in a value that the model does not know.
    """
    try:
        return msgspec.json.decode(data, type=model)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
