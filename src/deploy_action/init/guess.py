"""A value that nobody said, together with what it was guessed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Guess"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess(Generic[T]):
    """A value and its source, as `init` tells it: a file and line, or a reason."""

    value: T
    source: str
