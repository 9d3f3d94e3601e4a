"""What stands on the command line besides options: `on` and `off`, and a command after `--`."""

from __future__ import annotations

import pytest

from deploy_action.cli.arguments import Call, parse
from deploy_action.errors import BadInput


def call(*argv: str) -> Call:
    """Parse what has to be a call."""
    found = parse(argv)
    assert isinstance(found, Call)
    return found


@pytest.mark.parametrize(
    "argv",
    [
        ("maintenance", "on", "-e", "production"),
        ("maintenance", "-e", "production", "on"),
        ("-c", "x.yaml", "maintenance", "on", "-e", "production"),
    ],
)
def test_a_word_may_stand_before_or_after_the_options(argv: tuple[str, ...]) -> None:
    """Both ways are typed, both are understood."""
    fields = call(*argv).fields
    assert (fields["switch"], fields["environment"]) == ("on", "production")


def test_everything_after_the_dashes_belongs_to_the_command() -> None:
    """Flags of ours included, and a second pair of dashes."""
    found = call("run", "-e", "production", "--", "ls", "-l", "--json", "--", "-e", "x")
    assert found.fields["argv"] == ("ls", "-l", "--json", "--", "-e", "x")
    assert found.fields["environment"] == "production"
    assert not found.output.json


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("maintenance",), "maintenance needs on|off"),
        (("maintenance", "of"), "not 'of'; did you mean 'off'?"),
        (("maintenance", "on", "--", "x"), "takes nothing after --"),
        (("maintenance", "on", "off"), "does not take 'off'"),
        (("run",), "run needs -- COMMAND"),
        (("run", "--"), "run needs -- COMMAND"),
        (("run", "ls"), "does not take 'ls'"),
        (("status", "--", "ls"), "status takes nothing after --"),
    ],
)
def test_what_is_missing_or_too_much_is_refused(argv: tuple[str, ...], words: str) -> None:
    """In plain words, before anything happens."""
    with pytest.raises(BadInput) as caught:
        parse(argv)
    assert words in caught.value.what


def test_a_script_of_several_lines_arrives_as_it_is() -> None:
    """Nothing of the command is looked at or changed."""
    script = "set -e\necho 'a  b'\n"
    assert call("run", "--", "sh", "-c", script).fields["argv"] == ("sh", "-c", script)
