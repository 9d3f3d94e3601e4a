"""deploy: gates → digest → plan → rollout, for one environment."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from deploy_action.checks.https import why_unanswered
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
from deploy_action.config import load, serialize
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode, GateRefused
from deploy_action.gates.run import require_passed, run_gates
from deploy_action.images.build_once import require_same_digest
from deploy_action.images.resolve import (
    credentials,
    requested_image,
    require_own_name,
    resolve_image,
)
from deploy_action.inputs import Secret
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.certificate_files import certificate_of
from deploy_action.platforms.docker.volumes import require_mounts
from deploy_action.releases.model import Kind, Release, roles_of
from deploy_action.releases.promotion import EnvironmentBefore, require_passed_before
from deploy_action.releases.secrets import available_secrets, fingerprints, required_secrets
from deploy_action.releases.superseded import require_newest
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome, Result
from deploy_action.rollout.context import Credentials
from deploy_action.rollout.deploy import Attempt, deploy_release, plan_release
from deploy_action.rollout.recovery import recover_interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy_action.config.model import DeployConfig, Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.gates.result import GateResult
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.connection import Connection
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.platforms.docker.platform import DockerPlatform
    from deploy_action.platforms.docker.store import DockerStore
    from deploy_action.releases.model import ResolvedImage

__all__ = [
    "COMMAND",
    "build_steps",
    "deploy_image",
    "expect_build",
    "look_before",
    "make_release",
    "recovered",
    "refusal",
    "registry_login",
    "run",
]

COMMAND = Command(
    name="deploy",
    summary="make a version live; roll back automatically when anything fails",
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


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Make the requested version live, or leave everything as it was.

    Raises:
        BadInput: the configuration, a flag or a secret is wrong.
        GateRefused: the environment named by `after` has not passed this digest.
        LockHeld: another user is deploying.
    """
    config = load(inputs.config)
    chosen = select_environment(config, inputs.environment)
    return deploy_image(config, chosen, inputs, events, Kind.DEPLOY)


def deploy_image(
    config: DeployConfig,
    target: Environment,
    inputs: Inputs,
    events: EventStream,
    kind: Kind,
    image: ResolvedImage | None = None,
) -> Outcome:
    """Deploy an image to an environment, after its gates.

    Args:
        image: what to deploy when it is known already (a promotion).
    """
    require_attestable(inputs)
    if not inputs.dry_run:
        _require_lasting_engine(config, target, inputs)
    gates = run_gates(target.gates, inputs.config.parent)
    refused = refusal(target, gates)
    if refused is not None:
        return refused
    secrets = required_secrets(target, inputs)
    requested = image or requested_image(target, inputs)
    login = registry_login(target, inputs, requested.repository)
    certificate = certificate_of(target, inputs)
    with connect_platform(target, inputs, events, certificate=certificate) as connection:
        platform, clock = connection.platform, connection.clock
        if image is None:
            image = resolve_image(
                target, inputs, platform.first, events, lambda: platform.observe().ledger.agreed
            )
            before = functools.partial(look_before, config, target, inputs, events)
            require_passed_before(config, target, image, inputs, before, clock.now())
        else:
            require_own_name(image, platform.first)
        if inputs.dry_run:
            return _plan(platform, target, image, kind, secrets, gates)
        with platform.lock(connection.holder) as store:
            seen = recovered(connection, store, [image.reference])
            require_same_digest(image, seen.ledger.agreed)
            key = store.fingerprint_key(seen)
            release = make_release(target, image, secrets, key)
            _require_deployable(release, seen, inputs)
            attempt = Attempt(
                id=connection.id,
                kind=kind,
                actor=inputs.actor,
                reason=inputs.reason,
                run_url=inputs.run_url,
                secrets=secrets,
                current_secrets=functools.partial(_secrets_of, target, inputs),
                credentials=login,
                gates=tuple(gates),
            )
            outcome = deploy_release(
                platform, store, seen, release, attempt, clock=clock, events=events
            )
            if outcome.result is Result.UNCHANGED:
                notes = (*outcome.notes, *platform.renew_certificate(release))
                outcome = dataclasses.replace(outcome, notes=notes)
        return attest(_with_address(outcome), inputs, clock.now())


def _require_deployable(release: Release, seen: DockerObservation, inputs: Inputs) -> None:
    """Refuse, under the lock, what a newer run or a mount speaks against.

    Raises:
        BadInput: data would be lost, or shared by mistake.
        GateRefused: this run was overtaken.
    """
    require_newest(release, seen.ledger.agreed, inputs)
    require_mounts(release, seen)


def _plan(
    platform: DockerPlatform,
    target: Environment,
    image: ResolvedImage,
    kind: Kind,
    secrets: Mapping[str, Secret],
    gates: Sequence[GateResult],
) -> Outcome:
    """Say what would be done. Nothing is built for it: a build is the first step of the plan."""
    seen = expect_build(target, image, platform.observe([image.reference]))
    if not image.pending:
        require_same_digest(image, seen.ledger.agreed)
    release = make_release(target, image, secrets, seen.hosts[0].fingerprint_key or b"")
    require_mounts(release, seen)
    outcome = plan_release(platform, release, kind, seen, gates)
    return dataclasses.replace(outcome, plan=(*build_steps(target, image), *outcome.plan))


def expect_build(
    target: Environment, image: ResolvedImage, seen: DockerObservation
) -> DockerObservation:
    """Return what the hosts will have: an image that is built and not pushed is there at once."""
    pushed = target.build is not None and target.build.push
    return seen.with_image(image.reference) if image.pending and not pushed else seen


def build_steps(target: Environment, image: ResolvedImage) -> tuple[str, ...]:
    """Describe the build that comes before a plan's steps, where there is one."""
    pushed = target.build is not None and target.build.push
    step = f"build {image.reference}{' and push it' if pushed else ''}"
    return (step,) if image.pending else ()


def _require_lasting_engine(config: DeployConfig, target: Environment, inputs: Inputs) -> None:
    """Refuse a deployment to the engine of a GitHub-hosted runner, which is gone after the job.

    Raises:
        BadInput: deploy.yaml names no host, so this machine's engine is a default and not a choice.
    """
    hosted = inputs.environ.get("RUNNER_ENVIRONMENT") == "github-hosted"
    if not hosted or target.name not in config.without_hosts or inputs.environ.get("DOCKER_HOST"):
        return
    raise BadInput(
        f"{config.file}: environments.{target.name} names no hosts, so it would be deployed to the "
        "engine of this GitHub-hosted runner, which is gone after the job",
        remedy='write hosts: ["ssh://deploy@HOST"] there; or hosts: [local] if that is what you '
        "want, as in a trial",
        code=ErrorCode.ENGINE_EPHEMERAL,
    )


def _with_address(outcome: Outcome) -> Outcome:
    """Ask the https address of a success where the edge itself has no certificate for it."""
    deployment = outcome.deployment
    if outcome.result not in (Result.DEPLOYED, Result.UNCHANGED) or deployment is None:
        return outcome
    route = deployment.release.configuration.route
    served_here = route is None or route.certificate is not None
    if served_here or not outcome.url.startswith("https://"):
        return outcome
    why = why_unanswered(outcome.url)
    if not why:
        return outcome
    note = Note(
        NoteCode.ADDRESS_UNANSWERED,
        f"nobody answers at {outcome.url}: {why}, as seen from this machine; the edge has no "
        "certificate (route.certificate), so another proxy has to serve https in front of it",
    )
    return dataclasses.replace(outcome, notes=(*outcome.notes, note))


def recovered(
    connection: Connection, store: DockerStore, images: Sequence[str] = ()
) -> DockerObservation:
    """Settle what an earlier run left unfinished, and return what is found then."""
    return recover_interrupted(
        connection.platform,
        store,
        images=images,
        secrets=functools.partial(_secrets_of, connection.environment, connection.inputs),
        by=connection.id,
        now=connection.now,
        events=connection.events,
    )


def _secrets_of(today: Environment, inputs: Inputs, release: Release) -> Mapping[str, Secret]:
    return available_secrets(release.configuration, today, inputs)


def make_release(
    target: Environment,
    image: ResolvedImage,
    secrets: Mapping[str, Secret],
    key: bytes,
) -> Release:
    """Put a release together from what was resolved; secrets go in as fingerprints only."""
    return Release(
        service=target.service,
        environment=target.name,
        version=image.version,
        image=image.repository,
        digest=image.digest,
        local=image.local,
        config=serialize(target),
        roles=roles_of(target),
        commit=image.commit,
        dirty=image.dirty,
        secrets=fingerprints(secrets, key),
    )


def registry_login(target: Environment, inputs: Inputs, image: str) -> Credentials | None:
    """Return the login for the registry of an image, if deploy.yaml declares one for it.

    Raises:
        BadInput: the password's variable is not set.
    """
    login = credentials(target, inputs.environ, image)
    if login is None:
        return None
    username, password = login
    return Credentials(username=username, password=Secret(password))


def look_before(
    config: DeployConfig, target: Environment, inputs: Inputs, events: EventStream
) -> EnvironmentBefore:
    """Ask the hosts of the environment named by `after` what passed there, and how it is now."""
    before = select_environment(config, target.after or "")
    with connect_platform(before, inputs, events) as connection:
        connection.platform.signatures.require_key()
        seen = connection.platform.observe()
        unstable = seen.unstable(connection.clock.now())
        return EnvironmentBefore(ledger=seen.ledger, unstable=unstable)


def refusal(target: Environment, gates: Sequence[GateResult]) -> Outcome | None:
    """Return the outcome of gates that did not pass; None where all did."""
    try:
        require_passed(gates)
    except GateRefused as refused:
        return Outcome(
            result=Result.REFUSED,
            service=target.service,
            environment=target.name,
            gates=tuple(gates),
            error=refused,
        )
    return None
