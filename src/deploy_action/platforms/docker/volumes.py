"""The volumes that an image declares: where their data goes, and what becomes of it.

For each VOLUME of an image that nothing is mounted on, Docker makes an anonymous volume with every
container: the next release begins with an empty one.
https://docs.docker.com/reference/dockerfile/#volume
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from deploy_action.config.mounts import without_mount
from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.replicas import EPHEMERAL_LABEL
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.platforms.docker.engine.protocol import Engine
    from deploy_action.platforms.docker.observation import DockerObservation
    from deploy_action.releases.model import Release

__all__ = ["discard", "require_mounts", "require_mounts_after_pull"]


def require_mounts(release: Release, seen: DockerObservation) -> None:
    """Refuse a release whose image keeps data at a path of which deploy.yaml says nothing.

    Raises:
        BadInput: a host that has the image shows such a path.
    """
    for host in seen.hosts:
        volumes = host.image_volumes.get(release.reference, ())
        _require(host.host, release, volumes, error=BadInput)


def require_mounts_after_pull(host: str, release: Release, volumes: Collection[str]) -> None:
    """Do the same for an image that was not on a host before; nothing was started yet.

    Raises:
        DeploymentFailed: there is such a path.
    """
    _require(host, release, volumes, error=DeploymentFailed)


def _require(
    host: str,
    release: Release,
    volumes: Collection[str],
    *,
    error: type[BadInput] | type[DeploymentFailed],
) -> None:
    paths = without_mount(release.configuration, volumes)
    if paths:
        raise error(
            f"{host}: the image of {release.version} declares VOLUME {', '.join(paths)}, and "
            "deploy.yaml does not say where that data goes",
            cause="each deployment would begin with an empty volume there",
            remedy=f'volumes: ["{release.service}-data:{paths[0]}"] in deploy.yaml keeps it, '
            f"ephemeral: [{paths[0]}] discards it with each container",
            code=ErrorCode.VOLUME_UNDECLARED,
        )


def discard(engine: Engine, container_id: str) -> Note | None:
    """Remove a container; keep its anonymous volumes unless deploy.yaml calls them ephemeral.

    Returns a note that names the volumes which are left.
    """
    container = engine.container(container_id)
    if container is None:
        return None
    ephemeral = container.labels.get(EPHEMERAL_LABEL, "").split(":")
    left = {
        path: name for path, name in container.anonymous_volumes.items() if path not in ephemeral
    }
    engine.remove(container.id, volumes=not left)
    if not left:
        return None
    for path in container.anonymous_volumes.keys() - left.keys():
        engine.remove_volume(container.anonymous_volumes[path])
    what = ", ".join(f"{path} in volume {name}" for path, name in sorted(left.items()))
    return Note(
        NoteCode.VOLUME_KEPT,
        f"{engine.host}: {container.name} was removed, and the data that it wrote is kept: {what}; "
        f"docker volume rm {' '.join(sorted(left.values()))} deletes it",
    )
