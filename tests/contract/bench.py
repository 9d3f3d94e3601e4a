"""A workbench for the contract: an engine, names of one's own, and a clean end; real or fake."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.machine import FakeImage, FakeMachine
from tests.fakes.process import Process

from deploy_action.clock import Clock, SystemClock
from deploy_action.config.model import EdgeOptions
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.edge.host import (
    ensure_image,
    ensure_network,
    free_addresses,
    service_networks,
)
from deploy_action.platforms.docker.engine import Engine, connect
from deploy_action.platforms.docker.engine.protocol import ContainerSpec, NetworkSpec

__all__ = ["APPLICATION", "Bench", "fake_bench", "real_bench"]

APPLICATION = "deploy-action-demo:1.0.0"
_DEADLINE_SECONDS = 20.0
_REAL_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Bench:
    """An engine and a name that nobody else uses; all that is made gets it."""

    engine: Engine
    clock: Clock
    name: str = field(default_factory=lambda: f"contract-{uuid4().hex[:8]}")
    made: list[str] = field(default_factory=list)

    @property
    def options(self) -> EdgeOptions:
        """An edge of one's own."""
        return EdgeOptions(name=self.name)

    def spec(self, script: str, name: str = "a", **changes: Any) -> ContainerSpec:
        """Describe a container that runs a script."""
        given: dict[str, Any] = {
            "name": f"{self.name}-{name}",
            "image": artifact.tag(),
            "entrypoint": ("bash", "-c"),
            "command": (script,),
            "labels": {"contract": self.name},
        }
        return ContainerSpec(**given | changes)

    def create(self, script: str, name: str = "a", **changes: Any) -> str:
        """Create such a container; it is removed at the end."""
        created = self.engine.create(self.spec(script, name, **changes))
        self.made.append(created)
        return created

    def run(self, script: str, name: str = "a", **changes: Any) -> str:
        """Create and start it."""
        created = self.create(script, name, **changes)
        self.engine.start(created)
        return created

    def application(self, name: str, labels: Mapping[str, str] | None = None) -> str:
        """Start the demo's shop at a free address of our network and return that address."""
        used = {
            c.addresses.get(self.name, "") for c in self.engine.containers({"contract": self.name})
        }
        address = next(free_addresses(self.engine.networks()[self.name], used))
        spec = ContainerSpec(
            name=f"{self.name}-{name}",
            image=APPLICATION,
            labels={"contract": self.name},
            networks=(NetworkSpec(name=self.name, address=address),),
        )
        created = self.engine.create(spec)
        self.made.append(created)
        self.engine.start(created)
        return address

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition, with a deadline on the bench's clock and on the machine's."""
        end = self.clock.monotonic() + _DEADLINE_SECONDS
        # A fake's clock is quicker than its threads are.
        begun, last = time.monotonic(), time.monotonic() + _DEADLINE_SECONDS
        while not condition():
            late = self.clock.monotonic() >= end and time.monotonic() >= begun + _REAL_SECONDS
            assert not late, f"{what}: not in time"
            assert time.monotonic() < last, f"{what}: not in time"
            self.clock.sleep(0.02)

    def clean(self) -> None:
        """Remove all of it."""
        labelled = [
            *self.engine.containers({"contract": self.name}),
            *self.engine.containers({"deploy-action.edge": self.name}),
        ]
        for container in labelled:
            self.engine.remove(container.id)
        for network in (self.name, *service_networks(self.engine, self.options)):
            self.engine.remove_network(network)
        self.engine.remove_volume(self.name)
        self.engine.close()


@contextlib.contextmanager
def real_bench() -> Iterator[Bench]:
    """Use this machine's engine."""
    bench = Bench(engine=connect("local"), clock=SystemClock())
    try:
        yield bench
    finally:
        bench.clean()


@contextlib.contextmanager
def fake_bench() -> Iterator[Bench]:
    """Use a host in memory that has the same images."""
    clock, process = FakeClock(), Process()
    machine = FakeMachine(name="local", clock=clock, registry={})
    machine.images[artifact.tag()] = FakeImage(id="sha256:edge")
    machine.images[APPLICATION] = FakeImage(
        id="sha256:shop", application=Application(version="1.0.0", ready_seconds=0.2)
    )
    bench = Bench(engine=FakeEngine(machine, process), clock=clock)
    try:
        yield bench
    finally:
        bench.clean()
        process.ended()


def with_network(bench: Bench) -> Bench:
    """Bring image and network of an edge."""
    ensure_image(bench.engine, bench.options)
    ensure_network(bench.engine, bench.options, bench.name, {"deploy-action.edge": bench.name})
    return bench
