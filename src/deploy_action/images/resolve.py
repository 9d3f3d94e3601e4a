"""From a version to an image by digest, and the proof that it passed where it had to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, DeploymentFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.engine.protocol import Engine

__all__ = ["RequestedImage", "ResolvedImage", "credentials", "requested_image", "resolve_image"]

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What a tag may be: https://github.com/distribution/reference"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedImage:
    """What will be deployed: never a tag, always a digest (an image id where `local`).

    `commit` is what it was built from, where an earlier deployment recorded that.
    """

    version: str
    repository: str
    digest: str
    local: bool
    commit: str = ""

    @property
    def reference(self) -> str:
        """The image as an engine finds it."""
        return self.digest if self.local else f"{self.repository}@{self.digest}"


def credentials(environment: Environment, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the registry's user name and password, where deploy.yaml names them.

    Raises:
        BadInput: the password's variable is not set.
    """
    login = environment.registry
    if login is None:
        return None
    password = environ.get(login.password_secret)
    if not password:
        raise BadInput(
            f"the registry's password {login.password_secret} is not set",
            remedy=f"pass it in the environment: env: {login.password_secret}: ${{{{ secrets.… }}}}",
        )
    return login.username, password


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedImage:
    """What is asked for: a version of a repository, and perhaps its digest."""

    repository: str
    version: str
    tag: str
    """What the registry calls it: deploy.yaml's own tag, where it has one, else the version."""
    digest: str | None

    @property
    def reference(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.tag}"


def requested_image(environment: Environment, inputs: Inputs) -> RequestedImage:
    """Tell which image is meant, from the flags first and from deploy.yaml where they are silent.

    Raises:
        BadInput: neither an image nor a version was given, or one that can be no tag or moves.
    """
    repository, tag, digest = _split(inputs.image or environment.image or environment.service)
    digest = inputs.digest or digest
    version = inputs.version or tag or (digest or "")[7:19] or inputs.commit[:12]
    if not version:
        raise BadInput(
            "which version is to be deployed?",
            remedy="say --version 1.2.3, or write a tag in deploy.yaml's image",
        )
    if not _TAG.fullmatch(version):
        raise BadInput(
            f"{version[:140]!r} cannot be a version",
            cause="images are tagged with it: letters, digits, '.', '_' and '-', at most 128",
            remedy="--version 1.2.3",
        )
    if version == "latest":
        raise BadInput(
            "'latest' does not say what is deployed, and it could not be restored by that name",
            remedy="--version 1.2.3, or the commit's id",
        )
    built = environment.build is not None
    return RequestedImage(
        repository=repository,
        version=version,
        tag=version if built else tag or version,
        digest=digest,
    )


def resolve_image(
    environment: Environment, inputs: Inputs, engine: Engine, progress: EventStream
) -> ResolvedImage:
    """Find, or build, the image and pin it down by its digest. Nothing is pulled yet.

    An environment with an `after` takes what was built for the one before: building anew would
    make other bytes of the same source. Nor is anything built when a digest is given, and a plan
    pushes nothing.

    Raises:
        BadInput: neither an image nor a version was given, or one that can be no tag.
        DeploymentFailed: the registry has no such tag, or does not answer.
    """
    name = requested_image(environment, inputs)
    repository, version, digest = name.repository, name.version, name.digest
    build = environment.build
    if build is not None and digest is None:
        if environment.after is None and not (inputs.dry_run and build.push):
            login = credentials(environment, inputs.environ)
            from deploy_action.images.build import build_image

            digest = build_image(build, name.reference, inputs.config.parent, progress, login)
        if not build.push:
            return _local(engine, repository, version, name.reference)
        reference = f"{repository}@{digest}" if digest else name.reference
        return _from_registry(environment, inputs, engine, repository, version, reference)
    reference = f"{repository}@{digest}" if digest else name.reference
    if environment.pull == "never":
        return _local(engine, repository, version, reference)
    if environment.pull == "missing" and engine.image(reference) is not None:
        return _local(engine, repository, version, reference)
    if digest:
        return ResolvedImage(version=version, repository=repository, digest=digest, local=False)
    return _from_registry(environment, inputs, engine, repository, version, reference)


def _from_registry(
    environment: Environment,
    inputs: Inputs,
    engine: Engine,
    repository: str,
    version: str,
    reference: str,
) -> ResolvedImage:
    digest, architectures = engine.resolve(reference, credentials(environment, inputs.environ))
    here = engine.info().architecture
    if architectures and here not in architectures:
        raise DeploymentFailed(
            f"{reference} is built for {', '.join(sorted(architectures))}, but {engine.host} "
            f"is {here}",
            cause="wrong architecture",
            remedy=f"build it with --platform linux/{here}",
        )
    return ResolvedImage(version=version, repository=repository, digest=digest, local=False)


def _local(engine: Engine, repository: str, version: str, reference: str) -> ResolvedImage:
    found = engine.image(reference)
    if found is None:
        raise DeploymentFailed(
            f"{engine.host}: there is no image {reference}",
            cause="deploy.yaml allows only images that the host has (pull: never, or a local build)",
            remedy=f"docker images {repository}",
        )
    for digest in found.digests:
        name, _, value = digest.partition("@")
        if name == repository:
            return ResolvedImage(version=version, repository=repository, digest=value, local=False)
    return ResolvedImage(version=version, repository=repository, digest=found.id, local=True)


def _split(reference: str) -> tuple[str, str | None, str | None]:
    """Split an image reference into repository, tag and digest."""
    rest, _, digest = reference.partition("@")
    head, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest or None
    return rest, None, digest or None
