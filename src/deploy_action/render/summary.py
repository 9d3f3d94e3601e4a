"""A report as GitHub-flavoured Markdown: the page that a person sees first. Pure."""

from __future__ import annotations

from typing import assert_never

from deploy_action.releases.model import Deployment, Kind
from deploy_action.render.answers_text import show_answer
from deploy_action.render.gates import gates_verdict
from deploy_action.render.markdown import alert, code, details, fenced, link, table, text
from deploy_action.render.summary_tables import checks_table, gates_table, problems_table
from deploy_action.render.terminal import RenderContext
from deploy_action.render.text import Style, duration, short
from deploy_action.render.timeline import timeline
from deploy_action.results.answers import Answer, Page, Report
from deploy_action.results.outcome import Outcome, Result

__all__ = ["summary"]

_SIGNS = {
    Result.DEPLOYED: "✅",
    Result.ROLLED_BACK: "✅",
    Result.UNCHANGED: "✅",
    Result.VALID: "✅",
    Result.PASSED: "✅",
    Result.PLANNED: "📋",
    Result.UNLOCKED: "🔓",
    Result.TOLD: "✅",
    Result.LOCKED: "🔒",
    Result.UNRESOLVED: "🚨",
}


def summary(
    report: Report, *, repository: str = "", commit: str = "", release_notes: str = ""
) -> str:
    """Write the page: the verdict, why, what serves now, what was checked, and the way back.

    Args:
        repository: address of the repository's page, to link commits and lines; may be empty.
        commit: the commit that is checked out.
        release_notes: what is new in the release, as Markdown; may be empty.
    """
    if not isinstance(report, Outcome):
        return _answer(report)
    blob = f"{repository}/blob/{commit}" if repository and commit else ""
    parts = [
        f"## {_SIGNS.get(report.result, '❌')} {text(_verdict(report))}",
        _error(report),
        _facts(report, repository),
        _hosts(report.own),
        "\n".join(f"{i}. {text(line)}" for i, line in enumerate(report.plan, 1)),
        problems_table(report.problems, blob),
        gates_table(report.gates, blob),
        checks_table(report.checks),
        release_notes,
        _notes(report),
        _excerpts(report),
        _timeline(report),
        _next(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n\n"


def _answer(answer: Answer) -> str:
    if isinstance(answer, Page) and not answer.path:
        return f"{answer.text.rstrip()}\n\n"
    what = " ".join(filter(None, (getattr(answer, n, "") for n in ("service", "environment"))))
    sign = "✅" if answer.exit_code == 0 else "❌"
    title = f"## {sign} {text(f'{what}: {answer.result}' if what else answer.result)}"
    lines = show_answer(answer, RenderContext(width=100, palette=Style(False), sources={}))
    return f"{title}\n\n{fenced(lines)}\n\n"


def _verdict(outcome: Outcome) -> str:
    deployment = outcome.deployment
    release = f"{outcome.service} {deployment.release.version}" if deployment else outcome.service
    where = f" in {outcome.environment}" if outcome.environment else ""
    match outcome.result:
        case Result.DEPLOYED:
            return f"{release} is live{where}"
        case Result.ROLLED_BACK:
            return f"Rolled back: {release} is live{where} again"
        case Result.UNCHANGED:
            return f"{release} is live{where} already"
        case Result.FAILED:
            return _failed(outcome, release, where)
        case Result.UNRESOLVED:
            return f"{release} failed{where}, and so did the way back: a person is needed"
        case Result.PLANNED:
            return f"The plan for {text(outcome.planned_version)}{where}; nothing was changed"
        case Result.VALID:
            return "The configuration is valid"
        case Result.PASSED:
            verdict = gates_verdict(outcome.gates)
            return text(f"{verdict[0].upper()}{verdict[1:]}") + where
        case Result.INVALID:
            return "The input is not valid; nothing was changed"
        case Result.REFUSED:
            return f"Refused{where}; nothing was changed"
        case Result.LOCKED:
            return f"Somebody else is deploying{where}; nothing was changed"
        case Result.UNLOCKED:
            return f"Unlocked{where}"
        case Result.TOLD:
            return f"The deployment{where} was told"
        case Result.ERROR:
            return "A bug of deploy-action"
        case _:
            assert_never(outcome.result)


def _failed(outcome: Outcome, release: str, where: str) -> str:
    if outcome.deployment is None:
        return f"It failed{where}; nothing was changed"
    back = outcome.deployment.kind is Kind.ROLLBACK
    verb = "could not be restored" if back else "is not live"
    still = f"{outcome.serving} still serves" if outcome.serving else "nothing served before"
    return f"{release} {verb}{where}; {still}"


def _error(outcome: Outcome) -> str:
    error = outcome.error
    if error is None:
        return ""
    said = [f"**{text(error.what)}**"]
    if error.cause:
        said.append(f"Cause: {text(error.cause)}")
    if error.remedy:
        said.append(f"Next: {code(error.remedy)}")
    return alert("CAUTION" if outcome.result is Result.UNRESOLVED else "WARNING", said)


def _facts(outcome: Outcome, repository: str) -> str:
    """What one wants to know at a glance: a heading and a value each, in one row."""
    facts: dict[str, str] = {}
    if outcome.url:
        facts["Address"] = link(text(outcome.url), outcome.url)
    if outcome.deployment is not None and outcome.result is not Result.PLANNED:
        facts |= _of_deployment(outcome.deployment, repository)
    own = outcome.own
    said = []
    if own is not None:
        if own.previous_version:
            facts["Before"] = text(own.previous_version)
        facts["Took"] = duration(own.duration_seconds)
        if own.requests_sent is not None:
            lost = own.requests_lost or 0
            facts["Requests"] = f"{own.requests_sent:,} sent, **{lost:,} lost**"
        said = [f"> {text(own.reason)}"] if own.reason else []
        said.append(f"By {text(own.actor)}, deployment {code(own.id)}.")
    rows = [tuple(facts.values())] if facts else []
    return "\n\n".join(filter(None, (table(tuple(facts), rows), *said)))


def _of_deployment(deployment: Deployment, repository: str) -> dict[str, str]:
    release = deployment.release
    facts = {"Image": f"{code(release.image)} {code(short(release.digest))}"}
    if release.commit:
        url = f"{repository}/commit/{release.commit}" if repository else ""
        facts["Commit"] = link(code(short(release.commit)), url)
    return facts


def _hosts(deployment: Deployment | None) -> str:
    if deployment is None or len(deployment.hosts) < 2:
        return ""
    rows = [(code(host), str(outcome)) for host, outcome in deployment.hosts.items()]
    return "### Hosts\n\n" + table(("Host", "Outcome"), rows)


def _notes(outcome: Outcome) -> str:
    said = (*outcome.notes, *(outcome.deployment.warnings if outcome.deployment else ()))
    return alert("NOTE", map(text, dict.fromkeys(said))) if said else ""


def _excerpts(outcome: Outcome) -> str:
    return "\n\n".join(
        details(text(excerpt.title), fenced(excerpt.lines), open_=True)
        for excerpt in outcome.excerpts
        if excerpt.lines
    )


def _timeline(outcome: Outcome) -> str:
    own = outcome.own
    if own is None or not own.phases:
        return ""
    return details("Where the time went", fenced(timeline(own.phases, width=90)), open_=False)


def _next(outcome: Outcome) -> str:
    deployment, where = outcome.deployment, outcome.environment
    if outcome.restorable and outcome.error is not None:
        versions = ", ".join(code(version) for version in outcome.restorable)
        return f"Can be restored: {versions}"
    if deployment is None or not deployment.previous_version:
        return ""
    if outcome.result is Result.DEPLOYED:
        way = f"--from {deployment.release.version}"
    elif outcome.result is Result.ROLLED_BACK:
        # Back from a rollback is forward again: there the version has to be named.
        way = f"--to {deployment.previous_version}"
    else:
        return ""
    intro = f"**To undo**: run the rollback workflow for {code(where)}, or in a terminal"
    return f"{intro}\n\n{fenced([f'deploy-action rollback -e {where} {way}'])}"
