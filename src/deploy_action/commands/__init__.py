"""The registry of commands: a name here is a module beside it with `COMMAND` and `run`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from deploy_action.errors import BadInput, DeployActionError, ErrorCode
from deploy_action.events.model import CommandFinished, CommandStarted
from deploy_action.events.stream import EventStream
from deploy_action.inputs import CREDENTIALS
from deploy_action.interruption import uninterrupted
from deploy_action.redaction import redact
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import with_notes
from deploy_action.suggest import suggestion

if TYPE_CHECKING:
    from deploy_action.commands.command import Command
    from deploy_action.events.stream import Observer
    from deploy_action.inputs import Inputs
    from deploy_action.results.reports import Report

__all__ = ["NAMES", "all_commands", "describe", "module_of", "perform"]

NAMES = (
    "init",
    "validate",
    "check",
    "build",
    "plan",
    "deploy",
    "promote",
    "rollback",
    "restart",
    "status",
    "ps",
    "logs",
    "exec",
    "console",
    "history",
    "monitor",
    "drift",
    "maintenance",
    "canary",
    "run",
    "remove",
    "unlock",
    "doctor",
    "notify",
    "docs",
    "completion",
)
"""Every command, in the order of the help."""

_KEEPS_BY_ITSELF = "old releases go by themselves, but for the last ones: retain in deploy.yaml"
_REMOVE = "remove takes a service off its hosts, with everything that it has there"
_INSTINCT = {
    "accessory": "databases run beside deploy-action, for example with Compose",
    "app": "try ps, logs, exec or restart",
    "apply": "deploy makes a version live",
    "attach": "console opens a shell, logs --follow shows the output",
    "audit": "history says what went live, when and by whom",
    "bash": "console opens a shell in a replica",
    "clean": _KEEPS_BY_ITSELF,
    "config": "validate checks deploy.yaml, docs explains it",
    "create": "deploy makes a version live",
    "delete": _REMOVE,
    "destroy": _REMOVE,
    "details": "status and ps say what runs",
    "diff": "plan says what a deployment would do, drift what somebody changed by hand",
    "down": "remove takes a service off its hosts for good; maintenance on closes it for a while",
    "env": "env in deploy.yaml, then deploy",
    "info": "status and ps say what runs",
    "kill": "restart starts replicas anew; remove takes the service away",
    "list": "ps lists what runs, history what was deployed",
    "lock": "status says who deploys; unlock --force frees the lock of a hanging deployment",
    "log": "logs shows what replicas print",
    "ls": "ps lists what runs",
    "pause": "maintenance on closes the service for a while",
    "proxy": "the edge is started and renewed by each deployment; doctor looks at it",
    "prune": _KEEPS_BY_ITSELF,
    "redeploy": "restart starts the live release anew; deploy makes a version live",
    "release": "deploy makes a version live; unlock --force frees a lock",
    "reload": "restart starts the live release anew",
    "revert": "rollback brings an earlier release back",
    "rm": _REMOVE,
    "scale": "replicas in deploy.yaml, then deploy",
    "secrets": "secrets in deploy.yaml names variables of the job; no value is stored",
    "server": "install Docker on the host, then doctor",
    "setup": "deploy does the set-up of a host, too",
    "sh": "console opens a shell in a replica",
    "shell": "console opens a shell in a replica",
    "ssh": "console opens a shell in a replica",
    "start": "deploy makes a version live, restart starts the live one anew",
    "stop": "maintenance on closes the service for a while; remove takes it away",
    "test": "check runs the gates, monitor asks what is live",
    "top": "ps lists what runs",
    "undo": "rollback brings an earlier release back",
    "unpause": "maintenance off opens the service again",
    "up": "deploy makes a version live",
    "update": "deploy makes a version live",
    "upgrade": "deploy makes a version live",
}
"""What people type because another tool has it: what to use here. Never a guess that destroys."""

END_SECONDS = 5.0
INTERRUPTED_SECONDS = 2.0
"""A cancelled job is killed soon: https://docs.github.com/actions/reference/workflow-cancellation-reference"""


def describe(name: str) -> Command:
    """Return what a command declares about itself.

    Raises:
        BadInput: there is no such command.
    """
    if name in _INSTINCT:
        hint = _INSTINCT[name]
        meant = hint.partition(" ")[0]
        raise BadInput(
            f"there is no command {name!r}",
            cause=hint,
            remedy=f"deploy-action {f'{meant} ' if meant in NAMES else ''}--help",
            code=ErrorCode.UNKNOWN_COMMAND,
        )
    if name not in NAMES:
        raise BadInput(
            f"there is no command {name!r}{suggestion(name, NAMES)}",
            remedy="deploy-action --help",
            code=ErrorCode.UNKNOWN_COMMAND,
        )
    declared: Command = module_of(name).COMMAND
    return declared


def all_commands() -> list[Command]:
    """Return every command; this imports all of them."""
    return [describe(name) for name in NAMES]


def perform(name: str, inputs: Inputs, observers: Sequence[Observer] = ()) -> Report:
    """Run a command and return its report; an error that a user may see becomes one.

    Observers are told that it starts, all that happens, and its report. The end waits for them
    for at most END_SECONDS, or INTERRUPTED_SECONDS; their notes are in the report.

    Raises:
        Exception: a bug; everything but `DeployActionError` is passed on.
    """
    for credential in CREDENTIALS:
        redact.protect(inputs.environ.get(credential, ""))
    stream = EventStream(observers)
    stream.publish(CommandStarted(command=name, environment=inputs.environment or ""))
    report: Report
    try:
        report = module_of(name).run(inputs, stream)
    except DeployActionError as error:
        report = Outcome.of_error(error, environment=inputs.environment or "")
    except Exception:
        stream.publish(CommandFinished(report=None))
        stream.close(END_SECONDS)
        raise
    cancelled = (
        isinstance(report, Outcome)
        and report.error is not None
        and report.error.code is ErrorCode.INTERRUPTED
    )
    # From here on a signal no longer interrupts: the report is complete in any case.
    with uninterrupted():
        stream.publish(CommandFinished(report=report))
        notes = stream.close(INTERRUPTED_SECONDS if cancelled else END_SECONDS)
    return with_notes(report, notes)


def module_of(name: str) -> Any:
    """Import one command alone: the others would cost a third of a second."""
    return import_module(f"deploy_action.commands.{name}")
