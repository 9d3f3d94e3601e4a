"""Smoke tests by a program of the user's choice, in an image of its own beside the new replica."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.checks.beside import Beside, address_of, judge
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext, SmokeKind
from deploy_action.config.model import ImageSmoke

__all__ = ["IMAGE"]

_URL = "DEPLOY_URL"


def _describe(test: ImageSmoke, code: Callable[[object], str]) -> str:
    return f"{code(' '.join(test.command))} exits 0 in {code(test.image)}"


def _run(test: ImageSmoke, context: SmokeContext) -> tuple[CheckFailure, ...]:
    target = context.target
    if target.run_beside is None:
        detail = f"nothing can be run beside {target.where}"
        return (CheckFailure(CheckFailureKind.NOT_SUPPORTED, detail),)
    if missing := [name for name in test.secrets if name not in context.secrets]:
        detail = f"not set: {', '.join(missing)}"
        return (CheckFailure(CheckFailureKind.SECRET_MISSING, detail),)
    url, names = address_of(target)
    job = Beside(
        image=test.image,
        argv=tuple(argument.replace("{url}", url) for argument in test.command),
        names=names,
        env={_URL: url} | {name: context.secrets[name].reveal() for name in test.secrets},
        readable_files=test.files,
        report=test.report,
    )
    seconds = test.timeout_seconds
    ended = target.run_beside(job, seconds)
    return judge(test.command[0], ended, seconds, reports=bool(test.report))


IMAGE = SmokeKind(
    type=ImageSmoke,
    applies=lambda _test, place: place == "replica",
    describe=_describe,
    run=_run,
    beside=True,
)
