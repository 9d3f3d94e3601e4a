"""Smoke tests: the user's own requests, connections and commands, and what must come of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, assert_never

from deploy_action.checks.attempt import ONCE, attempt
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.result import CheckResult
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.config.model import CommandSmoke, HttpSmoke, SmokeTest, TcpSmoke
from deploy_action.inputs import Secret
from deploy_action.redaction import Redactor

__all__ = ["CheckResult", "run_smoke"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def run_smoke(
    tests: Sequence[SmokeTest],
    target: Target,
    *,
    secrets: Mapping[str, Secret],
    identity: IdentityExpectation | None,
    clock: Clock,
    only: Literal["replica", "edge"],
) -> tuple[CheckResult, ...]:
    """Run the tests that are meant for this kind of target, in their order.

    After one has failed for good the others are made once, without retries: they complete the
    picture, but the verdict is known and the old release may be waiting to come back.

    Args:
        secrets: fill ``${NAME}`` in header values and bodies when a request is sent, and are
            masked in every detail, encoded forms included.
        identity: which release must answer; checked first, and on every HTTP answer that carries
            its header. None where answers of the old release are in order too (a canary).
    """
    redact = Redactor(secrets)
    results: list[CheckResult] = []
    if identity is not None:
        results.append(check_identity(identity, target, clock=clock, redact=redact))
    for test in tests:
        if not _applies(test, only):
            continue
        failed = any(not result.passed for result in results)
        one_try = _one_try(test, target, secrets, identity, clock, redact)
        results.append(
            attempt(
                test.name,
                target.where,
                retry=ONCE if failed else test.retry,
                clock=clock,
                one_try=one_try,
            )
        )
    return tuple(results)


def _applies(test: SmokeTest, only: Literal["replica", "edge"]) -> bool:
    match test:
        case CommandSmoke():
            return only == "replica"
        case TcpSmoke():
            # A port that is named is the container's own; the edge knows it only if told so.
            through_both = test.port is not None and "replica" in test.through
            return only in test.through and not (only == "edge" and through_both)
        case HttpSmoke():
            return only in test.through
        case _:
            assert_never(test)


def _one_try(
    test: SmokeTest,
    target: Target,
    secrets: Mapping[str, Secret],
    identity: IdentityExpectation | None,
    clock: Clock,
    redact: Redactor,
) -> Callable[[], str]:
    match test:
        case HttpSmoke():
            return lambda: _try_http(test, target, secrets, identity, clock, redact)
        case TcpSmoke():
            from deploy_action.checks.tcp import try_tcp

            return lambda: try_tcp(test, target, redact=redact)
        case CommandSmoke():
            return lambda: _try_command(test, target, redact)
        case _:
            assert_never(test)


def _try_http(
    test: HttpSmoke,
    target: Target,
    secrets: Mapping[str, Secret],
    identity: IdentityExpectation | None,
    clock: Clock,
    redact: Redactor,
) -> str:
    from deploy_action.checks import http
    from deploy_action.checks.expectations import judge

    try:
        headers = {name: _fill(value, secrets) for name, value in test.headers.items()}
        body = None if test.body is None else _fill(test.body, secrets).encode()
    except LookupError as error:
        return str(error.args[0])
    request = http.Request(path=test.path, method=test.method, headers=headers, body=body)
    try:
        answer = http.send(
            request,
            target,
            clock=clock,
            timeout_seconds=test.timeout_seconds,
            redirects=test.redirects,
        )
    except http.NoAnswer as error:
        return redact.excerpt(str(error))
    wrong_release = identity.refute_header(answer.headers, redact) if identity else ""
    return "; ".join(filter(None, [wrong_release, *judge(test, answer, redact)]))


def _fill(text: str, secrets: Mapping[str, Secret]) -> str:
    """Put the values of declared secrets in.

    Raises:
        LookupError: a value is missing; the message names the secret.
    """

    def value(match: re.Match[str]) -> str:
        secret = secrets.get(match[1])
        if secret is None:
            raise LookupError(f"the secret {match[1]} has no value")
        return secret.reveal()

    return _VARIABLE.sub(value, text)


def _try_command(test: CommandSmoke, target: Target, redact: Redactor) -> str:
    if target.run_command is None:
        return f"commands cannot be run in {target.where}"
    try:
        exit_code, output = target.run_command(test.command, test.timeout_seconds)
    except TimeoutError:
        return f"the command did not end within {test.timeout_seconds:g} s"
    # The end of the output tells why; masked before it is cut.
    end = redact(output).strip()[-200:]
    said = f"; output: {redact.quote(end)}" if end else ""
    if exit_code:
        return f"exit code {exit_code}, expected 0{said}"
    missing = [text for text in test.contains if text not in output]
    if missing:
        return f"the output does not contain {redact.quote(missing[0])}{said}"
    return ""
