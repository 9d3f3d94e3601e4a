"""The infrastructure gate: a plan of OpenTofu or Terraform that has nothing to do.

It reads what ``tofu show -json PLAN`` writes (https://developer.hashicorp.com/terraform/internals/json-format).
Nothing of the repository's infrastructure is run here: the plan is made where the credentials of the
cloud are. No value of a plan is shown, since any of them may be a secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy_action.gates.gate import Gate, OptionProblem, count, option_values
from deploy_action.gates.result import Broken, Finding, Findings, GateResult, Passed
from deploy_action.problem import Problem
from deploy_action.repository import leads_out
from deploy_action.units import parse_duration

__all__ = ["GATE", "InfrastructureOptions", "run"]

_MOST_BYTES = 64 << 20
_MOST_CHARACTERS = 200
_AHEAD = timedelta(minutes=5)
"""By how much another machine's clock may be ahead."""
_NOTHING = (["no-op"], ["read"])
_VERBS = {
    ("create",): "would be created",
    ("update",): "would be changed",
    ("delete",): "would be destroyed",
    ("delete", "create"): "would be replaced",
    ("create", "delete"): "would be replaced",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InfrastructureOptions:
    """Which plan has to be without changes.

    Attributes:
        plan: file that ``tofu show -json`` wrote.
        age_seconds: how old the plan may be.
    """

    plan: str = "infra/plan.json"
    age_seconds: float = 3600.0


def read(value: bool | Mapping[str, Any]) -> InfrastructureOptions | None:
    """Return the options of ``gates.infrastructure``; None where it is false."""
    values = option_values(value)
    if values is None:
        return None
    if "age" in values:
        values["age_seconds"] = parse_duration(values.pop("age"))
    return InfrastructureOptions(**values)


def lint(options: InfrastructureOptions) -> Iterator[OptionProblem]:
    """Yield an age of zero."""
    if options.age_seconds <= 0:
        yield OptionProblem(
            path=("age",),
            message="no plan is as young as that",
            hint="write a duration above zero, or remove the key",
            rule="zero-duration",
        )


def describe(options: InfrastructureOptions) -> Sequence[str]:
    """Say which plan has to be empty."""
    return [f"{options.plan}: a plan without changes, at most {options.age_seconds:g} s old"]


def run(options: InfrastructureOptions, root: Path) -> GateResult:
    """Read the plan and judge it."""
    started = time.monotonic()

    def took() -> float:
        return time.monotonic() - started

    try:
        plan = _load(root, options.plan)
        made = _made(plan)
    except ValueError as error:
        return Broken(
            gate=GATE.name,
            duration_seconds=took(),
            why=f"{options.plan}: {error}",
            remedy=f"tofu plan -out=tfplan && tofu show -json tfplan > {options.plan}",
        )
    age = datetime.now(UTC) - made
    if age > timedelta(seconds=options.age_seconds) or age < -_AHEAD:
        return Broken(
            gate=GATE.name,
            duration_seconds=took(),
            why=f"{options.plan} was made at {made.isoformat(timespec='seconds')}, which is "
            + (
                "in the future" if age < timedelta() else f"more than {options.age_seconds:g} s ago"
            ),
            remedy=f"tofu plan -out=tfplan && tofu show -json tfplan > {options.plan}",
        )
    try:
        findings = tuple(_findings(plan, options.plan))
    except (AttributeError, TypeError, KeyError, ValueError):
        return Broken(
            gate=GATE.name,
            duration_seconds=took(),
            why=f"{options.plan} is no plan of OpenTofu or Terraform",
            remedy=f"tofu plan -out=tfplan && tofu show -json tfplan > {options.plan}",
        )
    if findings:
        return Findings(
            gate=GATE.name,
            duration_seconds=took(),
            summary=f"{count(len(findings), 'change')} not applied",
            findings=findings,
        )
    resources = len(plan.get("resource_changes", ()))
    return Passed(
        gate=GATE.name,
        duration_seconds=took(),
        summary=f"{count(resources, 'resource')} as planned",
    )


def _load(root: Path, name: str) -> dict[str, Any]:
    if leads_out(root, name):
        raise ValueError("it leads out of the repository")
    try:
        with (root / name).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES >> 20} MiB")
    try:
        plan = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON; the plan itself has to be shown with -json") from None
    if not isinstance(plan, dict) or "format_version" not in plan:
        raise ValueError("it is no plan of OpenTofu or Terraform")
    if plan.get("errored") is not False or plan.get("complete", True) is not True:
        raise ValueError("the plan ended with an error, or is not complete")
    return plan


def _made(plan: Mapping[str, Any]) -> datetime:
    try:
        made = datetime.fromisoformat(str(plan.get("timestamp", "")))
    except ValueError:
        raise ValueError("it does not say when it was made") from None
    if made.tzinfo is None:
        raise ValueError("it does not say in which time zone it was made")
    return made


def _findings(plan: Mapping[str, Any], file: str) -> Iterator[Finding]:
    for each in plan.get("resource_changes", ()):
        yield from _finding(str(each["address"]), each["change"]["actions"], file)
    for name, change in plan.get("output_changes", {}).items():
        yield from _finding(f"output {name}", change["actions"], file)


def _finding(what: str, actions: object, file: str) -> Iterator[Finding]:
    if not isinstance(actions, list) or not actions:
        raise ValueError
    if actions in _NOTHING:
        return
    verb = _VERBS.get(tuple(actions), "would be changed")
    yield Finding(
        problem=Problem(
            file=file,
            message=f"{what[:_MOST_CHARACTERS]} {verb}",
            hint="apply the plan, or bring the code in line with what is there",
            rule=f"infrastructure-{'-'.join(actions)[:40]}",
        ),
        title="infrastructure differs from its code",
    )


GATE = Gate(
    key="infrastructure",
    options=InfrastructureOptions,
    read=read,
    run=run,
    describe=describe,
    lint=lint,
)
