"""Lint of volumes, networks, labels, limits and gates."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning
from deploy_action.config.mounts import without_mount
from deploy_action.gates.registry import GATES

__all__ = ["RULES"]

_LABEL_PREFIX = "deploy-action."
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
        if volume.source.endswith("/docker.sock"):
            yield warning(
                "docker-socket",
                ("volumes", index),
                "with Docker's socket, whoever gets into this container controls the whole host",
                "leave it out, or mount the socket of a proxy that allows only what is needed",
            )
        if scope.environment.replicas > 1 and not volume.read_only:
            yield warning(
                "shared-volume",
                ("volumes", index),
                f"{scope.environment.replicas} replicas write to the same volume "
                f"at {volume.target}",
                "mount it :ro, use one replica, or make sure that the application can do this",
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


RULES: tuple[Rule, ...] = (_volumes, _image_volumes, _networks, _labels, _memory, _gates)
