"""The release on standby: the one before the live one, still running and without traffic.

A rollback to it has nothing to start. The ledger says which one it is; a replica of it that is not
left to end is one that the engine may revive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.releases.model import Kind

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Deployment

__all__ = ["is_up", "leaves_standby", "standby_of", "stands_by"]


def leaves_standby(kind: Kind, environment: Environment) -> bool:
    """Tell whether a deployment leaves what served before it on standby.

    What was rolled back from was not good enough for that.
    """
    return environment.strategy.standby and kind is not Kind.ROLLBACK


def standby_of(serving: Deployment, environment: Environment) -> str:
    """Return the id of the release that stands by while another serves; empty where none does.

    Args:
        environment: what that one was deployed as.
    """
    return serving.previous if leaves_standby(serving.kind, environment) else ""


def stands_by(replica: Replica, standby: str) -> bool:
    """Tell whether a replica stands by.

    Args:
        standby: what `standby_of` returned.
    """
    return replica.release == standby and is_up(replica)


def is_up(replica: Replica) -> bool:
    """Tell a replica that runs to stay from one that was asked to end and is still about it."""
    return replica.container.running and replica.container.restart == "unless-stopped"
