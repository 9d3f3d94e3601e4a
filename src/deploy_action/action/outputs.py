"""A report as the outputs that action.yml describes; pure."""

from __future__ import annotations

from collections.abc import Mapping

from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Built, Drift, Monitoring, Report, Status

__all__ = ["OUTPUTS", "outputs"]

OUTPUTS = (
    "outcome",
    "exit-code",
    "service",
    "environment",
    "url",
    "release",
    "version",
    "digest",
    "previous-version",
    "serving",
    "deployment-id",
    "duration-seconds",
    "requests-sent",
    "requests-lost",
    "restorable",
    "proof",
    "release-notes",
)
"""All outputs, in the order of action.yml."""


def outputs(report: Report, release_notes: str = "") -> Mapping[str, str]:
    """Return a value for every output, empty where it does not apply."""
    values = dict.fromkeys(OUTPUTS, "")
    values["release-notes"] = release_notes
    values["outcome"] = str(report.result)
    values["exit-code"] = str(int(report.exit_code))
    for name in ("service", "environment", "url"):
        values[name] = str(getattr(report, name, ""))
    if isinstance(report, Outcome):
        values["serving"] = report.serving
        values["restorable"] = " ".join(report.restorable)
        values["proof"] = report.proof
        deployment = report.deployment
        if deployment is not None:
            values |= {
                "release": deployment.release.id,
                "version": deployment.release.version,
                "digest": deployment.release.digest,
                "previous-version": deployment.previous_version,
                "deployment-id": deployment.id,
                "duration-seconds": f"{deployment.duration_seconds:g}",
                "requests-sent": _number(deployment.requests_sent),
                "requests-lost": _number(deployment.requests_lost),
            }
    elif isinstance(report, Status):
        values["restorable"] = " ".join(report.restorable)
        if report.current is not None:
            release = report.current.release
            values |= {
                "release": release.id,
                "version": release.version,
                "digest": release.digest,
                "serving": release.version,
                "deployment-id": report.current.id,
            }
    elif isinstance(report, Built):
        values |= {
            "version": report.version,
            "digest": report.digest,
            "duration-seconds": f"{report.duration_seconds:g}",
        }
    elif isinstance(report, Monitoring | Drift):
        values |= {"version": report.version, "serving": report.version}
    return values


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
