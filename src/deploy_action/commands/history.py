"""history: every deployment of an environment, failed ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ENVIRONMENT, READ_EXITS, Command, option
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.platforms.connection import connect_platform
from deploy_action.releases.ledger import disputes, unsigned_notes
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.reports import History

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="history",
    summary="list every deployment, failed ones too",
    description=(
        "Reads the ledger on the hosts, newest first: when, who, version, commit, digest, duration,"
        " how each deployment ended and why."
    ),
    examples=(("deploy-action history -e production --limit 5", "the last five"),),
    options=(ENVIRONMENT, option("--limit", "N", "at most this many (default: 20)", kind="count")),
    exits=READ_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> History:
    """Return the newest deployments first; a damaged entry is named, the others are intact."""
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        seen = connection.platform.observe()
    ledger = seen.ledger
    notes: list[Note | str] = [
        f"the entry {name} cannot be read (a torn disk?)" for name in ledger.damaged
    ]
    notes += [Note(NoteCode.LEDGER_DISPUTED, text) for text in disputes(ledger)]
    for host in seen.hosts:
        texts = unsigned_notes(host.host, host.ledger)
        notes += [Note(NoteCode.LEDGER_UNSIGNED, text) for text in texts]
    return History(
        service=target.service,
        environment=target.name,
        deployments=tuple(reversed(ledger.entries))[: inputs.limit],
        notes=tuple(notes),
    )
