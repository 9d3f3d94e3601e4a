"""A Docker engine behind the Engine protocol: containers, their streams, networks and volumes."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.engine.api import EngineApiError
from deploy_action.platforms.docker.engine.images import DockerImages
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    EngineInfo,
    Execution,
    ImageMissing,
    NameTaken,
)
from deploy_action.platforms.docker.engine.stream import hijack, payloads, pump
from deploy_action.platforms.docker.engine.translation import (
    RESTARTS,
    address_in,
    body,
    container,
    shut,
    stop_survives_disconnect,
    tail,
)

__all__ = ["DockerEngine"]

_OUTPUT_LIMIT = 65536
_STOPPING_SECONDS = 60.0
"""How much longer than the container's own time the engine may need to stop it."""


class DockerEngine(DockerImages):
    """One host's Docker engine."""

    def info(self) -> EngineInfo:
        """Ask the engine who it is."""
        with self._named("info"):
            found = self._api.get("info")
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            found["Architecture"], found["Architecture"]
        )
        return EngineInfo(
            host=self.host,
            version=found["ServerVersion"],
            architecture=architecture,
            identity=found["ID"],
        )

    # Containers

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List by labels and inspect each."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        with self._named("list containers"):
            listed = self._api.get("containers", "json", all=True, filters={"label": wanted})
        if not listed:
            return ()
        with ThreadPoolExecutor(max_workers=min(8, len(listed))) as pool:
            found = pool.map(self.container, (entry["Id"] for entry in listed))
            return tuple(container for container in found if container is not None)

    def container(self, id_or_name: str) -> Container | None:
        """Inspect; None when there is none."""
        found = self._maybe(
            f"inspect {id_or_name}", lambda: self._api.get("containers", id_or_name, "json")
        )
        return None if found is None else container(found)

    def create(self, spec: ContainerSpec) -> str:
        """Create; a taken name and a missing image are told apart from other refusals."""
        with self._named(f"create {spec.name}"):
            try:
                created = self._api.post("containers", "create", name=spec.name, body=body(spec))
            except EngineApiError as error:
                if error.status == 409:
                    raise NameTaken(spec.name) from error
                if error.status == 404 and "no such image" in error.said.lower():
                    raise ImageMissing(
                        f"{self.host}: create {spec.name}: {error.said}",
                        remedy="deploy-action doctor",
                    ) from error
                raise
            container_id = str(created["Id"])
            for network in spec.networks[1:]:
                self._api.post(
                    "networks", network.name, "connect", body={"Container": container_id}
                )
        return container_id

    def start(self, container_id: str) -> None:
        """Start; the engine answers the same for one that runs."""
        with self._named(f"start {container_id[:12]}"):
            self._api.post("containers", container_id, "start")

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Stop gracefully: the signal first when it is not the image's own."""
        if signal is not None:
            self.kill(container_id, signal)
            if self.wait(container_id, timeout_seconds=timeout_seconds) is not None:
                return
            timeout_seconds = 0
        with self._named(f"stop {container_id[:12]}"):
            self._api.post(
                *("containers", container_id, "stop"),
                t=round(timeout_seconds),
                seconds=timeout_seconds + _STOPPING_SECONDS,
            )

    def stop_async(self, container_id: str, *, timeout_seconds: float) -> None:
        """Ask for a stop without waiting for the answer, where the engine goes on all the same."""
        if not stop_survives_disconnect(self._api.server):
            self.stop(container_id, timeout_seconds=timeout_seconds)
            return
        with self._named(f"stop {container_id[:12]}"):
            self._api.leave("containers", container_id, "stop", t=round(timeout_seconds))

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Signal; a container that ended or is gone is fine."""
        with self._named(f"signal {container_id[:12]}"):
            try:
                self._api.post("containers", container_id, "kill", signal=signal)
            except EngineApiError as error:
                if error.status not in (404, 409, 500):
                    raise

    def remove(self, container_id: str) -> None:
        """Remove with its anonymous volumes."""
        with self._named(f"remove {container_id[:12]}"):
            try:
                self._api.call("DELETE", "containers", container_id, force=True, v=True)
            except EngineApiError as error:
                # 409: a removal is under way already, or the automatic one was faster.
                if error.status not in (404, 409):
                    raise

    def rename(self, container_id: str, name: str) -> None:
        """Rename; the engine answers 409 where the name is taken, also by the container itself."""
        with self._named(f"rename {container_id[:12]}"):
            try:
                self._api.post("containers", container_id, "rename", name=name)
            except EngineApiError as error:
                if error.status not in (400, 409):
                    raise
                found = self.container(name)
                if found is None or found.id != container_id:
                    raise NameTaken(name) from error

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        """Update the restart policy in place."""
        with self._named(f"update {container_id[:12]}"):
            self._api.post(
                *("containers", container_id, "update"), body={"RestartPolicy": RESTARTS[policy]}
            )

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        """Wait for the end."""
        with self._named(f"wait for {container_id[:12]}"):
            try:
                ended = self._api.post("containers", container_id, "wait", seconds=timeout_seconds)
            except TimeoutError:
                return None
            return int(ended["StatusCode"])

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        """Return the last lines; bytes that are not UTF-8 are replaced."""
        said = self._maybe(
            f"logs of {container_id[:12]}",
            lambda: self._api.get(
                *("containers", container_id, "logs"), stdout=True, stderr=True, tail=lines
            ),
        )
        return payloads(said or b"").decode(errors="replace")

    # Streams

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        """Run and collect; a command that does not end in time counts as exit code 124."""
        execution, stream = self._exec(container_id, argv, stdin=False)
        # One end for all of it: a command that prints now and then must not run for ever.
        watch = threading.Timer(timeout_seconds, shut, [stream])
        watch.start()
        output = bytearray()
        late = False
        try:
            with stream.makefile("rb") as reader:
                while len(head := reader.read(8)) == 8:
                    output += reader.read(int.from_bytes(head[4:], "big"))
                    del output[:-_OUTPUT_LIMIT]
            late = not watch.is_alive()
        except OSError:
            late = True
        finally:
            watch.cancel()
            stream.close()
        if late:
            return Execution(
                exit_code=124, output=f"no end within {timeout_seconds:g} s: {tail(output)}"
            )
        with self._named("inspect a command"):
            code = self._api.get("exec", execution, "json")["ExitCode"]
        return Execution(exit_code=124 if code is None else int(code), output=tail(output))

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        """Run with its input and output as a socket."""
        return pump(self._exec(container_id, argv, stdin=True)[1])

    def attach(self, container_id: str) -> socket.socket:
        """Attach to the main process's input and output."""
        return pump(
            self._stream(
                f"/containers/{container_id}/attach?stream=1&stdin=1&stdout=1",
                None,
            )
        )

    def output(self, container_id: str) -> socket.socket:
        """Attach to what the main process says, on both streams."""
        path = f"/containers/{container_id}/attach?stream=1&stdout=1&stderr=1"
        return pump(self._stream(path, None), errors=True)

    def _exec(
        self, container_id: str, argv: Sequence[str], *, stdin: bool
    ) -> tuple[str, socket.socket]:
        with self._named(f"exec in {container_id[:12]}"):
            streams = {"AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True}
            created = self._api.post(
                *("containers", container_id, "exec"), body={**streams, "Cmd": list(argv)}
            )
        execution = str(created["Id"])
        return execution, self._stream(f"/exec/{execution}/start", {"Detach": False, "Tty": False})

    def _stream(self, path: str, body: Mapping[str, object] | None) -> socket.socket:
        with self._named("open a stream"):
            raw = self._transport.open()
            try:
                hijack(raw, path, body)
            except BaseException:
                raw.close()
                raise
            return raw

    # Networks and volumes

    def networks(self) -> Mapping[str, str]:
        """List names and first subnets."""
        with self._named("list networks"):
            found = self._api.get("networks")
        return {
            entry["Name"]: ((entry["IPAM"].get("Config") or [{}])[0]).get("Subnet", "")
            for entry in found
        }

    def addresses(self, network: str) -> frozenset[str]:
        """List the network's containers; what is stopped has the address that it asked for."""
        with self._named(f"list containers of {network}"):
            found = self._api.get("containers", "json", all=True, filters={"network": [network]})
        endpoints = (entry["NetworkSettings"]["Networks"].get(network) for entry in found)
        return frozenset(address_in(endpoint) for endpoint in endpoints if endpoint) - {""}

    def create_network(self, name: str, *, subnet: str, dynamic_range: str) -> bool:
        """Create a bridge with a subnet; False when either is taken."""
        wanted = {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet, "IPRange": dynamic_range}]},
            "Labels": {"deploy-action.edge": name},
        }
        with self._named(f"create network {name}"):
            try:
                self._api.post("networks", "create", body=wanted)
            except EngineApiError as error:
                if error.status in (403, 409) or "overlap" in error.said.lower():
                    return False
                raise
        return True

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(
                f"remove network {name}", lambda: self._api.call("DELETE", "networks", name)
            )

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        self._maybe(f"remove volume {name}", lambda: self._api.call("DELETE", "volumes", name))
