"""The help: made from the commands' data, complete, and equal to docs/reference/commands.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.cli.arguments import COMMON, Call, parse
from deploy_action.cli.manual import EXITS, examples, markdown, overview, page
from deploy_action.commands import NAMES, all_commands
from deploy_action.commands.command import Command
from deploy_action.errors import ExitCode

COMMANDS = all_commands()
ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "reference" / "commands.md"
SOURCE = ROOT / "src" / "deploy_action"


def test_the_document_is_what_the_commands_say() -> None:
    """docs/reference/commands.md is generated: python -m deploy_action.cli.manual > docs/reference/commands.md."""
    assert DOCUMENT.read_text(encoding="utf-8") == markdown()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_page_has_what_a_newcomer_needs(command: Command) -> None:
    """What it does, an example that begins with the command, every option, the exit codes."""
    text = page(command)
    words = " ".join(text.split())
    assert command.description in words
    assert f"  deploy-action {command.name}" in text
    for option in (*command.options, *COMMON):
        assert ", ".join(option.flags) in text
        assert option.help in words
    for code in {*command.exits, ExitCode.BUG}:
        assert f"{int(code)} {EXITS[code]}" in words


@pytest.mark.parametrize("argv", examples(), ids=" ".join)
def test_every_example_is_understood(argv: list[str]) -> None:
    """What the help shows can be typed."""
    call = parse(argv)
    assert isinstance(call, Call)
    assert call.command.name == argv[0]


def test_every_module_with_a_command_is_registered_by_its_name() -> None:
    """A command that is not in the registry would exist for nobody."""
    modules = (SOURCE / "commands").glob("*.py")
    declaring = {file.stem for file in modules if "\nCOMMAND = " in file.read_text("utf-8")}
    assert declaring == set(NAMES)
    assert tuple(command.name for command in COMMANDS) == NAMES


@pytest.mark.parametrize("width", [72, 80, 120])
def test_help_fits_the_terminal(width: int) -> None:
    """Only an example, which must be copied in one piece, may be wider."""
    for text in (overview(width=width), *(page(command, width=width) for command in COMMANDS)):
        for line in text.splitlines():
            assert len(line) <= width or line.strip().startswith("deploy-action ")


def test_every_command_that_changes_something_says_all_exit_codes() -> None:
    """Whoever calls it from a script knows what may come back."""
    for command in COMMANDS:
        if any(option.field == "lock_wait_seconds" for option in command.options):
            assert set(command.exits) == set(ExitCode)
