"""Lint of volumes, networks, labels, limits and gates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from deploy_action.config.document import KeyPath
from deploy_action.config.host_access import (
    HostAccess,
    canonical_path,
    device_access,
    mount_access,
)
from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning
from deploy_action.config.mounts import without_mount
from deploy_action.gates.registry import GATES

__all__ = ["RULES"]

_LABEL_PREFIX = "deploy-action."
_ALL_POWERFUL = ("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH")
_SYSCTLS = (
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall"),
    *("kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "kernel.domainname"),
)
"""Parameters of a namespace, beside net.* and fs.mqueue.*:
https://docs.docker.com/reference/cli/docker/container/run/#sysctl"""
_SMALLEST_MEMORY_BYTES = 6 * 1024 * 1024
"""https://docs.docker.com/engine/containers/resource_constraints/"""


def _volumes(scope: Scope) -> Iterator[Finding]:
    targets = {mount.partition(":")[0] for mount in scope.environment.tmpfs}
    for index, path in enumerate(scope.environment.ephemeral):
        if path in targets:
            yield error(
                "duplicate-target",
                ("ephemeral", index),
                f"{path} is a tmpfs, which is ephemeral already",
                "leave it out here",
            )
        targets.add(path)
    for index, volume in enumerate(scope.environment.volumes):
        if volume.target in targets:
            yield error(
                "duplicate-target",
                ("volumes", index),
                f"two mounts have the target {volume.target}",
                "give each its own target",
            )
        targets.add(volume.target)
        if scope.environment.replicas > 1 and not volume.read_only:
            yield warning(
                "shared-volume",
                ("volumes", index),
                f"{scope.environment.replicas} replicas write to the same volume "
                f"at {volume.target}",
                "mount it :ro, use one replica, or make sure that the application can do this",
            )


def _host_access(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    allowed = {canonical_path(path) for path in environment.allow_host_access}
    for index, volume in enumerate(environment.volumes):
        if volume.source == environment.edge.name:
            yield error(
                "edge-state",
                ("volumes", index),
                f"the volume {volume.source} is the edge's own: routes, certificates and ledger",
                "give the volume another name",
            )
            continue
        access = mount_access(volume.source, read_only=volume.read_only)
        harmless_if_read = mount_access(volume.source, read_only=True) is HostAccess.NONE
        if canonical_path(volume.source) not in allowed:
            hint = "mount it :ro if that is enough" if harmless_if_read else "leave it out"
            yield from _gained(access, ("volumes", index), volume.source, hint)
    for index, device in enumerate(environment.options.devices):
        path = device.partition(":")[0]
        if canonical_path(path) not in allowed:
            yield from _gained(device_access(path), ("devices", index), path, "leave it out")


def _gained(access: HostAccess, place: KeyPath, path: str, hint: str) -> Iterator[Finding]:
    match access:
        case HostAccess.NONE:
            return
        case HostAccess.CONTROL:
            what = f"through {path}, whoever gets into this container controls the whole host"
        case HostAccess.SECRETS:
            what = f"{path} holds secrets of the host; whoever gets into this container reads them"
        case _:
            assert_never(access)
    allow = f"{hint}, or, where this is meant: allow_host_access: [{canonical_path(path)}]"
    yield error("host-access", place, what, allow)


def _capabilities(scope: Scope) -> Iterator[Finding]:
    options = scope.environment.options
    for index, name in enumerate(options.cap_add):
        if name in options.cap_drop:
            yield error(
                "capability-twice",
                ("cap_add", index),
                f"{name} is in cap_drop too",
                "name it in one of them",
            )
        elif name in _ALL_POWERFUL:
            yield warning(
                "powerful-capability",
                ("cap_add", index),
                f"with {name}, whoever gets into this container may control the whole host",
                "give only what the application needs",
            )


def _sysctls(scope: Scope) -> Iterator[Finding]:
    for name in scope.environment.options.sysctls:
        if name not in _SYSCTLS and not name.startswith(("net.", "fs.mqueue.")):
            yield error(
                "host-sysctl",
                ("sysctls", name),
                f"{name} is the whole host's, and no container can have its own",
                f"set it on the host: sysctl -w {name}=…; a container's own are net.*, fs.mqueue.* "
                "and those of System V IPC in kernel.*",
                at_key=True,
            )


def _image_volumes(scope: Scope) -> Iterator[Finding]:
    if scope.broken("volumes", "tmpfs", "ephemeral", "build"):
        return
    for path in without_mount(scope.environment, scope.image_volumes):
        yield error(
            "undeclared-volume",
            ("build",),
            f"the Dockerfile declares VOLUME {path}, and nothing here says where that data goes: "
            "each deployment would begin with an empty volume",
            f'volumes: ["{scope.environment.service}-data:{path}"] keeps it, ephemeral: [{path}] '
            "discards it with each container",
            at_key=True,
        )


def _networks(scope: Scope) -> Iterator[Finding]:
    for index, network in enumerate(scope.environment.networks):
        if network in ("host", "none"):
            yield error(
                "special-network",
                ("networks", index),
                f"the network '{network}' cannot be joined in addition to the edge's",
                "name a network made with docker network create",
            )


def _network_alias(scope: Scope) -> Iterator[Finding]:
    if not scope.gives("network_alias") or scope.broken("network_alias", "networks", "port"):
        return
    alias, at = scope.valid["network_alias"], ("network_alias",)
    if alias is True:
        yield error("bad-alias", at, "true is no name", "write the name, or remove the key")
    elif alias and not scope.environment.alias:
        lacks = "networks" if scope.environment.route is not None else "port"
        yield warning(
            "alias-without-network",
            at,
            f"{alias} is reached by nobody: the name is for a service with a port, on its networks",
            f"add {lacks}:, or remove network_alias",
            at_key=True,
        )


def _labels(scope: Scope) -> Iterator[Finding]:
    for label in scope.environment.labels:
        if label.startswith(_LABEL_PREFIX):
            yield error(
                "reserved-label",
                ("labels", label),
                f"labels that begin with {_LABEL_PREFIX} are the deployer's own",
                "choose another prefix",
                at_key=True,
            )


def _memory(scope: Scope) -> Iterator[Finding]:
    memory = scope.environment.resources.memory_bytes
    if memory is not None and memory < _SMALLEST_MEMORY_BYTES:
        yield error(
            "memory-too-small",
            ("resources", "memory"),
            "Docker refuses a limit below 6m",
            "write at least 6m; the letter is the unit: 512m, 1g",
        )


def _gates(scope: Scope) -> Iterator[Finding]:
    configured = scope.environment.gates
    for gate in GATES:
        for problem in gate.lint(configured[gate.key]) if gate.key in configured else ():
            yield error(
                problem.rule, ("gates", gate.key, *problem.path), problem.message, problem.hint
            )


RULES: tuple[Rule, ...] = (
    _volumes,
    _host_access,
    _capabilities,
    _sysctls,
    _image_volumes,
    _networks,
    _network_alias,
    _labels,
    _memory,
    _gates,
)
