"""Waits for the last requests of old replicas, within the time that deploy.yaml gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.queries import old_worker_sessions, server_statuses
from deploy_action.platforms.docker.edge.state import sorted_servers
from deploy_action.platforms.docker.replicas import backend_for
from deploy_action.results.notes import Note, NoteCode
from deploy_action.session.queries import optional, pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["await_last_requests", "drain"]

_POLL_SECONDS = 0.05
_OLD_WORKER = "an edge process from before a reload"


def drain(
    host: Host,
    release: Release,
    active: Sequence[Replica],
    standby: Sequence[Replica],
    seconds: float,
) -> Sequence[Note]:
    """Let requests in flight on other replicas end, then take those out of the edge.

    Args:
        standby: replicas whose health is still watched; their clients are moved like all others.

    Returns notes on what took longer than `seconds` and was cut.
    """
    serving = {replica.name for replica in active}
    waiting = {replica.name for replica in standby}
    busy = _await_idle(host, serving, seconds)
    # The others' sessions end with their servers.
    if waiting & busy.keys():
        host.edge.close_sessions(host.backend, sorted(busy.keys() & waiting))
    target = backend_for(host.placement, release.configuration, [(r, 100) for r in active])
    host.edge.change(host.backend, lambda old: _without_the_rest(target, old, waiting))
    return _cut(host, busy, seconds)


def await_last_requests(host: Host, seconds: float) -> Sequence[Note]:
    """Wait for the requests of a backend that the edge no longer has; its old processes do."""
    return _cut(host, _await_idle(host, set(), seconds), seconds)


def _await_idle(host: Host, serving: set[str], seconds: float) -> Mapping[str, int]:
    """Return what is still open, after at most `seconds`, on the replicas that leave."""
    deadline = host.clock.monotonic() + seconds
    while busy := _open_sessions(host, serving):
        if host.clock.monotonic() >= deadline:
            break
        host.clock.sleep(_POLL_SECONDS)
    return busy


def _cut(host: Host, busy: Mapping[str, int], seconds: float) -> list[Note]:
    return [
        Note(
            NoteCode.REQUESTS_CUT,
            f"{host.name}: {name} still had {count} open after {seconds:g} s of draining; they were "
            "cut",
        )
        for name, count in busy.items()
    ]


def _without_the_rest(
    target: Backend | None, old: Backend | None, standby: set[str]
) -> Backend | None:
    """Return the backend with what serves, and with the standby if its health can be watched."""
    if target is None or old is None or old.check != target.check:
        return target
    stay = (server for server in old.servers if server.name in standby and server.check)
    idle = (dataclasses.replace(server, weight=0) for server in stay)
    return dataclasses.replace(target, servers=sorted_servers((*target.servers, *idle)))


def _open_sessions(host: Host, serving: set[str]) -> Mapping[str, int]:
    """Count what is open on the replicas that leave, in the present worker, then in old ones."""
    present, old = host.session.ask(
        pair(server_statuses(host.backend), optional(old_worker_sessions(host.backend)))
    )
    here = {name: status.sessions for name, status in present.items()}
    # What is not known may be a request under way.
    there = {_OLD_WORKER: 1} if old is None else old
    for counts in (here, there):
        busy = {name: count for name, count in counts.items() if count and name not in serving}
        if busy:
            return busy
    return {}
