"""Is it really this release that answers? The application itself has to say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.result import CheckResult
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.config.model import Health, Retry
from deploy_action.jsonpath import Missing, look_up
from deploy_action.redaction import Redactor
from deploy_action.releases.model import Release

__all__ = ["IdentityExpectation", "check_identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityExpectation:
    """Where a release says its name, and the name it must say.

    Exactly one of `header` and `json` is not empty.
    """

    header: str = ""
    json: str = ""
    path: str = "/"
    headers: Mapping[str, str]
    """Sent along, as for the health check."""
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
            path=identity.path or (health.path if health.kind == "http" else "/"),
            headers=health.headers,
            expected=expected,
        )

    def refute_header(self, answer: Mapping[str, str], redact: Redactor) -> str:
        """Return why an answer to any request is another release's; an answer that does not
        carry the header (a static file) proves nothing and passes."""
        said = answer.get(self.header) if self.header else None
        if said is None or said == self.expected:
            return ""
        return f"another release answered: {self.header} is {redact.quote(said)}, expected {self.expected}"


def check_identity(
    expectation: IdentityExpectation,
    target: Target,
    *,
    clock: Clock,
    timeout_seconds: float = 5.0,
    retry: Retry = ONCE,
    redact: Redactor | None = None,
) -> CheckResult:
    """Ask the application which release it is.

    Args:
        timeout_seconds: for one try.
        redact: makes text from outside fit to be shown.
    """
    return attempt(
        "identity",
        target.where,
        retry=retry,
        clock=clock,
        one_try=lambda: _try(expectation, target, clock, timeout_seconds, redact or Redactor({})),
    )


def _try(
    expectation: IdentityExpectation,
    target: Target,
    clock: Clock,
    timeout_seconds: float,
    redact: Redactor,
) -> str:
    from deploy_action.checks import http

    request = http.Request(path=expectation.path, headers=expectation.headers)
    try:
        answer = http.send(request, target, clock=clock, timeout_seconds=timeout_seconds)
    except http.NoAnswer as error:
        return redact.excerpt(str(error))
    if not 200 <= answer.status < 300:
        return f"status {answer.status} from {expectation.path}"
    if expectation.header:
        if expectation.header not in answer.headers:
            return f"the answer from {expectation.path} has no header {expectation.header}"
        return expectation.refute_header(answer.headers, redact)
    try:
        said = look_up(json.loads(answer.body), expectation.json)
    except Missing as error:
        return f"the answer from {expectation.path}: {error}"
    except (ValueError, RecursionError):
        return f"the answer from {expectation.path} is not JSON: {redact.quote(answer.text)}"
    if str(said) == expectation.expected:
        return ""
    return (
        f"another release answered: {expectation.json} is {redact.quote(str(said))}, "
        f"expected {expectation.expected}"
    )
