"""History, status, drift, monitoring, diagnosis and written files as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from deploy_action.releases.model import State
from deploy_action.render.gates import show_checks
from deploy_action.render.text import columns, duration, indent, moment, printable, short, wrap
from deploy_action.results.reports import (
    Built,
    CheckState,
    DoctorReport,
    Drift,
    History,
    HostStatus,
    Maintained,
    Monitoring,
    Page,
    ReplicaStage,
    ReplicaStatus,
    Report,
    Status,
    TaskRun,
    Written,
)

if TYPE_CHECKING:
    from deploy_action.render.terminal import RenderContext

__all__ = ["show_answer"]


def show_answer(answer: Report, paper: RenderContext) -> list[str]:
    """Return the lines of an answer."""
    match answer:
        case History():
            lines = _history(answer, paper)
        case Status():
            lines = _status(answer, paper)
        case Drift():
            lines = _drift(answer, paper)
        case Monitoring():
            lines = _monitoring(answer, paper)
        case DoctorReport():
            lines = _diagnosis(answer, paper)
        case Page():
            return [f"wrote {answer.path}"] if answer.path else answer.text.splitlines()
        case Written():
            lines = _written(answer, paper)
        case Maintained():
            lines = _maintained(answer, paper)
        case TaskRun():
            lines = _task(answer, paper)
        case Built():
            lines = _built(answer, paper)
        case _:
            raise TypeError(answer)
    return [
        *lines,
        *(x for note in answer.notes for x in wrap(str(note), paper.width, first="note: ")),
    ]


def _history(history: History, paper: RenderContext) -> list[str]:
    if not history.deployments:
        return [f"nothing was ever deployed to {printable(history.environment)}"]
    rows = [("WHEN", "VERSION", "OUTCOME", "TOOK", "KIND", "WHO", "COMMIT", "DIGEST")]
    rows += [
        (
            moment(entry.started_at),
            entry.release.version,
            str(entry.state),
            duration(entry.duration_seconds),
            str(entry.kind),
            entry.actor,
            short(entry.release.commit)[:8],
            short(entry.release.digest),
        )
        for entry in history.deployments
    ]
    table = columns(rows)
    lines = [paper.palette.strong(table[0])]
    for entry, line in zip(history.deployments, table[1:], strict=True):
        lines.append(_by_state(entry.state, line, paper))
        if entry.reason:
            lines += wrap(entry.reason, paper.width, first="    reason  ")
        if entry.cause:
            lines += wrap(entry.cause, paper.width, first="    cause   ")
    return lines


def _by_state(state: State, line: str, paper: RenderContext) -> str:
    match state:
        case State.SUCCEEDED:
            return line
        case State.FAILED | State.UNRESOLVED:
            return paper.palette.bad(line)
        case State.RUNNING:
            return paper.palette.warning(line)
        case _:
            assert_never(state)


def _status(status: Status, paper: RenderContext) -> list[str]:
    versions = sorted({host.version for host in status.hosts if host.version})
    what = " and ".join(versions) or "nothing"
    verb = "serve" if len(versions) > 1 else "serves"
    title = f"{status.service} in {status.environment}: {what} {verb}".strip()
    lines = [paper.palette.strong(printable(title))]
    if status.url:
        lines.append(f"  {printable(status.url)}")
    if status.current is not None:
        live = status.current
        lines.append(f"  since {moment(live.ended_at)} by {printable(live.actor)} ({live.id})")
    for host in status.hosts:
        lines += ["", *_host(host, paper)]
    if status.lock:
        lines += ["", *wrap(f"being deployed: {status.lock}", paper.width)]
    if status.restorable:
        lines += ["", *wrap(f"can be restored: {', '.join(status.restorable)}", paper.width)]
    return lines


def _host(host: HostStatus, paper: RenderContext) -> list[str]:
    name = paper.palette.strong(printable(host.host))
    if host.problem:
        return [
            f"{name}  {paper.palette.bad('no answer')}",
            *wrap(host.problem, paper.width, first="  "),
        ]
    rows = [
        (
            replica.name,
            replica.version,
            replica.stage,
            replica.state,
            replica.health,
            "" if replica.weight is None else f"{replica.weight:.0f} %",
        )
        for replica in host.replicas
    ]
    painted = [
        line if _well(replica) else paper.palette.bad(line)
        for replica, line in zip(host.replicas, columns(rows), strict=True)
    ]
    return [f"{name}  {printable(host.version) or 'nothing'}", *indent(painted)]


def _well(replica: ReplicaStatus) -> bool:
    return replica.stage is not ReplicaStage.SERVING or (
        replica.state == "running" and replica.health != "unhealthy"
    )


def _drift(drift: Drift, paper: RenderContext) -> list[str]:
    where = f"{drift.service} in {drift.environment}".strip()
    if not drift.differences:
        mark = paper.palette.good("✓")
        return [f"{mark} {printable(where)} is as it was recorded ({printable(drift.version)})"]
    number = len(drift.differences)
    noun = "difference" if number == 1 else "differences"
    lines = [f"{paper.palette.bad('✗')} {printable(where)}: {number} {noun}"]
    for entry in drift.differences:
        lines += ["", f"  {paper.palette.strong(printable(f'{entry.host}: {entry.subject}'))}"]
        lines += wrap(entry.recorded, paper.width, first="    recorded  ")
        lines += wrap(entry.found, paper.width, first="    found     ")
        if entry.remedy:
            lines += wrap(entry.remedy, paper.width, first="    remedy    ")
    return lines


def _monitoring(monitoring: Monitoring, paper: RenderContext) -> list[str]:
    where = f"{monitoring.service} {monitoring.version} in {monitoring.environment}"
    mark = paper.palette.good("✓") if monitoring.result == "healthy" else paper.palette.bad("✗")
    lines = [f"{mark} {printable(where)} is {monitoring.result}"]
    if not monitoring.checks:
        lines.append("  nothing is live there: there was nothing to check")
    lines += [f"  {printable(host)} does not answer" for host in monitoring.unreachable]
    checks = show_checks(monitoring.checks, palette=paper.palette, width=paper.width - 2)
    return [*lines, *indent(checks)]


def _diagnosis(diagnosis: DoctorReport, paper: RenderContext) -> list[str]:
    marks = {
        CheckState.OK: paper.palette.good("✓"),
        CheckState.WARNING: paper.palette.warning("!"),
        CheckState.MISSING: paper.palette.bad("✗"),
    }
    width = max((len(printable(need.subject)) for need in diagnosis.checks), default=0)
    lines: list[str] = []
    host = None
    for need in diagnosis.checks:
        if need.host != host:
            host = need.host
            lines += [
                *([""] if lines else []),
                paper.palette.strong(printable(host) or "this machine"),
            ]
        subject = printable(need.subject).ljust(width)
        lines.append(f"  {marks[need.state]} {subject}  {printable(need.detail)}".rstrip())
        if need.remedy:
            lines += wrap(need.remedy, paper.width, first="      remedy  ")
    return lines


def _written(written: Written, paper: RenderContext) -> list[str]:
    lines: list[str] = []
    for file in written.files:
        lines.append(f"{paper.palette.good('✓')} wrote {printable(file.path)}")
        for guess in file.guesses:
            lines += wrap(guess, paper.width, first="    ")
    return lines


def _maintained(answer: Maintained, paper: RenderContext) -> list[str]:
    what = "visitors get the maintenance page" if answer.on else "visitors get the service"
    already = "" if answer.changed else " already; nothing was changed"
    where = printable(f"{answer.service} in {answer.environment}")
    lines = [f"{paper.palette.good('✓')} {where}: {what}{already}"]
    return [*lines, f"  {printable(answer.url)}"] if answer.url else lines


def _task(answer: TaskRun, paper: RenderContext) -> list[str]:
    good = answer.code == 0
    mark = paper.palette.good("✓") if good else paper.palette.bad("✗")
    ended = "no end in time" if answer.code is None else f"exit code {answer.code}"
    what = f"{answer.argv[0]} in {answer.service} {answer.version} on {answer.host}"
    took = paper.palette.quiet(f" ({duration(answer.duration_seconds)})")
    return [f"{mark} {printable(what)}: {ended}{took}"]


def _built(answer: Built, paper: RenderContext) -> list[str]:
    what = f"{answer.image}:{answer.version}"
    took = paper.palette.quiet(f" ({duration(answer.duration_seconds)})")
    lines = [f"{paper.palette.good('✓')} {printable(what)}: {answer.result}{took}"]
    return [*lines, f"  {answer.digest}"] if answer.digest else lines
