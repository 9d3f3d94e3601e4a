"""Processes of the edge that a reload left behind: they serve the connections that they have.

Such a process goes on by the configuration of its time until its last connection has ended, and
its requests under way are as much to be waited for as others. Requests that come later on a
connection that it keeps are handed over to the process that serves now (platforms/docker/edge/render.py).
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping

from deploy_action.session.queries import Query, old_workers

__all__ = ["old_worker_sessions"]


def old_worker_sessions(backend: str) -> Query[Mapping[str, int]]:
    """Ask for the number of requests that are still under way there, by server."""

    def read(answer: str) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        mark = "# pxname,"
        # Each of them answers with a table of its own.
        for table in answer.split(mark)[1:]:
            for row in csv.DictReader(io.StringIO(mark.removeprefix("# ") + table)):
                if row["pxname"] == backend and row.get("svname"):
                    found[row["svname"]] += int(row["scur"] or 0)
        return found

    return old_workers(f"show stat {backend} 4 -1\n").map(read)
