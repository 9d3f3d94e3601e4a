"""deploy: gates → digest → plan → rollout, for one environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.commands.attest import attest, require_attestable
from deploy_action.commands.command import (
    CHANGE_EXITS,
    COMMIT,
    DIGEST,
    ENVIRONMENT,
    IMAGE,
    PROOF,
    PROOF_FILE,
    RECORDED,
    VERSION,
    Command,
)
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import GateRefused
from deploy_action.gates.run import require_passed, run_gates
from deploy_action.images.resolve import ResolvedImage, credentials, requested_image, resolve_image
from deploy_action.platforms.docker.certificate_files import certificate_of
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.releases.model import Kind
from deploy_action.releases.promotion import require_passed_before
from deploy_action.releases.secrets import required_secrets
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy_action.config.model import DeployConfig, Environment
    from deploy_action.events.progress import Progress
    from deploy_action.gates.result import GateResult
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "deploy_image", "refusal", "run"]

COMMAND = Command(
    name="deploy",
    summary="make a version live; undoes itself when anything fails",
    description=(
        "Runs the gates, starts the new release beside the old one, checks its health and runs the"
        " smoke tests before it gets traffic, shifts the traffic, watches it, and records what"
        " happened. On any failure, and on Ctrl-C, the old release keeps serving."
    ),
    examples=(
        ("deploy-action deploy -e staging --version 1.4.2", "deploy a tag"),
        ("deploy-action deploy -e production --dry-run", "only print the plan"),
        ("deploy-action deploy -e production --lock-wait 10m", "queue behind another run"),
    ),
    options=(ENVIRONMENT, VERSION, IMAGE, DIGEST, COMMIT, *RECORDED, *PROOF, PROOF_FILE),
    exits=CHANGE_EXITS,
)

_GOING_LIVE = "deploy_action.rollout.deploy"


def run(inputs: Inputs, progress: Progress) -> Outcome:
    """Make the asked-for version live, or leave everything as it was.

    Raises:
        BadInput: the configuration, a flag or a secret is wrong.
        GateRefused: the environment named by `after` has not passed this digest.
        LockHeld: somebody else is deploying.
    """
    config = load(inputs.config)
    return deploy_image(
        config, select_environment(config, inputs.environment), inputs, progress, Kind.DEPLOY
    )


def deploy_image(
    config: DeployConfig,
    wanted: Environment,
    inputs: Inputs,
    progress: Progress,
    kind: Kind,
    image: ResolvedImage | None = None,
) -> Outcome:
    """Bring an image to an environment; the gates are run first.

    Args:
        image: what to deploy when it is known already (a promotion).
    """
    require_attestable(inputs)
    gates = run_gates(wanted.gates, inputs.config.parent)
    refused = refusal(wanted, gates)
    if refused is not None:
        return refused
    secrets = required_secrets(wanted, inputs)
    requested = image or requested_image(wanted, inputs)
    login = credentials(wanted, inputs.environ, requested.repository)
    certificate = certificate_of(wanted, inputs)
    with connect_hosts(wanted, inputs, progress) as engagement:
        if image is None:
            image = resolve_image(wanted, inputs, engagement.first, progress)
            require_passed_before(config, wanted, image, inputs, progress)
        # What is promoted was built earlier than what is checked out now.
        commit = image.commit or inputs.commit
        if inputs.dry_run:
            from deploy_action.rollout.deploy import make_release, plan_only

            key = engagement.fingerprint_key()
            release = make_release(wanted, image, secrets, key, commit)
            return plan_only(engagement, release, wanted, kind, gates)
        with engagement.locked(_GOING_LIVE) as held:
            from deploy_action.rollout.deploy import deploy_release, make_release

            observation = held.settled([image.reference])
            key = held.fingerprint_key(observation)
            release = make_release(wanted, image, secrets, key, commit)
            outcome = deploy_release(
                held,
                observation,
                release,
                wanted,
                kind,
                secrets=secrets,
                credentials=login,
                certificate=certificate,
                gates=gates,
            )
        return attest(outcome, inputs, engagement.clock.now())


def refusal(wanted: Environment, gates: Sequence[GateResult]) -> Outcome | None:
    """Return the outcome of gates that did not pass; None where all did."""
    try:
        require_passed(gates)
    except GateRefused as refused:
        return Outcome(
            result=Result.REFUSED,
            service=wanted.service,
            environment=wanted.name,
            gates=tuple(gates),
            error=refused,
        )
    return None
