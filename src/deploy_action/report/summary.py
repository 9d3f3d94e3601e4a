"""A report as GitHub-flavoured Markdown: the page that a person sees first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from deploy_action.gates.result import Broken, Findings, GateResult, NotRun, Passed
from deploy_action.problem import Problem
from deploy_action.release import Deployment, State
from deploy_action.report.answers import Report
from deploy_action.report.answers_text import show_answer
from deploy_action.report.outcome import Outcome, Result
from deploy_action.report.terminal import Paper
from deploy_action.report.text import Palette, duration, printable, short
from deploy_action.report.timeline import timeline

__all__ = ["summary"]

_SIGNS = {
    Result.DEPLOYED: "✅",
    Result.ROLLED_BACK: "✅",
    Result.UNCHANGED: "✅",
    Result.VALID: "✅",
    Result.PASSED: "✅",
    Result.PLANNED: "📋",
    Result.UNLOCKED: "🔓",
    Result.LOCKED: "🔒",
    Result.UNRESOLVED: "🚨",
}
_ROWS = 50


def summary(report: Report, *, left_out: Sequence[Problem] = ()) -> str:
    """Write the page: the verdict, what serves now, why, what was checked, and the way back.

    Args:
        left_out: problems that GitHub would not have shown as annotations any more.
    """
    if not isinstance(report, Outcome):
        lines = show_answer(report, Paper(width=100, palette=Palette(False), sources={}))
        return f"{_fenced(lines)}\n\n"
    parts = [
        f"## {_SIGNS.get(report.result, '❌')} {_text(_verdict(report))}",
        _facts(report),
        _error(report),
        _hosts(report.deployment),
        _plan(report),
        _gates(report.gates),
        _checks(report),
        _problems("Problems", report.problems),
        _problems("More findings than annotations can show", left_out),
        _notes(report.notes),
        _excerpts(report),
        _timeline(report),
        _next(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _verdict(outcome: Outcome) -> str:
    deployment = outcome.deployment
    version = deployment.release.version if deployment is not None else ""
    where = outcome.environment
    serving = outcome.serving
    match outcome.result:
        case Result.DEPLOYED:
            return f"{outcome.service} {version} is live in {where}"
        case Result.ROLLED_BACK:
            return f"Rolled back: {outcome.service} {version} is live in {where} again"
        case Result.UNCHANGED:
            return f"{outcome.service} {version} is live in {where} already"
        case Result.FAILED:
            still = f"; {serving} still serves" if serving else ""
            return f"{outcome.service} {version} is not live in {where}{still}".replace("  ", " ")
        case Result.UNRESOLVED:
            return f"{where}: the way back failed too, a person is needed"
        case Result.PLANNED:
            return f"The plan for {where}; nothing was changed"
        case Result.VALID:
            return "The configuration is valid"
        case Result.PASSED:
            return "Every gate passed"
        case Result.INVALID:
            return "The input is not valid; nothing was changed"
        case Result.REFUSED:
            return f"Refused{f' for {where}' if where else ''}; nothing was changed"
        case Result.LOCKED:
            return f"{where}: somebody else is deploying; nothing was changed"
        case Result.UNLOCKED:
            return f"{where}: unlocked"
        case Result.ERROR:
            return "A bug of deploy-action"
        case _:
            assert_never(outcome.result)


def _facts(outcome: Outcome) -> str:
    deployment = outcome.deployment
    rows: list[tuple[str, str]] = []
    if outcome.url:
        rows.append(("Address", f"<{outcome.url}>"))
    if deployment is None or outcome.result is Result.PLANNED:
        return _table(("", ""), rows)
    release = deployment.release
    rows.append(("Image", f"{_code(release.image)} {_code(short(release.digest))}"))
    if release.commit:
        rows.append(("Commit", _code(release.commit[:12])))
    if deployment.previous_version:
        rows.append(("Before", _text(deployment.previous_version)))
    rows.append(("By", _text(deployment.actor)))
    if deployment.reason:
        rows.append(("Reason", _text(deployment.reason)))
    if outcome.result is not Result.UNCHANGED:
        rows.append(("Took", duration(deployment.duration_seconds)))
    if deployment.requests_sent is not None:
        sent, lost = deployment.requests_sent, deployment.requests_lost or 0
        rows.append(("Requests meanwhile", f"{sent} sent, **{lost} lost**"))
    rows.append(("Deployment", _code(deployment.id)))
    return _table(("", ""), rows)


def _error(outcome: Outcome) -> str:
    error = outcome.error
    if error is None:
        return ""
    lines = [f"> **{_text(error.what)}**"]
    if error.cause:
        lines += [">", f"> Cause: {_text(error.cause)}"]
    if error.remedy:
        lines += [">", f"> Remedy: {_text(error.remedy)}"]
    return "\n".join(lines)


def _hosts(deployment: Deployment | None) -> str:
    if deployment is None or len(deployment.hosts) < 2:
        return ""
    rows = [(_code(host), str(outcome)) for host, outcome in deployment.hosts.items()]
    return "### Hosts\n\n" + _table(("Host", "Outcome"), rows)


def _plan(outcome: Outcome) -> str:
    if not outcome.plan:
        return ""
    return "\n".join(f"{i}. {_text(line)}" for i, line in enumerate(outcome.plan, 1))


def _gates(results: Sequence[GateResult]) -> str:
    rows = [(_sign(result), _text(result.gate), _said(result)) for result in results]
    shown = [
        row for row, result in zip(rows, results, strict=True) if not isinstance(result, NotRun)
    ]
    return "### Gates\n\n" + _table(("", "Gate", ""), shown) if shown else ""


def _sign(result: GateResult) -> str:
    return "✅" if isinstance(result, Passed) else "❌"


def _said(result: GateResult) -> str:
    match result:
        case Passed() | Findings():
            return _text(result.summary)
        case Broken():
            return f"{_text(result.why)} – {_text(result.remedy)}"
        case NotRun():
            return result.reason
        case _:
            assert_never(result)


def _checks(outcome: Outcome) -> str:
    if not outcome.checks:
        return ""
    passed = sum(check.passed for check in outcome.checks)
    rows = [
        (
            "✅" if check.passed else "❌",
            _text(check.name),
            _text(check.where),
            duration(check.seconds),
            _text(check.detail),
        )
        for check in outcome.checks[:_ROWS]
    ]
    table = _table(("", "Check", "Where", "Took", ""), rows)
    title = f"{passed} of {len(outcome.checks)} checks passed"
    return _details(title, table, open_=passed < len(outcome.checks))


def _problems(title: str, problems: Sequence[Problem]) -> str:
    if not problems:
        return ""
    rows = [
        (
            _code(f"{p.file}:{p.line}:{p.column}"),
            _code(p.rule) if p.rule else "",
            _text(
                f"{p.where + ': ' if p.where else ''}{p.message}{f' ({p.hint})' if p.hint else ''}"
            ),
        )
        for p in problems[:_ROWS]
    ]
    more = len(problems) - _ROWS
    end = f"\n\n… and {more} more." if more > 0 else ""
    return f"### {title}\n\n" + _table(("Where", "Rule", ""), rows) + end


def _notes(notes: Sequence[str]) -> str:
    return "\n".join(f"> [!NOTE]\n> {_text(note)}\n" for note in notes).rstrip()


def _excerpts(outcome: Outcome) -> str:
    return "\n\n".join(
        _details(_text(excerpt.title), _fenced(excerpt.lines), open_=True)
        for excerpt in outcome.excerpts
        if excerpt.lines
    )


def _timeline(outcome: Outcome) -> str:
    deployment = outcome.deployment
    wanted = (Result.DEPLOYED, Result.ROLLED_BACK, Result.FAILED, Result.UNRESOLVED)
    if deployment is None or not deployment.phases or outcome.result not in wanted:
        return ""
    lines = timeline(deployment.phases, width=90)
    return _details("Where the time went", _fenced(lines), open_=False)


def _next(outcome: Outcome) -> str:
    deployment, where = outcome.deployment, outcome.environment
    if outcome.restorable and outcome.error is not None:
        versions = ", ".join(_code(version) for version in outcome.restorable)
        return f"Can be restored: {versions}"
    if deployment is None or deployment.state is not State.SUCCEEDED:
        return ""
    if outcome.result is Result.DEPLOYED and deployment.previous_version:
        command = f"deploy-action rollback -e {where} --from {deployment.release.version}"
        return f"To undo: run the rollback workflow for `{where}`, or in a terminal\n\n" + _fenced(
            [command]
        )
    return ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _details(title: str, content: str, *, open_: bool) -> str:
    state = " open" if open_ else ""
    return f"<details{state}><summary>{title}</summary>\n\n{content}\n\n</details>"


def _text(text: str) -> str:
    """Let text from outside be nothing but text: no markup, no table cell, no line of its own."""
    flat = " ".join(printable(text).split())
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~@$:])", r"\\\1", flat)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    flat = " ".join(printable(text).split()).replace("`", "'").replace("|", "¦")
    return f"`{flat}`"


def _fenced(lines: Iterable[str]) -> str:
    content = "\n".join(printable(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{content}\n{fence}"
