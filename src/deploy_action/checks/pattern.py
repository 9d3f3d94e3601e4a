"""Regular expressions over outside text, within a time limit.

A pattern such as ``(a+)+$`` can take years on forty characters, and Python's matcher holds the
interpreter's lock while it works, so no thread can stop it. A separate process can be killed.
"""

from __future__ import annotations

import json
import sys
from typing import Literal

from deploy_action import process

__all__ = ["MATCH_LIMIT", "search"]

MATCH_LIMIT = 1024 * 1024
"""Characters that a pattern is searched in; the rest is ignored."""
_SECONDS = 2.0
_SCRIPT = (
    "import json,re,sys;"
    "pattern,text=json.loads(sys.stdin.buffer.read());"
    "sys.stdout.write('found' if re.search(pattern,text) else 'absent')"
)

Verdict = Literal["found", "absent", "too slow", "invalid"]


def search(pattern: str, text: str, *, timeout_seconds: float = _SECONDS) -> Verdict:
    """Look for a regular expression in the first MiB of a text.

    "too slow" means that it was not decided within `timeout_seconds`, "invalid" that the pattern
    is not one.
    """
    question = json.dumps([pattern, text[:MATCH_LIMIT]])
    try:
        # -I -S: neither the working directory nor site-packages are searched, and it starts quickly.
        done = process.run(
            [sys.executable, "-I", "-S", "-c", _SCRIPT],
            input=question,
            timeout_seconds=timeout_seconds,
        )
    except process.ProcessTimeout:
        return "too slow"
    match done.stdout:
        case "found" | "absent" as verdict:
            return verdict
        case _:
            return "invalid"
