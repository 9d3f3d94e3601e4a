"""Asks a service's own address, and tells who answers there."""

from __future__ import annotations

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.http import HttpRequest, HttpResponse, NoAnswer, send
from deploy_action.checks.result import CheckFailure, CheckFailureKind, CheckResult
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.config.model import Retry
from deploy_action.redaction import redact

__all__ = ["check_route"]

_TIMEOUT_SECONDS = 5.0
_PERMANENT_REDIRECT = 308


def check_route(
    target: Target, path: str, clock: Clock, *, redirect_to: str = "", retry: Retry = ONCE
) -> CheckResult:
    """Ask for a path, whatever the status of the answer is.

    Args:
        target: an edge, with `Target.served_by`.
        redirect_to: the edge itself must send the client there, where not empty.
    """

    def one_try() -> tuple[CheckFailure, ...]:
        request = HttpRequest(path=path, headers={})
        try:
            answer = send(request, target, clock=clock, timeout_seconds=_TIMEOUT_SECONDS)
        except NoAnswer as error:
            return (error.failure(),)
        return _elsewhere(answer, f"{redirect_to}{path}") if redirect_to else ()

    return attempt("route", target.where, retry=retry, clock=clock, one_try=one_try)


def _elsewhere(answer: HttpResponse, wanted: str) -> tuple[CheckFailure, ...]:
    location = answer.headers.get("Location")
    if (answer.status, location) == (_PERMANENT_REDIRECT, wanted):
        return ()
    said = redact.quote(location or "nothing")
    detail = f"status {answer.status} and Location {said}, expected a redirect to {wanted}"
    return (CheckFailure(CheckFailureKind.WRONG_STATUS, detail),)
