"""A JSON report of bandit as a baseline: the findings in it do not count again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deploy_action.gates.bandit_scan import ScanFailed

__all__ = ["Key", "key_of", "load", "report", "unknown"]

Key = tuple[str, str, str, str, str, str, int]
"""What bandit compares: file, check, its name, severity, confidence, text, CWE; never the line."""


def load(root: Path, name: str) -> Counter[Key]:
    """Read a report written by ``bandit --format json``.

    Raises:
        ScanFailed: the file cannot be read or is not such a report. bandit itself logs that and
            goes on without a baseline.
    """
    remedy = f"write it again: bandit -r PATHS --format json --output {name}"
    try:
        report = json.loads((root / name).read_bytes())
        return Counter(key_of(finding, root) for finding in report["results"])
    except OSError as error:
        raise ScanFailed(f"the baseline {name} cannot be read: {error.strerror}", remedy) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ScanFailed(f"the baseline {name} is not a JSON report of bandit", remedy) from error


def key_of(finding: dict[str, Any], root: Path) -> Key:
    """Reduce one of bandit's findings to what identifies it."""
    file = finding["filename"]
    if Path(file).is_absolute():
        file = os.path.relpath(file, root)
    return (
        os.path.normpath(file),
        str(finding["test_id"]),
        str(finding["test_name"]),
        str(finding["issue_severity"]),
        str(finding["issue_confidence"]),
        str(finding["issue_text"]),
        int(finding["issue_cwe"].get("id", 0)),
    )


def unknown(
    findings: Iterable[dict[str, Any]], known: Counter[Key], root: Path
) -> list[dict[str, Any]]:
    """Keep the findings that the baseline does not explain.

    bandit takes a second finding of a known kind in the same file for known. Here they are
    counted: where there are more than in the baseline, all of the kind are kept, because
    lines move and nobody can tell which one is new.
    """
    listed = list(findings)
    now = Counter(key_of(finding, root) for finding in listed)
    return [f for f in listed if now[key_of(f, root)] > known[key_of(f, root)]]


def report(findings: Iterable[dict[str, Any]], root: Path) -> str:
    """Write findings as a baseline, without the code in them; empty if there are none."""
    names = ("filename", "test_id", "test_name", "issue_severity", "issue_confidence", "issue_text")
    results = [
        dict(zip((*names, "issue_cwe"), (*key[:6], {"id": key[6]}), strict=True))
        for key in sorted(key_of(finding, root) for finding in findings)
    ]
    return json.dumps({"results": results}, indent=2) + "\n" if results else ""
