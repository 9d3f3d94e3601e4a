"""Workflow commands: what is written, what is escaped, and what never becomes a command."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

import pytest

from deploy_action.action.masking import masked_texts
from deploy_action.action.workflow_commands import Commands, escape_data, escape_property
from deploy_action.problem import Problem, Severity


@dataclass
class Runner:
    """The part of GitHub's runner that reads a step's log: ActionCommandManager and ActionCommand.

    https://github.com/actions/runner/blob/main/src/Runner.Worker/ActionCommandManager.cs
    """

    obeyed: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    _stopped_by: str = ""

    def read(self, log: str) -> Runner:
        for line in log.splitlines():
            found = re.match(r"\s*::([^\s:]+)(?:\s+(.*?))?::(.*)$", line)
            if found is None or (self._stopped_by and found[1] != self._stopped_by):
                self.shown.append(line)
            elif self._stopped_by:
                self._stopped_by = ""
            elif found[1] == "stop-commands":
                self._stopped_by = found[3]
            else:
                self.obeyed.append((found[1], self._properties(found[2] or ""), _data(found[3])))
        return self

    def _properties(self, text: str) -> dict[str, str]:
        pairs = (part.split("=", 1) for part in text.split(",") if "=" in part)
        return {name.strip(): _property(value) for name, value in pairs}


def _data(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def _property(text: str) -> str:
    return _data(text.replace("%3A", ":").replace("%2C", ","))


def _written(commands: Commands) -> str:
    stream = commands.stream
    if not isinstance(stream, io.StringIO):
        raise TypeError(stream)
    return stream.getvalue()


NASTY = (
    "100 %",
    "%0A is not a line end",
    "two\nlines",
    "carriage\r\nreturn",
    "a:b,c=d::error::e",
    "::error file=x::y",
    "\n::set-output name=x::y",
    "%253A",
    "ümlaut → 日本",
)


@pytest.mark.parametrize("text", NASTY)
def test_what_was_said_is_what_the_runner_reads(text: str) -> None:
    """Whatever a message or a title holds comes out of the runner's parser as it went in, as the
    data of one single command."""
    commands = Commands(io.StringIO())
    commands.error(text, text)
    read = Runner().read(_written(commands))
    assert read.obeyed == [("error", {"title": text}, text)]
    assert read.shown == []


def test_a_property_ends_neither_itself_nor_the_command() -> None:
    """Colons and commas are escaped in properties and left alone in messages."""
    assert escape_property("a:b,c") == "a%3Ab%2Cc"
    assert escape_data("a:b,c") == "a:b,c"


def test_a_problem_is_annotated_where_it_is() -> None:
    """File, line, column, the rule as the title; the place in the document and the hint in the
    message."""
    commands = Commands(io.StringIO())
    commands.annotate(
        Problem(
            file="shop/deploy.yaml",
            line=5,
            column=3,
            where="environments.production",
            message="unknown key 'replcias'",
            hint="did you mean 'replicas'?",
            rule="unknown-key",
            severity=Severity.WARNING,
        )
    )
    [(name, properties, message)] = Runner().read(_written(commands)).obeyed
    assert name == "warning"
    assert properties == {
        "file": "shop/deploy.yaml",
        "title": "unknown-key",
        "line": "5",
        "col": "3",
    }
    assert message == ("environments.production: unknown key 'replcias' (did you mean 'replicas'?)")


def test_a_problem_of_a_whole_file_names_no_line() -> None:
    """Line 0 means the file, and GitHub would take it for a place."""
    commands = Commands(io.StringIO())
    commands.annotate(Problem(file="deploy.yaml", message="is empty"))
    [(_, properties, _)] = Runner().read(_written(commands)).obeyed
    assert properties == {"file": "deploy.yaml"}


def test_ten_of_each_level_are_written_and_none_is_lost() -> None:
    """GitHub drops what comes after ten of a level; the others are kept for the summary."""
    commands = Commands(io.StringIO())
    for number in range(12):
        for severity in (Severity.ERROR, Severity.WARNING):
            commands.annotate(Problem(file="f", line=number + 1, message="m", severity=severity))
    obeyed = Runner().read(_written(commands)).obeyed
    assert [name for name, _, _ in obeyed].count("error") == 10
    assert [name for name, _, _ in obeyed].count("warning") == 10
    assert [problem.line for problem in commands.left_out] == [11, 11, 12, 12]


def test_an_error_without_a_file_counts_among_the_ten() -> None:
    """The sentence that says why the step failed must not push an annotation out unseen."""
    commands = Commands(io.StringIO())
    commands.error("2 problems", "deploy.yaml is wrong")
    for number in range(10):
        commands.annotate(Problem(file="f", line=number + 1, message="m"))
    assert len(Runner().read(_written(commands)).obeyed) == 10
    assert [problem.line for problem in commands.left_out] == [10]


def test_a_long_message_is_cut() -> None:
    """GitHub takes 4,096 characters of a message."""
    commands = Commands(io.StringIO())
    commands.error("t", "x" * 5000)
    [(_, _, message)] = Runner().read(_written(commands)).obeyed
    assert len(message) == 4096


class TestMasks:
    """A secret is hidden line by line, since the runner looks at single lines of the log."""

    def masks(self, secret: str) -> list[str]:
        commands = Commands(io.StringIO())
        for text in masked_texts(secret):
            commands.mask(text)
        obeyed = Runner().read(_written(commands)).obeyed
        assert {name for name, _, _ in obeyed} <= {"add-mask"}
        return [value for _, _, value in obeyed]

    def test_every_line_of_a_key_is_hidden(self) -> None:
        """Nothing of a multi-line value may be seen, whichever of its lines is quoted."""
        key = "-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\nzz9plural\n-----END KEY-----\n"
        for line in ("MIIEpAIBAAKCAQEA", "zz9plural"):
            assert line in self.masks(key)

    def test_a_blank_line_hides_nothing(self) -> None:
        """An empty mask would be refused by the runner, and one blank would hide every blank."""
        assert self.masks("first\n \n\nsecond") == ["first", "second"]
        assert self.masks(" \n ") == []

    def test_a_short_secret_is_hidden_too(self) -> None:
        """Somebody's password of two letters is still a password."""
        assert self.masks("x1") == ["x1"]

    def test_brackets_of_a_longer_value_stay_readable(self) -> None:
        """Masking `{` and `}` would spoil every page and every output that has one."""
        assert self.masks('{\n"password": "tr0ub4dor"\n}') == ['"password": "tr0ub4dor"']

    def test_a_value_is_hidden_also_where_its_blanks_were_trimmed(self) -> None:
        """A program that quotes a value often trims it."""
        assert set(self.masks("  padded  ")) == {"  padded  ", "padded"}

    def test_a_percent_sign_is_hidden_as_it_is(self) -> None:
        """The runner unescapes what it is given before it looks for it."""
        assert self.masks("50%25off") == ["50%25off"]


class TestTextFromOutside:
    """A container's log, a commit message, a bandit finding: shown, never obeyed."""

    OUTSIDE = (
        "::add-mask::x",
        "   ::error::it was us",
        "::group::fold it away",
        "::stop-commands::resume",
        "::endgroup::",
    )

    def test_nothing_inside_is_obeyed(self) -> None:
        """Commands are stopped around it, with a word that nobody can guess."""
        commands = Commands(io.StringIO())
        with commands.no_commands() as log:
            log.write("\n".join(self.OUTSIDE) + "\n")
        commands.error("after", "works again")
        read = Runner().read(_written(commands))
        assert read.obeyed == [("error", {"title": "after"}, "works again")]
        assert read.shown == list(self.OUTSIDE)

    def test_the_word_is_another_one_each_time(self) -> None:
        """A word seen in an earlier log must not end anything in a later one."""
        words = set()
        for _ in range(20):
            commands = Commands(io.StringIO())
            with commands.no_commands():
                pass
            found = re.match(r"::stop-commands::(\S+)\n::(\S+)::\n$", _written(commands))
            assert found is not None
            assert found[1] == found[2]
            assert len(found[1]) >= 32
            words.add(found[1])
        assert len(words) == 20

    def test_commands_work_again_after_an_error_inside(self) -> None:
        """Otherwise the annotation that explains the failure would be lost."""
        commands = Commands(io.StringIO())
        with pytest.raises(RuntimeError), commands.no_commands():
            raise RuntimeError
        commands.error("t", "m")
        assert Runner().read(_written(commands)).obeyed == [("error", {"title": "t"}, "m")]

    @pytest.mark.parametrize("text", ["##[error]x", "a ##[add-mask]b", "####[group]c", "##[##[d"])
    def test_the_older_form_is_broken_up(self, text: str) -> None:
        """`##[` counts anywhere in a line, and the log's page paints it even while stopped."""
        commands = Commands(io.StringIO())
        with commands.no_commands() as log:
            log.write(f"{text}\n")
        assert "##[" not in _written(commands)

    def test_a_command_of_ours_is_not_of_the_older_form_either(self) -> None:
        """A message from outside travels inside our own command."""
        commands = Commands(io.StringIO())
        with commands.group("##[error]x"):
            commands.error("##[group]", "##[add-mask]y")
        assert "##[" not in _written(commands)


def test_a_group_is_closed_after_an_error() -> None:
    """What comes after a failure must not be folded away."""
    commands = Commands(io.StringIO())
    with pytest.raises(RuntimeError), commands.group("deploy"):
        raise RuntimeError
    assert [name for name, _, _ in Runner().read(_written(commands)).obeyed] == [
        "group",
        "endgroup",
    ]
