"""Asks a service's own address, and tells who answers there."""

from __future__ import annotations

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.http import HttpRequest, NoAnswer, send
from deploy_action.checks.result import CheckFailure, CheckResult
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.redaction import Redactor

__all__ = ["check_route"]

_TIMEOUT_SECONDS = 5.0


def check_route(target: Target, path: str, clock: Clock) -> CheckResult:
    """Ask once, whatever the status of the answer is.

    Args:
        target: an edge, with `Target.served_by`.
    """

    def one_try() -> tuple[CheckFailure, ...]:
        request = HttpRequest(path=path, headers={})
        try:
            send(request, target, clock=clock, timeout_seconds=_TIMEOUT_SECONDS)
        except NoAnswer as error:
            return (error.failure(Redactor({})),)
        return ()

    return attempt("route", target.where, retry=ONCE, clock=clock, one_try=one_try)
