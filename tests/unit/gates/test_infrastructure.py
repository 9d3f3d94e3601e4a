"""The infrastructure gate: a plan without changes passes, all else refuses; no value is shown.

The plans are what Terraform 1.11.4 wrote for one resource and one output, shortened.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy_action.gates.infrastructure import InfrastructureOptions, run
from deploy_action.gates.result import Broken, Findings, GateResult, Passed

Change = Callable[[dict[str, Any]], object]


def plan(*actions: str, output: str = "no-op") -> dict[str, Any]:
    change = {"actions": list(actions), "before": {"id": "s3cret-canary"}, "after": {"id": "x"}}
    outputs = {"web_hosts": {"actions": [output], "before": ["10.0.0.1"], "after": ["10.0.0.2"]}}
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": [
            {"address": "terraform_data.web", "mode": "managed", "change": change},
            {"address": "data.x.y", "mode": "data", "change": {"actions": ["read"]}},
        ],
        "output_changes": outputs,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "applyable": False,
        "complete": True,
        "errored": False,
    }


def judged(tmp_path: Path, content: object) -> GateResult:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "plan.json").write_text(text)
    result = run(InfrastructureOptions(plan="plan.json", age_seconds=600), tmp_path)
    assert "canary" not in str(result)
    return result


def test_a_plan_without_changes_passes(tmp_path: Path) -> None:
    """Reading data is no change."""
    assert isinstance(judged(tmp_path, plan("no-op")), Passed)


@pytest.mark.parametrize(
    ("actions", "verb"),
    [
        (("create",), "created"),
        (("update",), "changed"),
        (("delete",), "destroyed"),
        (("delete", "create"), "replaced"),
        (("create", "delete"), "replaced"),
        (("forget",), "changed"),
    ],
)
def test_a_change_refuses_and_is_named(tmp_path: Path, actions: tuple[str, ...], verb: str) -> None:
    """By its address and what would become of it; an action of tomorrow is a change, too."""
    result = judged(tmp_path, plan(*actions))
    assert isinstance(result, Findings)
    [finding] = result.findings
    assert "terraform_data.web" in finding.problem.message
    assert verb in finding.problem.message


def test_an_output_that_would_change_refuses(tmp_path: Path) -> None:
    """It may be the list of hosts."""
    assert isinstance(judged(tmp_path, plan("no-op", output="update")), Findings)


def aged(age: timedelta) -> Change:
    made = datetime.now(UTC) - age
    return lambda plan: plan.update(timestamp=made.isoformat())


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(errored=True),
        lambda plan: plan.pop("errored"),
        lambda plan: plan.update(complete=False),
        lambda plan: plan.pop("timestamp"),
        lambda plan: plan.update(timestamp="2026-01-01T00:00:00"),
        lambda plan: plan.pop("format_version"),
        lambda plan: plan.update(resource_changes=[{}]),
        lambda plan: plan.update(resource_changes=7),
        lambda plan: plan["resource_changes"][0]["change"].update(actions=[]),
        lambda plan: plan.update(output_changes=[]),
        aged(timedelta(hours=1)),
        aged(timedelta(hours=-1)),
    ],
)
def test_what_cannot_be_trusted_is_broken(tmp_path: Path, change: Change) -> None:
    """Failed, partial, malformed, old, or of the future."""
    content = plan("no-op")
    change(content)
    assert isinstance(judged(tmp_path, content), Broken)


@pytest.mark.parametrize("content", ["", "[]", "{", "PK\x03\x04", "[" * 100_000])
def test_what_is_no_plan_is_broken(tmp_path: Path, content: str) -> None:
    """The plan itself is a ZIP archive: somebody forgot to show it."""
    result = judged(tmp_path, content)
    assert isinstance(result, Broken)
    assert "-json" in result.remedy


def test_a_missing_plan_and_one_outside_are_broken(tmp_path: Path) -> None:
    """The gate looks again, whatever lint said."""
    (tmp_path / "link.json").symlink_to("/etc/hostname")
    for name in ("missing.json", "link.json", "/etc/hostname"):
        assert isinstance(run(InfrastructureOptions(plan=name), tmp_path), Broken)
