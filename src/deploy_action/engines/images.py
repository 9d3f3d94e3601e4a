"""The images of one host's Docker engine: look up, fetch, name, forget, and bring the edge's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from deploy_action.edge import artifact
from deploy_action.engines.calls import DockerCalls
from deploy_action.engines.engine import Image
from deploy_action.engines.translation import auth
from deploy_action.engines.transport import UnixEndpoint, open_transport
from deploy_action.errors import DeploymentFailed, HostUnreachable

__all__ = ["DockerImages"]


class DockerImages(DockerCalls):
    """What the Engine protocol asks of images."""

    def image(self, reference: str) -> Image | None:
        """Look an image up; None when the engine lacks it."""
        found = self._maybe(f"inspect image {reference}", self._api.inspect_image, reference)
        if found is None:
            return None
        config = found.get("Config") or {}
        check = (config.get("Healthcheck") or {}).get("Test") or []
        return Image(
            id=found["Id"],
            digests=tuple(found.get("RepoDigests") or ()),
            architecture=found.get("Architecture", ""),
            healthcheck=bool(check) and check[0] != "NONE",
            labels=config.get("Labels") or {},
        )

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry, through the engine, so that its mirrors and certificates apply."""
        with self._named(f"resolve {reference}"):
            found = self._api.inspect_distribution(reference, auth_config=auth(credentials))
        architectures = {p.get("architecture", "") for p in found.get("Platforms") or ()}
        return found["Descriptor"]["digest"], frozenset(architectures - {"", "unknown"})

    def pull(
        self,
        reference: str,
        credentials: tuple[str, str] | None,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Pull once: the engine itself tries every layer several times before it gives up."""
        with self._named(f"pull {reference}"):
            for line in self._api.pull(
                reference, stream=True, decode=True, auth_config=auth(credentials)
            ):
                check()
                if "error" in line:
                    raise self._refused(f"pull {reference}", line["error"])

    def load_edge_image(self, tag: str) -> None:
        """Bring our edge image: from this machine's engine when it is there, else by building."""
        if self.image(tag) is not None:
            return
        local = None
        if not isinstance(self._transport, UnixEndpoint):
            with contextlib.suppress(HostUnreachable):
                local = DockerImages("local", open_transport("local"))
        if local is not None and local.image(tag) is not None:
            with self._named(f"load {tag}"), local._named(f"save {tag}"):
                self._api.load_image(local._api.get_image(tag))
        else:
            with self._named(f"build {tag}"):
                said = list(
                    self._api.build(path=str(artifact.DIRECTORY), tag=tag, rm=True, decode=True)
                )
            problem = next((line["error"] for line in said if "error" in line), None)
            if problem:
                raise DeploymentFailed(
                    f"{self.host}: the edge's image could not be built: {problem}",
                    remedy=f"build or load the image {tag} on the host by hand",
                )
        if local is not None:
            local.close()

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Give an image a name."""
        with self._named(f"tag {repository}:{tag}"):
            self._api.tag(image_id, repository, tag)

    def remove_image(self, reference: str) -> None:
        """Remove a name; in use or absent is fine."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(f"remove image {reference}", self._api.remove_image, reference)
