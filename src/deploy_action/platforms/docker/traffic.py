"""The edge's backend at each step of a rollout: candidates without traffic, then their share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.state import Backend, as_backup, sorted_servers
from deploy_action.platforms.docker.edge.transition import weights
from deploy_action.platforms.docker.replicas import Placement, Replica, backend_for

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = ["shift_traffic", "with_candidates"]


def with_candidates(
    placement: Placement,
    configuration: Environment,
    old: Backend | None,
    candidates: Sequence[Replica],
) -> Backend | None:
    """Add the candidates at weight 0; the old servers keep their weights.

    An old server is not judged by the new release's health check where the two differ.
    """
    new = backend_for(placement, configuration, [(replica, 0) for replica in candidates])
    if new is None or old is None:
        return new
    names = {replica.name for replica in candidates}
    same = old.check == new.check
    stay = tuple(
        server if same else dataclasses.replace(server, check=False)
        for server in old.servers
        if server.name not in names
    )
    # The route stays the old one until the new release is proven and gets the traffic.
    return dataclasses.replace(
        old,
        check=new.check,
        sticky=new.sticky,
        named=new.named,
        servers=sorted_servers((*stay, *new.servers)),
    )


def shift_traffic(
    placement: Placement,
    configuration: Environment,
    old: Backend,
    new_names: Collection[str],
    percent: int,
) -> Backend:
    """Give the new servers together `percent` of the requests; with all of them comes their route.

    Servers at weight 0 (standby) stay at 0.
    """
    names = {server.name for server in old.servers if server.name in new_names}
    serving = {server.name for server in old.servers if server.weight > 0} - names
    new, others = weights(percent, new=len(names), old=len(serving))
    routed = backend_for(placement, configuration, []) if percent >= 100 else old
    told = dict.fromkeys(serving, others) | dict.fromkeys(names, new)
    moved = tuple(dataclasses.replace(s, weight=told.get(s.name, s.weight)) for s in old.servers)
    # While it is watched, the old release steps in at once where the new one drops out.
    watched = percent >= 100 and configuration.watched_seconds > 0
    backups = (as_backup(s) for s in moved if watched and s.name in serving)
    return dataclasses.replace(routed or old, servers=sorted_servers((*moved, *backups)))
