"""What an edge is asked: what it should do, and how its servers are."""

from __future__ import annotations

import csv
import io

from deploy_action.platforms.docker.edge.render import parse
from deploy_action.platforms.docker.edge.state import EdgeState, ServerStatus
from deploy_action.session.queries import Query, get, haproxy

__all__ = ["server_statuses", "written_state"]

_FILE = "edge/haproxy.cfg"


def written_state() -> Query[EdgeState]:
    """Ask what the edge should do, as its configuration file says."""
    return get(_FILE).map(lambda file: EdgeState() if file is None else parse(file.decode()))


def server_statuses(name: str) -> Query[dict[str, ServerStatus]]:
    """Ask the running edge how the servers of a backend are; a backend that is not there has none."""

    def read(answer: str) -> dict[str, ServerStatus]:
        rows = csv.DictReader(io.StringIO(answer.lstrip("# ")))
        return {row["svname"]: _status(row) for row in rows if row.get("svname")}

    return haproxy(f"show stat {name} 4 -1\n").map(read)


def _status(row: dict[str, str]) -> ServerStatus:
    # A star says that the next check is under way; the status is the last one's.
    check = (row.get("check_status") or "").removeprefix("* ")
    code = row.get("check_code") or ""
    said = " ".join(part for part in (row.get("check_desc"), code, row.get("last_chk")) if part)
    return ServerStatus(
        name=row["svname"],
        up=row["status"].startswith("UP") or row["status"] == "no check",
        checked=check in ("L4OK", "L6OK", "L7OK"),
        last_check=f"{check}: {said}" if check else "",
        weight=int(row["weight"] or 0),
        sessions=int(row["scur"] or 0),
        requests=int(row["stot"] or 0),
        errors_5xx=int(row.get("hrsp_5xx") or 0),
        connection_errors=int(row["econ"] or 0) + int(row["eresp"] or 0),
        response_milliseconds=int(row.get("rtime") or 0),
    )
