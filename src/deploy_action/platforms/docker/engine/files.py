"""Files of one host's containers, by Docker's archive calls: no shell and no mount is needed.

A file that is written into a created container is part of neither its image nor what `docker
inspect` shows. It stays over restarts of container, engine and machine, and goes with the container.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/PutContainerArchive
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.engine.calls import DockerCalls

if TYPE_CHECKING:
    from deploy_action.inputs import Secret
    from deploy_action.platforms.docker.engine.protocol import ContainerSpec

__all__ = ["DockerFiles", "pack", "user_id"]

_LIMIT_BYTES = 1024 * 1024
_LINKS_FOLLOWED = 5


class DockerFiles(DockerCalls):
    """Files in containers, running or not, by Docker's API."""

    def read_file(self, container_id: str, path: str) -> bytes | None:
        for _ in range(_LINKS_FOLLOWED):
            archive = self._archive(container_id, path)
            content = None if archive is None else _only_member(archive)
            if not isinstance(content, str):
                return content
            path = posixpath.join(posixpath.dirname(path), content)
        return None

    def _archive(self, container_id: str, path: str) -> bytes | None:
        archive: bytes | None = self._optional(
            f"read {path} of {container_id[:12]}",
            lambda: self._api.get(
                "containers", container_id, "archive", path=path, limit=_LIMIT_BYTES
            ),
        )
        return archive

    def _write_files(self, container_id: str, spec: ContainerSpec) -> None:
        """Write a new container's files; those of `spec.files` are for its user alone."""
        if not spec.files and not spec.readable_files:
            return
        config = self._api.get("containers", container_id, "json")["Config"]
        user = user_id(config["User"], lambda: self.read_file(container_id, "/etc/passwd"))
        for directory, files in _by_mount(spec).items():
            self._api.call(
                *("PUT", "containers", container_id, "archive"),
                path=directory,
                body=pack(files, user),
            )


def user_id(user: str, read_passwd: Callable[[], bytes | None]) -> int:
    """Return the id of a container's user, which may be a name, with or without a group.

    A name that the image does not know counts as root: such a container does not start.
    """
    name = user.partition(":")[0]
    if not name or name.isdecimal():
        return int(name or 0)
    for line in (read_passwd() or b"").decode(errors="replace").splitlines():
        known, _, number, *_ = (*line.split(":"), "", "", "")
        if known == name and number.isdecimal():
            return int(number)
    return 0


def pack(files: Mapping[str, Secret | str], user: int) -> bytes:
    """Return an archive of files of `user`, who alone may read the secret ones; scripts may be executed.

    The engine makes the directories.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        for path, text in files.items():
            if isinstance(text, str):
                plain, mode = text, 0o555 if text.startswith("#!") else 0o444
            else:
                plain, mode = text.reveal(), 0o400
            content = plain.encode("utf-8", "surrogateescape")
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.uid = len(content), mode, user
            writer.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _by_mount(spec: ContainerSpec) -> Mapping[str, Mapping[str, Secret | str]]:
    """Sort files by the directory to unpack them in: an anonymous volume of their own, or the root.

    The engine unpacks nothing below a mount from outside of it, nor in a read-only root.
    """
    sorted_: dict[str, dict[str, Secret | str]] = {}
    files: dict[str, Secret | str] = {**spec.files, **spec.readable_files}
    for path, content in files.items():
        directory, name = posixpath.split(path)
        if directory not in spec.binds:
            directory, name = "/", path.lstrip("/")
        sorted_.setdefault(directory, {})[name] = content
    return sorted_


def _only_member(archive: bytes) -> bytes | str | None:
    """Return a file's content, or a link's target, of an archive that holds one of them."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
            member = reader.next()
            if member is None or member.issym():
                return None if member is None else member.linkname
            file = reader.extractfile(member)
            return None if file is None else file.read()
    except tarfile.TarError:
        return None
