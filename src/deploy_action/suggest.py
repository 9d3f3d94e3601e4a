"""Suggests the known word that a misspelt one resembles."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["closest", "did_you_mean", "suggestion"]


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the known word that `word` abbreviates or resembles; empty when none does.

    Case, dashes and underscores make no difference.

    Args:
        cutoff: similarity from 0 to 1, as `difflib` measures it.
    """
    by_shape = {_shape(each): each for each in known}
    shape = _shape(word)
    begun = [each for each in by_shape if shape and each.startswith(shape)]
    similar = begun if len(begun) == 1 else get_close_matches(shape, by_shape, n=1, cutoff=cutoff)
    return by_shape[similar[0]] if similar else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean '…'?``, or nothing when no known word is like it."""
    likely = closest(word, known)
    return f"did you mean '{likely}'?" if likely else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the same as the end of a sentence: ``; did you mean '…'?``, or nothing."""
    hint = did_you_mean(word, known)
    return f"; {hint}" if hint else ""


def _shape(word: str) -> str:
    return word.lower().replace("-", "_")
