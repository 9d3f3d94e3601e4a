"""One command's connection to the platform of an environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.interruption import interruptible
from deploy_action.platforms.docker.platform import DockerPlatform, connect_hosts
from deploy_action.platforms.protocol import Holder
from deploy_action.redaction import redact

if TYPE_CHECKING:
    from deploy_action.clock import Clock
    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.edge.certificates import Bundle

__all__ = ["Connection", "connect_platform"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One command's connection to an environment.

    Attributes:
        id: of the run, and of the deployment that it makes.
    """

    environment: Environment
    inputs: Inputs
    events: EventStream
    clock: Clock
    platform: DockerPlatform
    id: str

    @property
    def now(self) -> str:
        """UTC in ISO 8601 with milliseconds."""
        return self.clock.now().isoformat(timespec="milliseconds")

    @property
    def holder(self) -> Holder:
        """This run as the holder of a lock."""
        return Holder(
            actor=self.inputs.actor or "unknown",
            deployment=self.id,
            since=self.clock.now().isoformat(timespec="seconds"),
            run_url=self.inputs.run_url,
        )


@contextlib.contextmanager
def connect_platform(
    environment: Environment,
    inputs: Inputs,
    events: EventStream,
    *,
    certificate: Bundle | None = None,
    partial: bool = False,
) -> Iterator[Connection]:
    """Connect to the platform of an environment; signals raise Interrupted meanwhile.

    Args:
        certificate: what the edge shall answer with; None keeps what it has.
        partial: go on with the hosts that answer, as long as one does.

    Raises:
        HostUnreachable: a host does not answer; none was touched.
    """
    _protect(environment, inputs)
    clock = SystemClock()
    stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
    with (
        interruptible(),
        connect_hosts(
            environment, inputs, clock, events=events, certificate=certificate, partial=partial
        ) as platform,
    ):
        yield Connection(
            environment=environment,
            inputs=inputs,
            events=events,
            clock=clock,
            platform=platform,
            id=f"{stamp}-{os.urandom(3).hex()}",
        )


def _protect(environment: Environment, inputs: Inputs) -> None:
    """Have everything masked that the environment keeps secret, also where this command does not
    need it: a log may quote it."""
    redact.spare(environment.service, environment.name)
    names = {*environment.secrets}
    if environment.registry is not None:
        names.add(environment.registry.password_secret)
    if environment.route is not None and environment.route.certificate is not None:
        names.add(environment.route.certificate.secret or "")
    for name in names:
        redact.protect(inputs.environ.get(name, ""))
