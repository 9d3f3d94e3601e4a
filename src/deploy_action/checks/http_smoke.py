"""Smoke tests over HTTP: one request, and what its answer must be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from deploy_action.checks.http import HttpRequest, HttpResponse, NoAnswer, send
from deploy_action.checks.pattern import search
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext, SmokeKind
from deploy_action.config.model import HttpSmoke
from deploy_action.inputs import Secret
from deploy_action.jsonpath import Missing, equal, look_up
from deploy_action.redaction import redact

__all__ = ["HTTP"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _describe(test: HttpSmoke, code: Callable[[object], str]) -> str:
    parts = [" or ".join(map(str, test.status))]
    parts += [f"contains {code(text)}" for text in test.contains]
    parts += [f"matches {code(test.matches)}"] if test.matches else []
    parts += [f"{code(path)} is {code(value)}" for path, value in test.json.items()]
    within = test.within_seconds
    parts += [f"within {within * 1000:.0f} ms"] if within is not None else []
    return f"{code(f'{test.method} {test.path}')} answers {', '.join(parts)}"


def _run(test: HttpSmoke, context: SmokeContext) -> tuple[CheckFailure, ...]:
    identity = context.identity
    try:
        headers = {name: _fill(value, context.secrets) for name, value in test.headers.items()}
        body = None if test.body is None else _fill(test.body, context.secrets).encode()
    except LookupError as error:
        return (CheckFailure(CheckFailureKind.SECRET_MISSING, str(error.args[0])),)
    try:
        response = send(
            HttpRequest(path=test.path, method=test.method, headers=headers, body=body),
            context.target,
            clock=context.clock,
            timeout_seconds=test.timeout_seconds,
            redirects=test.redirects,
        )
    except NoAnswer as error:
        return (error.failure(),)
    wrong_release = identity.check_header(response.headers) if identity else ()
    return (*wrong_release, *_differences(test, response))


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


def _differences(test: HttpSmoke, response: HttpResponse) -> tuple[CheckFailure, ...]:
    """Return everything in which an answer differs from what the test expects.

    With a wrong status the rest is left out: an error page has none of what is expected.
    """
    if response.status not in test.status:
        return (_wrong_status(test, response),)
    in_body = (*_body(test, response), *_json(test, response))
    failures = (*_headers(test, response), *in_body, *_latency(test, response))
    if not in_body:
        return failures
    truncated = ", of which only the first 4 MiB were read" if response.truncated else ""
    excerpt = f"body: {redact.quote(response.text)}{truncated}"
    return (*failures[:-1], replace(failures[-1], detail=f"{failures[-1].detail}; {excerpt}"))


def _wrong_status(test: HttpSmoke, response: HttpResponse) -> CheckFailure:
    expected = " or ".join(str(code) for code in test.status)
    location = response.headers.get("Location", "")
    hint = f", redirects to {redact.quote(location)}" if location else ""
    body = f"; body: {redact.quote(response.text)}" if response.body else ""
    detail = f"status {response.status}, expected {expected}{hint}{body}"
    return CheckFailure(CheckFailureKind.WRONG_STATUS, detail)


def _headers(test: HttpSmoke, response: HttpResponse) -> Iterator[CheckFailure]:
    """A value that ends in ``*`` is a prefix, ``*`` alone any value."""
    for name, expected in test.response_headers.items():
        got = response.headers.get(name)
        if got is None:
            yield CheckFailure(CheckFailureKind.WRONG_HEADER, f"the header {name} is missing")
            continue
        if expected.endswith("*"):
            same = got.startswith(expected[:-1])
        else:
            same = got.strip() == expected.strip()
        if not same:
            detail = f"the header {name} is {redact.quote(got)}, expected {redact.quote(expected)}"
            yield CheckFailure(CheckFailureKind.WRONG_HEADER, detail)


def _body(test: HttpSmoke, response: HttpResponse) -> Iterator[CheckFailure]:
    text = response.text
    for expected in test.contains:
        if expected not in text:
            detail = f"the body does not contain {redact.quote(expected)}"
            yield CheckFailure(CheckFailureKind.WRONG_BODY, detail)
    if test.matches is None:
        return
    pattern = redact.quote(test.matches)
    match search(test.matches, text):
        case "found":
            pass
        case "absent":
            detail = f"the body does not match {pattern}"
            yield CheckFailure(CheckFailureKind.WRONG_BODY, detail)
        case "too slow":
            detail = f"the pattern {pattern} took too long: it backtracks without end"
            yield CheckFailure(CheckFailureKind.PATTERN_TOO_SLOW, detail)
        case "invalid":
            detail = f"the pattern {pattern} is not a regular expression"
            yield CheckFailure(CheckFailureKind.INVALID_PATTERN, detail)


def _json(test: HttpSmoke, response: HttpResponse) -> Iterator[CheckFailure]:
    if not test.json:
        return
    try:
        document = json.loads(response.body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        yield CheckFailure(CheckFailureKind.NOT_JSON, "the body is not JSON")
        return
    for path, expected in test.json.items():
        try:
            got = look_up(document, path)
        except (Missing, ValueError) as error:
            detail = f"JSON {path}: {redact.excerpt(str(error))}"
        else:
            if equal(expected, got):
                continue
            detail = (
                f"JSON {path} is {redact.excerpt(_dump(got))}, "
                f"expected {redact.excerpt(_dump(expected))}"
            )
        yield CheckFailure(CheckFailureKind.WRONG_JSON, detail)


def _latency(test: HttpSmoke, response: HttpResponse) -> Iterator[CheckFailure]:
    if test.within_seconds is not None and response.seconds > test.within_seconds:
        detail = f"answered in {response.seconds:.3f} s, allowed are {test.within_seconds:g} s"
        yield CheckFailure(CheckFailureKind.TOO_SLOW, detail)


def _refuse(constant: str) -> object:
    """NaN and Infinity are Python's invention, not JSON (RFC 8259, section 6)."""
    raise ValueError(constant)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


HTTP = SmokeKind(
    type=HttpSmoke,
    applies=lambda test, place: place in test.through,
    describe=_describe,
    run=_run,
)
