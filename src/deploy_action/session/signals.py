"""What a person tells a deployment that is under way: to go on at once, or to go back.

It lies in the state volume beside the ledger, for one deployment by its number: whoever comes later
finds nothing that concerns it. The deployer looks for it while it watches; nobody else obeys it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, get_args

from deploy_action.session.client import Session
from deploy_action.session.requests import Request, delete

__all__ = ["OperatorAction", "OperatorCommand", "clear_command", "read_command", "send_command"]

OperatorAction = Literal["promote", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand:
    """`action` is what to do with deployment `number`, `actor` who says so, `reason` why."""

    number: int
    action: OperatorAction
    actor: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """Say it for the ledger and for people."""
        why = f": {self.reason}" if self.reason else ""
        done = "promoted" if self.action == "promote" else "aborted"
        return f"{self.actor or 'somebody'} {done} it{why}"


def send_command(session: Session, service: str, environment: str, what: OperatorCommand) -> None:
    """Leave it for the deployer to find; a later one replaces it."""
    session.put(_path(service, environment), json.dumps(dataclasses.asdict(what)).encode())


def read_command(
    session: Session, service: str, environment: str, number: int
) -> OperatorCommand | None:
    """Return what was told to this deployment; what cannot be read was not told."""
    content = session.get(_path(service, environment))
    if content is None:
        return None
    try:
        found = OperatorCommand(**json.loads(content))
    except (ValueError, TypeError):
        return None
    return found if found.number == number and found.action in get_args(OperatorAction) else None


def clear_command(service: str, environment: str) -> Request[None]:
    """Ask to remove what was told to an earlier deployment."""
    return delete(_path(service, environment))


def _path(service: str, environment: str) -> str:
    return f"told/{service}-{environment}.json"
