"""The step's inputs as arguments: everything is checked, because GitHub checks nothing."""

from __future__ import annotations

import pytest
from tests.support.errors import fails_with

from deploy_action.action.inputs import COMMANDS, REQUIRED, action_inputs, arguments
from deploy_action.cli.arguments import Call, parse
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.github.context import Context

CONTEXT = Context(
    actor="ada", commit="0123456789abcdef", repository="a/b", repository_url="", run_url="", tag=""
)


def call(**inputs: str) -> Call:
    """Go the whole way from inputs to a parsed call."""
    parsed = parse(arguments({k.replace("_", "-"): v for k, v in inputs.items()}, CONTEXT))
    assert isinstance(parsed, Call)
    return parsed


def test_names_keep_their_dashes() -> None:
    """The runner upper-cases a name and leaves dashes; blanks around a value mean nothing."""
    environ = {"INPUT_LOCK-WAIT": " 5m ", "INPUT_COMMAND": "deploy", "OTHER": "x"}
    assert action_inputs(environ) == {"lock-wait": "5m", "command": "deploy"}


def test_secret_texts_are_kept_to_the_letter() -> None:
    """A key's last line end and a secret's blanks are part of it."""
    environ = {"INPUT_SSH-KEY": "key\n", "INPUT_SECRETS": "A= b \n"}
    assert action_inputs(environ) == {"ssh-key": "key\n", "secrets": "A= b \n"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_asked_for(command: str) -> None:
    """What is offered is understood by the command line."""
    words = {"maintenance": "on", "canary": "abort", "run": "true"}
    more = {"arguments": words[command]} if command in words else {}
    assert call(command=command, **more).command.name == command


def test_a_task_is_one_argument_a_line() -> None:
    """No shell comes between: blanks and quotes are kept, flags are the task's own."""
    text = "./manage.py\nsay\n--json\ntwo words"
    assert call(command="run", arguments=text).fields["argv"] == (
        *("./manage.py", "say", "--json", "two words"),
    )
    assert call(command="maintenance", arguments="off").fields["switch"] == "off"


def test_arguments_are_for_commands_that_take_them() -> None:
    """An argument of `deploy` would be lost, so it is refused."""
    with fails_with(ErrorCode.INVALID_ARGUMENT):
        call(command="deploy", arguments="x")


def test_nothing_given_deploys_the_commit() -> None:
    """The shortest step deploys deploy.yaml at what is checked out."""
    fields = call().fields
    assert str(fields["config"]) == "deploy.yaml"
    assert fields["version"] == "0123456789ab"


def test_a_rollback_takes_a_version_as_its_goal() -> None:
    """`version` means the same to a person whatever the command is; without one there is none."""
    assert call(command="rollback", version="1.0").fields["to"] == "1.0"
    assert "to" not in call(command="rollback").fields
    assert call(command="rollback", to="2.0", version="1.0").fields["to"] == "2.0"


def test_a_promotion_does_not_take_the_commit_as_its_version() -> None:
    """What passed in the environment before is promoted, whatever is checked out."""
    assert "version" not in call(command="promote").fields
    assert call(command="promote", digest="sha256:ab").fields["digest"] == "sha256:ab"


def test_a_value_that_looks_like_a_flag_is_a_value() -> None:
    """Text from a dispatch form cannot add options."""
    assert call(reason="--force --lock-wait=9h").fields["reason"] == "--force --lock-wait=9h"
    assert "force" not in call(reason="--force").fields


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_a_dry_run_is_asked_for_as_yaml_says_true(text: str) -> None:
    """All three spellings of YAML's core schema."""
    assert call(dry_run=text).fields["dry_run"] is True


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"command": "destroy"}, "not one of"),
        ({"command": "--version"}, "not one of"),
        ({"dry-run": "yes"}, "neither true nor false"),
        ({"command": "status", "reason": "x"}, "does not take it"),
        ({"command": "deploy", "to": "1.0"}, "does not take it"),
        ({"command": "validate", "environment": "staging"}, "does not take it"),
        ({"lock-wait": "soon"}, "soon"),
        ({"command": "history", "limit": "-1"}, "-1"),
        ({"reason": "a\x1b[2Jb"}, "control characters"),
        ({"dry_run": "true"}, "did you mean 'dry-run'"),
        ({"enviroment": "production"}, "did you mean 'environment'"),
    ],
)
def test_what_cannot_be_meant_is_refused(inputs: dict[str, str], words: str) -> None:
    """An input that would be ignored is an error: somebody expects it to do something."""
    with pytest.raises(BadInput, match=words):
        parse(arguments(inputs, CONTEXT))


def test_inputs_of_others_are_none_of_ours() -> None:
    """A surrounding action's inputs may be in the environment too."""
    assert call(node_version_file="x").command.name == "deploy"


@pytest.mark.parametrize("name", ["version", "digest"])
def test_an_output_that_was_lost_on_the_way_is_refused(name: str) -> None:
    """`${{ needs.staging.outputs.digest || 'required' }}`: never the newest one instead."""
    with fails_with(ErrorCode.OUTPUT_LOST):
        call(
            command="promote",
            **{"version": "1.0.0", "digest": "sha256:" + "a" * 64, name: REQUIRED},
        )
