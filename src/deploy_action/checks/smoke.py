"""Smoke tests: the user's own requests, connections and commands, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.command_smoke import COMMAND
from deploy_action.checks.http_smoke import HTTP
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.image_smoke import IMAGE
from deploy_action.checks.postman_smoke import POSTMAN
from deploy_action.checks.result import CheckResult
from deploy_action.checks.smoke_kind import Place, SmokeContext, SmokeKind
from deploy_action.checks.target import Target
from deploy_action.checks.tcp_smoke import TCP
from deploy_action.clock import Clock
from deploy_action.config.model import Retry, SmokeTest
from deploy_action.inputs import Secret

__all__ = ["KINDS", "applies", "describe", "is_beside", "run_smoke"]

KINDS: tuple[SmokeKind[Any], ...] = (HTTP, TCP, COMMAND, POSTMAN, IMAGE)
"""All kinds of smoke tests: a new one is a module and an entry here."""
_BY_TYPE = {kind.type: kind for kind in KINDS}


def applies(test: SmokeTest, place: Place) -> bool:
    """Tell whether a test is run against this kind of target."""
    return _BY_TYPE[type(test)].applies(test, place)


def is_beside(test: SmokeTest) -> bool:
    """Tell whether a test needs a container of its own."""
    return _BY_TYPE[type(test)].beside


def describe(test: SmokeTest, code: Callable[[object], str] = str) -> str:
    """Say what must hold.

    Args:
        code: marks values of the configuration, such as Markdown's backticks.
    """
    return _BY_TYPE[type(test)].describe(test, code)


def run_smoke(
    tests: Sequence[SmokeTest],
    target: Target,
    *,
    secrets: Mapping[str, Secret],
    identity: IdentityExpectation | None,
    clock: Clock,
    only: Place,
) -> tuple[CheckResult, ...]:
    """Run the tests that apply to this kind of target, in their order.

    After one has failed for good the others are made once, without retries: they complete the
    picture, but the verdict is known and the old release may be waiting to come back.

    Args:
        secrets: fill ``${NAME}`` in header values and bodies when a request is sent, and are
            masked in every detail, encoded forms included.
        identity: which release must answer; checked first, where the target leads to it, and on every HTTP answer that carries
            its header. None where the old release may answer too (a canary).
    """
    context = SmokeContext(target=target, secrets=secrets, identity=identity, clock=clock)
    results: list[CheckResult] = []
    if identity is not None and target.reaches(identity.path):
        results.append(check_identity(identity, target, clock=clock))
    for test in tests:
        if applies(test, only):
            passing = all(result.passed for result in results)
            results.append(_run(test, context, test.retry if passing else ONCE))
    return tuple(results)


def _run(test: SmokeTest, context: SmokeContext, retry: Retry) -> CheckResult:
    kind = _BY_TYPE[type(test)]
    return attempt(
        test.name,
        context.target.where,
        retry=retry,
        clock=context.clock,
        one_try=lambda: kind.run(test, context),
    )
