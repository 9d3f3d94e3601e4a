"""Smoke tests by a command in the new container."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext, SmokeKind
from deploy_action.config.model import CommandSmoke
from deploy_action.redaction import redact

__all__ = ["COMMAND"]

_OUTPUT_CHARACTERS = 200


def _describe(test: CommandSmoke, code: Callable[[object], str]) -> str:
    return f"{code(' '.join(test.command))} exits 0 in the new container"


def _run(test: CommandSmoke, context: SmokeContext) -> tuple[CheckFailure, ...]:
    target = context.target
    if target.run_command is None:
        detail = f"commands cannot be run in {target.where}"
        return (CheckFailure(CheckFailureKind.NOT_SUPPORTED, detail),)
    try:
        exit_code, output = target.run_command(test.command, test.timeout_seconds)
    except TimeoutError:
        detail = f"the command timed out after {test.timeout_seconds:g} s"
        return (CheckFailure(CheckFailureKind.TIMED_OUT, detail),)
    # The end of the output tells why; masked before it is cut.
    end = redact(output).strip()[-_OUTPUT_CHARACTERS:]
    excerpt = f"; output: {redact.quote(end)}" if end else ""
    if exit_code:
        detail = f"exit code {exit_code}, expected 0{excerpt}"
        return (CheckFailure(CheckFailureKind.EXIT_CODE, detail),)
    for text in test.contains:
        if text not in output:
            detail = f"the output does not contain {redact.quote(text)}{excerpt}"
            return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)
    return ()


COMMAND = SmokeKind(
    type=CommandSmoke,
    applies=lambda _test, place: place == "replica",
    describe=_describe,
    run=_run,
)
