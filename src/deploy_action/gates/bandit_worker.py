"""Runs bandit on one file after the other as a program of its own; knows nothing of this package.

Standard input: a line of JSON with the options, then one JSON string (a path) a line.
Standard output: a line of JSON that says what is loaded, then one JSON object a file.
It ends at the end of its input, and with it when its parent is killed.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import linecache
import logging
import os
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

# bandit echoes the value in the text of these, and the line that holds it is as secret.
SECRET_TESTS = frozenset({"B105", "B106", "B107"})
INTERNAL_ERROR = re.compile(
    r"Bandit internal error running: (\S+) on file .* at line (\d+): ", re.DOTALL
)


class Complaints(logging.Handler):
    """Collects what bandit only logs: a check that crashed is no entry in its report."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        crashed = INTERNAL_ERROR.match(record.getMessage())
        if crashed:
            self.found.append(
                {
                    "line": int(crashed[2]),
                    "reason": f"bandit's check {crashed[1]} crashed",
                    "check": identify(crashed[1]),
                }
            )

    def take(self) -> list[dict[str, Any]]:
        found, self.found = self.found, []
        return found


def main() -> int:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # a plugin that prints must not garble the answers
    complaints = Complaints()
    logging.basicConfig(level=logging.ERROR, handlers=[complaints, logging.StreamHandler()])
    options = json.loads(sys.stdin.readline())
    manager, about = load(options)
    answer(answers, about)
    # The syntax trees are the garbage, and cyclic; collecting at every 700th object costs 10 %.
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    for line in sys.stdin:
        answer(answers, scan(manager, json.loads(line), complaints))
    return 0


def answer(stream: IO[str], value: object) -> None:
    """Write one line and make sure that it leaves."""
    stream.write(json.dumps(value) + "\n")
    stream.flush()


def load(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Import bandit and say what it will check with; never reads a file of the scanned tree."""
    import bandit  # type: ignore[import-untyped,unused-ignore]
    from bandit.core import config, extension_loader, manager  # type: ignore[import-untyped,unused-ignore]

    extensions = extension_loader.MANAGER
    wanted = {"include": set(options["tests"]), "exclude": set(options["skips"])}
    named = wanted["include"] | wanted["exclude"]
    scanner = manager.BanditManager(
        config.BanditConfig(), "file", profile=wanted, ignore_nosec=options["ignore_nosec"]
    )
    # stevedore only logs a plugin that cannot be imported, and the scan would go on without it.
    installed = {plugin.name for plugin in entry_points(group="bandit.plugins")}
    return scanner, {
        "version": bandit.__version__,
        "checks": sum(len(checks) for checks in scanner.b_ts.tests.values()),
        "missing": sorted(installed - set(extensions.plugin_names)),
        "unknown": sorted(name for name in named if not extensions.check_id(name)),
    }


def scan(manager: Any, path: str, complaints: Complaints) -> dict[str, Any]:
    """Scan one file and return its findings, what went wrong and what `# nosec` hid."""
    from bandit.core import docs_utils, metrics  # type: ignore[import-untyped,unused-ignore]

    manager.metrics = metrics.Metrics()
    manager.results, manager.skipped, manager.scores = [], [], []
    manager.files_list = [path]
    manager.run_tests()
    measured = manager.metrics.data.get(path, {})
    findings = []
    for issue in manager.results:
        finding = issue.as_dict(with_code=False)
        finding["help_uri"] = docs_utils.get_url(issue.test_id)
        finding["line_hash"] = line_hash(path, issue)
        findings.append(finding)
    linecache.clearcache()
    errors = [explain(path, reason) for _, reason in manager.skipped]
    return {
        "path": path,
        "findings": findings,
        "errors": errors + complaints.take(),
        "suppressed": measured.get("nosec", 0) + measured.get("skipped_tests", 0),
        "lines": measured.get("loc", 0),
    }


def identify(check: str) -> str:
    """Find the identifier of a check, which is what `skips` takes."""
    from bandit.core import extension_loader

    return str(extension_loader.MANAGER.get_test_id(check) or "")


def line_hash(path: str, issue: Any) -> str:
    """Identify a finding by its rule and its line's text, so that it survives moving."""
    text = "" if issue.test_id in SECRET_TESTS else linecache.getline(path, issue.lineno).strip()
    identity = f"{issue.test_id}\0{text}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(identity).hexdigest()[:16]


def explain(path: str, reason: str) -> dict[str, Any]:
    """Say where a file does not parse: bandit only says that it does not."""
    if "syntax error" in reason:
        try:
            ast.parse(Path(path).read_bytes())
        except SyntaxError as error:
            return {"line": error.lineno or 0, "reason": f"does not parse: {error.msg}"}
        except (OSError, ValueError, RecursionError, MemoryError):
            pass
    return {"line": 0, "reason": reason}


if __name__ == "__main__":
    sys.exit(main())
