"""restart: the live release in new containers, without a gap."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.commands.command import CHANGE_EXITS, ENVIRONMENT, RECORDED, Command
from deploy_action.commands.deploy import recovered, registry_login
from deploy_action.commands.live import require_live
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.platforms.connection import connect_platform
from deploy_action.releases.model import Kind
from deploy_action.releases.rollback_target import require_recorded
from deploy_action.releases.secrets import available_secrets, fingerprints, required_secrets
from deploy_action.rollout.deploy import Attempt, deploy_release, plan_release

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs, Secret
    from deploy_action.platforms.connection import Connection
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.releases.model import Release
    from deploy_action.results.outcome import Outcome

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="restart",
    summary="start the live release anew, without a gap",
    description=(
        "Replaces every replica by a new one of the same image and configuration, as a deployment"
        " does: the new ones are healthy before they get traffic, and a failure leaves the old ones."
        " Today's values of the secrets are used. Hooks do not run again."
    ),
    examples=(
        ("deploy-action restart -e production --reason 'memory grows'", "fresh containers"),
        ("deploy-action restart -e production --dry-run", "only print the plan"),
    ),
    options=(ENVIRONMENT, *RECORDED),
    exits=CHANGE_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Replace the replicas of the live release.

    Raises:
        BadInput: nothing is live, or a secret is not set.
        DeploymentFailed: what is live is disputed among the hosts.
        LockHeld: another user is deploying.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    secrets = required_secrets(target, inputs)
    with connect_platform(target, inputs, events) as connection:
        platform = connection.platform
        if inputs.dry_run:
            seen = platform.observe()
            key = seen.hosts[0].fingerprint_key or b""
            release = _anew(connection, seen, secrets, key)
            return plan_release(platform, release, Kind.RESTART, seen)
        with platform.lock(connection.holder) as store:
            seen = recovered(connection, store)
            release = _anew(connection, seen, secrets, store.fingerprint_key(seen))
            platform.require_certificate(release, target, seen)
            attempt = Attempt(
                id=connection.id,
                kind=Kind.RESTART,
                actor=inputs.actor,
                reason=inputs.reason,
                run_url=inputs.run_url,
                secrets=secrets,
                current_secrets=lambda live: available_secrets(live.configuration, target, inputs),
                credentials=registry_login(target, inputs, release.image),
            )
            return deploy_release(
                platform, store, seen, release, attempt, clock=connection.clock, events=events
            )


def _anew(
    connection: Connection, seen: DockerObservation, secrets: Mapping[str, Secret], key: bytes
) -> Release:
    """Return the live release as one that none of the present replicas belongs to."""
    target = connection.environment
    release = require_live(seen.ledger.entries, target.name).release
    require_recorded(release, seen.ledger)
    own = {name: secrets[name] for name in release.configuration.secrets if name in secrets}
    return dataclasses.replace(
        release, restart=connection.id, secrets=fingerprints(own, key) or release.secrets
    )
