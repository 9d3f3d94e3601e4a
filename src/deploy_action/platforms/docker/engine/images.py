"""The images of one host's Docker engine: look up, pull, build, tag, remove.

What needs a registry's credentials, a build or an archive goes through the Docker SDK for Python,
which knows `docker login`, its helpers, and how a build's files are sent.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from deploy_action.budget import within
from deploy_action.errors import DeploymentFailed, HostUnreachable
from deploy_action.platforms.docker.engine.calls import DockerCalls
from deploy_action.platforms.docker.engine.error_hints import engine_error
from deploy_action.platforms.docker.engine.protocol import Image
from deploy_action.platforms.docker.engine.pull_progress import PullProgress
from deploy_action.platforms.docker.engine.transport import UnixEndpoint, open_transport

__all__ = ["DockerImages"]

_RESOLVE_SECONDS = 120.0
_PULL_SECONDS = 3600.0


class DockerImages(DockerCalls):
    """Images, by Docker's API and by its SDK."""

    def image(self, reference: str) -> Image | None:
        data = self._optional(
            f"inspect image {reference}", lambda: self._api.get("images", reference, "json")
        )
        if data is None:
            return None
        config = data.get("Config") or {}
        healthcheck = (config.get("Healthcheck") or {}).get("Test") or []
        return Image(
            id=data["Id"],
            digests=tuple(data.get("RepoDigests") or ()),
            tags=tuple(data.get("RepoTags") or ()),
            architecture=data.get("Architecture", ""),
            healthcheck=bool(healthcheck) and healthcheck[0] != "NONE",
            labels=config.get("Labels") or {},
            user=config.get("User") or "",
            volumes=tuple(sorted(config.get("Volumes") or ())),
            ports=tuple(
                int(number)
                for number, _, kind in (p.partition("/") for p in config.get("ExposedPorts") or ())
                if kind in ("", "tcp") and number.isdigit()
            ),
        )

    def image_names(self) -> frozenset[str]:
        with self._errors("list images"):
            images = self._api.get("images", "json")
        return frozenset(name for image in images for name in image.get("RepoTags") or ())

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry through the engine, so that its mirrors and certificates apply."""
        with self._sdk(f"resolve {reference}") as sdk:
            data = within(
                _RESOLVE_SECONDS,
                lambda: sdk.inspect_distribution(reference, auth_config=_auth(credentials)),
            )
        architectures = {p.get("architecture", "") for p in data.get("Platforms") or ()}
        return data["Descriptor"]["digest"], frozenset(architectures - {"", "unknown"})

    def pull(
        self,
        reference: str,
        credentials: tuple[str, str] | None,
        *,
        check: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _progress: None,
    ) -> None:
        """Pull once: the engine itself retries every layer."""
        progress = PullProgress()
        with self._sdk(f"pull {reference}") as sdk:

            def follow() -> None:
                for line in sdk.pull(
                    reference, stream=True, decode=True, auth_config=_auth(credentials)
                ):
                    check()
                    if "error" in line:
                        raise engine_error(self.host, f"pull {reference}", line["error"])
                    if progress.is_due(line, time.monotonic()):
                        tell(str(progress))

            within(_PULL_SECONDS, follow)

    def build_image(self, tag: str, directory: str) -> None:
        """Copy the image from this machine's engine where that has it, otherwise build it."""
        if self.image(tag) is not None:
            return
        with contextlib.ExitStack() as stack:
            local = None
            if not isinstance(self._transport, UnixEndpoint):
                with contextlib.suppress(HostUnreachable):
                    local = DockerImages("local", open_transport("local"))
                    stack.callback(local.close)
            sdk = stack.enter_context(self._sdk(f"provide {tag}"))
            if local is not None and local.image(tag) is not None:
                source = stack.enter_context(local._sdk(f"save {tag}"))
                sdk.load_image(source.get_image(tag))
                return
            lines = list(sdk.build(path=directory, tag=tag, rm=True, decode=True))
        problem = next((line["error"] for line in lines if "error" in line), None)
        if problem:
            raise DeploymentFailed(
                f"{self.host}: the image {tag} could not be built: {problem}",
                cause="the host builds it once, of debian:trixie-slim from Docker Hub and packages "
                "from deb.debian.org, and needs a way to both",
                remedy=f"where there is one: docker save {tag} | docker -H {self.host} load, from a "
                "machine that has the image; or name one of a registry of yours in deploy.yaml: "
                "edge: {image: REGISTRY/NAME:TAG}",
            )

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        with self._errors(f"tag {repository}:{tag}"):
            self._api.post("images", image_id, "tag", repo=repository, tag=tag)

    def remove_image(self, reference: str) -> None:
        with contextlib.suppress(DeploymentFailed):
            self._optional(
                f"remove image {reference}", lambda: self._api.call("DELETE", "images", reference)
            )

    @contextlib.contextmanager
    def _sdk(self, doing: str) -> Iterator[Any]:
        """Open the SDK's client, with its errors translated into ours."""
        import docker.errors
        import requests.exceptions

        from deploy_action.platforms.docker.engine.sdk import connected

        try:
            with contextlib.closing(connected(self._transport)) as client:
                yield client
        except docker.errors.APIError as error:
            raise engine_error(self.host, doing, error.explanation or str(error)) from error
        except (
            requests.exceptions.RequestException,
            docker.errors.DockerException,
            OSError,
        ) as error:
            raise self._unreachable(doing, error) from error


def _auth(credentials: tuple[str, str] | None) -> dict[str, str] | None:
    """Convert credentials for the SDK; without any it uses those of `docker login`."""
    return {"username": credentials[0], "password": credentials[1]} if credentials else None
