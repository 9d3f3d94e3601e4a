"""Outputs: what a later step may rely on, whatever the command was."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.unit.render.samples import DEPLOYED, RELEASE, failed

from deploy_action.action.outputs import OUTPUTS, outputs
from deploy_action.releases.model import Deployment
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Drift, History, Monitoring, Page, Report, Status

ROOT = Path(__file__).parents[3]
REPORTS: tuple[Report, ...] = (
    Outcome(result=Result.VALID),
    Outcome(result=Result.DEPLOYED, deployment=DEPLOYED),
    Outcome(result=Result.FAILED, deployment=failed()),
    Status(environment="production", current=DEPLOYED),
    Status(environment="production"),
    Monitoring(environment="production", version="1.4.2"),
    Drift(environment="production", version="1.4.2"),
    History(environment="production"),
    Page(text="# Deployment"),
)


def test_action_yml_describes_every_output_and_no_other() -> None:
    """What is documented is set, in the same order; what is set is documented."""
    described = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["outputs"]
    assert tuple(described) == OUTPUTS
    assert all(entry["description"] for entry in described.values())


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report.result))
def test_every_output_is_always_set(report: Report) -> None:
    """An expression in a workflow finds an empty text, never a missing name or a Python word."""
    values = outputs(report)
    assert tuple(values) == OUTPUTS
    assert values["outcome"] == str(report.result)
    assert values["exit-code"] == str(int(report.exit_code))
    assert "None" not in values.values()


def test_a_deployment_is_told_in_full() -> None:
    """Version, digest, what was before and how many requests were lost."""
    values = outputs(
        Outcome(
            result=Result.DEPLOYED,
            service="shop",
            environment="production",
            url="https://shop.example.com",
            deployment=DEPLOYED,
            restorable=("1.4.1", "1.4.0"),
            proof="deploy-proof.v1.e30.00",
        ),
        "### New since 1.4.1",
    )
    assert values == {
        "outcome": "deployed",
        "exit-code": "0",
        "service": "shop",
        "environment": "production",
        "url": "https://shop.example.com",
        "release": RELEASE.id,
        "version": "1.4.2",
        "digest": RELEASE.digest,
        "previous-version": "1.4.1",
        "serving": "1.4.2",
        "deployment-id": "d-7",
        "duration-seconds": "12.3",
        "requests-sent": "1000",
        "requests-lost": "0",
        "restorable": "1.4.1 1.4.0",
        "proof": "deploy-proof.v1.e30.00",
        "release-notes": "### New since 1.4.1",
    }


def test_after_a_failure_the_old_version_serves() -> None:
    """`version` is what was tried, `serving` what the users see."""
    values = outputs(Outcome(result=Result.FAILED, deployment=failed()))
    assert (values["version"], values["serving"]) == ("1.4.2", "1.4.1")
    assert values["requests-lost"] == ""


@pytest.mark.parametrize(
    "report",
    [
        Status(environment="production", current=DEPLOYED),
        Monitoring(environment="production", version="1.4.2"),
        Drift(environment="production", version="1.4.2"),
    ],
    ids=lambda report: type(report).__name__,
)
def test_commands_that_look_say_what_serves(report: Report) -> None:
    """A schedule that watches can name the version in its message."""
    assert outputs(report)["serving"] == "1.4.2"


def test_status_names_what_can_be_restored() -> None:
    """A button can offer exactly the versions that a rollback can bring back."""
    live: Deployment = DEPLOYED
    values = outputs(Status(environment="production", current=live, restorable=("1.4.1", "1.3.0")))
    assert values["restorable"] == "1.4.1 1.3.0"
    assert values["digest"] == RELEASE.digest
    assert values["deployment-id"] == "d-7"
