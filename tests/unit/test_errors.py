"""Errors and exit codes: the tree in the docstring is the tree in the code."""

from __future__ import annotations

import re

import pytest

from deploy_action import errors
from deploy_action.errors import DeployActionError, ExitCode

ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DeployActionError)
]


def drawn() -> dict[str, tuple[str, int]]:
    """Read the tree: name → (parent, exit code)."""
    found: dict[str, tuple[str, int]] = {}
    above: list[tuple[int, str]] = []
    for indent, name, code in re.findall(
        r"^([ │├└─]*)(\w+) +(\d) ", errors.__doc__ or "", re.MULTILINE
    ):
        while above and above[-1][0] >= len(indent):
            above.pop()
        found[name] = (above[-1][1] if above else "Exception", int(code))
        above.append((len(indent), name))
    return found


def test_the_tree_in_the_docstring_is_complete_and_true() -> None:
    """Every error, under its parent, with its exit code."""
    real = {kind.__name__: (kind.__base__.__name__, int(kind.exit_code)) for kind in ERRORS}  # type: ignore[union-attr]
    assert drawn() == real


def test_every_exit_code_but_success_has_an_error() -> None:
    """A code that nothing raises would be a promise without content."""
    assert {kind.exit_code for kind in ERRORS} == set(ExitCode) - {ExitCode.DONE}


@pytest.mark.parametrize(
    ("cause", "remedy", "wanted"),
    [
        ("", "", "it broke"),
        ("rust", "", "it broke\n  cause: rust"),
        ("", "oil", "it broke\n  remedy: oil"),
        ("rust", "oil", "it broke\n  cause: rust\n  remedy: oil"),
    ],
)
def test_a_message_says_what_why_and_what_to_do(cause: str, remedy: str, wanted: str) -> None:
    """In this order; what is unknown is left out."""
    assert str(DeployActionError("it broke", cause=cause, remedy=remedy)) == wanted
