"""An operator's command to the deployment under way: promote or abort.

It is a file in the state volume that names one deployment by its number, so that a later deployment
ignores it. Only the deployer reads it, while it watches the new release.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal, get_args

from deploy_action.session.client import Session
from deploy_action.session.queries import Query, delete

__all__ = ["OperatorAction", "OperatorCommand", "clear_command", "read_command", "send_command"]

OperatorAction = Literal["promote", "abort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorCommand:
    """What to do with deployment `number`, who says so, and why."""

    number: int
    action: OperatorAction
    actor: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """Describe it for the ledger and for people."""
        done = "promoted" if self.action == "promote" else "aborted"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.actor or 'an unnamed user'} {done} the deployment{reason}"


def send_command(
    session: Session, service: str, environment: str, command: OperatorCommand
) -> None:
    """Leave a command for the deployer; a later one replaces it."""
    session.put(_path(service, environment), json.dumps(dataclasses.asdict(command)).encode())


def read_command(
    session: Session, service: str, environment: str, number: int
) -> OperatorCommand | None:
    """Return the command to deployment `number`; None when there is none that can be read."""
    content = session.get(_path(service, environment))
    if content is None:
        return None
    try:
        command = OperatorCommand(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return None
    valid = command.number == number and command.action in get_args(OperatorAction)
    return command if valid else None


def clear_command(service: str, environment: str) -> Query[None]:
    """Query that removes the command to an earlier deployment."""
    return delete(_path(service, environment))


def _path(service: str, environment: str) -> str:
    return f"signals/{service}/{environment}.json"
