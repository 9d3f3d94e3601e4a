"""Parses durations and sizes into seconds and bytes."""

from __future__ import annotations

import re

__all__ = ["parse_duration", "parse_share", "parse_size"]

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile(
    rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?", re.ASCII
)
_SIZE = re.compile(rf"({_NUMBER})([kmgb])(?:i?b)?", re.ASCII | re.IGNORECASE)
_MILLISECONDS = (3_600_000, 60_000, 1_000, 1)
_BYTES = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``200ms``, ``2s``, ``1m30s`` or ``2h``.

    Raises:
        ValueError: it is not one.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is not a duration such as 200ms, 2s or 1m30s")
    parts = zip(match.groups(), _MILLISECONDS, strict=True)
    return sum(float(number) * unit for number, unit in parts if number) / 1000


def parse_share(value: str | float) -> float:
    """Return 0.05 for ``5%``; a number is a share already.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, str):
        return float(value)
    if not value.endswith("%"):
        raise ValueError(f"{value!r} is not a share such as 5% or 0.05")
    return float(value.removesuffix("%")) / 100


def parse_size(text: str) -> int:
    """Return the bytes of a size such as ``512m`` or ``1g``; a k is 1024, as in Docker.

    Raises:
        ValueError: it is not one.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 512m or 1g")
    return int(float(match[1]) * _BYTES[match[2].lower()])
