"""What a person tells a deployment that is under way: to go on at once, or to go back.

It lies in the state volume beside the ledger, for one deployment by its number: whoever comes later
finds nothing that concerns it. The deployer looks for it while it watches; nobody else obeys it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, get_args

from deploy_action.session.client import Talk
from deploy_action.session.requests import Request, delete

__all__ = ["Intervention", "Wish", "clearing", "intervene", "intervention"]

Wish = Literal["promote", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """`wish` is what to do with deployment `number`, `actor` who says so, `reason` why."""

    number: int
    wish: Wish
    actor: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """Say it for the ledger and for people."""
        why = f": {self.reason}" if self.reason else ""
        done = "promoted" if self.wish == "promote" else "aborted"
        return f"{self.actor or 'somebody'} {done} it{why}"


def intervene(talk: Talk, service: str, environment: str, what: Intervention) -> None:
    """Leave it for the deployer to find; a later one replaces it."""
    talk.put(_path(service, environment), json.dumps(dataclasses.asdict(what)).encode())


def intervention(talk: Talk, service: str, environment: str, number: int) -> Intervention | None:
    """Return what was told to this deployment; what cannot be read was not told."""
    content = talk.get(_path(service, environment))
    if content is None:
        return None
    try:
        found = Intervention(**json.loads(content))
    except (ValueError, TypeError):
        return None
    return found if found.number == number and found.wish in get_args(Wish) else None


def clearing(service: str, environment: str) -> Request[None]:
    """Ask to remove what was told to an earlier deployment."""
    return delete(_path(service, environment))


def _path(service: str, environment: str) -> str:
    return f"told/{service}-{environment}.json"
