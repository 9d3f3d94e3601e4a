"""Which of an image's volumes deploy.yaml mounts something on."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy_action.config.model import Environment

__all__ = ["without_mount"]


def without_mount(environment: Environment, volumes: Iterable[str]) -> tuple[str, ...]:
    """Return the paths of an image's VOLUMEs that are neither a volume, nor tmpfs, nor ephemeral.

    Only the very path counts: Docker mounts an anonymous volume below another mount, too.
    """
    mounted = {
        posixpath.normpath(path)
        for path in (
            *(volume.target for volume in environment.volumes),
            *(mount.partition(":")[0] for mount in environment.tmpfs),
            *environment.ephemeral,
        )
    }
    return tuple(path for path in volumes if posixpath.normpath(path) not in mounted)
