"""What an HTTP answer must be, and how it differs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from deploy_action.checks.http import Answer
from deploy_action.checks.pattern import search
from deploy_action.config.model import HttpSmoke
from deploy_action.jsonpath import Missing, equal, look_up
from deploy_action.redaction import Redactor

__all__ = ["judge"]


def judge(test: HttpSmoke, answer: Answer, redact: Redactor) -> tuple[str, ...]:
    """Return everything in which an answer differs from what the test expects.

    With a wrong status the rest is left out: an error page has none of what is expected.

    Args:
        redact: makes text from outside fit to be shown.
    """
    if answer.status not in test.status:
        return (_status(test, answer, redact),)
    in_body = (*_body(test, answer, redact), *_json(test, answer, redact))
    found = (*_headers(test, answer, redact), *in_body, *_latency(test, answer))
    if not in_body:
        return found
    cut = ", of which only the first 4 MiB were read" if answer.cut else ""
    return (*found, f"body: {redact.quote(answer.text)}{cut}")


def _status(test: HttpSmoke, answer: Answer, redact: Redactor) -> str:
    expected = " or ".join(str(code) for code in test.status)
    location = answer.headers.get("Location", "")
    hint = f", redirects to {redact.quote(location)}" if location else ""
    said = f"; body: {redact.quote(answer.text)}" if answer.body else ""
    return f"status {answer.status}, expected {expected}{hint}{said}"


def _headers(test: HttpSmoke, answer: Answer, redact: Redactor) -> Iterator[str]:
    """A value that ends in ``*`` is a prefix, ``*`` alone any value."""
    for name, expected in test.response_headers.items():
        got = answer.headers.get(name)
        if got is None:
            yield f"the header {name} is missing"
        elif expected.endswith("*"):
            if not got.startswith(expected[:-1]):
                yield f"the header {name} is {redact.quote(got)}, expected {redact.quote(expected)}"
        elif got.strip() != expected.strip():
            yield f"the header {name} is {redact.quote(got)}, expected {redact.quote(expected)}"


def _body(test: HttpSmoke, answer: Answer, redact: Redactor) -> Iterator[str]:
    text = answer.text
    for expected in test.contains:
        if expected not in text:
            yield f"the body does not contain {redact.quote(expected)}"
    if test.matches is None:
        return
    match search(test.matches, text):
        case "found":
            pass
        case "absent":
            yield f"the body does not match {redact.quote(test.matches)}"
        case "too slow":
            yield f"the pattern {redact.quote(test.matches)} took too long: it backtracks without end"
        case "invalid":
            yield f"the pattern {redact.quote(test.matches)} is not a regular expression"


def _json(test: HttpSmoke, answer: Answer, redact: Redactor) -> Iterator[str]:
    if not test.json:
        return
    try:
        document = json.loads(answer.body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        yield "the body is not JSON"
        return
    for path, expected in test.json.items():
        try:
            got = look_up(document, path)
        except (Missing, ValueError) as error:
            yield f"JSON {path}: {redact.excerpt(str(error))}"
            continue
        if not equal(expected, got):
            yield f"JSON {path} is {redact.excerpt(_dump(got))}, expected {redact.excerpt(_dump(expected))}"


def _latency(test: HttpSmoke, answer: Answer) -> Iterator[str]:
    if test.within_seconds is not None and answer.seconds > test.within_seconds:
        yield f"answered in {answer.seconds:.3f} s, allowed are {test.within_seconds:g} s"


def _refuse(constant: str) -> object:
    """NaN and Infinity are Python's invention, not JSON (RFC 8259, section 6)."""
    raise ValueError(constant)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
