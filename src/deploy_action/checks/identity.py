"""Identity: the application itself must name the release that it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.health import health_check
from deploy_action.checks.http import HttpRequest, HttpResponse, NoAnswer, send
from deploy_action.checks.result import CheckFailure, CheckFailureKind, CheckResult
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.config.model import Health, Retry
from deploy_action.jsonpath import Missing, look_up
from deploy_action.redaction import redact
from deploy_action.releases.model import Release

__all__ = ["IdentityExpectation", "check_identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityExpectation:
    """Where the application names its release, and what it must say.

    Exactly one of `header` and `json` is not empty.
    """

    header: str = ""
    json: str = ""
    path: str = "/"
    headers: Mapping[str, str]
    """Sent with the request, as with the health check."""
    expected: str

    @classmethod
    def of(cls, health: Health, release: Release) -> IdentityExpectation | None:
        """Resolve the configuration for one release; None where no identity is configured."""
        identity = health.identity
        if identity is None:
            return None
        expected = identity.expect
        for name, value in (
            ("{version}", release.version),
            ("{digest}", release.digest),
            ("{commit}", release.commit),
        ):
            expected = expected.replace(name, value)
        return cls(
            header=identity.header or "",
            json=identity.json or "",
            path=identity.path or health_check(health).probe_path(health),
            headers=health.headers,
            expected=expected,
        )

    def check_header(self, headers: Mapping[str, str]) -> tuple[CheckFailure, ...]:
        """Return why an answer to any request is another release's; an answer that does not
        carry the header (a static file) proves nothing and passes."""
        got = headers.get(self.header) if self.header else None
        if got is None or got == self.expected:
            return ()
        return (self._wrong_release(self.header, got),)

    def check_json(self, response: HttpResponse) -> tuple[CheckFailure, ...]:
        """Return why the release that a JSON answer names is not the expected one."""
        try:
            got = str(look_up(json.loads(response.body), self.json))
        except Missing as error:
            detail = f"the answer from {self.path}: {error}"
            return (CheckFailure(CheckFailureKind.NO_RELEASE, detail),)
        except (ValueError, RecursionError):
            detail = f"the answer from {self.path} is not JSON: {redact.quote(response.text)}"
            return (CheckFailure(CheckFailureKind.NOT_JSON, detail),)
        return () if got == self.expected else (self._wrong_release(self.json, got),)

    def _wrong_release(self, where: str, got: str) -> CheckFailure:
        detail = (
            f"another release answered: {where} is {redact.quote(got)}, expected {self.expected}"
        )
        return CheckFailure(CheckFailureKind.WRONG_RELEASE, detail)


def check_identity(
    expectation: IdentityExpectation,
    target: Target,
    *,
    clock: Clock,
    timeout_seconds: float = 5.0,
    retry: Retry = ONCE,
) -> CheckResult:
    """Ask the application which release it is.

    Args:
        timeout_seconds: for one try.
    """
    return attempt(
        "identity",
        target.where,
        retry=retry,
        clock=clock,
        one_try=lambda: _try(expectation, target, clock, timeout_seconds),
    )


def _try(
    expectation: IdentityExpectation,
    target: Target,
    clock: Clock,
    timeout_seconds: float,
) -> tuple[CheckFailure, ...]:
    request = HttpRequest(path=expectation.path, headers=expectation.headers)
    try:
        response = send(request, target, clock=clock, timeout_seconds=timeout_seconds)
    except NoAnswer as error:
        return (error.failure(),)
    if not 200 <= response.status < 300:
        detail = f"status {response.status} from {expectation.path}"
        return (CheckFailure(CheckFailureKind.WRONG_STATUS, detail),)
    if not expectation.header:
        return expectation.check_json(response)
    if expectation.header not in response.headers:
        detail = f"the answer from {expectation.path} has no header {expectation.header}"
        return (CheckFailure(CheckFailureKind.NO_RELEASE, detail),)
    return expectation.check_header(response.headers)
