"""The bandit gate: which findings refuse a deployment; fails closed where bandit fails open.

bandit 1.9 exits 0 on files that do not parse, on directories that are empty, missing or unreadable
and on checks that crash or cannot be loaded, and it takes options from a ``.bandit`` file in the
tree that it scans. Here each of these is `Broken`, and no file of the tree is taken as options.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deploy_action.config.model import BanditGate
from deploy_action.gates import bandit_baseline
from deploy_action.gates.bandit_pool import Checks, FileScan, ScanFailed, scan_files
from deploy_action.gates.bandit_worker import SECRET_TESTS
from deploy_action.gates.python_files import Selection, select
from deploy_action.gates.result import BANDIT, Broken, Finding, Findings, GateResult, Level, Passed
from deploy_action.problem import Problem

__all__ = ["NAME", "run"]

NAME = BANDIT
RANKS: tuple[Level, ...] = ("undefined", "low", "medium", "high")
MOST_NAMED = 5
"""So many files with suppressed findings are named; of the others only the number is."""


def run(gate: BanditGate, root: Path, *, workers: int | None = None) -> GateResult:
    """Scan and judge; never raises because of what is in the tree.

    Args:
        gate: paths, thresholds and the rest of ``gates.bandit``.
        root: the repository; all paths in the result are relative to it.
        workers: number of processes; by default one for each processor if that pays.
    """
    started = time.monotonic()
    try:
        known = bandit_baseline.load(root, gate.baseline) if gate.baseline else Counter()
        selection = select(root, gate.paths, gate.exclude)
        scans = scan_files(
            root,
            selection.files,
            Checks(tests=gate.tests, skips=gate.skips, ignore_nosec=gate.nosec == "ignore"),
            timeout_seconds=gate.timeout_seconds,
            workers=workers,
        )
    except (ScanFailed, OSError) as error:
        why, remedy = (
            (error.why, error.remedy)
            if isinstance(error, ScanFailed)
            else (f"bandit could not be started: {error}", "run: deploy-action doctor")
        )
        duration = time.monotonic() - started
        return Broken(gate=NAME, duration_seconds=duration, why=why, remedy=remedy)
    return _judge(gate, root, selection, scans, known, time.monotonic() - started)


def _judge(
    gate: BanditGate,
    root: Path,
    selection: Selection,
    scans: Sequence[FileScan],
    known: Counter[bandit_baseline.Key],
    duration: float,
) -> GateResult:
    everything = [finding for scan in scans for finding in scan.findings]
    heavy = [finding for finding in everything if _counts(finding, gate)]
    new = bandit_baseline.unknown(heavy, known, root)
    findings = _describe(new)
    summary = f"{_number(len(scans), 'file')}, {_number(sum(s.lines for s in scans), 'line')}"
    notes = _notes(scans, below=len(everything) - len(heavy), in_baseline=len(heavy) - len(new))
    unchecked = _unchecked(selection.problems, scans)
    if unchecked or not scans:
        why = _why(unchecked)
        return Broken(
            gate=NAME,
            duration_seconds=duration,
            why=why,
            remedy="correct gates.bandit.paths, or name under gates.bandit.exclude"
            " what is no code of the service",
            unchecked=unchecked,
            findings=findings,
            notes=notes,
        )
    if findings:
        return Findings(
            gate=NAME,
            duration_seconds=duration,
            summary=f"{_number(len(findings), 'finding')} in {summary}",
            findings=findings,
            notes=notes,
        )
    return Passed(gate=NAME, duration_seconds=duration, summary=summary, notes=notes)


def _counts(finding: dict[str, Any], gate: BanditGate) -> bool:
    severity, confidence = _level(finding["issue_severity"]), _level(finding["issue_confidence"])
    return RANKS.index(severity) >= RANKS.index(gate.severity) and RANKS.index(
        confidence
    ) >= RANKS.index(gate.confidence)


def _level(word: str) -> Level:
    return next((rank for rank in RANKS if rank == word.lower()), "high")


def _describe(findings: Iterable[dict[str, Any]]) -> tuple[Finding, ...]:
    """Turn bandit's findings into ours, sorted, with values of passwords taken out."""
    described = []
    seen: Counter[tuple[str, str]] = Counter()
    for finding in sorted(findings, key=_order):
        file = _shown(os.path.normpath(finding["filename"]))
        rule, line = finding["test_id"], finding["line_number"]
        severity = _level(finding["issue_severity"])
        confidence = _level(finding["issue_confidence"])
        seen[file, finding["line_hash"]] += 1
        text = "Possible hard-coded password (its value is not shown)"
        if rule not in SECRET_TESTS:
            text = finding["issue_text"]
        described.append(
            Finding(
                problem=Problem(
                    file=file,
                    line=line,
                    column=_column(finding),
                    message=f"{text} [severity {severity}, confidence {confidence}]",
                    hint=finding["help_uri"],
                    rule=rule,
                ),
                level=severity,
                confidence=confidence,
                title=finding["test_name"],
                help_uri=finding["help_uri"],
                cwe=int(finding["issue_cwe"].get("id", 0)),
                end_line=max(finding["line_range"] or [line]),
                fingerprint=f"{finding['line_hash']}:{seen[file, finding['line_hash']]}",
            )
        )
    return tuple(described)


def _column(finding: dict[str, Any]) -> int:
    # bandit's column is that of the whole statement, its line often that of one argument.
    if finding["line_number"] != min(finding["line_range"] or [0]):
        return 0
    return max(0, int(finding["col_offset"])) + 1


def _order(finding: dict[str, Any]) -> tuple[str, int, int, str, str]:
    return (
        finding["filename"],
        finding["line_number"],
        finding["col_offset"],
        finding["test_id"],
        finding["issue_text"],
    )


def _unchecked(problems: Iterable[Problem], scans: Iterable[FileScan]) -> tuple[Problem, ...]:
    missed = [
        Problem(
            file=_shown(scan.path),
            line=error["line"],
            message=f"was not checked: {error['reason']}",
            hint=f"skip it, if need be: skips: [{error['check']}]" if error.get("check") else "",
            rule="not-checked",
        )
        for scan in scans
        for error in scan.errors
    ]
    return (*problems, *missed)


def _why(unchecked: Sequence[Problem]) -> str:
    if not unchecked:
        return "bandit found nothing to check"
    first = unchecked[0]
    more = f" (and {len(unchecked) - 1} more)" if len(unchecked) > 1 else ""
    return f"bandit could not check everything: {first.file} {first.message}{more}"


def _notes(scans: Iterable[FileScan], *, below: int, in_baseline: int) -> tuple[str, ...]:
    hidden = {_shown(scan.path): scan.suppressed for scan in scans if scan.suppressed}
    notes = []
    if hidden:
        where = ", ".join(f"{file} ({count})" for file, count in list(hidden.items())[:MOST_NAMED])
        more = f" and {len(hidden) - MOST_NAMED} more files" if len(hidden) > MOST_NAMED else ""
        total = _number(sum(hidden.values()), "finding")
        notes.append(f"{total} suppressed by `# nosec`: {where}{more}")
    if in_baseline:
        notes.append(f"{_number(in_baseline, 'finding')} known from the baseline")
    if below:
        notes.append(f"{_number(below, 'finding')} below the thresholds")
    return tuple(notes)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shown(path: str) -> str:
    """Make a name of arbitrary bytes printable: JSON and terminals refuse lone surrogates."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
