"""What a message tells people to type is understood by the command line."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.cli.arguments import parse

SOURCE = Path(__file__).parents[2] / "src" / "deploy_action"
_SAMPLE = "production"
# Where the prose goes on.
_END = re.compile(
    r", | \(|;|: |\)|…|$| (?:and|for|in|is|or|shows|starts|takes|then|to|undoes|when) "
)


def _text(node: ast.expr) -> str:
    """Return a text of the source, with a name where a value is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
        case ast.IfExp(body=body):
            return _text(body)
        case _:
            return _SAMPLE


def _commands() -> Iterator[str]:
    """Yield every command of ours that a remedy or a hint names, where it stands."""
    for file in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.keyword) or node.arg not in ("remedy", "hint"):
                continue
            text = _text(node.value)
            for found in re.finditer(r"deploy-action (?=[a-z])", text):
                rest = text[found.end() :]
                end = _END.search(rest)
                command = rest[: end.start() if end else None].strip().rstrip(".,")
                # The name of a command may be a value itself.
                if not command.startswith(_SAMPLE):
                    yield command


COMMANDS = sorted(set(_commands()))


def test_there_are_remedies() -> None:
    """The search finds what it is for."""
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_a_message_can_be_typed(command: str) -> None:
    """Its name, its options and what they need."""
    argv = shlex.split(command.replace("'…'", "x"))
    if argv[0] in ("run", "exec") and "--" not in argv:
        argv += ["--", "true"]
    parse(argv)
