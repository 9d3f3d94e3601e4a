"""The tags that keep the images of releases which a host can restore.

A release that is live or kept has a tag of its own in its image's repository. So the engine itself
counts who needs an image: another environment's cleanup removes only that environment's tags,
`docker image prune` and `docker system prune` leave an image that has a tag, and the image keeps its
digest when other tags go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["release_images", "retain_images", "retained_name"]

_TAG = "deploy-action-"


def retained_name(repository: str, release: str) -> str:
    """Return the name that keeps a release's image.

    Args:
        release: its id, a hash over service, environment, edge and image, among others: no other
            environment has it.
    """
    return f"{repository}:{_TAG}{release}"


def retain_images(
    host: Host,
    release: Release,
    replicas: Iterable[Replica],
    *,
    retained: Collection[str],
    past: Collection[str],
) -> list[Note]:
    """Tag the images that may be needed again, and let go of this environment's others.

    Args:
        release: what is live.
        replicas: those that stay beside it or were kept or removed just now.
        retained: ids of the releases that can be restored, the live one too.
        past: ids of the releases that were live in this environment.

    Returns a note where the live release's image is not on the host any more.
    """
    names, notes = host.engine.image_names(), []
    references = {replica.release: replica.image for replica in replicas}
    wanted = {release.id: (release.reference, release.image)}
    for identifier in references.keys() & set(retained):
        repository, _, digest = references[identifier].partition("@")
        if digest:
            wanted.setdefault(identifier, (references[identifier], repository))
    for identifier, (reference, repository) in wanted.items():
        if retained_name(repository, identifier) in names:
            continue
        host.session.ping()
        try:
            host.engine.tag(reference, repository, f"{_TAG}{identifier}")
        except DeploymentFailed as error:
            if identifier == release.id:
                text = (
                    f"{host.name}: the image of {release.version} could not be tagged, so it is "
                    f"pruned with the release's containers: {error.what}"
                )
                notes.append(Note(NoteCode.IMAGE_NOT_RETAINED, text))
    _release(host, names, set(past) - set(retained))
    for identifier in sorted(references.keys() - set(retained)):
        _remove_untagged(host, references[identifier])
    return notes


def release_images(host: Host, identifiers: Collection[str]) -> None:
    """Let go of the images of releases that nobody will restore."""
    _release(host, host.engine.image_names(), identifiers)


def _release(host: Host, names: Collection[str], identifiers: Collection[str]) -> None:
    tags = {f"{_TAG}{identifier}" for identifier in identifiers}
    for name in sorted(names):
        if name.rpartition(":")[2] in tags:
            host.session.ping()
            host.engine.remove_image(name)


def _remove_untagged(host: Host, reference: str) -> None:
    """Remove an image that nobody named, as that of a failed release, which was never tagged."""
    # Only what was pulled by its digest can be had again.
    image = host.engine.image(reference) if "@" in reference else None
    if image is not None and not image.tags:
        host.session.ping()
        host.engine.remove_image(reference)
