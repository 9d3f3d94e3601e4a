"""A Docker engine behind the Engine protocol: with engines/transport.py the only caller of it.

The calls go through the Docker SDK for Python; streams are opened by hand (engines/stream.py),
since the SDK's hijacked sockets lose bytes that arrive with the answer's head.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, cast

from deploy_action.engines.engine import (
    Container,
    ContainerSpec,
    EngineInfo,
    Execution,
    NameTaken,
)
from deploy_action.engines.images import DockerImages
from deploy_action.engines.stream import hijack, pump
from deploy_action.engines.translation import (
    RESTARTS,
    address_in,
    body,
    container,
    shut,
    tail,
)
from deploy_action.errors import DeploymentFailed

__all__ = ["DockerEngine"]

_OUTPUT_LIMIT = 65536


class DockerEngine(DockerImages):
    """One host's Docker engine."""

    def info(self) -> EngineInfo:
        """Ask the engine who it is."""
        with self._named("info"):
            found = self._api.info()
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
            listed = self._api.containers(all=True, filters={"label": wanted})
        if not listed:
            return ()
        with ThreadPoolExecutor(max_workers=min(8, len(listed))) as pool:
            found = pool.map(self.container, (entry["Id"] for entry in listed))
            return tuple(container for container in found if container is not None)

    def container(self, id_or_name: str) -> Container | None:
        """Inspect; None when there is none."""
        found = self._maybe(f"inspect {id_or_name}", self._api.inspect_container, id_or_name)
        return None if found is None else container(found)

    def create(self, spec: ContainerSpec) -> str:
        """Create; a taken name is told apart from other refusals."""
        import docker.errors

        with self._named(f"create {spec.name}"):
            try:
                created = self._api.create_container_from_config(
                    body(self._api, spec), name=spec.name
                )
            except docker.errors.APIError as error:
                if error.status_code == 409:
                    raise NameTaken(spec.name) from error
                raise
            for network in spec.networks[1:]:
                self._api.connect_container_to_network(created["Id"], network.name)
        return cast("str", created["Id"])

    def start(self, container_id: str) -> None:
        """Start; the engine answers the same for one that runs."""
        with self._named(f"start {container_id[:12]}"):
            self._api.start(container_id)

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Stop gracefully: the signal first when it is not the image's own."""
        if signal is not None:
            self.kill(container_id, signal)
            if self.wait(container_id, timeout_seconds=timeout_seconds) is not None:
                return
            timeout_seconds = 0
        with self._named(f"stop {container_id[:12]}"):
            self._api.stop(container_id, timeout=round(timeout_seconds))

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Signal; a container that ended or is gone is fine."""
        import docker.errors

        with self._named(f"signal {container_id[:12]}"):
            try:
                self._api.kill(container_id, signal)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409, 500):
                    raise

    def remove(self, container_id: str) -> None:
        """Remove with its anonymous volumes."""
        import docker.errors

        with self._named(f"remove {container_id[:12]}"):
            try:
                self._api.remove_container(container_id, force=True, v=True)
            except docker.errors.APIError as error:
                # 409: a removal is under way already, or the automatic one was faster.
                if error.status_code not in (404, 409):
                    raise

    def rename(self, container_id: str, name: str) -> None:
        """Rename; the engine answers 409 where the name is taken, also by the container itself."""
        import docker.errors

        with self._named(f"rename {container_id[:12]}"):
            try:
                self._api.rename(container_id, name)
            except docker.errors.APIError as error:
                if error.status_code not in (400, 409):
                    raise
                found = self.container(name)
                if found is None or found.id != container_id:
                    raise NameTaken(name) from error

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        """Update the restart policy in place."""
        with self._named(f"update {container_id[:12]}"):
            self._api.update_container(container_id, restart_policy=RESTARTS[policy])

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        """Wait for the end."""
        import requests.exceptions

        with self._named(f"wait for {container_id[:12]}"):
            try:
                return int(self._api.wait(container_id, timeout=timeout_seconds)["StatusCode"])
            except requests.exceptions.ReadTimeout:
                return None
            except requests.exceptions.ConnectionError as error:
                if "timed out" in str(error).lower():
                    return None
                raise

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        """Return the last lines; bytes that are not UTF-8 are replaced."""
        said = self._maybe(f"logs of {container_id[:12]}", self._api.logs, container_id, tail=lines)
        return (said or b"").decode(errors="replace")

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
            code = self._api.exec_inspect(execution)["ExitCode"]
        return Execution(exit_code=124 if code is None else int(code), output=tail(output))

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        """Run with its input and output as a socket."""
        return pump(self._exec(container_id, argv, stdin=True)[1])

    def attach(self, container_id: str) -> socket.socket:
        """Attach to the main process's input and output."""
        return pump(
            self._stream(
                f"/v{self._api.api_version}/containers/{container_id}/attach"
                "?stream=1&stdin=1&stdout=1",
                None,
            )
        )

    def output(self, container_id: str) -> socket.socket:
        """Attach to what the main process says, on both streams."""
        path = f"/v{self._api.api_version}/containers/{container_id}/attach"
        return pump(self._stream(f"{path}?stream=1&stdout=1&stderr=1", None), errors=True)

    def _exec(
        self, container_id: str, argv: Sequence[str], *, stdin: bool
    ) -> tuple[str, socket.socket]:
        with self._named(f"exec in {container_id[:12]}"):
            execution = self._api.exec_create(container_id, list(argv), stdin=stdin)["Id"]
        path = f"/v{self._api.api_version}/exec/{execution}/start"
        return execution, self._stream(path, {"Detach": False, "Tty": False})

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
            found = self._api.networks()
        return {
            entry["Name"]: ((entry["IPAM"].get("Config") or [{}])[0]).get("Subnet", "")
            for entry in found
        }

    def addresses(self, network: str) -> frozenset[str]:
        """List the network's containers; what is stopped has the address that it asked for."""
        with self._named(f"list containers of {network}"):
            found = self._api.containers(all=True, filters={"network": network})
        endpoints = (entry["NetworkSettings"]["Networks"].get(network) for entry in found)
        return frozenset(address_in(endpoint) for endpoint in endpoints if endpoint) - {""}

    def create_network(self, name: str, *, subnet: str, dynamic_range: str) -> bool:
        """Create a bridge with a subnet; False when either is taken."""
        import docker.errors
        from docker.types import IPAMConfig, IPAMPool

        pool = IPAMPool(subnet=subnet, iprange=dynamic_range)
        with self._named(f"create network {name}"):
            try:
                self._api.create_network(
                    name,
                    driver="bridge",
                    ipam=IPAMConfig(pool_configs=[pool]),
                    check_duplicate=True,
                    labels={"deploy-action.edge": name},
                )
            except docker.errors.APIError as error:
                said = (error.explanation or "").lower()
                if error.status_code in (403, 409) or "overlap" in said:
                    return False
                raise
        return True

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(f"remove network {name}", self._api.remove_network, name)

    def create_volume(self, name: str) -> None:
        """Create a volume; an existing one is left as it is."""
        with self._named(f"create volume {name}"):
            self._api.create_volume(name)

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        self._maybe(f"remove volume {name}", self._api.remove_volume, name)
