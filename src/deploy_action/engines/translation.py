"""Docker's requests, answers and complaints, to and from our values; asks nothing by itself."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Mapping
from typing import Any, cast

from deploy_action.engines.engine import Container, ContainerSpec

__all__ = [
    "RESTARTS",
    "address_in",
    "auth",
    "body",
    "container",
    "distrust",
    "explain",
    "short",
    "shut",
    "tail",
]

RESTARTS = {"no": {"Name": "no"}, "unless-stopped": {"Name": "unless-stopped"}}


def body(api: Any, spec: ContainerSpec) -> dict[str, Any]:
    """Write a description as the body of the create request."""
    host_config = api.create_host_config(
        binds=list(spec.binds) or None,
        network_mode=spec.network_mode or (spec.networks[0].name if spec.networks else None),
        port_bindings=dict(spec.publish) or None,
        restart_policy=RESTARTS[spec.restart],
        mem_limit=spec.memory_bytes,
        # Without this a memory limit lets a process swap on for a while before it is killed.
        memswap_limit=spec.memory_bytes,
        nano_cpus=round(spec.cpus * 1e9) if spec.cpus else None,
        pids_limit=spec.pids,
        read_only=spec.read_only,
        auto_remove=spec.remove_at_end,
        tmpfs=dict.fromkeys(spec.tmpfs, "") or None,
        log_config={"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
        if spec.log_limit
        else None,
    )
    networking = None
    if spec.networks:
        first = spec.networks[0]
        endpoint = api.create_endpoint_config(ipv4_address=first.address)
        networking = api.create_networking_config({first.name: endpoint})
    return cast(
        "dict[str, Any]",
        api.create_container_config(
            image=spec.image,
            command=list(spec.command) if spec.command is not None else None,
            entrypoint=list(spec.entrypoint) if spec.entrypoint is not None else None,
            environment=dict(spec.env),
            labels=dict(spec.labels),
            user=spec.user,
            stdin_open=spec.stdin,
            ports=list(spec.publish) or None,
            host_config=host_config,
            networking_config=networking,
            stop_signal=spec.stop_signal,
        )
        | ({"StdinOnce": True} if spec.stdin else {}),
    )


def auth(credentials: tuple[str, str] | None) -> dict[str, str] | None:
    """Return credentials as the SDK takes them."""
    return {"username": credentials[0], "password": credentials[1]} if credentials else None


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


def short(error: Exception) -> str:
    """Say in a few words why a connection failed."""
    text = str(error)
    found = re.search(r"\[Errno \d+\] [^'\")]+|[Tt]imed out|[Tt]imeout", text)
    return found.group(0) if found else f"{type(error).__name__}: {text[:160]}"


def distrust(said: str) -> tuple[str, str]:
    """Say which side of a TLS connection does not trust the other, and what to do; empty where
    it is none of that.

    Source: OpenSSL's reasons, as Python's ssl module words them.
    """
    text = said.lower().replace("_", " ")
    if "certificate verify failed" in text:
        return (
            "the engine's certificate is not one of the authority in DOCKER_CERT_PATH/ca.pem",
            "compare: openssl s_client -connect HOST:PORT -CAfile ca.pem",
        )
    # Since TLS 1.3 a server may end the connection before its reason is read.
    refusals = ("alert unknown ca", "bad certificate", "certificate required", "eof occurred")
    if any(word in text for word in refusals):
        return (
            "the engine does not take the certificate in DOCKER_CERT_PATH/cert.pem",
            "have it signed by the authority that the engine was given with --tlscacert",
        )
    return "", ""


def explain(said: str) -> tuple[str, str]:
    """Say the likely cause of a refusal in plain words, and what to do about it."""
    text = said.lower()
    for words, cause, remedy in _REFUSALS:
        if any(word in text for word in words):
            return cause, remedy
    return "", ""


_REFUSALS = (
    # Before what a registry denies.
    (("permission denied",), "the entry point is not executable, or access is refused", ""),
    (
        ("manifest unknown", "not found: manifest"),
        "the registry has no such tag or digest",
        "push it, or look which tags there are",
    ),
    (
        ("unauthorized", "denied", "no basic auth"),
        "the registry refuses the credentials",
        "see registry in deploy.yaml; try docker login with the same name and password",
    ),
    (("no matching manifest", "exec format error"), "the image is for another architecture", ""),
    (
        ("connection refused", "connection reset", "no such host", ": eof", "unexpected eof"),
        "the registry does not answer",
        "try again later; with pull: missing an image that the host has is used",
    ),
    (
        ("no space left",),
        "the disk of the host is full",
        "make room there: docker system df, then docker image prune",
    ),
    (("port is already allocated", "address already in use"), "something else has that port", ""),
    (("executable file not found", "no such file or directory"), "the entry point is missing", ""),
)
