"""What a notification says, whatever its form. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.redaction import excerpt, redact
from deploy_action.releases.model import State
from deploy_action.render.report_view import report_view
from deploy_action.render.text import duration, short, short_version
from deploy_action.render.view import Tone
from deploy_action.results.outcome import Outcome, Result
from deploy_action.results.reports import Drift, Monitoring, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deploy_action.notifications.place import Place
    from deploy_action.releases.model import Deployment
    from deploy_action.results.reports import Report

__all__ = ["Notification", "finished", "started", "trial"]

_MOST_CHARACTERS = 500
_MOST_DIFFERENCES = 10
_OUTCOMES = (
    Result.DEPLOYED,
    Result.ROLLED_BACK,
    Result.REMOVED,
    Result.FAILED,
    Result.UNRESOLVED,
    Result.REFUSED,
    Result.LOCKED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing that happened; all texts are bounded, on one line, and without secrets.

    Attributes:
        event: a value of `events` in deploy.yaml.
        good: None where nothing was judged.
        text: what is wrong; empty where nothing is.
        facts: labels and values for people.
        url: where the environment is reached.
        run_url: the run on GitHub, if there is one.
        data: the same for programs.
    """

    event: str
    title: str
    good: bool | None
    text: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    url: str = ""
    run_url: str = ""
    data: Mapping[str, str | float | list[str]] = field(default_factory=dict)


def started(deployment: Deployment) -> Notification:
    """Return what is said when an attempt begins."""
    release = deployment.release
    what = f"{release.service} {short_version(release.version)}"
    return Notification(
        event="started",
        title=_line(f"{deployment.kind} of {what} in {release.environment} begins"),
        good=None,
        facts=tuple(_facts(deployment)),
        run_url=_line(deployment.run_url),
        data=_data(deployment),
    )


def finished(report: Report | None, place: Place, *, run_url: str = "") -> Notification | None:
    """Return what is said of a report; None where it is nothing that anybody waits for.

    Args:
        place: what the command was about, which an early error does not say.
    """
    match report:
        case Outcome() if report.result in _OUTCOMES:
            return _of_outcome(report, place, run_url)
        case Drift() if report.result is Verdict.DRIFTED:
            shown = report.differences[:_MOST_DIFFERENCES]
            wrong = [f"{each.host}: {each.subject}" for each in shown]
            return _of_report(report, report.version, wrong, "", run_url)
        case Monitoring() if report.result is Verdict.UNHEALTHY:
            wrong = [
                *(f"{each.name} {each.where}" for each in report.checks if not each.passed),
                *(f"{host} does not answer" for host in report.unreachable),
            ]
            return _of_report(report, report.version, wrong, report.url, run_url)
        case _:
            return None


def trial(service: str, environment: str) -> Notification:
    """Return what is said to try a target out."""
    data = {"service": service, "environment": environment}
    title = f"a test of the notifications of {service} in {environment}"
    return Notification(event="test", title=_line(title), good=None, data=data)


def _of_outcome(outcome: Outcome, place: Place, run_url: str) -> Notification:
    deployment, error = outcome.deployment, outcome.error
    data = {} if deployment is None else dict(_data(deployment))
    data |= {
        "result": outcome.result.value,
        "environment": place.environment,
        "service": place.service,
        "serving": outcome.serving,
        "error": "" if error is None else str(error.code),
    }
    view = report_view(outcome)
    title = view.title if deployment is not None else f"{place}: {view.title}"
    said = () if error is None else (error.what, error.cause)
    text = "; ".join(part for part in said if part and part != view.title)
    return Notification(
        event=outcome.result.value,
        title=_line(title),
        good=view.tone is Tone.GOOD,
        text=_line(text),
        facts=() if deployment is None else tuple(_facts(deployment)),
        url=_line(outcome.url),
        run_url=_line(run_url),
        data=_clean(data),
    )


def _of_report(
    report: Drift | Monitoring, version: str, wrong: list[str], url: str, run_url: str
) -> Notification:
    return Notification(
        event=report.result.value,
        title=_line(report_view(report).title),
        good=False,
        text=_line("; ".join(wrong)),
        facts=(("Version", _line(short_version(version))),) if version else (),
        url=_line(url),
        run_url=_line(run_url),
        data=_clean(
            {
                "result": report.result.value,
                "service": report.service,
                "environment": report.environment,
                "version": version,
                "differences": wrong,
            }
        ),
    )


def _facts(deployment: Deployment) -> Iterator[tuple[str, str]]:
    release = deployment.release
    yield "Version", _line(short_version(release.version))
    if release.digest:
        yield "Digest", _line(short(release.digest))
    if release.commit:
        yield "Commit", _line(release.commit[:12])
    if deployment.actor:
        yield "By", _line(deployment.actor)
    if deployment.reason:
        yield "Reason", _line(deployment.reason)
    if deployment.state is not State.RUNNING:
        yield "Took", duration(deployment.duration_seconds)
    if deployment.requests_sent is not None:
        yield "Requests", f"{deployment.requests_sent} sent, {deployment.requests_lost or 0} lost"


def _data(deployment: Deployment) -> Mapping[str, str | float | list[str]]:
    release = deployment.release
    return _clean(
        {
            "deployment": deployment.id,
            "kind": deployment.kind.value,
            "service": release.service,
            "environment": release.environment,
            "version": release.version,
            "digest": release.digest,
            "commit": release.commit,
            "actor": deployment.actor,
            "reason": deployment.reason,
            "previous_version": deployment.previous_version,
        }
    )


def _clean(
    data: Mapping[str, str | float | list[str]],
) -> dict[str, str | float | list[str]]:
    cleaned: dict[str, str | float | list[str]] = {}
    for name, value in data.items():
        match value:
            case str():
                cleaned[name] = _line(value)
            case list():
                cleaned[name] = [_line(each) for each in value]
            case _:
                cleaned[name] = value
    return cleaned


def _line(text: str) -> str:
    """Return a text on one line, masked and bounded."""
    return excerpt(redact(text), _MOST_CHARACTERS)
