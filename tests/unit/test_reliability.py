"""The page on faults says what the report says, and nothing better."""

from __future__ import annotations

from tests.faults.table import PAGE, ROOT, page, read, rows

ROWS = rows((ROOT / "tests/faults/rows.toml").read_text(encoding="utf-8"))
REPORT = """<testsuites><testsuite>
<testcase classname="tests.faults.test_a" name="test_good[row6-x]" time="2.4"><properties>
<property name="rows" value="6"/><property name="claim" value="It holds."/>
<property name="sent" value="1200"/><property name="lost" value="0"/></properties></testcase>
<testcase classname="tests.faults.test_a" name="test_bad[row6-y]" time="1"><properties>
<property name="rows" value="6"/><property name="claim" value="It holds."/>
<property name="sent" value="100"/><property name="lost" value="7"/></properties>
<failure message="lost"/></testcase>
<testcase classname="tests.faults.test_b" name="test_more" time="1"><properties>
<property name="rows" value=""/><property name="claim" value="More is true"/></properties>
</testcase></testsuite></testsuites>"""


def _line(text: str, number: int) -> str:
    return next(line for line in text.splitlines() if line.startswith(f"| {number} |"))


def test_every_row_is_there_once() -> None:
    """In order, each with what is injected and what is expected."""
    numbers = [row.number for row in ROWS]
    assert numbers == sorted(set(numbers) | set(range(1, 53)))
    assert all(row.fault.endswith(".") and row.expected.endswith(".") for row in ROWS)


def test_the_page_has_the_rows_of_today() -> None:
    """Whoever changes a row runs `make faults`, or writes the page from the last report."""
    text = PAGE.read_text(encoding="utf-8")
    for row in ROWS:
        assert row.fault.replace("|", "\\|") in _line(text, row.number)


def test_a_failure_is_named_and_counted() -> None:
    """Cases and losses are summed up; the one that failed is called by its name."""
    line = _line(page(ROWS, read(REPORT)), 6)
    assert "1 of 2 passed; `test_a::test_bad[row6-y]` FAILED" in line
    assert line.endswith("| 1,300 | 7 | 3 |")


def test_what_was_not_run_does_not_look_like_a_success() -> None:
    """A row without a test says why; one whose tests did not run says that."""
    text = page(ROWS, read(REPORT))
    assert "| not covered yet: Swarm is not supported yet |" in _line(text, 46)
    assert "| not run |" in _line(text, 7)
    assert "- More is true. `test_b::test_more`: passed." in text


def test_the_order_of_the_report_does_not_matter() -> None:
    """The same results make the same page."""
    runs = read(REPORT)
    assert page(ROWS, runs) == page(ROWS, tuple(reversed(runs)))
