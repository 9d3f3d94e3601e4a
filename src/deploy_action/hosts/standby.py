"""The release on standby: the one before the live one, still running and without traffic.

A rollback to it has nothing to start. The ledger says which one it is; a replica of it that is not
left to end is one that the engine may revive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.config import from_plain
from deploy_action.release import Kind

if TYPE_CHECKING:
    from deploy_action.hosts.replicas import Replica
    from deploy_action.release import Deployment

__all__ = ["is_up", "standby_of", "stands_by"]


def standby_of(serving: Deployment | None) -> str:
    """Return the id of the release that stands by while another serves; empty where none does.

    What was rolled back from was not good enough for that.
    """
    if serving is None or serving.kind is Kind.ROLLBACK:
        return ""
    return serving.previous if from_plain(serving.release.config).strategy.standby else ""


def stands_by(replica: Replica, standby: str) -> bool:
    """Tell whether a replica stands by.

    Args:
        standby: what `standby_of` returned.
    """
    return replica.release == standby and is_up(replica)


def is_up(replica: Replica) -> bool:
    """Tell a replica that runs to stay from one that was asked to end and is still about it."""
    return replica.container.running and replica.container.restart == "unless-stopped"
