"""Platforms for the contract: what each of them is asked beside the seam, to see what is true."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.platform import MemoryHost, MemoryPlatform
from tests.fakes.process import Process
from tests.fakes.values import environment, release
from tests.fakes.world import World, make_world

from deploy_action.commands.deploy import make_release
from deploy_action.config import load
from deploy_action.inputs import Inputs
from deploy_action.platforms.docker.platform import connect_hosts
from deploy_action.platforms.protocol import Platform
from deploy_action.releases.model import Release, ResolvedImage, Role

__all__ = ["HOSTS", "DockerBench", "MemoryBench", "PlatformBench"]

HOSTS = ("ssh://deploy@a", "ssh://deploy@b")
_PORT = 8088


class PlatformBench(Protocol):
    """Two empty hosts of a platform."""

    @property
    def clock(self) -> FakeClock:
        """The clock of the hosts."""

    def connect(self) -> AbstractContextManager[Platform[Any]]:
        """Connect as a deployer of its own."""

    def release(self, version: str, roles: tuple[Role, ...] | None = None) -> Release:
        """Return a release that can be made live."""

    def spoil(self, version: str) -> None:
        """Let releases of this version not come up."""

    def serving(self, host: str) -> str:
        """Return the version that clients reach; empty for none."""

    def running(self, host: str) -> Counter[tuple[str, str]]:
        """Count the running replicas by version and role."""

    def lose(self, host: str, role: str) -> None:
        """Remove one running replica behind the platform's back."""

    def steal_lock(self) -> None:
        """Take the lock away from whoever holds it."""

    def state(self) -> object:
        """Return everything that is there, to be compared."""


@dataclass(slots=True)
class MemoryBench:
    """The exercise's platform."""

    clock: FakeClock = field(default_factory=FakeClock)
    machines: dict[str, MemoryHost] = field(
        default_factory=lambda: {name: MemoryHost(name) for name in HOSTS}
    )

    @contextlib.contextmanager
    def connect(self) -> Iterator[Platform[Any]]:
        yield MemoryPlatform(self.machines)

    def release(self, version: str, roles: tuple[Role, ...] | None = None) -> Release:
        return release(version, environment(hosts=HOSTS), roles=roles)

    def spoil(self, version: str) -> None:
        for machine in self.machines.values():
            machine.bad.add(version)

    def serving(self, host: str) -> str:
        releases = self.machines[host].releases.values()
        versions = [known["version"] for known in releases if known["traffic"] and known["running"]]
        return "".join(versions)

    def running(self, host: str) -> Counter[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        for known in self.machines[host].releases.values():
            for role, count in known["running"].items():
                counts[known["version"], role] += count
        return counts

    def lose(self, host: str, role: str) -> None:
        for known in self.machines[host].releases.values():
            known["running"] -= Counter({role: 1})

    def steal_lock(self) -> None:
        for machine in self.machines.values():
            machine.holder = None

    def state(self) -> object:
        return repr(self.machines)


@dataclass(slots=True)
class DockerBench:
    """Docker hosts in memory."""

    world: World

    @classmethod
    def make(cls, directory: Path, monkeypatch: pytest.MonkeyPatch) -> DockerBench:
        """Make two hosts."""
        return cls(make_world(directory, monkeypatch, hosts=HOSTS))

    @property
    def clock(self) -> FakeClock:
        """The clock of the hosts."""
        return self.world.clock

    @contextlib.contextmanager
    def connect(self) -> Iterator[Platform[Any]]:
        process = self.world.process = Process()
        target = load(self.world.directory / "deploy.yaml").environments["production"]
        try:
            with connect_hosts(target, Inputs(), self.clock) as platform:
                yield platform
        finally:
            process.ended()

    def release(self, version: str, roles: tuple[Role, ...] | None = None) -> Release:
        target = load(self.world.directory / "deploy.yaml").environments["production"]
        repository = str(target.image)
        digest, _ = self.world.registry[f"{repository}:{version}"]
        image = ResolvedImage(version=version, repository=repository, digest=digest, local=False)
        made = make_release(target, image, {}, b"")
        return made if roles is None else dataclasses.replace(made, roles=roles)

    def spoil(self, version: str) -> None:
        self.world.publish(Application(version=version, ready_seconds=float("inf")))

    def serving(self, host: str) -> str:
        reply = self.world.machines[host].through_edge(_PORT)
        return "" if reply is None or reply.status != 200 else reply.version

    def running(self, host: str) -> Counter[tuple[str, str]]:
        self.world.settle()
        return Counter(
            (labels["deploy-action.version"], labels["deploy-action.role"])
            for machine, container in self.world.replicas()
            if machine.name == host and container.status == "running"
            for labels in [container.spec.labels]
        )

    def lose(self, host: str, role: str) -> None:
        for machine, container in self.world.replicas():
            labels = container.spec.labels
            mine = machine.name == host and labels["deploy-action.role"] == role
            if mine and container.status == "running":
                machine.end(container, 137)
                del machine.containers[container.id]
                return

    def steal_lock(self) -> None:
        for machine in self.world.machines.values():
            for container in list(machine.containers.values()):
                if container.spec.labels.get("deploy-action.kind") == "lock":
                    machine.end(container, 137)

    def state(self) -> object:
        self.world.settle()
        return [
            (
                sorted((c.spec.name, c.status, c.restart) for c in machine.containers.values()),
                machine.files(""),
                sorted(machine.images),
            )
            for machine in self.world.machines.values()
        ]
