"""Outcomes as lines for a terminal: the verdict first, then why, then what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.releases.model import HostOutcome, Kind, State
from deploy_action.render.problems import counted, show_problems
from deploy_action.render.text import Style, columns, duration, indent, printable, short, wrap
from deploy_action.render.timeline import timeline
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.errors import DeployActionError
    from deploy_action.releases.model import Deployment

__all__ = ["RenderContext", "show_outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """What a report is written on.

    `sources` holds the lines of files that may be shown beside a problem.
    """

    width: int = 80
    palette: Style = field(default_factory=Style)
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)


_GOOD = {
    Result.VALID,
    Result.PASSED,
    Result.PLANNED,
    Result.DEPLOYED,
    Result.UNCHANGED,
    Result.ROLLED_BACK,
    Result.UNLOCKED,
    Result.TOLD,
}


def show_outcome(outcome: Outcome, paper: RenderContext) -> list[str]:
    """Return everything a person wants to know of an outcome, and nothing twice."""
    problems = show_problems(
        outcome.problems, sources=paper.sources, palette=paper.palette, width=paper.width
    )
    parts = [
        problems,
        _gates(outcome, paper),
        [_verdict(outcome, paper), *indent(_facts(outcome, paper))],
        _explanation(outcome, paper),
        _checks(outcome, paper),
        _excerpts(outcome, paper),
        list(map(printable, outcome.plan)),
        _timeline(outcome, paper),
        _notes(outcome, paper),
        _next(outcome, paper),
    ]
    lines: list[str] = []
    for part in parts:
        if part:
            lines += [*([""] if lines else []), *part]
    return lines


def _show_error(error: DeployActionError, paper: RenderContext, *, rest_only: bool) -> list[str]:
    """Return an error as: what failed, the likely cause, the next command to type.

    `rest_only`: the first line of what failed is the verdict already.
    """
    what = error.what.partition("\n")[2] if rest_only else error.what
    width = paper.width - 2
    lines = wrap(what, width) if what else []
    if error.cause:
        lines += wrap(error.cause, width, first="cause   ")
    if error.remedy:
        lines += wrap(error.remedy, width, first="remedy  ")
    return lines


def _verdict(outcome: Outcome, paper: RenderContext) -> str:
    good = outcome.result in _GOOD and outcome.error is None
    mark = paper.palette.good("✓") if good else paper.palette.bad("✗")
    sentence = paper.palette.strong(printable(_sentence(outcome)))
    deployment = outcome.own
    took = "" if deployment is None else f" ({duration(deployment.duration_seconds)})"
    return f"{mark} {sentence}{paper.palette.quiet(took)}"


_PLAIN = {
    Result.REFUSED: "refused{}; nothing was changed",
    Result.LOCKED: "somebody else is deploying{}; nothing was changed",
    Result.UNLOCKED: "the lock{} is free",
    Result.TOLD: "the deployment{} was told",
}


def _sentence(outcome: Outcome) -> str:
    where = f" in {outcome.environment}" if outcome.environment else ""
    if outcome.error is not None and outcome.deployment is None:
        return outcome.error.what.partition("\n")[0]
    what = outcome.service or "it"
    if outcome.deployment is not None:
        what = f"{outcome.deployment.release.service} {outcome.deployment.release.version}"
        where = f" in {outcome.deployment.release.environment}"
    match outcome.result:
        case Result.VALID:
            extra = counted(outcome.problems)
            return "the configuration is valid" + (f" ({extra})" if extra else "")
        case Result.PASSED:
            from deploy_action.render.gates import gates_verdict

            return f"{gates_verdict(outcome.gates)}{where}"
        case Result.PLANNED:
            return f"the plan for {outcome.planned_version}{where}; nothing was changed"
        case Result.DEPLOYED:
            return f"{what} is live{where}"
        case Result.UNCHANGED:
            mended = "what had changed was mended" if outcome.notes else "nothing was changed"
            return f"{what} is live{where} already; {mended}"
        case Result.ROLLED_BACK:
            return f"rolled back: {what} is live{where} again"
        case Result.REFUSED | Result.LOCKED | Result.UNLOCKED | Result.TOLD:
            return _PLAIN[outcome.result].format(where)
        case Result.INVALID:
            extra = counted(outcome.problems)
            return f"{extra}; nothing was changed" if extra else "bad input; nothing was changed"
        case Result.FAILED:
            return _failed(outcome, where)
        case Result.UNRESOLVED:
            return f"{what} failed{where} and the way back failed too: a person is needed"
        case Result.ERROR:
            return "an error inside deploy-action"


def _failed(outcome: Outcome, where: str) -> str:
    if outcome.deployment is None:
        return f"it failed{where}"
    release = outcome.deployment.release
    verb = "could not be restored" if outcome.deployment.kind is Kind.ROLLBACK else "is not live"
    still = f"{outcome.serving} still serves" if outcome.serving else "nothing served before"
    return f"{release.service} {release.version} {verb}{where}; {still}"


def _facts(outcome: Outcome, paper: RenderContext) -> list[str]:
    deployment = outcome.deployment
    rows: list[tuple[str, str]] = []
    if outcome.url and outcome.result in _GOOD - {Result.VALID, Result.PASSED}:
        rows.append(("url", outcome.url))
    if deployment is not None and outcome.result is Result.PLANNED:
        rows.append(("now", f"{deployment.release.version} serves"))
    elif deployment is not None:
        rows += _deployment_facts(deployment)
    return [f"{paper.palette.quiet(key.ljust(9))} {printable(value)}" for key, value in rows]


def _deployment_facts(deployment: Deployment) -> list[tuple[str, str]]:
    release = deployment.release
    rows = [("image", f"{release.image}@{release.digest[:19]}")]
    if deployment.previous_version and deployment.state is State.SUCCEEDED:
        rows.append(("before", deployment.previous_version))
    if release.commit:
        rows.append(("commit", short(release.commit)))
    if deployment.id:
        rows.append(("id", f"{deployment.id} by {deployment.actor}"))
    if deployment.reason:
        rows.append(("reason", deployment.reason))
    hosts = deployment.hosts
    if len(hosts) > 1 or any(state is HostOutcome.UNKNOWN for state in hosts.values()):
        rows += [("host", f"{host}  {state}") for host, state in hosts.items()]
    if deployment.requests_sent is not None:
        lost = deployment.requests_lost or 0
        rows.append(("requests", f"{deployment.requests_sent} sent, {lost} lost"))
    return rows


def _explanation(outcome: Outcome, paper: RenderContext) -> list[str]:
    if outcome.error is not None:
        return indent(_show_error(outcome.error, paper, rest_only=outcome.deployment is None))
    if outcome.deployment is not None and outcome.deployment.cause:
        return wrap(outcome.deployment.cause, paper.width, first="  ")
    return []


def _gates(outcome: Outcome, paper: RenderContext) -> list[str]:
    if not outcome.gates:
        return []
    from deploy_action.gates.result import NotRun
    from deploy_action.render.gates import show_gates

    # Only who asked for the gates wants to read which of them are not configured.
    asked = outcome.result is Result.PASSED
    shown = [
        gate for gate in outcome.gates if asked or not isinstance(gate, NotRun) or gate.configured
    ]
    return show_gates(shown, palette=paper.palette, width=paper.width)


def _checks(outcome: Outcome, paper: RenderContext) -> list[str]:
    if not outcome.checks:
        return []
    from deploy_action.render.gates import show_checks

    return indent(show_checks(outcome.checks, palette=paper.palette, width=paper.width - 2))


def _excerpts(outcome: Outcome, paper: RenderContext) -> list[str]:
    lines: list[str] = []
    bar = paper.palette.quiet("│ ")
    for excerpt in outcome.excerpts:
        host = f" on {excerpt.host}" if excerpt.host else ""
        lines.append(f"  {paper.palette.strong(printable(excerpt.title + host))}")
        lines += [f"  {bar}{printable(line)}" for line in excerpt.lines]
    return lines


def _timeline(outcome: Outcome, paper: RenderContext) -> list[str]:
    deployment = outcome.own
    if deployment is None:
        return []
    lines = timeline(deployment.phases, width=paper.width - 2)
    return indent([paper.palette.quiet(line) for line in lines])


def _notes(outcome: Outcome, paper: RenderContext) -> list[str]:
    said = (*outcome.notes, *(outcome.deployment.warnings if outcome.deployment else ()))
    return [
        line
        for note in dict.fromkeys(said)
        for line in wrap(note, paper.width, first="  note: ", rest="        ")
    ]


def _next(outcome: Outcome, paper: RenderContext) -> list[str]:
    """Return what to type next: the way back after a success, the ways out after a failure."""
    name = outcome.environment
    deployment = outcome.deployment
    rows: list[tuple[str, str]] = []
    if deployment is not None and outcome.result in (Result.DEPLOYED, Result.ROLLED_BACK):
        if deployment.previous_version:
            # Back from a rollback is forward again: there the version has to be named.
            way = (
                f"--to {deployment.previous_version}"
                if outcome.result is Result.ROLLED_BACK
                else f"--from {deployment.release.version}"
            )
            rows.append(("to undo", f"deploy-action rollback -e {name} {way}"))
    elif outcome.result is Result.FAILED and deployment is not None:
        rows.append(("look", f"deploy-action history -e {name}"))
    elif outcome.result is Result.UNRESOLVED:
        rows.append(("look", f"deploy-action status -e {name}"))
        rows.append(("compare", f"deploy-action drift -e {name}"))
    if outcome.restorable and outcome.result not in _GOOD:
        rows.append(("restorable", ", ".join(outcome.restorable)))
    return indent([paper.palette.quiet(line) for line in columns(rows)])
