"""Reads the JUnit report of a test runner. Pure; the report is input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["JUnit", "read_junit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnit:
    """How many assertions were made, and what failed: one line each."""

    assertions: int
    failures: tuple[str, ...]


def read_junit(content: bytes) -> JUnit:
    """Return what a report says.

    Raises:
        ValueError: it is no JUnit report.
    """
    # Needed by those alone who have such a test.
    from xml.etree import ElementTree as ET

    # Without a document type there are no entities, so nothing can expand or be fetched.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError("a report has no document type")
    try:
        root = ET.fromstring(content)  # noqa: S314 - see above
    except (ET.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"it is no XML: {error}") from None
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"it begins with <{root.tag[:40]}>")
    assertions, failures = 0, []
    for suite in root.iter("testsuite"):
        name = suite.get("name", "")
        failures += [f"{name}: {_reason(each)}" for each in suite.findall("system-err")]
        for case in suite.findall("testcase"):
            assertions += 1
            failures += [
                f"{name}: {case.get('name', '')}: {each.get('message') or (each.text or '').strip()}"
                for kind in ("failure", "error")
                for each in case.findall(kind)
            ]
    return JUnit(assertions=assertions, failures=tuple(failures))


def _reason(element: Element) -> str:
    """Return the line of a runner's own complaint that says most."""
    lines = [line.strip() for line in (element.text or "").splitlines() if line.strip()]
    return next((line for line in lines if "Error" in line), lines[0] if lines else "an error")
