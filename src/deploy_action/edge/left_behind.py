"""Processes of the edge that a reload left behind: they serve the connections that they have.

Such a process goes on by the configuration of its time until its last connection has ended, and
its requests under way are as much to be waited for as others. Requests that come later on a
connection that it keeps are handed over to the process that serves now (edge/render.py).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping

from deploy_action.state.conversation import Talk

__all__ = ["sessions_left_behind"]


def sessions_left_behind(talk: Talk, backend: str) -> Mapping[str, int]:
    """Count the requests that are still under way there, by server."""
    found: Counter[str] = Counter()
    mark = "# pxname,"
    # Each of them answers with a table of its own.
    for table in talk.before(f"show stat {backend} 4 -1\n").split(mark)[1:]:
        for row in csv.DictReader(io.StringIO(mark.removeprefix("# ") + table)):
            if row["pxname"] == backend and row.get("svname"):
                found[row["svname"]] += int(row["scur"] or 0)
    return found
