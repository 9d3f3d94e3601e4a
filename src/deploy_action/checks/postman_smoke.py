"""Smoke tests by a Postman collection, which newman runs beside the new replica."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from typing import Any

from deploy_action.checks.beside import Beside, Ended
from deploy_action.checks.junit import read_junit
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext, SmokeKind
from deploy_action.checks.target import Target
from deploy_action.config.model import PostmanSmoke
from deploy_action.inputs import Secret
from deploy_action.redaction import excerpt, redact

__all__ = ["POSTMAN"]

_FOLDER = "/run/deploy-action"
_COLLECTION, _ENVIRONMENT = f"{_FOLDER}/collection.json", f"{_FOLDER}/environment.json"
_REPORT = "/tmp/deploy-action.xml"  # noqa: S108 - in the container of the test
_MOST_FAILURES = 5
_CHARACTERS = 200


def _describe(test: PostmanSmoke, code: Callable[[object], str]) -> str:
    return f"the Postman collection {code(test.name)} passes in {code(test.image)}"


def _run(test: PostmanSmoke, context: SmokeContext) -> tuple[CheckFailure, ...]:
    target = context.target
    if target.run_beside is None:
        detail = f"nothing can be run beside {target.where}"
        return (CheckFailure(CheckFailureKind.NOT_SUPPORTED, detail),)
    if missing := [name for name in test.secrets if name not in context.secrets]:
        detail = f"not set: {', '.join(missing)}"
        return (CheckFailure(CheckFailureKind.SECRET_MISSING, detail),)
    url, names = _address(target)
    seconds = test.timeout_seconds
    job = Beside(
        image=test.image,
        argv=(
            *("newman", "run", _COLLECTION, "--environment", _ENVIRONMENT),
            *("--reporters", "cli,junit", "--reporter-junit-export", _REPORT),
            *("--color", "off", "--disable-unicode", "--timeout", str(int(seconds * 1000))),
        ),
        names=names,
        files={_ENVIRONMENT: Secret(_environment(test, context, url))},
        readable_files={_COLLECTION: test.collection},
        report=_REPORT,
    )
    return _judge(target.run_beside(job, seconds), seconds)


def _address(target: Target) -> tuple[str, dict[str, str]]:
    """Return the replica's URL, and the host names that have to lead to it."""
    name = target.host_header.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        usable = "." in name
    else:
        usable = False
    host = f"[{target.address}]" if ":" in target.address else target.address
    names = {name: target.address} if usable else {}
    return f"{target.scheme}://{name if usable else host}:{target.port}", names


def _environment(test: PostmanSmoke, context: SmokeContext, url: str) -> str:
    """Return a Postman environment: that of the repository, then the address and the secrets."""
    given: dict[str, Any] = json.loads(test.environment) if test.environment else {}
    values = {entry["key"]: entry for entry in given.get("values", []) if "key" in entry}
    ours = {test.address: url} | {name: context.secrets[name].reveal() for name in test.secrets}
    for key, value in ours.items():
        values[key] = {"key": key, "value": value, "enabled": True}
    return json.dumps({"name": "deploy-action", "values": list(values.values())})


def _judge(ended: Ended, seconds: float) -> tuple[CheckFailure, ...]:
    """Pass what ended well, with a report, with assertions, and without a failure in it."""
    if ended.exit_code is None:
        detail = f"newman did not end within {seconds:g} s"
        return (CheckFailure(CheckFailureKind.TIMED_OUT, detail),)
    end = redact(ended.output).strip()[-_CHARACTERS:]
    said = f"; output: {redact.quote(end)}" if end else ""
    if ended.report is None:
        detail = f"newman ended with {ended.exit_code} and wrote no report that can be read{said}"
        return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)
    try:
        report = read_junit(ended.report)
    except ValueError as error:
        detail = f"newman's report cannot be read: {redact.excerpt(str(error))}{said}"
        return (CheckFailure(CheckFailureKind.WRONG_OUTPUT, detail),)
    if report.failures:
        shown = [excerpt(redact(each), _CHARACTERS) for each in report.failures[:_MOST_FAILURES]]
        more = len(report.failures) - len(shown)
        details = [*shown, *([f"{more} more failures"] if more else [])]
        return tuple(CheckFailure(CheckFailureKind.ASSERTION, detail) for detail in details)
    if ended.exit_code:
        detail = f"newman: exit code {ended.exit_code}{said}"
        return (CheckFailure(CheckFailureKind.EXIT_CODE, detail),)
    if not report.assertions:
        detail = "no assertion was made, so nothing was tested"
        return (CheckFailure(CheckFailureKind.ASSERTION, detail),)
    return ()


POSTMAN = SmokeKind(
    type=PostmanSmoke,
    applies=lambda _test, place: place == "replica",
    describe=_describe,
    run=_run,
    beside=True,
)
