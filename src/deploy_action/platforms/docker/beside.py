"""Runs a test's program in a container beside a replica, and removes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.checks.beside import Beside, Ended
from deploy_action.platforms.docker.engine.protocol import ContainerSpec, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["run_beside"]

_MEMORY_BYTES = 1 << 30
_PIDS = 512
_LINES = 200


def run_beside(
    host: Host,
    release: Release,
    replica: Replica,
    job: Beside,
    timeout_seconds: float,
    *,
    check: Callable[[], None],
) -> Ended:
    """Run a program on the network of the service, with bounds, and return how it ended.

    Whatever it leaves when the deployer dies goes with the hooks of the next deployment.

    Args:
        check: called while it runs; may raise.

    Raises:
        DeploymentFailed: its image cannot be had, or the engine does not start it.
    """
    engine, placement = host.engine, host.placement
    if engine.image(job.image) is None:
        engine.pull(job.image, None)
    host.session.ping()
    spec = ContainerSpec(
        name=f"{replica.name}_smoke",
        image=job.image,
        entrypoint=job.argv[:1],
        command=job.argv[1:],
        env=job.env,
        files=job.files,
        readable_files=job.readable_files,
        networks=(NetworkSpec(name=placement.network),),
        host_config={
            "ExtraHosts": [f"{name}:{at}" for name, at in job.names.items()],
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
        },
        memory_bytes=_MEMORY_BYTES,
        pids=_PIDS,
        labels=placement.selector("hook") | {"deploy-action.release": release.id},
    )
    container_id = engine.create(spec)
    try:
        engine.start(container_id)
        deadline = host.clock.monotonic() + timeout_seconds
        code = None
        while code is None and (left := deadline - host.clock.monotonic()) > 0:
            check()
            code = engine.wait(container_id, timeout_seconds=min(1.0, left))
        return Ended(
            exit_code=code,
            output=engine.logs(container_id, lines=_LINES),
            report=engine.read_file(container_id, job.report) if job.report else None,
        )
    finally:
        engine.remove(container_id, volumes=True)
