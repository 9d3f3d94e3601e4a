"""Hosts, a registry and a deploy.yaml, and the real commands run over them inside this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fakes.application import Application
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.machine import FakeContainer, FakeImage, FakeMachine
from tests.fakes.process import Died, Process
from tests.fakes.values import digest_of

from deploy_action.commands import perform
from deploy_action.errors import BadInput
from deploy_action.inputs import Inputs
from deploy_action.releases.ledger import current_deployment, decode
from deploy_action.releases.model import Deployment, Kind, State
from deploy_action.results.notes import Note, NoteCode
from deploy_action.results.outcome import Outcome
from deploy_action.results.reports import Report

__all__ = ["BACKEND", "World", "code_of", "make_world"]

BACKEND = "shop_production"
_REPOSITORY = "registry.test/shop"
_PORT = 8088
_STOPPING_SECONDS = 3.0

SHOP: Mapping[str, Any] = {
    "version": 1,
    "service": "shop",
    "image": _REPOSITORY,
    "port": 8080,
    "health": {"path": "/healthz", "deadline": "5s", "identity": {"header": "X-Version"}},
    "probe": {"rate": 0},
    "stop": {"timeout": f"{_STOPPING_SECONDS:g}s", "drain": "2s"},
    "route": {"port": _PORT},
    "watch": "0s",
}


@dataclass(slots=True, kw_only=True)
class World:
    """Everything that outlives a deployer's process."""

    directory: Path
    clock: FakeClock
    machines: dict[str, FakeMachine]
    registry: dict[str, tuple[str, FakeImage]]
    config: dict[str, Any]
    process: Process = field(default_factory=Process)

    def configure(self, **changes: Any) -> None:
        """Change top-level keys of deploy.yaml; None removes one."""
        for key, value in changes.items():
            if value is None:
                self.config.pop(key, None)
            else:
                self.config[key] = value
        (self.directory / "deploy.yaml").write_text(yaml.safe_dump(self.config))

    def publish(self, application: Application) -> str:
        """Push an image to the registry, and return its digest."""
        digest = "sha256:" + hashlib.sha256(repr(application).encode()).hexdigest()
        by_digest = f"{_REPOSITORY}@{digest}"
        image = FakeImage(
            id=digest_of(f"id of {digest}"),
            digests=(by_digest,),
            application=application,
            healthcheck=application.docker_health != "none",
        )
        self.registry[by_digest] = (digest, image)
        self.registry[f"{_REPOSITORY}:{application.version}"] = (digest, image)
        return digest

    def connect(self, host: str) -> FakeEngine:
        """Connect the present process to a host."""
        if host not in self.machines:
            raise BadInput(f"{host}: no such host in this test")
        return FakeEngine(self.machines[host], self.process)

    def run(self, command: str, process: Process | None = None, **inputs: Any) -> Report | None:
        """Run a command to its end; None when its process died on the way."""
        self.process = process or Process()
        environ = inputs.get("environ", {})
        inputs = {"actor": "ada", "repository": environ.get("GITHUB_REPOSITORY", "")} | inputs
        given = Inputs(config=self.directory / "deploy.yaml", **inputs)
        try:
            answer = perform(command, given)
        except Died:
            answer = None
        self.process.ended()
        return None if self.process.dead else answer

    def outcome(self, command: str, process: Process | None = None, **inputs: Any) -> Outcome:
        """Run a command that cannot die."""
        answer = self.run(command, process, **inputs)
        assert isinstance(answer, Outcome)
        return answer

    def deploy(self, version: str, process: Process | None = None, **inputs: Any) -> Outcome:
        """Deploy a version."""
        return self.outcome("deploy", process, version=version, **inputs)

    def deployed(self, *versions: str) -> None:
        """Deploy versions one after the other, which has to succeed, and watch from then on."""
        for version in versions:
            done = self.deploy(version)
            assert done.error is None, str(done.error)
        for machine in self.machines.values() if versions else ():
            machine.watched.add(BACKEND)
        self.settle()

    def settle(self) -> None:
        """Give what was only asked to end the time for it."""
        self.clock.sleep(_STOPPING_SECONDS)
        for machine in self.machines.values():
            machine.catch_up()

    # What is true now

    def ledger(self, host: str) -> tuple[Deployment, ...]:
        """Read a host's ledger."""
        files = self.machines[host].files("ledger/shop/production/")
        return tuple(decode(files[path]) for path in sorted(files) if path.endswith(".json"))

    def replicas(self) -> Iterator[tuple[FakeMachine, FakeContainer]]:
        """Walk over the service's containers on all hosts, as they are by now."""
        for machine in self.machines.values():
            machine.catch_up()
            for container in list(machine.containers.values()):
                if container.spec.labels.get("deploy-action.kind") == "replica":
                    yield machine, container

    def troubles(self) -> Iterator[str]:
        """Say what is not as it has to be between two commands, whatever happened before.

        What was only asked to end has had the time for it.
        """
        self.settle()
        entries = {host: self.ledger(host) for host in self.machines}
        first = next(iter(entries.values()))
        states = {e.number: e.state for e in first}
        for host, found in entries.items():
            # What failed before it had begun everywhere is not known to every host.
            common = [e for e in found if states.get(e.number, e.state) is e.state]
            if len(common) != len(found) or _succeeded(found) != _succeeded(first):
                yield f"the ledger of {host} differs: {_short(found)}, not {_short(first)}"
        serving = current_deployment(first)
        version = serving.release.version if serving is not None else ""
        good = {e.release.id for e in first if e.state is State.SUCCEEDED}
        standby = _standby(serving)
        for entry in first:
            if entry.state is not State.SUCCEEDED and not entry.cause:
                yield f"deployment {entry.number} is {entry.state} and has no cause"
            if entry.state is State.RUNNING:
                yield f"deployment {entry.number} is still running in the ledger"
        for machine, container in self.replicas():
            labels = container.spec.labels
            name = f"{machine.name}: {container.spec.name}"
            if labels["deploy-action.release"] not in good:
                yield f"{name} was left behind"
            elif serving and labels["deploy-action.release"] == serving.release.id:
                if (container.status, container.restart) != ("running", "unless-stopped"):
                    yield f"{name} serves and is {container.status}, {container.restart}"
            elif labels["deploy-action.release"] == standby:
                if (container.status, container.restart) != ("running", "unless-stopped"):
                    yield f"{name} stands by and is {container.status}, {container.restart}"
            elif (container.status, container.restart) != ("exited", "no"):
                yield f"{name} is kept and is {container.status}, {container.restart}"
        yield from self._hosts(version)

    def _hosts(self, version: str) -> Iterator[str]:
        replicas = int(self.config.get("replicas", 1))
        for host, machine in self.machines.items():
            for container in machine.containers.values():
                role = container.spec.labels.get("deploy-action.kind")
                if role in ("lock", "hook"):
                    yield f"{host}: {container.spec.name} is left"
            if not version or BACKEND not in machine.watched:
                continue
            why = machine.unserved(BACKEND)
            if why:
                yield f"{host}: {why}"
            reply = machine.through_edge(_PORT)
            if reply is None or (reply.status, reply.version) != (200, version):
                yield f"{host}: {version} is live in the ledger, but the edge answers {reply}"
            for network in self.config.get("networks", ()):
                named = machine.by_name(network, self.config.get("network_alias", "shop"))
                if [each.version for each in named if each is not None] != [version]:
                    yield f"{host}: by its name on {network} the service answers {named}"
            weights = list(machine.weights(BACKEND).values())
            idle = [0] * replicas if _standby(current_deployment(self.ledger(host))) else []
            if sorted(weights) != sorted([*idle, *[100] * replicas]):
                yield f"{host}: the edge's weights are {machine.weights(BACKEND)}"

    def outages(self) -> list[str]:
        """Say when users lost requests."""
        return [
            f"{m.name} at {o.when:.2f}: {o.why}" for m in self.machines.values() for o in m.outages
        ]


def code_of(note: Note | str) -> NoteCode:
    """Return what a note of a report is about."""
    return note.code if isinstance(note, Note) else NoteCode.OTHER


def _succeeded(entries: Iterable[Deployment]) -> list[int]:
    return [entry.number for entry in entries if entry.state is State.SUCCEEDED]


def _standby(serving: Deployment | None) -> str:
    """Return the release that has to run without traffic; empty for none."""
    if serving is None or serving.kind is Kind.ROLLBACK:
        return ""
    strategy: Any = serving.release.config.get("strategy", {})
    return serving.previous if strategy.get("standby") else ""


def _short(entries: tuple[Deployment, ...]) -> str:
    return ", ".join(f"{e.number} {e.state}" for e in entries)


def make_world(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    hosts: tuple[str, ...] = ("local",),
    **changes: Any,
) -> World:
    """Make hosts and a registry with versions 1.0.0, 2.0.0 and 3.0.0 of the shop."""
    clock, registry = FakeClock(), dict[str, tuple[str, FakeImage]]()
    world = World(
        directory=directory,
        clock=clock,
        machines={name: FakeMachine(name=name, clock=clock, registry=registry) for name in hosts},
        registry=registry,
        config=json.loads(json.dumps(SHOP))
        | {"environments": {"production": {"hosts": list(hosts)}}},
    )
    for machine in world.machines.values():
        machine.networks |= dict.fromkeys(changes.get("networks", ()), "172.31.0.0/24")
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        world.publish(Application(version=version))
    world.configure(**changes)
    monkeypatch.setattr("deploy_action.platforms.docker.platform.connect", world.connect)
    monkeypatch.setattr("deploy_action.platforms.connection.SystemClock", lambda: clock)
    return world
