"""Docker's requests and answers, to and from our values; asks nothing by itself."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec

__all__ = [
    "RESTARTS",
    "address_in",
    "body",
    "container",
    "shut",
    "stop_survives_disconnect",
    "tail",
]

RESTARTS = {"no": {"Name": "no"}, "unless-stopped": {"Name": "unless-stopped"}}


def body(spec: ContainerSpec) -> dict[str, Any]:
    """Write a description as the body of the create request."""
    return {
        "Image": spec.image,
        "Cmd": _listed(spec.command),
        "Entrypoint": _listed(spec.entrypoint),
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
        "NetworkingConfig": {"EndpointsConfig": _endpoints(spec)},
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "Binds": list(spec.binds),
        "NetworkMode": spec.network_mode or (spec.networks[0].name if spec.networks else ""),
        "PortBindings": {
            f"{inner}/tcp": [{"HostIp": "", "HostPort": str(outer)}]
            for inner, outer in spec.publish.items()
        },
        "RestartPolicy": RESTARTS[spec.restart],
        "Memory": spec.memory_bytes or 0,
        # Without this a memory limit lets a process swap on for a while before it is killed.
        "MemorySwap": spec.memory_bytes or 0,
        "NanoCpus": round(spec.cpus * 1e9) if spec.cpus else 0,
        "PidsLimit": spec.pids,
        "ReadonlyRootfs": spec.read_only,
        "AutoRemove": spec.remove_at_end,
        "Tmpfs": dict.fromkeys(spec.tmpfs, ""),
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
        if spec.log_limit
        else None,
    }


def _endpoints(spec: ContainerSpec) -> dict[str, Any]:
    """The network that it is created on; the others are connected afterwards."""
    return {
        network.name: {"IPAMConfig": {"IPv4Address": network.address} if network.address else None}
        for network in spec.networks[:1]
    }


def _listed(words: Sequence[str] | None) -> list[str] | None:
    return None if words is None else list(words)


def container(found: Mapping[str, Any]) -> Container:
    """Read what an inspect request answers."""
    state, config, host = found["State"], found["Config"], found["HostConfig"]
    health = state.get("Health") or {}
    log = health.get("Log") or [{}]
    networks = found["NetworkSettings"].get("Networks") or {}
    return Container(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        image_id=found["Image"],
        labels=config.get("Labels") or {},
        status=state["Status"],
        exit_code=state.get("ExitCode", 0),
        out_of_memory=bool(state.get("OOMKilled")),
        error=state.get("Error", ""),
        health=health.get("Status", "none") or "none",
        health_log=(log[-1].get("Output") or "").strip(),
        addresses={name: address_in(endpoint) for name, endpoint in networks.items()},
        restart=(host.get("RestartPolicy") or {}).get("Name") or "no",
        started_at=state.get("StartedAt", ""),
        memory_bytes=host.get("Memory", 0),
        cpus=host.get("NanoCpus", 0) / 1e9,
        pids=max(0, host.get("PidsLimit") or 0),
        env=dict(entry.partition("=")[::2] for entry in config.get("Env") or ()),
    )


def address_in(endpoint: Mapping[str, Any]) -> str:
    """Return the address of a container on a network, or the one that it will have."""
    fixed = endpoint.get("IPAMConfig") or {}
    return endpoint.get("IPAddress") or fixed.get("IPv4Address") or ""


def tail(output: bytearray) -> str:
    """Decode the end of an output."""
    return bytes(output).decode(errors="replace")


def shut(stream: socket.socket) -> None:
    """End a stream from another thread."""
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def stop_survives_disconnect(server: str) -> bool:
    """Tell whether an engine goes on with a stop when nobody waits for the answer any more.

    Docker does, but for the versions that kill the container at once then (moby issue 45731, mended
    in 23.0.9 and 24.0.3). Others are not known to.

    Args:
        server: how it names itself, as in ``Docker/24.0.7 (linux)``.
    """
    named = re.match(r"Docker/(\d+)\.(\d+)\.(\d+)", server)
    if named is None:
        return False
    version = tuple(map(int, named.groups()))
    return not ((23, 0, 0) <= version < (23, 0, 9) or (24, 0, 0) <= version < (24, 0, 3))
