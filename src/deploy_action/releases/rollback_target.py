"""What can be brought back, and with which secrets: decided before anything is touched.

A rollback restores image and configuration of a release. Secrets are not part of a release; only
keyed fingerprints are. Where today's values are given and one was rotated since, today's values
are used in new containers, since the old ones have most likely been revoked. Where they are not
given, the kept containers are started again as they are, with the values of then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy_action.config import deserialize
from deploy_action.errors import BadInput, DeploymentFailed
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.releases.ledger import (
    current_at,
    current_deployment,
    previous_stable,
    succeeded_releases,
    with_version,
)
from deploy_action.releases.model import Deployment, Release, State
from deploy_action.releases.secrets import available_secrets, fingerprints

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.engine.protocol import Engine
    from deploy_action.platforms.docker.observation import HostObservation, Observation

__all__ = ["RollbackTarget", "find_target", "prepare", "rollback_candidates"]

_PREVIOUS = "previous"
"""What people write for a version where they have to write something: as if nothing was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTarget:
    """A release that is going to be brought back."""

    release: Release
    restores: str
    """Id of the release that was asked for; `release` has another one when secrets were rotated."""
    environment: Environment
    secrets: Mapping[str, str]
    needs_registry: bool
    notes: tuple[str, ...]


def find_target(entries: Sequence[Deployment], inputs: Inputs, wanted: Environment) -> Deployment:
    """Return the deployment whose release is to be restored.

    Raises:
        BadInput: no such version, or nothing served at that time.
        DeploymentFailed: there is no earlier stable release.
    """
    versions = ", ".join(dict.fromkeys(_versions(entries))) or "none"
    if inputs.to is not None and inputs.to != _PREVIOUS:
        found = with_version(entries, inputs.to)
        if found is None:
            raise BadInput(
                f"{wanted.name}: {inputs.to} never served there; these did: {versions}",
                remedy=f"deploy-action history -e {wanted.name}",
            )
        return found
    if inputs.at is not None:
        found = current_at(entries, _time(inputs.at))
        if found is None:
            raise BadInput(
                f"{wanted.name}: nothing served at {inputs.at}",
                remedy=f"deploy-action history -e {wanted.name}",
            )
        return found
    found = previous_stable(entries)
    if found is None:
        raise DeploymentFailed(
            f"{wanted.name}: there is no earlier stable release to go back to",
            cause=f"these versions served: {versions}",
            remedy=f"deploy-action rollback -e {wanted.name} --to VERSION"
            if "," in versions
            else f"deploy-action deploy -e {wanted.name} --version VERSION",
        )
    return found


def prepare(
    target: Deployment,
    wanted: Environment,
    observation: Observation,
    engines: Mapping[str, Engine],
    inputs: Inputs,
    key: bytes,
) -> RollbackTarget:
    """Make sure that the target can really be brought back, on every host.

    Raises:
        DeploymentFailed: an image or a secret is gone; the message says what can be restored.
    """
    release = target.release
    past = dataclasses.replace(
        deserialize(release.config), hosts=wanted.hosts, edge=wanted.edge, registry=wanted.registry
    )
    given = available_secrets(past, inputs)
    complete = set(given) == set(past.secrets)
    notes: list[str] = []
    if complete and past.secrets:
        now = fingerprints(given, key)
        rotated = [name for name, value in now.items() if release.secrets.get(name) != value]
        if rotated:
            notes.append(
                f"rotated since {release.version} was deployed: {', '.join(rotated)}; the rollback "
                "uses today's values"
            )
            release = dataclasses.replace(release, secrets=now)
    cold = [
        found.host
        for found in observation.hosts
        if len(of_release(found.replicas, release.id, past.replicas)) < past.replicas
    ]
    if cold and not complete:
        missing = sorted(set(past.secrets) - set(given))
        raise DeploymentFailed(
            f"{', '.join(cold)}: {release.version} has to be started anew, and these secrets are "
            f"not set: {', '.join(missing)}",
            cause="its containers were not kept there, or were removed",
            remedy="pass the secrets in the environment of this command",
        )
    if past.secrets and not complete:
        notes.append("the kept containers run with the secret values that they were started with")
    lacking = [found for found in observation.hosts if _lacks(found, release, cold)]
    for found in lacking:
        _require_in_registry(found, release, engines[found.host])
    return RollbackTarget(
        release=release,
        restores=target.release.id,
        environment=past,
        secrets=given,
        needs_registry=bool(lacking),
        notes=tuple(notes),
    )


def _lacks(found: HostObservation, release: Release, cold: Sequence[str]) -> bool:
    return found.host in cold and release.reference not in found.images


def _require_in_registry(found: HostObservation, release: Release, engine: Engine) -> None:
    problem = "it was built locally and never pushed"
    if not release.local:
        try:
            engine.resolve(release.reference, None)
        except DeploymentFailed as error:
            problem = error.what
        else:
            return
    raise DeploymentFailed(
        f"{found.host}: the image of {release.version} is not there any more and cannot be pulled: "
        f"{problem}",
        remedy="roll back to one of the versions that can be restored, with --to",
    )


def rollback_candidates(observation: Observation) -> tuple[str, ...]:
    """Return the versions that can be brought back without a registry, newest first."""
    entries = observation.ledger.entries
    current = current_deployment(entries)
    releases = {e.release.id: e.release for e in entries if e.state is State.SUCCEEDED}
    found = []
    for identifier in succeeded_releases(entries):
        release = releases[identifier]
        count = deserialize(release.config).replicas
        if (current is None or identifier != current.release.id) and all(
            release.reference in host.images
            or len(of_release(host.replicas, identifier, count)) == count
            for host in observation.hosts
        ):
            found.append(release.version)
    return tuple(dict.fromkeys(found))


def _versions(entries: Sequence[Deployment]) -> list[str]:
    return [e.release.version for e in reversed(entries) if e.state is State.SUCCEEDED]


def _time(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"--at {text}: not a time", remedy="write it like 2026-03-01T14:30:00+01:00"
        ) from error
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
