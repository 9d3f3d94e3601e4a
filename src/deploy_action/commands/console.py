"""console: a shell in a replica that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import READ_EXITS, Command
from deploy_action.commands.exec import SELECTION, talk

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.results.reports import Session

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="console",
    summary="open a shell in a replica that serves",
    description=(
        "Opens bash, or sh where the image has no bash, in a container that has traffic. An image"
        " without a shell has no console."
    ),
    examples=(("deploy-action console -e production", "look around; `exit` ends it"),),
    options=SELECTION,
    exits=READ_EXITS,
)

_SHELL = ("sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")


def run(inputs: Inputs, events: EventStream) -> Session:
    """Open a shell.

    Raises:
        BadInput: there is no replica that runs.
    """
    return talk(inputs, events, _SHELL)
