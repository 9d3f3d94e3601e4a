"""The images of one host's Docker engine: look up, fetch, name, forget, and bring the edge's.

What needs a registry's credentials, a build or an archive goes through the Docker SDK for Python: it
knows `docker login`, its helpers, and how a build's files are sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from deploy_action.errors import DeploymentFailed, HostUnreachable
from deploy_action.platforms.docker.edge import artifact
from deploy_action.platforms.docker.engine.calls import DockerCalls
from deploy_action.platforms.docker.engine.protocol import Image
from deploy_action.platforms.docker.engine.transport import UnixEndpoint, open_transport

__all__ = ["DockerImages"]


class DockerImages(DockerCalls):
    """What the Engine protocol asks of images."""

    def image(self, reference: str) -> Image | None:
        """Look an image up; None when the engine lacks it."""
        found = self._maybe(
            f"inspect image {reference}", lambda: self._api.get("images", reference, "json")
        )
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
        with self._by_sdk(f"resolve {reference}") as sdk:
            found = sdk.inspect_distribution(reference, auth_config=_auth(credentials))
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
        with self._by_sdk(f"pull {reference}") as sdk:
            for line in sdk.pull(
                reference, stream=True, decode=True, auth_config=_auth(credentials)
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
            with self._by_sdk(f"load {tag}") as sdk, local._by_sdk(f"save {tag}") as source:
                sdk.load_image(source.get_image(tag))
        else:
            with self._by_sdk(f"build {tag}") as sdk:
                said = list(sdk.build(path=str(artifact.DIRECTORY), tag=tag, rm=True, decode=True))
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
            self._api.post("images", image_id, "tag", repo=repository, tag=tag)

    def remove_image(self, reference: str) -> None:
        """Remove a name; in use or absent is fine."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(
                f"remove image {reference}", lambda: self._api.call("DELETE", "images", reference)
            )

    @contextlib.contextmanager
    def _by_sdk(self, doing: str) -> Iterator[Any]:
        """Lend the SDK's client, its errors turned into ours."""
        import docker.errors
        import requests.exceptions

        from deploy_action.platforms.docker.engine.sdk import connected

        try:
            with contextlib.closing(connected(self._transport)) as client:
                yield client
        except docker.errors.APIError as error:
            raise self._refused(doing, error.explanation or str(error)) from error
        except (
            requests.exceptions.RequestException,
            docker.errors.DockerException,
            OSError,
        ) as error:
            raise self._unreachable(doing, error) from error


def _auth(credentials: tuple[str, str] | None) -> dict[str, str] | None:
    """Return credentials as the SDK takes them; without any it looks where `docker login` puts them."""
    return {"username": credentials[0], "password": credentials[1]} if credentials else None
