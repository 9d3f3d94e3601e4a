"""unlock: take away a lock that nobody holds any more, and write down who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.command import ACTOR, ENVIRONMENT, READ_EXITS, REASON, Command, option
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ExitCode, LockHeld
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.releases.ledger import note_unlock
from deploy_action.results.outcome import Outcome, Result
from deploy_action.session.lock import current, lock_name, read_holder

if TYPE_CHECKING:
    from deploy_action.events.progress import Progress
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


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Remove the lock of every host, by its id.

    Raises:
        LockHeld: it is held by a live deployer and `force` was not given.
        BadInput: `force` without a reason.
    """
    wanted = select_environment(load(inputs.config), inputs.environment)
    if inputs.force and not inputs.reason:
        raise BadInput("unlock --force needs a reason", remedy="--reason 'the runner was lost'")
    name = lock_name(wanted.edge.name, wanted.service, wanted.name)
    with connect_hosts(wanted, inputs, progress) as engagement:
        found = {h: current(engine, name) for h, engine in engagement.engines.items()}
        held = {host: container for host, container in found.items() if container is not None}
        if not held:
            return _done(wanted.service, wanted.name, "nobody holds the lock")
        holder = read_holder(next(iter(held.values())))
        if not inputs.force:
            raise LockHeld(
                f"{', '.join(held)}: the lock is held by {holder}, and its deployer is alive",
                remedy="wait for it, or, when you are sure: --force --reason '…'",
            )
        for host, container in held.items():
            engagement.engines[host].remove(container.id)
        who = f"{inputs.actor or 'somebody'} removed the lock of {holder} by force: {inputs.reason}"
        # The next holder of the lock settles the deployment that this one leaves behind.
        with engagement.locked() as free:
            free.settled()
            run_parallel(
                lambda s: note_unlock(s.session, wanted.service, wanted.name, who), free.sites
            )
        return _done(wanted.service, wanted.name, who)


def _done(service: str, environment: str, note: str) -> Outcome:
    return Outcome(result=Result.UNLOCKED, service=service, environment=environment, notes=(note,))
