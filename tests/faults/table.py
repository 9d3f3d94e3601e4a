"""Writes docs/reference/reliability.md from rows.toml and the report of the last `make faults`.

python -m tests.faults.table REPORT.xml…    the later report counts where two know a test
"""

from __future__ import annotations

import re
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Row", "Run", "page", "read", "rows"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "reliability.md"
Result = Literal["passed", "FAILED", "skipped"]
HEAD = """\
# Fault injection

`make faults` injects each fault on a real engine with real containers, mostly under load, and writes this page from its
report. A row without a test says why.

After every failure the tests check that no probe request failed, the previous release serves, the exit code is not 0, the
ledger has outcome and cause, the lock is free, nothing of the failed release is left, and the message names host, step and
remedy. The column *expected* has what is checked in addition. *Sent* and *lost* count the requests of the load; a dash means
that the test has no load. *Seconds* are those of all tests of the row together.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault and its expected result.

    Attributes:
        missing: why there is no test, or only a part; empty if there is one.
    """

    number: int
    fault: str
    expected: str
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The result of one test, or of one case of it.

    Attributes:
        sent: requests of the load; None without load.
    """

    test: str
    claim: str
    rows: frozenset[int]
    result: Result
    seconds: float
    sent: int | None
    lost: int


def rows(text: str) -> tuple[Row, ...]:
    """Read rows.toml."""
    found = (Row(**row) for row in tomllib.loads(text)["row"])
    return tuple(sorted(found, key=lambda row: row.number))


def read(report: str) -> tuple[Run, ...]:
    """Read what pytest has written with `--junit-xml`; the file is our own."""
    return tuple(_run(case) for case in ET.fromstring(report).iter("testcase"))


def _run(case: ET.Element) -> Run:
    said = {str(p.get("name")): str(p.get("value")) for p in case.iter("property")}
    failed = case.find("failure") is not None or case.find("error") is not None
    skipped = case.find("skipped") is not None
    return Run(
        test=f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}",
        claim=said.get("claim", ""),
        rows=frozenset(map(int, said.get("rows", "").split())),
        result="FAILED" if failed else "skipped" if skipped else "passed",
        seconds=float(case.get("time", "0")),
        sent=int(said["sent"]) if "sent" in said else None,
        lost=int(said.get("lost", "0")),
    )


def page(table: Sequence[Row], runs: Iterable[Run]) -> str:
    """Render the page."""
    ordered = sorted(runs, key=lambda run: run.test)
    known = {row.number for row in table}
    lines = [
        "| # | fault | expected in addition | result | sent | lost | seconds |",
        "|---|---|---|---|---|---|---|",
        *(_line(row, [run for run in ordered if row.number in run.rows]) for row in table),
    ]
    # Tests of other folders ran along and have no claim here.
    others = [run for run in ordered if run.claim and not run.rows & known]
    lines += ["", "## Beyond the table", ""]
    lines += [
        f"- {_escape(_sentence(run.claim))} `{run.test}`: {run.result}{_load(run)}."
        for run in others
    ]
    lines += ["", "## The tests of each row", "", "| # | tests | result |", "|---|---|---|"]
    for row in table:
        for name, cases in _by_test(run for run in ordered if row.number in run.rows):
            lines.append(f"| {row.number} | `{name}` | {_result(cases)} |")
    return HEAD + "\n".join(lines) + "\n"


def _line(row: Row, runs: Sequence[Run]) -> str:
    loads = [run.sent for run in runs if run.sent is not None]
    sent = f"{sum(loads):,}" if loads else "–"
    lost = f"{sum(run.lost for run in runs):,}" if loads else "–"
    total = sum(run.seconds for run in runs)
    seconds = f"{total:.0f}" if total else "–"
    result = _result(runs) if runs else "not covered yet" if row.missing else "not run"
    if row.missing:
        result = f"{result}: {_escape(row.missing)}"
    cells = (str(row.number), _escape(row.fault), _escape(row.expected), result)
    return f"| {' | '.join((*cells, sent, lost, seconds))} |"


def _result(runs: Sequence[Run]) -> str:
    """Return how many cases passed, and which failed."""
    passed = sum(run.result == "passed" for run in runs)
    bad = [f"`{run.test}` {run.result}" for run in runs if run.result != "passed"]
    said = "passed" if len(runs) == 1 else f"{passed} of {len(runs)} passed"
    return "; ".join([said, *bad] if passed else bad)


def _by_test(runs: Iterable[Run]) -> list[tuple[str, list[Run]]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.test.partition("[")[0], []).append(run)
    return list(found.items())


def _load(run: Run) -> str:
    return "" if run.sent is None else f", {run.sent:,} requests sent, {run.lost:,} lost"


def _sentence(claim: str) -> str:
    """Leave the rows away, which stand in another column."""
    said = re.sub(r"^Rows? [^:]*: (.)", lambda found: found[1].upper(), claim)
    return said if said.endswith((".", ":")) else f"{said}."


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def main(reports: Sequence[str]) -> None:
    """Write the page."""
    table = rows((Path(__file__).parent / "rows.toml").read_text(encoding="utf-8"))
    runs = {run.test: run for path in reports for run in read(Path(path).read_text("utf-8"))}
    PAGE.write_text(page(table, runs.values()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
