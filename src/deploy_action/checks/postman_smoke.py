"""Smoke tests by a Postman collection, which newman runs beside the new replica."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from deploy_action.checks.beside import Beside, address_of, judge
from deploy_action.checks.result import CheckFailure, CheckFailureKind
from deploy_action.checks.smoke_kind import SmokeContext, SmokeKind
from deploy_action.config.model import PostmanSmoke
from deploy_action.inputs import Secret

__all__ = ["POSTMAN"]

_FOLDER = "/run/deploy-action"
_COLLECTION, _ENVIRONMENT = f"{_FOLDER}/collection.json", f"{_FOLDER}/environment.json"
_REPORT = "/tmp/deploy-action.xml"  # noqa: S108 - in the container of the test


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
    url, names = address_of(target)
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
    return judge("newman", target.run_beside(job, seconds), seconds)


def _environment(test: PostmanSmoke, context: SmokeContext, url: str) -> str:
    """Return a Postman environment: that of the repository, then the address and the secrets."""
    given: dict[str, Any] = json.loads(test.environment) if test.environment else {}
    values = {entry["key"]: entry for entry in given.get("values", []) if "key" in entry}
    ours = {test.address: url} | {name: context.secrets[name].reveal() for name in test.secrets}
    for key, value in ours.items():
        values[key] = {"key": key, "value": value, "enabled": True}
    return json.dumps({"name": "deploy-action", "values": list(values.values())})


POSTMAN = SmokeKind(
    type=PostmanSmoke,
    applies=lambda _test, place: place == "replica",
    describe=_describe,
    run=_run,
    beside=True,
)
