"""The old replicas' last requests: they end by themselves, within the time that deploy.yaml gives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.old_workers import old_worker_sessions
from deploy_action.platforms.docker.edge.queries import server_statuses
from deploy_action.platforms.docker.edge.state import sorted_servers
from deploy_action.platforms.docker.replicas import backend_for
from deploy_action.session.queries import optional, pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.edge.state import Backend
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica

__all__ = ["drain"]

_POLL_SECONDS = 0.05
_UNKNOWN = "a process of the edge from before a reload"


def drain(
    site: Host,
    environment: Environment,
    serving: Sequence[Replica],
    waiting: Sequence[Replica],
    seconds: float,
) -> Sequence[str]:
    """Let requests in flight on others than `serving` end, then take the others out of the edge.

    Args:
        waiting: what stands by: its health is watched on, its clients are moved as all others.

    Returns notes on what took longer than `seconds` and was cut.
    """
    names = {replica.name for replica in serving}
    deadline = site.clock.monotonic() + seconds
    notes: list[str] = []
    standby = {replica.name for replica in waiting}
    while busy := _busy(site, names):
        if site.clock.monotonic() >= deadline:
            notes = [
                f"{site.host}: {name} still had {count} open after {seconds:g} s of draining; "
                "they were cut"
                for name, count in busy.items()
            ]
            # The others' end with their servers.
            site.edge.cut(site.backend, sorted(busy.keys() & standby))
            break
        site.clock.sleep(_POLL_SECONDS)
    site.edge.change(
        site.backend, lambda old: _without_the_rest(environment, serving, old, standby)
    )
    return notes


def _without_the_rest(
    environment: Environment, serving: Sequence[Replica], old: Backend | None, standby: set[str]
) -> Backend | None:
    """Return the backend with what serves and with what stands by, if its health can be watched."""
    target = backend_for(environment, [(replica, 100) for replica in serving])
    if target is None or old is None or old.check != target.check:
        return target
    stay = (server for server in old.servers if server.name in standby and server.check)
    idle = (dataclasses.replace(server, weight=0) for server in stay)
    return dataclasses.replace(target, servers=sorted_servers((*target.servers, *idle)))


def _busy(site: Host, staying: set[str]) -> Mapping[str, int]:
    """Count what is open on the replicas that leave, here first and then in what a reload left."""
    present, before = site.session.ask(
        pair(server_statuses(site.backend), optional(old_worker_sessions(site.backend)))
    )
    here = {name: status.sessions for name, status in present.items()}
    # What is not known may be a request under way.
    left = {_UNKNOWN: 1} if before is None else before
    for counted in (here, left):
        open_ = {name: count for name, count in counted.items() if count and name not in staying}
        if open_:
            return open_
    return {}
