"""The view of an outcome: verdict, reasons, findings, checks, timeline, notes, next steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from deploy_action.gates.result import Broken, Findings, GateResult, NotRun, Passed, refuses
from deploy_action.releases.model import Deployment, HostOutcome, Kind, State
from deploy_action.render import view
from deploy_action.render.problems import counted
from deploy_action.render.text import duration, short, short_version
from deploy_action.render.view import Cell, Form, Row, Table, Tone
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.checks.result import CheckResult
    from deploy_action.releases.model import Release

__all__ = ["checks_table", "outcome_view"]

_GOOD = {
    Result.VALID,
    Result.PASSED,
    Result.PLANNED,
    Result.DEPLOYED,
    Result.UNCHANGED,
    Result.ROLLED_BACK,
    Result.REMOVED,
    Result.UNLOCKED,
    Result.SIGNALLED,
}
_SIGNS = {
    Result.PLANNED: "📋",
    Result.REMOVED: "🗑️",
    Result.UNLOCKED: "🔓",
    Result.LOCKED: "🔒",
    Result.UNRESOLVED: "🚨",
}


def outcome_view(outcome: Outcome) -> view.View:
    """Return what an outcome shows: everything a person wants to know, and nothing twice."""
    own, ok = outcome.own, outcome.result in _GOOD and outcome.error is None
    warnings = outcome.deployment.warnings if outcome.deployment is not None else ()
    return view.View(
        title=_title(outcome),
        tone=Tone.GOOD if ok else Tone.BAD,
        sign=_SIGNS.get(outcome.result, ""),
        took="" if own is None else duration(own.duration_seconds),
        reasons=(*_failure(outcome), *view.facts(_facts(outcome)), *_hosts(own)),
        findings=(
            *([view.Problems(outcome.problems)] if outcome.problems else []),
            *_gates(outcome),
        ),
        details=(
            *([checks_table(outcome.checks)] if outcome.checks else []),
            *(
                view.Quote(f"{e.title} on {e.host}" if e.host else e.title, e.lines)
                for e in outcome.excerpts
                if e.lines
            ),
            *([view.Steps(outcome.plan)] if outcome.plan else []),
            *([view.Timeline(own.phases)] if own is not None and own.phases else []),
            *view.notes((*outcome.notes, *warnings)),
            *view.facts(_next(outcome)),
        ),
    )


_TITLES = {
    Result.PLANNED: "the plan for {version}{where}; nothing was changed",
    Result.DEPLOYED: "{what} is live{where}",
    Result.ROLLED_BACK: "rolled back: {what} is live{where} again",
    Result.REMOVED: "{what} was removed{where}",
    Result.UNLOCKED: "the lock{where} is free",
    Result.SIGNALLED: "the running deployment{where} was told",
    Result.REFUSED: "refused{where}; nothing was changed",
    Result.LOCKED: "another deployment is running{where}; nothing was changed",
    Result.UNRESOLVED: "{what} failed{where}, and automatic rollback also failed:"
    " manual intervention is required",
    Result.ERROR: "an error inside deploy-action",
}


def _title(outcome: Outcome) -> str:
    if outcome.error is not None and outcome.deployment is None:
        return outcome.error.what.partition("\n")[0]
    what = outcome.service or "it"
    where = f" in {outcome.environment}" if outcome.environment else ""
    if outcome.deployment is not None:
        release = outcome.deployment.release
        version = short_version(release.version)
        what, where = f"{release.service} {version}", f" in {release.environment}"
    problems = counted(outcome.problems)
    match outcome.result:
        case Result.VALID:
            return "the configuration is valid" + (f" ({problems})" if problems else "")
        case Result.INVALID:
            return f"{problems or 'bad input'}; nothing was changed"
        case Result.PASSED:
            return f"{_gates_verdict(outcome.gates)}{where}"
        case Result.UNCHANGED:
            done = "what had drifted was repaired" if outcome.repaired else "nothing was changed"
            return f"{what} is live{where} already; {done}"
        case Result.FAILED:
            return _failed(outcome, what, where)
        case _:
            version = short_version(outcome.planned_version)
            return _TITLES[outcome.result].format(what=what, where=where, version=version)


def _failed(outcome: Outcome, what: str, where: str) -> str:
    if outcome.deployment is None:
        return f"it failed{where}"
    back = outcome.deployment.kind is Kind.ROLLBACK
    verb = "could not be restored" if back else "is not live"
    if outcome.serving:
        still = f"{short_version(outcome.serving)} still serves"
    elif previous := outcome.deployment.previous_version:
        still = f"nobody could ask whether {short_version(previous)} serves"
    else:
        still = "nothing served before"
    return f"{what} {verb}{where}; {still}"


def _failure(outcome: Outcome) -> Iterator[view.Block]:
    error, severe = outcome.error, outcome.result is Result.UNRESOLVED
    if error is None:
        if outcome.own is not None and outcome.own.cause:
            yield view.Failure(what=outcome.own.cause, severe=severe)
        return
    # Without a deployment the first line is the title already.
    what = error.what if outcome.deployment is not None else error.what.partition("\n")[2]
    if what or error.cause or error.remedy:
        yield view.Failure(what=what, cause=error.cause, remedy=error.remedy, severe=severe)


def _facts(outcome: Outcome) -> Iterator[tuple[str, Cell]]:
    deployment, own = outcome.deployment, outcome.own
    if own is not None and own.requests_sent is not None:
        yield "requests", Cell(f"{own.requests_sent:,} sent, {own.requests_lost or 0:,} lost")
    if outcome.result not in (Result.VALID, Result.PASSED):
        yield "address", Cell(outcome.url, Form.URL)
    if deployment is None:
        return
    release = deployment.release
    if outcome.result is Result.PLANNED:
        yield "current", Cell(short_version(release.version))
        return
    yield "image", Cell(release.image, Form.CODE)
    yield "digest", Cell(short(release.digest), Form.CODE)
    if outcome.result in (Result.DEPLOYED, Result.ROLLED_BACK):
        yield "proven", Cell(_proven(outcome, release))
    if deployment.state is State.SUCCEEDED:
        yield "previous", Cell(short_version(deployment.previous_version))
    if release.dirty:
        yield "commit", Cell("none: the source had changes that no commit has")
    yield "commit", Cell(release.commit, Form.COMMIT)
    yield "id", Cell(f"{deployment.id} by {deployment.actor}" if deployment.id else "")
    if own is not None:
        yield "reason", Cell(own.reason)


def _proven(outcome: Outcome, release: Release) -> str:
    """Say what is known of the identity of what serves, and by whose word."""
    image = "every replica runs this image"
    if not any(check.name == "identity" and check.passed for check in outcome.checks):
        return f"{image}; the application was not asked which version it is (health.identity)"
    identity = release.configuration.health.identity
    if identity is None or identity.expect == "{version}":
        # We tell the container its version ourselves: an echo shows only that it answers.
        return f"{image}; it answers as {short_version(release.version)}, maybe only because DEPLOY_VERSION says so"
    return f"{image}, and it names itself as expected ({identity.expect})"


def _hosts(own: Deployment | None) -> Iterator[Table]:
    if own is None:
        return
    unknown = HostOutcome.UNKNOWN
    if len(own.hosts) > 1 or unknown in own.hosts.values():
        rows = (
            Row(cells=(host, state), tone=Tone.BAD if state is unknown else Tone.PLAIN)
            for host, state in own.hosts.items()
        )
        yield Table(title="Hosts", head=("host", "outcome"), rows=tuple(rows))


def _gates(outcome: Outcome) -> Iterator[Table]:
    # Only who asked for the gates wants to read which of them are not configured.
    asked = outcome.result is Result.PASSED
    rows = tuple(_gate(gate) for gate in outcome.gates if asked or _is_configured(gate))
    if rows:
        yield Table(title="Gates", head=("gate", "result", "took"), rows=rows, marked=True)


def _is_configured(result: GateResult) -> bool:
    return not isinstance(result, NotRun) or result.configured


def _gates_verdict(results: Sequence[GateResult]) -> str:
    configured = [result for result in results if _is_configured(result)]
    if not configured:
        return "the configuration is valid; no gate is configured"
    if unchecked := [result.gate for result in configured if isinstance(result, NotRun)]:
        return f"no gate refused; not checked: {', '.join(unchecked)}"
    return "every gate passed"


def _gate(result: GateResult) -> Row:
    match result:
        case NotRun() if not result.configured:
            return Row(cells=(result.gate, "not configured", ""))
        case Passed() | Findings():
            summary, why = result.summary, view.labelled()
        case Broken() | NotRun():
            broken = isinstance(result, Broken)
            summary = "the gate did not run to its end" if broken else "not checked"
            why = (("", result.why), *view.labelled(remedy=result.remedy))
        case _:
            assert_never(result)
    tone = Tone.GOOD if isinstance(result, Passed) else Tone.WARNING
    notes = () if isinstance(result, NotRun) else result.notes
    return Row(
        cells=(result.gate, summary, _took(result.duration_seconds)),
        tone=Tone.BAD if refuses(result) else tone,
        details=(*why, *(("note", note) for note in notes)),
        problems=result.problems if isinstance(result, Findings | Broken) else (),
    )


def checks_table(checks: Sequence[CheckResult]) -> Table:
    """Return all checks, the failed ones first."""
    passed = sum(check.passed for check in checks)
    rows = (
        Row(
            cells=(check.name, check.where, f"{check.attempts}×", _took(check.seconds)),
            tone=Tone.GOOD if check.passed else Tone.BAD,
            details=(("", check.detail),) if check.detail else (),
        )
        for check in sorted(checks, key=lambda check: check.passed)
    )
    return Table(
        title=f"{passed} of {len(checks)} checks passed",
        head=("check", "where", "tries", "took"),
        rows=tuple(rows),
        marked=True,
        folded=True,
    )


def _next(outcome: Outcome) -> Iterator[tuple[str, Cell]]:
    """Return how to undo a success, and where to look after a failure."""
    where, deployment = f"-e {outcome.environment}", outcome.deployment
    if outcome.result in (Result.DEPLOYED, Result.ROLLED_BACK):
        if deployment is not None and deployment.previous_version:
            # Back from a rollback is forward again: there the version has to be named.
            version = (
                f"--to {deployment.previous_version}"
                if outcome.result is Result.ROLLED_BACK
                else f"--from {deployment.release.version}"
            )
            command = f"deploy-action rollback {where} {version}"
            if deployment.run_url:
                yield "to undo", Cell(f"the rollback button for {outcome.environment}", Form.BUTTON)
            yield "or" if deployment.run_url else "to undo", Cell(command, Form.CODE)
    elif outcome.result is Result.FAILED and deployment is not None:
        yield "look", Cell(f"deploy-action history {where}", Form.CODE)
    elif outcome.result is Result.UNRESOLVED:
        yield "look", Cell(f"deploy-action status {where}", Form.CODE)
        yield "compare", Cell(f"deploy-action drift {where}", Form.CODE)
    if outcome.result not in _GOOD:
        yield "restorable", Cell(", ".join(outcome.restorable))


def _took(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
