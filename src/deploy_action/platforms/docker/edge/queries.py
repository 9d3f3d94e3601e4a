"""Queries to an edge: its desired state, and how its servers are."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Iterator, Mapping

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.render import parse
from deploy_action.platforms.docker.edge.state import EdgeState, ServerStatus, kept_name
from deploy_action.session.queries import Query, get, haproxy, old_workers

__all__ = ["old_worker_sessions", "server_statuses", "written_state"]

_FILE = "edge/haproxy.cfg"
_TABLE = "# pxname,"


def written_state(host: str) -> Query[EdgeState]:
    """Query the desired state, as the haproxy.cfg of a host says it.

    Reading raises DeploymentFailed where it cannot be read; nothing is written over it then.
    """

    def read(file: bytes | None) -> EdgeState:
        try:
            return EdgeState() if file is None else parse(file.decode())
        except ValueError as error:
            raise DeploymentFailed(
                f"{host}: the state in edge/haproxy.cfg cannot be read: {error}",
                cause="another version of deploy-action wrote it, or another program changed it",
                remedy="use the version that wrote it; deploy-action doctor",
                code=ErrorCode.EDGE_STATE_UNREADABLE,
            ) from error

    return get(_FILE).map(read)


def server_statuses(backend: str) -> Query[dict[str, ServerStatus]]:
    """Query the running edge for the servers of a backend; an unknown backend has none."""

    def read(tables: str) -> dict[str, ServerStatus]:
        statuses: dict[str, ServerStatus] = {}
        kept: dict[str, ServerStatus] = {}
        for row in _rows(tables):
            (statuses if row["pxname"] == backend else kept)[row["svname"]] = _status(row)
        return {
            name: _with_requests(status, kept[name]) if name in kept else status
            for name, status in statuses.items()
        }

    return haproxy("; ".join(_show_stat(backend)) + "\n").map(read)


def old_worker_sessions(backend: str) -> Query[Mapping[str, int]]:
    """Query the HAProxy workers from before a reload for their open requests, by server.

    An old worker keeps the configuration of its time until its last connection has ended. Requests
    that are in flight there have to be waited for; later ones on the same connections are handed
    over to the present worker (render.py).
    """

    def count(tables: str) -> Mapping[str, int]:
        sessions: Counter[str] = Counter()
        for row in _rows(tables):
            if row["pxname"] in (backend, kept_name(backend)):
                sessions[row["svname"]] += int(row["scur"] or 0)
        return sessions

    return old_workers("\n".join(_show_stat(backend)) + "\n").map(count)


def _show_stat(backend: str) -> list[str]:
    # 4: servers only; -1: all of them.
    return [f"show stat {section} 4 -1" for section in (backend, kept_name(backend))]


def _rows(tables: str) -> Iterator[dict[str, str]]:
    """Read the tables of one or several workers and backends; an unknown backend has none."""
    for table in tables.split(_TABLE)[1:]:
        rows = csv.DictReader(io.StringIO(f"{_TABLE}{table}".lstrip("# ")))
        yield from (row for row in rows if row.get("svname"))


def _with_requests(status: ServerStatus, kept: ServerStatus) -> ServerStatus:
    """Add what a server did on kept connections. Its health is that in the other backend, which gets
    what this one cannot serve."""
    requests = status.requests + kept.requests
    milliseconds = sum(s.response_milliseconds * s.requests for s in (status, kept))
    return dataclasses.replace(
        status,
        sessions=status.sessions + kept.sessions,
        requests=requests,
        errors_5xx=status.errors_5xx + kept.errors_5xx,
        unanswered=status.unanswered + kept.unanswered,
        response_milliseconds=round(milliseconds / requests) if requests else 0,
    )


def _status(row: dict[str, str]) -> ServerStatus:
    # A star marks that the next check is in progress; the status is the last one's.
    check = (row.get("check_status") or "").removeprefix("* ")
    details = (row.get("check_desc"), row.get("check_code"), row.get("last_chk"))
    description = " ".join(part for part in details if part)
    # An attempt that failed and was repeated, here or on another server, is in wretr or wredis
    # alone: a server that refuses everything has no error of its own beside a good one.
    unanswered = sum(int(row.get(name) or 0) for name in ("econ", "eresp", "wretr", "wredis"))
    # stot counts attempts at their start; a TCP server has nothing else.
    answered = row.get("req_tot") or ""
    if answered:
        # One request that was repeated after an empty answer is in eresp once and in wretr twice.
        started = int(row["stot"] or 0) - int(row["scur"] or 0)
        unanswered = min(unanswered, max(0, started - int(answered)))
    return ServerStatus(
        name=row["svname"],
        up=row["status"].startswith("UP") or row["status"] == "no check",
        checked=check in ("L4OK", "L6OK", "L7OK"),
        last_check=f"{check}: {description}" if check else "",
        weight=int(row["weight"] or 0),
        sessions=int(row["scur"] or 0),
        started=int(row["stot"] or 0),
        requests=int(answered) + unanswered if answered else int(row["stot"] or 0),
        errors_5xx=int(row.get("hrsp_5xx") or 0),
        unanswered=unanswered,
        response_milliseconds=int(row.get("rtime") or 0),
    )
