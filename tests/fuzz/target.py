"""What is fuzzed: a function of bytes, and the limits that each of its inputs must keep to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["text", "json", "archive"]


@dataclass(frozen=True)
class Target:
    """A function that takes bytes from outside.

    ``run`` may raise only ``raises``. ``shape`` and ``tokens`` (words of the input's language)
    guide the generated inputs; ``size`` (bytes) is their maximum length. ``memory`` (MiB) is what
    one input may take.
    """

    run: Callable[[bytes], object]
    raises: tuple[type[BaseException], ...]
    shape: Shape = "text"
    tokens: tuple[bytes, ...] = ()
    size: int = 128 * 1024
    memory: int = 128
