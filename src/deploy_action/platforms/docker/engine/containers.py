"""The containers of one host's Docker engine: list, create, start, stop, remove."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from deploy_action.errors import DeployActionError, ErrorCode
from deploy_action.platforms.docker.engine.api import EngineApiError
from deploy_action.platforms.docker.engine.error_hints import find_hint
from deploy_action.platforms.docker.engine.files import DockerFiles
from deploy_action.platforms.docker.engine.networks import endpoint_address
from deploy_action.platforms.docker.engine.protocol import (
    Container,
    ContainerSpec,
    ImageMissing,
    NameTaken,
)
from deploy_action.platforms.docker.engine.streams import frame_contents
from deploy_action.redaction import redact

__all__ = ["DockerContainers", "stop_survives_disconnect"]

_STOP_SECONDS = 60.0
"""How much longer than the container's own timeout the engine may need to stop it."""
_INSPECTED_AT_ONCE = 8
_LOG_BYTES = 65536
_TAIL_BYTES = 1024 * 1024


class DockerContainers(DockerFiles):
    """Containers, by Docker's API."""

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        label = [f"{key}={value}" if value else key for key, value in labels.items()]
        with self._errors("list containers"):
            entries = self._api.get("containers", "json", all=True, filters={"label": label})
        if not entries:
            return ()
        with ThreadPoolExecutor(max_workers=min(_INSPECTED_AT_ONCE, len(entries))) as pool:
            inspected = pool.map(self.container, (entry["Id"] for entry in entries))
            return tuple(container for container in inspected if container is not None)

    def container(self, id_or_name: str) -> Container | None:
        data = self._optional(
            f"inspect {id_or_name}", lambda: self._api.get("containers", id_or_name, "json")
        )
        return None if data is None else _container(data)

    def create(self, spec: ContainerSpec) -> str:
        with self._errors(f"create {spec.name}"):
            try:
                created = self._api.post(
                    "containers", "create", name=spec.name, body=_create_body(spec)
                )
            except EngineApiError as error:
                if error.status == 409:
                    raise NameTaken(self.host, spec.name) from error
                if find_hint(error.message).code is ErrorCode.IMAGE_NOT_FOUND:
                    raise ImageMissing(
                        f"{self.host}: create {spec.name}: {error.message}",
                        remedy="deploy-action doctor",
                    ) from error
                raise
            container_id = str(created["Id"])
            try:
                for network in spec.networks[1:]:
                    self._api.post(
                        "networks", network.name, "connect", body={"Container": container_id}
                    )
                self._write_files(container_id, spec)
            except BaseException:
                with contextlib.suppress(DeployActionError):
                    self.remove(container_id, volumes=True)
                raise
        return container_id

    def start(self, container_id: str) -> None:
        with self._errors(f"start {container_id[:12]}"):
            self._api.post("containers", container_id, "start")

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Stop gracefully; a signal other than the image's own is sent first."""
        if signal is not None:
            self.kill(container_id, signal)
            if self.wait(container_id, timeout_seconds=timeout_seconds) is not None:
                return
            timeout_seconds = 0
        with self._errors(f"stop {container_id[:12]}"):
            self._api.post(
                *("containers", container_id, "stop"),
                t=round(timeout_seconds),
                seconds=timeout_seconds + _STOP_SECONDS,
            )

    def stop_async(self, container_id: str, *, timeout_seconds: float) -> None:
        """Ask for a stop; wait for it only where the engine gives up when nobody waits."""
        if not stop_survives_disconnect(self._api.server):
            self.stop(container_id, timeout_seconds=timeout_seconds)
            return
        with self._errors(f"stop {container_id[:12]}"):
            self._api.post_async("containers", container_id, "stop", t=round(timeout_seconds))

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        with self._errors(f"signal {container_id[:12]}"):
            try:
                self._api.post("containers", container_id, "kill", signal=signal)
            except EngineApiError as error:
                if error.status not in (404, 409, 500):
                    raise

    def remove(self, container_id: str, *, volumes: bool = False) -> None:
        with self._errors(f"remove {container_id[:12]}"):
            try:
                self._api.call("DELETE", "containers", container_id, force=True, v=volumes)
            except EngineApiError as error:
                # 409: it is being removed already.
                if error.status not in (404, 409):
                    raise

    def rename(self, container_id: str, name: str) -> None:
        """Rename; the engine answers 409 where the name is taken, also by the container itself."""
        with self._errors(f"rename {container_id[:12]}"):
            try:
                self._api.post("containers", container_id, "rename", name=name)
            except EngineApiError as error:
                if error.status not in (400, 409):
                    raise
                holder = self.container(name)
                if holder is None or holder.id != container_id:
                    raise NameTaken(self.host, name) from error

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        with self._errors(f"update {container_id[:12]}"):
            self._api.post(
                *("containers", container_id, "update"), body={"RestartPolicy": {"Name": policy}}
            )

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        with self._errors(f"wait for {container_id[:12]}"):
            try:
                ended = self._api.post("containers", container_id, "wait", seconds=timeout_seconds)
            except TimeoutError:
                return None
            return int(ended["StatusCode"])

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        output = self._log(container_id, _TAIL_BYTES, tail=lines)
        return redact(frame_contents(output).decode(errors="replace"))

    def log_ends(self, container_id: str) -> str:
        first = self._log(container_id, _LOG_BYTES)
        if len(first) < _LOG_BYTES:
            return redact(frame_contents(first).decode(errors="replace"))
        # The engine cuts a line at 16 KiB: the last lines of a log of long ones may be too many.
        last = self._log(container_id, _TAIL_BYTES, tail=400)
        if len(last) == _TAIL_BYTES:
            last = self._log(container_id, _TAIL_BYTES, tail=40)
        # Lines that were cut may hold a part of a secret, which nothing would recognise.
        head = frame_contents(first).rpartition(b"\n")[0]
        tail = frame_contents(last)[-_LOG_BYTES:].partition(b"\n")[2]
        return redact(b"\n".join((head, tail)).decode(errors="replace"))

    def _log(self, container_id: str, limit: int, **query: int) -> bytes:
        path = ("containers", container_id, "logs")
        output: bytes | None = self._optional(
            f"logs of {container_id[:12]}",
            lambda: self._api.get(*path, limit=limit, stdout=True, stderr=True, **query),
        )
        return output or b""


def _create_body(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "Image": spec.image,
        "Cmd": None if spec.command is None else list(spec.command),
        "Entrypoint": None if spec.entrypoint is None else list(spec.entrypoint),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": dict(spec.labels),
        "User": spec.user or "",
        "StopSignal": spec.stop_signal,
        "AttachStdin": spec.stdin,
        "OpenStdin": spec.stdin,
        # The input ends with the connection that is attached to it.
        "StdinOnce": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {f"{port}/tcp": {} for port in spec.publish},
        "HostConfig": _host_config(spec),
        # The network that it is created on; the others are connected afterwards.
        "NetworkingConfig": {
            "EndpointsConfig": {
                network.name: {
                    "IPAMConfig": {"IPv4Address": network.address} if network.address else None,
                    "Aliases": list(network.aliases),
                }
                for network in spec.networks[:1]
            }
        },
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "Binds": list(spec.binds),
        "NetworkMode": spec.network_mode or (spec.networks[0].name if spec.networks else ""),
        "PortBindings": {
            f"{inner}/tcp": [
                {"HostIp": address, "HostPort": str(outer)} for address in spec.publish_at or ("",)
            ]
            for inner, outer in spec.publish.items()
        },
        "RestartPolicy": {"Name": spec.restart},
        "Memory": spec.memory_bytes or 0,
        # Otherwise a process at its memory limit swaps for a while before it is killed.
        "MemorySwap": spec.memory_bytes or 0,
        "NanoCpus": round(spec.cpus * 1e9) if spec.cpus else 0,
        "PidsLimit": spec.pids,
        "Ulimits": [{"Name": "nofile", "Soft": spec.open_files, "Hard": spec.open_files}]
        if spec.open_files
        else [],
        "ReadonlyRootfs": spec.read_only,
        "AutoRemove": spec.remove_at_end,
        "Tmpfs": {path: options for path, _, options in (m.partition(":") for m in spec.tmpfs)},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
        if spec.log_limit
        else None,
        **spec.host_config,
    }


def _container(data: Mapping[str, Any]) -> Container:
    """Read the response to an inspect request."""
    state, config, host = data["State"], data["Config"], data["HostConfig"]
    health = state.get("Health") or {}
    log: Sequence[Mapping[str, Any]] = health.get("Log") or [{}]
    networks = data["NetworkSettings"].get("Networks") or {}
    named = {bind.split(":")[1] for bind in host.get("Binds") or () if ":" in bind}
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        image_id=data["Image"],
        labels=config.get("Labels") or {},
        status=state["Status"],
        exit_code=state.get("ExitCode", 0),
        out_of_memory=bool(state.get("OOMKilled")),
        error=redact(state.get("Error", "")),
        health=health.get("Status", "none") or "none",
        health_log=redact((log[-1].get("Output") or "").strip()),
        addresses={name: endpoint_address(endpoint) for name, endpoint in networks.items()},
        restart=(host.get("RestartPolicy") or {}).get("Name") or "no",
        restarts=data.get("RestartCount") or 0,
        started_at=state.get("StartedAt", ""),
        memory_bytes=host.get("Memory", 0),
        cpus=host.get("NanoCpus", 0) / 1e9,
        pids=max(0, host.get("PidsLimit") or 0),
        env=dict(entry.partition("=")[::2] for entry in config.get("Env") or ()),
        host_config=host,
        anonymous_volumes={
            mount["Destination"]: mount["Name"]
            for mount in data.get("Mounts") or ()
            if mount.get("Type") == "volume" and mount["Destination"] not in named
        },
    )


def stop_survives_disconnect(server: str) -> bool:
    """Tell whether an engine completes a stop when the client no longer waits for the response.

    Docker does, except for versions that then kill the container at once (moby issue 45731, fixed
    in 23.0.9 and 24.0.3). Other engines are not known to.

    Args:
        server: the engine's Server header, as in ``Docker/24.0.7 (linux)``.
    """
    match = re.match(r"Docker/(\d+)\.(\d+)\.(\d+)", server)
    if match is None:
        return False
    version = tuple(map(int, match.groups()))
    return not ((23, 0, 0) <= version < (23, 0, 9) or (24, 0, 0) <= version < (24, 0, 3))
