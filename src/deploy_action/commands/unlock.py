"""unlock: take away a lock that nobody holds any more, and write down who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ACTOR, ENVIRONMENT, READ_EXITS, REASON, Command, option
from deploy_action.commands.deploy import recovered
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import ExitCode, LockHeld
from deploy_action.parallel import run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="unlock",
    summary="free the lock of a deployment that is gone",
    description=(
        "The lock of a deployer that died is recognised and taken over without help. This is for a"
        " deployer that still exists and hangs: `--force` frees its lock and fences it off, so that"
        " it cannot change anything any more. The ledger records it."
    ),
    examples=(
        (
            "deploy-action unlock -e production --force --reason 'runner lost its network'",
            "after looking at status",
        ),
    ),
    options=(ENVIRONMENT, option("--force", "", "also when the holder is alive"), REASON, ACTOR),
    exits=(*READ_EXITS, ExitCode.LOCK_HELD),
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Remove the lock of every host, by its id.

    Raises:
        LockHeld: it is held by a live deployer and `force` was not given.
        BadInput: `force` without a reason.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events) as connection:
        platform = connection.platform
        holders = platform.holders()
        if not holders:
            return _done(target.service, target.name, "nobody holds the lock")
        holder = next(iter(holders.values()))
        if not inputs.force:
            raise LockHeld(
                f"{', '.join(holders)}: the lock is held by {holder}, and its deployer is alive",
                remedy="wait for it, or, when you are sure: --force --reason '…'",
            )
        platform.break_locks()
        actor = inputs.actor or "another user"
        note = f"{actor} removed the lock of {holder} by force: {inputs.reason}"
        # The next holder of the lock settles the deployment that this one leaves behind.
        with platform.lock(connection.holder) as store:
            recovered(connection, store)
            run_parallel(lambda host: host.ledger.add_warning(note), list(store.hosts.values()))
        return _done(target.service, target.name, note)


def _done(service: str, environment: str, note: str) -> Outcome:
    return Outcome(result=Result.UNLOCKED, service=service, environment=environment, notes=(note,))
