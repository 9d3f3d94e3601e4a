"""Lint of volumes, networks, labels, limits and gates."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope
from deploy_action.gates.registry import GATES
from deploy_action.problem import Severity

__all__ = ["RULES"]

_LABEL_PREFIX = "deploy-action."
_SMALLEST_MEMORY_BYTES = (
    6 * 1024 * 1024
)  # https://docs.docker.com/engine/containers/resource_constraints/


def _volumes(scope: Scope) -> Iterator[Finding]:
    targets: set[str] = {mount.partition(":")[0] for mount in scope.environment.tmpfs}
    for index, volume in enumerate(scope.environment.volumes):
        if volume.target in targets:
            yield Finding(
                path=("volumes", index),
                message=f"two mounts have the target {volume.target}",
                hint="give each its own target",
                rule="duplicate-target",
            )
        targets.add(volume.target)
        if volume.source.endswith("/docker.sock"):
            yield Finding(
                path=("volumes", index),
                message="whoever gets into this container has the whole host by Docker's socket",
                hint="leave it out, or give a proxy that allows only what is needed",
                rule="docker-socket",
                severity=Severity.WARNING,
            )
        if scope.environment.replicas > 1 and not volume.read_only:
            yield Finding(
                path=("volumes", index),
                message=(
                    f"{scope.environment.replicas} replicas write to the same volume "
                    f"at {volume.target}"
                ),
                hint="mount it :ro, use one replica, or make sure that the application can do this",
                rule="shared-volume",
                severity=Severity.WARNING,
            )


def _networks(scope: Scope) -> Iterator[Finding]:
    for index, network in enumerate(scope.environment.networks):
        if network in ("host", "none"):
            yield Finding(
                path=("networks", index),
                message=f"the network '{network}' cannot be joined besides the edge's own",
                hint="name a network that was made with docker network create",
                rule="special-network",
            )


def _labels(scope: Scope) -> Iterator[Finding]:
    for label in scope.environment.labels:
        if label.startswith(_LABEL_PREFIX):
            yield Finding(
                path=("labels", label),
                message=f"labels that begin with {_LABEL_PREFIX} are the deployer's own",
                hint="choose another prefix",
                rule="reserved-label",
                at_key=True,
            )


def _memory(scope: Scope) -> Iterator[Finding]:
    memory = scope.environment.resources.memory_bytes
    if memory is not None and memory < _SMALLEST_MEMORY_BYTES:
        yield Finding(
            path=("resources", "memory"),
            message="Docker refuses a limit below 6m",
            hint="write at least 6m; the letter is the unit: 512m, 1g",
            rule="memory-too-small",
        )


def _gates(scope: Scope) -> Iterator[Finding]:
    configured = scope.environment.gates
    for gate in GATES:
        for problem in gate.lint(configured[gate.key]) if gate.key in configured else ():
            yield Finding(
                path=("gates", gate.key, *problem.path),
                message=problem.message,
                hint=problem.hint,
                rule=problem.rule,
            )


RULES: tuple[Rule, ...] = (_volumes, _networks, _labels, _memory, _gates)
