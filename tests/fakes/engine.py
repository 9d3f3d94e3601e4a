"""The Engine protocol over a host in memory; every call goes through the process that makes it."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from tests.fakes.application import Reply, serve
from tests.fakes.machine import FakeContainer, FakeImage, FakeMachine, FakeVolume
from tests.fakes.process import Process
from tests.fakes.session import FakeSession

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.engine.error_hints import engine_error
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    EngineInfo,
    Execution,
    Image,
    ImageMissing,
    Interaction,
    NameTaken,
)
from deploy_action.redaction import redact

__all__ = ["FakeEngine"]

_FORCED = 137
_ASKED = 143


class FakeEngine:
    """A process's connection to a host."""

    def __init__(self, machine: FakeMachine, process: Process) -> None:
        """Connect."""
        self.machine, self.process = machine, process
        self.host = machine.name
        self.closed = False

    @contextlib.contextmanager
    def _call(self, *words: object) -> Iterator[FakeMachine]:
        said = " ".join(map(str, words))
        with self.process.engine_call(self.host, said), self.machine.changing():
            yield self.machine

    def _must(self, id_or_name: str) -> FakeContainer:
        found = self.machine.find(id_or_name)
        if found is None:
            raise DeploymentFailed(f"{self.host}: No such container: {id_or_name[:12]}")
        return found

    def info(self) -> EngineInfo:
        """Say who the host is."""
        with self._call("info") as machine:
            return EngineInfo(
                host=self.host,
                version="fake",
                architecture=machine.architecture,
                identity=machine.name,
            )

    def close(self) -> None:
        """Note it."""
        self.closed = True

    # Images

    def _image(self, reference: str) -> FakeImage | None:
        images = self.machine.images
        by_id = {image.id: image for image in images.values()}
        return images.get(reference) or by_id.get(reference)

    def image(self, reference: str) -> Image | None:
        """Look an image up."""
        with self._call("image", reference) as machine:
            found = self._image(reference)
            if found is None:
                return None
            return dataclasses.replace(
                found.view(machine.architecture), tags=tuple(self._names(found, "tag"))
            )

    def _names(self, image: FakeImage, kind: Literal["tag", "digest"]) -> Iterator[str]:
        for name, each in self.machine.images.items():
            if each.id == image.id and ("@" in name) == (kind == "digest"):
                yield name

    def image_names(self) -> frozenset[str]:
        """List the tags."""
        with self._call("image names") as machine:
            return frozenset(name for name in machine.images if "@" not in name)

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry."""
        with self._call("resolve", reference) as machine:
            return self._registered(reference)[0], frozenset({machine.architecture})

    def _registered(self, reference: str) -> tuple[str, FakeImage]:
        registry = self.machine.registry
        if registry is None:
            raise engine_error(self.host, reference, "connection refused")
        if reference not in registry:
            raise engine_error(self.host, reference, "manifest unknown")
        return registry[reference]

    def pull(
        self,
        reference: str,
        credentials: tuple[str, str] | None,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _progress: None,
    ) -> None:
        """Fetch an image from the registry."""
        with self._call("pull", reference) as machine:
            check()
            tell("0 of 1 layers")
            machine.images[reference] = self._registered(reference)[1]

    def build_image(self, tag: str, directory: str) -> None:
        """Have an image."""
        with self._call("build", tag) as machine:
            machine.images.setdefault(tag, FakeImage(id=f"sha256:edge-{tag}"))

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Name an image."""
        with self._call("tag", image_id, repository, tag) as machine:
            found = self._image(image_id)
            if found is None:
                raise engine_error(self.host, f"tag {image_id}", "No such image")
            machine.images[f"{repository}:{tag}"] = found

    def remove_image(self, reference: str) -> None:
        """Forget a name, and with the last tag of a repository its digests, as Docker does."""
        with self._call("remove image", reference) as machine:
            image = machine.images.get(reference)
            if image is None:
                return
            tags, digests = list(self._names(image, "tag")), list(self._names(image, "digest"))
            used = any(c.image.id == image.id for c in machine.containers.values())
            if used and len(tags) <= 1 and len({_repository(n) for n in (*tags, *digests)}) == 1:
                return
            del machine.images[reference]
            if "@" not in reference:
                left = {_repository(tag) for tag in tags if tag != reference}
                for digest in digests:
                    if _repository(digest) == _repository(reference) not in left:
                        del machine.images[digest]

    # Containers

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List by labels."""
        with self._call("containers") as machine:
            return tuple(
                container.view()
                for container in machine.containers.values()
                if all(
                    name in container.spec.labels and value in ("", container.spec.labels[name])
                    for name, value in labels.items()
                )
            )

    def container(self, id_or_name: str) -> Container | None:
        """Look one up."""
        with self._call("container", id_or_name) as machine:
            found = machine.find(id_or_name)
            return None if found is None else found.view()

    def create(self, spec: ContainerSpec) -> str:
        """Create a container."""
        with self._call("create", spec.name) as machine:
            if machine.find(spec.name) is not None:
                raise NameTaken(self.host, spec.name)
            image = self._image(spec.image)
            if image is None:
                raise ImageMissing(f"{self.host}: create {spec.name}: No such image")
            for network in spec.networks:
                if network.name not in machine.networks:
                    raise DeploymentFailed(f"{self.host}: network {network.name} not found")
            machine.created += 1
            named = [bind for bind in spec.binds if ":" in bind]
            for bind in named:
                machine.volumes.setdefault(bind.partition(":")[0], FakeVolume())
            mounted = {*(bind.split(":")[1] for bind in named), *spec.tmpfs}
            declared = (*image.volumes, *(bind for bind in spec.binds if ":" not in bind))
            anonymous = {
                path: f"{path}-{machine.created}" for path in declared if path not in mounted
            }
            machine.volumes |= {name: FakeVolume() for name in anonymous.values()}
            created = FakeContainer(
                id=f"{machine.created:064x}",
                spec=spec,
                image=image,
                addresses={
                    n.name: n.address or f"10.128.15.{machine.created % 250}" for n in spec.networks
                },
                restart=spec.restart,
                exits=_command_end(spec),
                anonymous_volumes=anonymous,
                files={path: secret.reveal().encode() for path, secret in spec.files.items()}
                | {path: text.encode() for path, text in spec.readable_files.items()},
            )
            machine.containers[created.id] = created
            return created.id

    def start(self, container_id: str) -> None:
        """Start it."""
        with self._call("start", self._words(container_id)) as machine:
            found = self._must(container_id)
            if found.status == "running":
                return
            if found.application is not None and found.application.refusal:
                raise engine_error(self.host, "start", found.application.refusal)
            for other in machine.containers.values():
                mine = set(found.addresses.values())
                if other.status == "running" and mine & set(other.addresses.values()):
                    raise engine_error(self.host, "start", "Address already in use")
            machine.begin(found)
            found.restarts = 0
            found.log += _printed(found)
            if found.session is not None:
                found.session.start()

    def _words(self, container_id: str) -> str:
        found = self.machine.find(container_id)
        return container_id[:12] if found is None else found.spec.name

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Ask it to end, then make it."""
        with self._call("stop", self._words(container_id)) as machine:
            found = self._must(container_id)
            if found.status != "running":
                return
            seconds, code = self._ending(found, timeout_seconds)
            machine.clock.sleep(seconds)
            machine.end(found, code)

    def stop_async(self, container_id: str, *, timeout_seconds: float) -> None:
        """Ask it to end, and let it."""
        with self._call("stop", self._words(container_id)) as machine:
            found = self._must(container_id)
            if found.status == "running":
                seconds, code = self._ending(found, timeout_seconds)
                found.asked_to_stop = True
                found.exits = (machine.clock.monotonic() - found.started + seconds, code)

    def _ending(self, found: FakeContainer, timeout_seconds: float) -> tuple[float, int]:
        """Return how many seconds it needs to end, and how it ends."""
        needs, code = 0.0, _ASKED
        if found.application is not None:
            needs = found.application.stop_seconds
        elif heeds := re.search(r"trap 'exit (\d+)' TERM", _script(found.spec)):
            code = int(heeds[1])
        elif found.session is None and found.spec.command:
            # The first process of a container ignores what it does not handle.
            needs = float("inf")
        return min(needs, timeout_seconds), code if needs <= timeout_seconds else _FORCED

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """End it."""
        with self._call("kill", self._words(container_id)) as machine:
            found = machine.find(container_id)
            if found is not None and found.status == "running":
                machine.end(found, 0 if signal == "USR1" else _FORCED)

    def remove(self, container_id: str, *, volumes: bool = False) -> None:
        """Remove it."""
        with self._call("remove", self._words(container_id)) as machine:
            found = machine.find(container_id)
            if found is not None:
                if found.status == "running" or found.session is not None:
                    machine.end(found, _FORCED)
                machine.containers.pop(found.id, None)
                for name in found.anonymous_volumes.values() if volumes else ():
                    machine.volumes.pop(name, None)

    def rename(self, container_id: str, name: str) -> None:
        """Give it another name."""
        with self._call("rename", self._words(container_id), name) as machine:
            found, other = self._must(container_id), machine.find(name)
            if other is not None and other is not found:
                raise NameTaken(self.host, name)
            found.spec = dataclasses.replace(found.spec, name=name)

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        """Change the policy."""
        with self._call("set restart", self._words(container_id), policy):
            self._must(container_id).restart = policy

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        """Wait for its end."""
        with self._call("wait", self._words(container_id)) as machine:
            found = self._must(container_id)
            if found.status == "running":
                left = found.started + found.exits[0] - machine.clock.monotonic()
                machine.clock.sleep(max(0.0, min(left, timeout_seconds)))
                machine.catch_up()
            return None if found.status == "running" else found.exit_code

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        """Return the last lines."""
        with self._call("logs", self._words(container_id)) as machine:
            found = machine.find(container_id)
            return "" if found is None else redact("".join(f"{n}\n" for n in found.log[-lines:]))

    def read_file(self, container_id: str, path: str) -> bytes | None:
        """Look a file up."""
        with self._call("read file", self._words(container_id), path) as machine:
            found = machine.find(container_id)
            return None if found is None else found.files.get(path)

    def log_ends(self, container_id: str) -> str:
        """Return all lines."""
        return self.logs(container_id, lines=10**6)

    # Streams

    @contextlib.contextmanager
    def _sockets(self, *words: object) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Make both ends of a stream; neither is left open where the call goes wrong."""
        ours, theirs = socket.socketpair()
        try:
            with self._call(*words):
                yield ours, theirs
        except BaseException:
            ours.close()
            theirs.close()
            raise

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        """Run a command: `test -S`, `true`, or the application's own health command."""
        with self._call("execute", self._words(container_id), *argv) as machine:
            found = self._must(container_id)
            if found.status != "running":
                raise DeploymentFailed(f"{self.host}: container is not running")
            script = " ".join(argv)
            if found.spec.labels.get("deploy-action.kind") == "edge":
                ready = machine.volume_of(found).haproxy is not None
                return Execution(exit_code=0, output="12 worker 0\n" if ready else "")
            if found.application is None:
                late = re.search(r"sleep (\d+)", script)
                if late and float(late[1]) > timeout_seconds:
                    machine.clock.sleep(timeout_seconds)
                    return Execution(exit_code=124, output="timed out")
                code = re.search(r"exit (\d+)", script)
                said = "".join(f"{word}\n" for word in _said(script))
                return Execution(exit_code=int(code[1]) if code else 0, output=said)
            age = machine.clock.monotonic() - found.started
            healthy = found.application.status(age) == 200
            return Execution(exit_code=0 if healthy else 1, output="")

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        """Run `session`, or socat to an address, in a container."""
        machine = self.machine
        with self._sockets("connect", self._words(container_id), *argv) as (ours, theirs):
            found = self._must(container_id)
            if argv[0].endswith("session"):
                self._session(found, theirs, at_end=lambda: None).start()
                return ours
            arguments = (machine, found, theirs, argv[-1])
            threading.Thread(target=_connect, args=arguments, daemon=True).start()
            return ours

    def attach(self, container_id: str) -> socket.socket:
        """Attach to a session's container."""
        with self._sockets("attach", self._words(container_id)) as (ours, theirs):
            found = self._must(container_id)

            def at_end() -> None:
                with self.machine.changing():
                    if found.status == "running":
                        self.machine.end(found, 0)

            found.session = self._session(found, theirs, at_end)
            return ours

    def interact(self, container_id: str, argv: Sequence[str], *, terminal: bool) -> Interaction:
        """Say the command's words once, in a frame unless there is a terminal."""
        with self._sockets("interact", self._words(container_id), *argv) as (ours, theirs):
            said = " ".join(argv).encode() + b"\n"
            frame = b"\x01\0\0\0" + len(said).to_bytes(4, "big")
            theirs.sendall(said if terminal else frame + said)
            theirs.close()
            return Interaction(id=argv[0], stream=ours)

    def resize(self, interaction: Interaction, rows: int, columns: int) -> None:
        """Have no size."""

    def exit_code(self, interaction: Interaction) -> int:
        """Return 3 for `false`, else 0."""
        return 3 if interaction.id == "false" else 0

    def follow_log(
        self, container_id: str, *, tail: int | None, since: float | None, follow: bool
    ) -> socket.socket:
        """Read what there is."""
        with self._sockets("follow_log", self._words(container_id)) as (ours, theirs):
            found = self._must(container_id)
            lines = found.log if tail is None else found.log[-tail:]
            theirs.sendall("".join(f"{line}\n" for line in lines).encode())
            theirs.close()
            return ours

    def output(
        self, container_id: str, *, stdout: bool = True, stderr: bool = True
    ) -> socket.socket:
        """Say what the command is going to print, on standard output."""
        with self._sockets("output", self._words(container_id)) as (ours, theirs):
            said = _printed(self._must(container_id)) if stdout else []
            theirs.sendall("".join(f"{line}\n" for line in said).encode())
            theirs.close()
            return ours

    def _session(
        self, found: FakeContainer, stream: socket.socket, at_end: Callable[[], None]
    ) -> FakeSession:
        session = FakeSession(
            self.machine,
            self.machine.volume_of(found),
            stream,
            lambda words: self.process.request(self.host, words),
            at_end,
        )
        self.process.sessions.append(session)
        return session

    # Networks and volumes

    def networks(self, labels: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """List names and subnets."""
        with self._call("networks") as machine:
            everything = {"bridge": "172.17.0.0/16", **machine.networks}
            return {
                name: subnet
                for name, subnet in everything.items()
                if (labels or {}).items() <= machine.network_labels.get(name, {}).items()
            }

    def addresses(self, network: str) -> frozenset[str]:
        """Walk the containers."""
        with self._call("addresses") as machine:
            everyone = machine.containers.values()
            return frozenset(c.addresses[network] for c in everyone if network in c.addresses)

    def network_names(self, network: str) -> Mapping[str, frozenset[str]]:
        """Walk the containers."""
        with self._call("network names", network) as machine:
            return {
                c.spec.name: c.names(network)
                for c in machine.containers.values()
                if network in c.addresses
            }

    def create_network(
        self, name: str, *, subnet: str, dynamic_range: str, labels: Mapping[str, str]
    ) -> bool:
        """Create a network."""
        with self._call("create network", name) as machine:
            if name in machine.networks or subnet in machine.networks.values():
                return False
            machine.networks[name], machine.network_labels[name] = subnet, dict(labels)
            return True

    def connect_network(self, name: str, container_id: str) -> None:
        """Connect a container to it."""
        with self._call("connect network", name, self._words(container_id)) as machine:
            if name not in machine.networks:
                raise DeploymentFailed(f"{self.host}: network {name} not found")
            found = self._must(container_id)
            found.addresses.setdefault(name, f"10.128.14.{len(machine.containers)}")

    def disconnect_network(self, name: str, container_id: str) -> None:
        """Take a container off it."""
        with self._call("disconnect network", name, self._words(container_id)) as machine:
            found = machine.find(container_id)
            if found is not None:
                found.addresses.pop(name, None)

    def remove_network(self, name: str) -> None:
        """Remove a network that nothing uses."""
        with self._call("remove network", name) as machine:
            if not any(name in c.addresses for c in machine.containers.values()):
                machine.networks.pop(name, None)

    def has_volume(self, name: str) -> bool:
        """Look."""
        with self._call("has volume", name) as machine:
            return name in machine.volumes

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        with self._call("remove volume", name) as machine:
            machine.volumes.pop(name, None)


def _repository(name: str) -> str:
    return name.partition("@")[0] if "@" in name else name.rpartition(":")[0]


def _script(spec: ContainerSpec) -> str:
    return " ".join((*(spec.entrypoint or ()), *(spec.command or ())))


def _command_end(spec: ContainerSpec) -> tuple[float, int]:
    """Say when a container's own command ends: `sleep N` and `exit N` are understood."""
    found = re.search(r"\b(sleep|exit) (\d+)$", _script(spec))
    if found is None:
        return float("inf"), 0
    return (float(found[2]), 0) if found[1] == "sleep" else (0.0, int(found[2]))


def _said(script: str) -> list[str]:
    """Return what a script's `echo` commands print."""
    return re.findall(r"echo (\w+)", script)


def _printed(container: FakeContainer) -> list[str]:
    """Return what a command prints: its own `echo`, and what its image always says."""
    script, application = _script(container.spec), container.application
    return [*_said(script), *(application.says if script and application else ())]


def _connect(
    machine: FakeMachine, container: FakeContainer, stream: socket.socket, where: str
) -> None:
    """Be what answers at a socat address; the stream closes where nobody does."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as undo:
        undo.callback(stream.close)
        address, number = where.removeprefix("TCP:").split(",")[0].split(":")
        port = int(number)

        def ask(host: str) -> Reply | None:
            if address != "127.0.0.1":
                return machine.reply(address, port)
            if container.spec.labels.get("deploy-action.kind") == "name":
                return machine.by_socket(container)
            return machine.through_edge(port, host)

        if ask("") is not None:
            undo.pop_all()
            serve(stream, ask)
