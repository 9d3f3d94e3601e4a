"""A release, a deployment and its outcome: the immutable facts that the ledger keeps."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deploy_action.config import deserialize
from deploy_action.config.model import Environment
from deploy_action.errors import BadInput, ErrorCode

__all__ = [
    "Deployment",
    "Excerpt",
    "HostOutcome",
    "Kind",
    "Phase",
    "Release",
    "ResolvedImage",
    "Role",
    "State",
    "roles_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of process of a release's image, such as web, worker or job.

    Attributes:
        replicas: how many copies run on each host.
        takes_traffic: the edge sends requests to its replicas.
    """

    name: str = "web"
    replicas: int = 1
    takes_traffic: bool = True


def roles_of(environment: Environment) -> tuple[Role, ...]:
    """Return the roles that a configuration describes; deploy.yaml describes one."""
    routed = environment.route is not None
    name = "web" if routed or environment.port is not None else "worker"
    return (Role(name=name, replicas=environment.replicas, takes_traffic=routed),)


@dataclass(frozen=True, kw_only=True)
class Release:
    """What can be made live, for all of its roles at once; never changed once it is made.

    Attributes:
        version: the tag that people say ("1.4.2").
        image: repository without tag ("ghcr.io/acme/shop").
        digest: ``sha256:…`` of the manifest in the registry, or the image's id if `local`.
        local: the image was never in a registry; every host must have it.
        config: the resolved environment as plain data, without secret values.
        roles: the processes of the image that make up the release.
        commit: git commit it was built from; may be empty.
        dirty: it was built from files that no commit has.
        secrets: name → keyed fingerprint of the value it was deployed with; never the value.
        restart: id of the deployment that started the same anew; empty at first.
    """

    service: str
    environment: str
    version: str
    image: str
    digest: str
    config: Mapping[str, object] = field(repr=False)
    roles: tuple[Role, ...] = (Role(),)
    commit: str = ""
    dirty: bool = False
    local: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    restart: str = ""

    @functools.cached_property
    def id(self) -> str:
        """Twelve hex digits over image, configuration and roles: whose replicas are whose."""
        return self._hash(self.restart) if self.restart else self.content_id

    @functools.cached_property
    def content_id(self) -> str:
        """The id without restarts: equal means nothing to deploy, and nothing to go back to."""
        return self._hash()

    def _hash(self, *more: str) -> str:
        content = json.dumps(
            [
                *(self.service, self.environment, self.version, self.digest),
                *(self.config, dict(self.secrets)),
                [(role.name, role.replicas, role.takes_traffic) for role in self.roles],
                *more,
            ],
            sort_keys=True,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @functools.cached_property
    def configuration(self) -> Environment:
        """The configuration that the release was made with, not what deploy.yaml says today.

        Raises:
            BadInput: `config`, which a host may have written, is not one of this environment.
        """
        try:
            configuration = deserialize(self.config)
            if (configuration.service, configuration.name) != (self.service, self.environment):
                raise ValueError("it is another environment's")
        except ValueError as error:
            raise BadInput(
                f"the ledger's configuration of {self.service} {self.version} cannot be used: {error}",
                remedy=f"deploy-action deploy -e {self.environment} --version {self.version}",
                code=ErrorCode.LEDGER_DAMAGED,
            ) from error
        return configuration

    def takes_traffic(self, role: str) -> bool:
        """Tell whether the edge sends requests to a role; to one that the release lacks it does not."""
        return any(known.takes_traffic for known in self.roles if known.name == role)

    def answers_requests(self, role: str) -> bool:
        """Tell whether HTTP checks are meant for a role: for the ones with traffic, where there are
        any."""
        return self.takes_traffic(role) or not any(known.takes_traffic for known in self.roles)

    @property
    def reference(self) -> str:
        """The image as an engine finds it, whatever its tags are moved to."""
        return self.digest if self.local else f"{self.image}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """The image to deploy: never a tag, always a digest (an image id where `local`).

    Attributes:
        commit: the one it was built from; empty where it is not known, or `dirty`.
        dirty: it was built from files that no commit has.
        pending: the deployment will build it: `digest` is its tag, for a plan.
    """

    version: str
    repository: str
    digest: str
    local: bool
    commit: str = ""
    dirty: bool = False
    pending: bool = False

    @property
    def reference(self) -> str:
        """The image as an engine finds it."""
        return self.digest if self.local else f"{self.repository}@{self.digest}"


class Kind(StrEnum):
    """Why a deployment was made."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RESTART = "restart"
    """The same release, in new containers."""
    REMOVE = "remove"
    """The service was taken away; its release is the one that served."""


class State(StrEnum):
    """How a deployment stands. `FAILED` means undone: the release before serves again."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    """Automatic rollback failed, or a host did not answer: manual intervention is required."""


class HostOutcome(StrEnum):
    """What a deployment did on one host."""

    DEPLOYED = "deployed"
    RESTORED = "restored"
    REMOVED = "removed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One bar in the timeline: seconds since the deployment's start."""

    name: str
    host: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Text that came from outside (a container's log): shown, never interpreted."""

    title: str
    host: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One attempt to make a release live, as the ledger keeps it.

    `number` rises with every attempt in an environment and orders the ledger whatever the
    clocks say; `started_at` and `ended_at` are UTC in ISO 8601 for people.
    """

    id: str
    number: int
    kind: Kind
    release: Release
    previous: str = ""
    """Id of the release that served when it began; empty for the first."""
    previous_version: str = ""
    restores: str = ""
    """Rollback: id of the release that was asked for. The release made live has another id when
    secrets were rotated since."""
    actor: str
    reason: str = ""
    run_url: str = ""
    started_at: str
    ended_at: str = ""
    duration_seconds: float = 0.0
    state: State = State.RUNNING
    step: str = ""
    """Identifier of the step that was about to run: the journal."""
    step_text: str = ""
    """The same step in words, for people."""
    cause: str = ""
    """Why it failed, in one or a few lines; empty otherwise."""
    warnings: tuple[str, ...] = ()
    hosts: Mapping[str, HostOutcome] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    requests_sent: int | None = None
    requests_lost: int | None = None
    excerpts: tuple[Excerpt, ...] = ()
    """Of a failure: what the containers of the release said first and last, without secrets."""

    @property
    def standby(self) -> str:
        """Id of the release that stays running without traffic while this one is live; or empty.

        After a rollback there is none: the release that was left was not good enough.
        """
        keeps = self.release.configuration.strategy.standby and self.kind is not Kind.ROLLBACK
        return self.previous if keeps else ""
