"""The result of one check: identifiers for programs, and a text for people that holds no secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CheckFailure", "CheckFailureKind", "CheckResult"]


class CheckFailureKind(StrEnum):
    """In which way a check failed; stays the same while messages change.

    The first group means that no complete answer came, the second that a check could not be made
    as configured, the third that an answer differs from what is expected.
    """

    ADDRESS_NOT_ALLOWED = "address-not-allowed"
    BAD_ENCODING = "bad-encoding"
    INCOMPLETE = "incomplete"
    NO_ANSWER = "no-answer"
    NOT_HTTP = "not-http"
    REDIRECT_ELSEWHERE = "redirect-elsewhere"
    REFUSED = "refused"
    RESET = "reset"
    TIMED_OUT = "timed-out"
    TLS = "tls"
    TOO_LARGE = "too-large"
    TOO_MANY_REDIRECTS = "too-many-redirects"
    UNREACHABLE = "unreachable"

    INVALID_PATTERN = "invalid-pattern"
    INVALID_REQUEST = "invalid-request"
    NOT_SUPPORTED = "not-supported"
    PATTERN_TOO_SLOW = "pattern-too-slow"
    SECRET_MISSING = "secret-missing"

    ASSERTION = "assertion"
    CONNECTION_CLOSED = "connection-closed"
    EXIT_CODE = "exit-code"
    NO_RELEASE = "no-release"
    SERVED_ELSEWHERE = "served-elsewhere"
    """Another service, or something else than the edge, answers at the service's address."""
    NOT_JSON = "not-json"
    TOO_SLOW = "too-slow"
    WRONG_BODY = "wrong-body"
    WRONG_HEADER = "wrong-header"
    WRONG_JSON = "wrong-json"
    WRONG_OUTPUT = "wrong-output"
    WRONG_RELEASE = "wrong-release"
    WRONG_STATUS = "wrong-status"


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """One difference between what was expected and what came; `detail` names both."""

    kind: CheckFailureKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended.

    Attributes:
        where: what was asked ("replica 1 on web-1", "edge").
        seconds: from the first try to the verdict.
        attempts: tries that were made; 0 when nothing could be sent.
        detail: why it failed, expected against got; empty when it passed. Never holds a secret.
        failure_kinds: what failed, as identifiers, the most telling first.
    """

    name: str
    where: str
    passed: bool
    seconds: float
    attempts: int
    detail: str = ""
    failure_kinds: tuple[CheckFailureKind, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        where: str,
        failures: Sequence[CheckFailure],
        *,
        seconds: float,
        attempts: int,
    ) -> CheckResult:
        """Make the result of a check's last try; it passed when there are no failures."""
        return cls(
            name=name,
            where=where,
            passed=not failures,
            seconds=seconds,
            attempts=attempts,
            detail="; ".join(failure.detail for failure in failures),
            failure_kinds=tuple(dict.fromkeys(failure.kind for failure in failures)),
        )
