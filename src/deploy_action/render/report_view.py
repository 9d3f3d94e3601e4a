"""The view of every report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from deploy_action.releases.model import Deployment, State
from deploy_action.render import view
from deploy_action.render.outcome_view import checks_table, outcome_view
from deploy_action.render.text import duration, moment, short, short_version
from deploy_action.render.view import Cell, Form, Row, Table, Tone, View
from deploy_action.results import reports
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import CheckState, ReplicaStage, Verdict

__all__ = ["report_view"]

_STATES = {
    State.SUCCEEDED: Tone.PLAIN,
    State.RUNNING: Tone.WARNING,
    State.FAILED: Tone.BAD,
    State.UNRESOLVED: Tone.BAD,
}
_CHECKS = {
    CheckState.OK: Tone.GOOD,
    CheckState.WARNING: Tone.WARNING,
    CheckState.MISSING: Tone.BAD,
}


def report_view(report: reports.Report) -> View:
    """Return what a report shows; a page that is to be printed has no view but its text."""
    match report:
        case Outcome():
            return outcome_view(report)
        case reports.Page():
            return View(title=f"wrote {report.path}", tone=Tone.GOOD)
        case reports.History():
            return _history(report)
        case reports.Status():
            return _status(report)
        case reports.Drift():
            return _drift(report)
        case reports.Monitoring():
            return _monitoring(report)
        case reports.DoctorReport():
            return _doctor(report)
        case reports.Written():
            return _written(report)
        case reports.Maintained():
            return _maintained(report)
        case reports.TaskRun():
            return _task(report)
        case reports.Session():
            title = (
                f"{report.argv[0]} in {report.replica} on {report.host}: exit code {report.code}"
            )
            tone = Tone.GOOD if report.code == 0 else Tone.BAD
            return View(title=title, tone=tone, details=view.notes(report.notes))
        case reports.Logs():
            shown = _counted(len(report.replicas), "replica") if report.replicas else "nothing"
            title = f"{_where(report.service, report.environment)}: logs of {shown}"
            return View(title=title, tone=Tone.PLAIN, details=view.notes(report.notes))
        case reports.Processes():
            return _processes(report)
        case reports.Built():
            return _built(report)
        case _:
            assert_never(report)


def _where(service: str, environment: str) -> str:
    return f"{service} in {environment}" if service else environment


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _history(history: reports.History) -> View:
    where = _where(history.service, history.environment)
    notes = view.notes(history.notes)
    if not history.deployments:
        return View(title=f"nothing was ever deployed to {where}", details=notes)
    head = ("when", "version", "outcome", "took", "kind", "who", "commit", "digest")
    table = Table(head=head, rows=tuple(map(_entry, history.deployments)))
    return View(title=f"deployments of {where}, the newest first", details=(table, *notes))


def _entry(entry: Deployment) -> Row:
    return Row(
        cells=(
            *(moment(entry.started_at), entry.release.version, entry.state),
            *(duration(entry.duration_seconds), entry.kind, entry.actor),
            *(short(entry.release.commit)[:8], short(entry.release.digest)),
        ),
        tone=_STATES[entry.state],
        details=view.labelled(reason=entry.reason, cause=entry.cause),
    )


def _status(status: reports.Status) -> View:
    versions = sorted({short_version(host.version) for host in status.hosts if host.version})
    serving = f"{' and '.join(versions) or 'nothing'} {'serve' if versions[1:] else 'serves'}"
    current, rows = status.current, [("address", Cell(status.url, Form.URL))]
    if current is not None:
        rows.append(("since", Cell(f"{moment(current.ended_at)} by {current.actor}")))
        rows.append(("id", Cell(current.id)))
    rows.append(("deploying", Cell(status.lock)))
    rows.append(("restorable", Cell(", ".join(status.restorable))))
    head = (
        *("host", "replica", "version", "stage", "state", "health"),
        *("up since", "restarts", "traffic"),
    )
    replicas = tuple(row for host in status.hosts for row in _host(host))
    return View(
        title=f"{_where(status.service, status.environment)}: {serving}",
        tone=Tone.BAD if status.result in (Verdict.UNKNOWN, Verdict.UNHEALTHY) else Tone.PLAIN,
        reasons=(*(view.Failure(what=why) for why in status.unstable), *view.facts(rows)),
        details=(
            *([Table(head=head, rows=replicas)] if replicas else []),
            *view.notes(status.notes),
        ),
    )


def _host(host: reports.HostStatus) -> list[Row]:
    if host.problem or not host.replicas:
        tone = Tone.BAD if host.problem else Tone.PLAIN
        what = "no answer" if host.problem else "nothing"
        cells = (host.host, what, host.version, "", "", "", "", "", "")
        return [Row(cells=cells, tone=tone, details=view.labelled(cause=host.problem))]
    rows = []
    for replica in host.replicas:
        broken = replica.state != "running" or replica.health == "unhealthy"
        bad = broken and replica.stage is ReplicaStage.SERVING
        traffic = "" if replica.weight is None else f"{replica.weight:.0f} %"
        cells = (
            *(host.host, replica.name, replica.version),
            *(replica.stage, replica.state, replica.health),
            *(_since(replica), str(replica.restarts or ""), traffic),
        )
        rows.append(Row(cells=cells, tone=Tone.BAD if bad else Tone.PLAIN))
    return rows


def _processes(report: reports.Processes) -> View:
    rows = tuple(
        Row(
            cells=(
                *(p.host, p.service, p.environment, p.version, p.name, p.state, p.health),
                moment(p.up_since) if p.up_since else "",
                str(p.restarts or ""),
            ),
            tone=Tone.BAD if p.state == "restarting" or p.health == "unhealthy" else Tone.PLAIN,
        )
        for p in report.processes
    )
    head = ("host", "service", "environment", "version", "container", "state", "health")
    table = Table(head=(*head, "up since", "restarts"), rows=rows)
    services = {(p.service, p.environment) for p in report.processes}
    return View(
        title=f"{_counted(len(rows), 'container')} of {_counted(len(services), 'service')}"
        if rows
        else "nothing was deployed to these hosts",
        tone=Tone.PLAIN,
        details=(*([table] if rows else []), *view.notes(report.notes)),
    )


def _since(replica: reports.ReplicaStatus) -> str:
    return moment(replica.up_since) if replica.up_since else ""


def _drift(drift: reports.Drift) -> View:
    where, notes = _where(drift.service, drift.environment), view.notes(drift.notes)
    if not drift.differences:
        title = f"{where} is as it was recorded ({drift.version})"
        return View(title=title, tone=Tone.GOOD, details=notes)
    rows = (
        Row(
            cells=(d.host, d.subject),
            tone=Tone.BAD,
            details=view.labelled(recorded=d.recorded, found=d.found, remedy=d.remedy),
        )
        for d in drift.differences
    )
    table = Table(head=("host", "what"), rows=tuple(rows), marked=True)
    title = f"{where}: {_counted(len(drift.differences), 'difference')}"
    return View(title=title, tone=Tone.BAD, details=(table, *notes))


def _monitoring(monitoring: reports.Monitoring) -> View:
    silent = tuple(Row(cells=(host, "no answer"), tone=Tone.BAD) for host in monitoring.unreachable)
    version = short_version(monitoring.version)
    return View(
        title=f"{_where(f'{monitoring.service} {version}', monitoring.environment)} is {monitoring.result}",
        tone=Tone.GOOD if monitoring.result is Verdict.HEALTHY else Tone.BAD,
        reasons=(*_unhealthy(monitoring), *view.facts(_live(monitoring))),
        details=(
            *([Table(head=("host", "result"), rows=silent, marked=True)] if silent else []),
            *([checks_table(monitoring.checks)] if monitoring.checks else []),
            *view.notes(monitoring.notes),
        ),
    )


def _unhealthy(monitoring: reports.Monitoring) -> Iterator[view.Failure]:
    """Say what is wrong and what to do first."""
    where = f"-e {monitoring.environment}"
    if not monitoring.checks and not monitoring.unreachable:
        remedy = f"deploy-action history {where}"
        yield view.Failure(
            what="nothing is deployed there: there was nothing to check", remedy=remedy
        )
        return
    failed = [check for check in monitoring.checks if not check.passed]
    wrong = [f"{host} does not answer" for host in monitoring.unreachable]
    wrong += [f"{check.name} of {check.where}: {check.detail or 'failed'}" for check in failed]
    if wrong:
        more = f" (and {len(wrong) - 1} more below)" if wrong[1:] else ""
        remedy = f"deploy-action {'doctor' if monitoring.unreachable else 'logs'} {where}"
        yield view.Failure(what=f"{wrong[0]}{more}", remedy=remedy)


def _live(monitoring: reports.Monitoring) -> Iterator[tuple[str, Cell]]:
    """Say what changed last, and how to take it back if something is wrong."""
    yield "address", Cell(monitoring.url, Form.URL)
    current = monitoring.current
    if current is None:
        return
    yield "live since", Cell(f"{moment(current.ended_at)} by {current.actor} ({current.kind})")
    yield "before", Cell(short_version(current.previous_version))
    yield "commit", Cell(current.release.commit, Form.COMMIT)
    if monitoring.result is Verdict.UNHEALTHY and current.previous_version:
        command = f"deploy-action rollback -e {monitoring.environment} --from {monitoring.version}"
        yield "to undo", Cell(f"the rollback button for {monitoring.environment}", Form.BUTTON)
        yield "or", Cell(command, Form.CODE)


def _doctor(report: reports.DoctorReport) -> View:
    rows = (
        Row(
            cells=(check.host or "this machine", check.subject, check.detail),
            tone=_CHECKS[check.state],
            details=view.labelled(remedy=check.remedy),
        )
        for check in report.checks
    )
    table = Table(head=("where", "check", "result"), rows=tuple(rows), marked=True)
    missing = sum(check.state is CheckState.MISSING for check in report.checks)
    return View(
        title=f"{missing} of {_counted(len(report.checks), 'check')} failed"
        if missing
        else "ready",
        tone=Tone.BAD if missing else Tone.GOOD,
        details=(*([table] if report.checks else []), *view.notes(report.notes)),
    )


def _written(written: reports.Written) -> View:
    rows = tuple(
        Row(cells=(file.path,), tone=Tone.GOOD, details=tuple(("", text) for text in file.guesses))
        for file in written.files
    )
    table = Table(head=("file",), rows=rows, marked=True)
    return View(
        title=f"wrote {_counted(len(rows), 'file')}",
        tone=Tone.GOOD,
        details=(*([table] if rows else []), *view.notes(written.notes)),
    )


def _maintained(report: reports.Maintained) -> View:
    what = "visitors get the maintenance page" if report.on else "visitors get the service"
    already = "" if report.changed else " already; nothing was changed"
    return View(
        title=f"{_where(report.service, report.environment)}: {what}{already}",
        tone=Tone.GOOD,
        reasons=view.facts([("address", Cell(report.url, Form.URL))]),
        details=view.notes(report.notes),
    )


def _task(run: reports.TaskRun) -> View:
    ended = "stopped at its time limit" if run.code is None else f"exit code {run.code}"
    return View(
        title=f"{run.argv[0]} in {run.service} {run.version} on {run.host}: {ended}",
        tone=Tone.GOOD if run.code == 0 else Tone.BAD,
        took=duration(run.duration_seconds),
        details=view.notes(run.notes),
    )


def _built(built: reports.Built) -> View:
    return View(
        title=f"{built.image}:{built.version}: {built.result}",
        tone=Tone.GOOD,
        took=duration(built.duration_seconds),
        reasons=view.facts([("digest", Cell(built.digest, Form.CODE))]),
        details=view.notes(built.notes),
    )
