"""What one check came to, in words that may be shown to everybody."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CheckResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended.

    Attributes:
        where: what was asked ("replica 1 on web-1", "edge").
        seconds: from the first try to the verdict.
        attempts: tries that were made; 0 when nothing could be sent.
        detail: why it failed, expected against got; empty when it passed. Never holds a secret.
    """

    name: str
    where: str
    passed: bool
    seconds: float
    attempts: int
    detail: str = ""
