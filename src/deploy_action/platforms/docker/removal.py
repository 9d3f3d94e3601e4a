"""What a service leaves on a host besides replicas and route, when it is taken away for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.retained_images import release_images
from deploy_action.platforms.docker.volumes import discard
from deploy_action.results.notes import Note, NoteCode
from deploy_action.session.queries import names

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host
    from deploy_action.releases.model import Deployment

__all__ = ["remove_leftovers", "volumes_of"]


def volumes_of(entries: Sequence[Deployment]) -> tuple[str, ...]:
    """Return the named volumes that the releases of an environment have ever used."""
    sources = (volume.source for entry in entries for volume in entry.release.configuration.volumes)
    return tuple(dict.fromkeys(source for source in sources if not source.startswith("/")))


def remove_leftovers(
    host: Host, entries: Sequence[Deployment], *, delete_volumes: bool
) -> list[Note]:
    """Remove tasks, hooks, tags of images, certificates, pages and the network; and volumes, if
    asked to.

    The ledger stays: it is the archive, and numbers go on from it.

    Args:
        entries: the host's own ledger.

    Returns notes on what stays.
    """
    notes: list[Note] = []
    for kind in ("hook", "task"):
        for container in host.engine.containers(host.placement.selector(kind)):
            host.session.ping()
            note = discard(host.engine, container.id)
            notes += [note] if note is not None else []
    _remove_network(host)
    release_images(host, {entry.release.id for entry in entries})
    for directory in (f"certs/{host.backend}", f"pages/{host.backend}"):
        for name in host.session.ask(names(directory)):
            host.session.delete(f"{directory}/{name}")
    host.session.delete(host.key_path)
    present = [volume for volume in volumes_of(entries) if host.engine.has_volume(volume)]
    for volume in present if delete_volumes else []:
        host.session.ping()
        host.engine.remove_volume(volume)
    kept = [volume for volume in present if host.engine.has_volume(volume)]
    if kept:
        why = "another container uses them" if delete_volumes else "with the data in them"
        text = (
            f"{host.name}: these volumes stay, {why}: {', '.join(kept)}; "
            f"docker volume rm {' '.join(kept)} deletes them"
        )
        notes.append(Note(NoteCode.VOLUME_KEPT, text))
    return notes


def _remove_network(host: Host) -> None:
    """Remove the environment's network, unless it is a user's, or a user's container is on it."""
    engine, placement = host.engine, host.placement
    if placement.network not in engine.networks(placement.labels):
        return
    host.session.ping()
    if placement.edge.network != "host":
        for ours in (placement.edge.name, host.dialer.container_id):
            engine.disconnect_network(placement.network, ours)
    engine.remove_network(placement.network)
