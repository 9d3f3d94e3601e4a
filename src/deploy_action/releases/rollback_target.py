"""What can be brought back, and with which secrets: decided before anything is touched.

A rollback restores image and configuration of a release. Secrets are not part of a release; only
keyed fingerprints are. Where today's values are given and one was rotated since, today's values
are used in new containers, since the old ones have most likely been revoked. Where they are not
given, the kept containers are started again as they are, with the values of then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.missing_secret import advise
from deploy_action.releases.ledger import (
    current_at,
    current_deployment,
    previous_stable,
    succeeded,
    succeeded_releases,
    with_version,
)
from deploy_action.releases.model import Deployment, Release, State
from deploy_action.releases.secrets import available_secrets, fingerprints

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Inputs, Secret
    from deploy_action.releases.ledger import Ledger

__all__ = [
    "Availability",
    "RollbackTarget",
    "find_target",
    "prepare",
    "require_recorded",
    "rollback_candidates",
]

_PREVIOUS = "previous"
"""What people write for a version where they have to write something: as if nothing was said."""


class Availability(Protocol):
    """What the hosts of an environment still have: a platform's observation."""

    @property
    def ledger(self) -> Ledger:
        """What the hosts' ledgers say together."""

    def without_replicas(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that no longer have every replica of a release."""

    def without_image(self, release: Release) -> tuple[str, ...]:
        """Return the hosts that do not have a release's image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackTarget:
    """A release that is going to be brought back."""

    release: Release
    restores: str
    """Id of the release that was asked for; `release` has another one when secrets were rotated."""
    secrets: Mapping[str, Secret]
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
                code=ErrorCode.UNKNOWN_VERSION,
            )
        return found
    if inputs.at is not None:
        found = current_at(entries, _time(inputs.at))
        if found is None:
            raise BadInput(
                f"{wanted.name}: nothing served at {inputs.at}",
                remedy=f"deploy-action history -e {wanted.name}",
                code=ErrorCode.UNKNOWN_VERSION,
            )
        return found
    previous = previous_stable(entries)
    if previous is None:
        raise DeploymentFailed(
            f"{wanted.name}: there is no earlier stable release to go back to",
            cause=f"these versions served: {versions}",
            remedy=f"deploy-action rollback -e {wanted.name} --to VERSION"
            if "," in versions
            else f"deploy-action deploy -e {wanted.name} --version VERSION",
            code=ErrorCode.NO_ROLLBACK_TARGET,
        )
    return previous


def prepare(
    target: Deployment,
    available: Availability,
    today: Environment,
    inputs: Inputs,
    key: bytes,
    require_in_registry: Callable[[str, str], object],
) -> RollbackTarget:
    """Make sure that the target can really be brought back, on every host.

    Args:
        today: the environment as deploy.yaml has it.
        key: of the secrets' fingerprints.
        require_in_registry: called with host and reference; raises DeploymentFailed where the
            registry does not have the image.

    Raises:
        DeploymentFailed: an image or a secret is gone; the message says what can be restored.
    """
    release = target.release
    require_recorded(release, available.ledger)
    declared = release.configuration.secrets
    given = available_secrets(release.configuration, today, inputs)
    complete = set(given) == set(declared)
    notes: list[str] = []
    if complete and declared:
        fresh = fingerprints(given, key)
        rotated = [name for name, value in fresh.items() if release.secrets.get(name) != value]
        if rotated:
            notes.append(
                f"rotated since {release.version} was deployed: {', '.join(rotated)}; the rollback "
                "uses today's values"
            )
            release = dataclasses.replace(release, secrets=fresh)
    cold = available.without_replicas(release)
    if cold and not complete:
        missing = sorted(set(declared) - set(given))
        advice = advise(missing[0], inputs.environ, environment=release.environment)
        because = f"; {advice.cause}" if advice.cause else ""
        raise DeploymentFailed(
            f"{', '.join(cold)}: {release.version} has to be started anew, and these secrets are "
            f"not set: {', '.join(missing)}",
            cause=f"its containers were not kept there, or were removed{because}",
            remedy=f"declare them in deploy.yaml: secrets; {advice.remedy}",
            code=ErrorCode.SECRET_MISSING,
        )
    if declared and not complete:
        notes.append("the kept containers run with the secret values that they were started with")
    without_image = available.without_image(release)
    lacking = [host for host in cold if host in without_image]
    for host in lacking:
        _require_in_registry(host, release, require_in_registry)
    return RollbackTarget(
        release=release,
        restores=target.release.id,
        secrets=given,
        needs_registry=bool(lacking),
        notes=tuple(notes),
    )


def require_recorded(release: Release, ledger: Ledger) -> None:
    """Make sure that every host has this very release in a record of its own, or that one has it in a
    signed one.

    Raises:
        DeploymentFailed: a host has not: it is not run there.
    """
    without = _not_recorded_by(release, ledger)
    if without:
        raise DeploymentFailed(
            f"{', '.join(without)}: {release.version} cannot be restored there",
            cause="the host's own ledger does not say that this release was live, and what only "
            "another host records is not run on it",
            remedy=f"deploy-action deploy -e {release.environment} --version {release.version}",
            code=ErrorCode.LEDGER_DISPUTED,
        )


def _not_recorded_by(release: Release, ledger: Ledger) -> list[str]:
    """Return the hosts to which a release is unknown; none where a deployer's signature vouches for
    it."""
    if any(entry.release == release for entry in succeeded(ledger.vouched)):
        return []
    return [
        host
        for host, entries in ledger.hosts.items()
        if not any(entry.release == release for entry in succeeded(entries))
    ]


def _require_in_registry(
    host: str, release: Release, require: Callable[[str, str], object]
) -> None:
    problem = "it was built locally and never pushed"
    if not release.local:
        try:
            require(host, release.reference)
        except DeploymentFailed as error:
            problem = error.what
        else:
            return
    raise DeploymentFailed(
        f"{host}: the image of {release.version} is no longer there and cannot be pulled: {problem}",
        remedy="roll back to one of the versions that can be restored, with --to",
        code=ErrorCode.IMAGE_NOT_FOUND,
    )


def rollback_candidates(available: Availability) -> tuple[str, ...]:
    """Return the versions that can be brought back without a registry, newest first."""
    entries = available.ledger.entries
    current = current_deployment(entries)
    releases = {e.release.id: e.release for e in entries if e.state is State.SUCCEEDED}
    versions: list[str] = []
    for identifier in succeeded_releases(entries):
        release = releases[identifier]
        if current is not None and identifier == current.release.id:
            continue
        lost = set(available.without_image(release)) & set(available.without_replicas(release))
        if not lost and not _not_recorded_by(release, available.ledger):
            versions.append(release.version)
    return tuple(dict.fromkeys(versions))


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
