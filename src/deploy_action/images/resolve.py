"""From a version to an image by digest, and the registry's login for it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from deploy_action.config.references import (
    is_digest,
    is_repository,
    is_version,
    registry_of,
    server_name,
    split_reference,
)
from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.inputs import GITHUB_TOKEN, may_be_password
from deploy_action.missing_secret import advise
from deploy_action.redaction import redact
from deploy_action.releases.model import ResolvedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deploy_action.config.model import Build, Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs
    from deploy_action.releases.model import Deployment

__all__ = [
    "ImageSource",
    "RequestedImage",
    "credentials",
    "requested_image",
    "require_own_name",
    "resolve_image",
]


class _Image(Protocol):
    """An image that a host has: its id, its digests as ``repository@sha256:…``, and its tags."""

    @property
    def id(self) -> str: ...

    @property
    def digests(self) -> tuple[str, ...]: ...

    @property
    def tags(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


class _Info(Protocol):
    """Facts of a host's engine; `architecture` in Docker's words ("amd64")."""

    @property
    def architecture(self) -> str: ...


class ImageSource(Protocol):
    """Where images are looked for: a host's own, and the registries that it reaches."""

    @property
    def host(self) -> str:
        """The host's name."""

    def info(self) -> _Info:
        """Return facts of the host."""

    def image(self, reference: str) -> _Image | None:
        """Look up an image that the host has."""

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry for a reference's digest and its architectures."""


def credentials(
    environment: Environment, environ: Mapping[str, str], image: str
) -> tuple[str, str] | None:
    """Return the user name and password for the registry of an image.

    A login belongs to its `server`, or without one to the registry of deploy.yaml's own `image`.
    It is never sent to another registry: for an image from there this returns None.

    Args:
        image: the repository, or a reference, that is to be built, resolved or pulled.

    Raises:
        BadInput: the password's variable is not set, or belongs to something else.
    """
    login = environment.registry
    if login is None:
        return None
    own = registry_of(environment.image or environment.service)
    server = server_name(login.server) if login.server else own
    if registry_of(image) != server:
        return None
    _require_password_of(login.password_secret, server, environ)
    password = environ.get(login.password_secret)
    if not password:
        advice = advise(login.password_secret, environ, environment=environment.name)
        raise BadInput(
            f"the registry's password {login.password_secret} is not set",
            cause=advice.cause,
            remedy=advice.remedy,
            code=ErrorCode.SECRET_MISSING,
        )
    redact.protect(password)
    return login.username, password


def _require_password_of(name: str, server: str, environ: Mapping[str, str]) -> None:
    """Refuse a variable of the machinery; the job's own token is sent to GitHub's registry only."""
    host = urlsplit(environ.get("GITHUB_SERVER_URL") or "https://github.com").netloc.lower()
    github = ("ghcr.io", f"containers.{host}", f"docker.{host}")
    if not may_be_password(name) or (name == GITHUB_TOKEN and server not in github):
        raise BadInput(
            f"{name} is not sent to {server}",
            cause="the job's token is GitHub's, and is sent to GitHub's own registry only"
            if name == GITHUB_TOKEN
            else "it belongs to GitHub, its runner, ssh or deploy-action",
            remedy="registry: password: the NAME of a variable with a password of that registry",
            code=ErrorCode.CREDENTIAL_REFUSED,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedImage:
    """The version of a repository that is asked for, and perhaps its digest."""

    repository: str
    version: str
    tag: str
    """The tag in the registry: deploy.yaml's own if it has one, else the version."""
    digest: str | None

    @property
    def reference(self) -> str:
        """Repository and tag."""
        return f"{self.repository}:{self.tag}"


def requested_image(environment: Environment, inputs: Inputs) -> RequestedImage:
    """Return the image that the options ask for or, without any, deploy.yaml.

    Raises:
        BadInput: there is no version, or one that is no possible tag, or one that moves; or the
            repository or the digest is none.
    """
    repository, tag, digest = split_reference(
        inputs.image or environment.image or environment.service
    )
    digest = inputs.digest or digest
    if not is_repository(repository):
        raise BadInput(
            f"{repository[:140]!r} is not a repository of images",
            cause="small letters, digits, '.', '_', '-' and '/', after the name of the registry",
            remedy="--image ghcr.io/acme/shop",
            code=ErrorCode.INVALID_OPTION,
        )
    if digest is not None:
        _require_digest(digest)
    version = inputs.version or tag or (digest or "")[7:19] or inputs.commit[:12]
    if not version:
        raise BadInput(
            "which version is to be deployed?",
            remedy="pass --version 1.2.3, or write a tag in deploy.yaml's image",
            code=ErrorCode.INVALID_VERSION,
        )
    if not is_version(version):
        raise BadInput(
            f"{version[:140]!r} cannot be a version",
            cause="images are tagged with it: letters, digits, '.', '_' and '-', at most 128",
            remedy="--version 1.2.3",
            code=ErrorCode.INVALID_VERSION,
        )
    if version == "latest":
        raise BadInput(
            "'latest' does not say what is deployed, and it could not be restored by that name",
            remedy="--version 1.2.3, or the commit's id",
            code=ErrorCode.INVALID_VERSION,
        )
    built = environment.build is not None
    return RequestedImage(
        repository=repository,
        version=version,
        tag=version if built else tag or version,
        digest=digest,
    )


def resolve_image(
    environment: Environment,
    inputs: Inputs,
    source: ImageSource,
    events: EventStream,
    entries: Callable[[], Sequence[Deployment]],
) -> ResolvedImage:
    """Find or build the image and pin it by its digest; nothing is pulled yet.

    An environment with an `after` takes the image that was built for the one before: another
    build of the same source would have other bytes. With a digest nothing is built, and a plan
    builds nothing.

    Args:
        entries: returns the environment's ledger; asked only before a build.

    Raises:
        BadInput: there is no version, or one that is no possible tag, or one of another source.
        DeploymentFailed: the registry has no such tag, or does not answer.
    """
    name = requested_image(environment, inputs)
    build = environment.build
    if build is not None and environment.after is None and name.digest is None:
        image = _built(environment, build, inputs, name, source, events, entries)
    else:
        image = _existing(environment, inputs, name, source)
        image = dataclasses.replace(image, commit=inputs.commit)
    if not image.pending:
        _require_digest(image.digest)
    return image


def require_own_name(image: ResolvedImage, source: ImageSource) -> None:
    """Let a local image on that passed elsewhere only if the host has it under its own repository's
    name: an id alone could be that of any image there.

    Raises:
        DeploymentFailed: it has another name, or is not there.
    """
    if not image.local:
        return
    found = source.image(image.digest)
    names = () if found is None else found.tags
    if not any(split_reference(name)[0] == image.repository for name in names):
        raise DeploymentFailed(
            f"{source.host}: {image.digest[:19]} is no image of {image.repository}",
            cause=f"it is called {', '.join(names[:3])} there" if names else "it is not there",
            remedy=f"docker images {image.repository}",
            code=ErrorCode.IMAGE_NOT_FOUND,
        )


def _require_digest(digest: str) -> None:
    """Check what an option, a host or a registry calls a digest."""
    if not is_digest(digest):
        raise BadInput(
            f"{digest[:80]!r} is not a digest",
            cause="a digest is sha256: and 64 digits from 0 to f",
            remedy="docker buildx imagetools inspect REPOSITORY:VERSION shows it",
            code=ErrorCode.INVALID_DIGEST,
        )


def _existing(
    environment: Environment, inputs: Inputs, name: RequestedImage, source: ImageSource
) -> ResolvedImage:
    """Find an image that was built elsewhere or earlier."""
    repository, version, digest = name.repository, name.version, name.digest
    reference = f"{repository}@{digest}" if digest else name.reference
    build = environment.build
    if build is not None and digest is None:
        if not build.push:
            return _local(source, repository, version, reference)
        return _from_registry(environment, inputs, source, repository, version, reference)
    if environment.pull == "never":
        return _local(source, repository, version, reference)
    if environment.pull == "missing" and source.image(reference) is not None:
        return _local(source, repository, version, reference)
    if digest:
        return ResolvedImage(version=version, repository=repository, digest=digest, local=False)
    return _from_registry(environment, inputs, source, repository, version, reference)


def _built(
    environment: Environment,
    build: Build,
    inputs: Inputs,
    name: RequestedImage,
    source: ImageSource,
    events: EventStream,
    entries: Callable[[], Sequence[Deployment]],
) -> ResolvedImage:
    """Build the image, unless this version was built from this source before."""
    from deploy_action.images.build import build_image
    from deploy_action.images.build_once import built_before, pushed_before
    from deploy_action.images.checkout import read_checkout, require_own_version

    root = inputs.config.parent
    checkout = read_checkout(inputs.config, build.context, name.version)
    require_own_version(name.version, checkout)
    known = built_before(name, checkout, entries(), source)
    if known is not None:
        events.say(
            f"{name.version} was built before: {known.digest[:19]} is taken as it is; a changed "
            "source needs another version"
        )
        return known
    # Outside of a repository the caller may know more.
    commit = checkout.commit if checkout.head else inputs.commit
    repository, version = name.repository, name.version
    login = credentials(environment, inputs.environ, repository)
    digest: str | None = None
    if build.push:
        digest = pushed_before(
            name, checkout, lambda reference: source.resolve(reference, login)[0]
        )
    if digest:
        events.say(f"{name.reference} was pushed before: {digest[:19]} is taken as it is")
        reference = f"{repository}@{digest}"
        image = _from_registry(environment, inputs, source, repository, version, reference)
    elif inputs.dry_run:
        image = ResolvedImage(
            version=version,
            repository=repository,
            digest=name.reference,
            local=True,
            pending=True,
        )
    else:
        digest = build_image(build, name.reference, root, events, login, commit=commit)
        image = (
            _from_registry(
                environment, inputs, source, repository, version, f"{repository}@{digest}"
            )
            if digest
            else _local(source, repository, version, name.reference)
        )
    return dataclasses.replace(image, commit=commit, dirty=bool(checkout.changed))


def _from_registry(
    environment: Environment,
    inputs: Inputs,
    source: ImageSource,
    repository: str,
    version: str,
    reference: str,
) -> ResolvedImage:
    login = credentials(environment, inputs.environ, reference)
    digest, architectures = source.resolve(reference, login)
    here = source.info().architecture
    if architectures and here not in architectures:
        raise DeploymentFailed(
            f"{reference} is built for {', '.join(sorted(architectures))}, but {source.host} "
            f"is {here}",
            cause="wrong architecture",
            remedy=f"build it with --platform linux/{here}",
            code=ErrorCode.WRONG_ARCHITECTURE,
        )
    return ResolvedImage(version=version, repository=repository, digest=digest, local=False)


def _local(source: ImageSource, repository: str, version: str, reference: str) -> ResolvedImage:
    image = source.image(reference)
    if image is None:
        raise DeploymentFailed(
            f"{source.host}: there is no image {reference}",
            cause="deploy.yaml allows only images that the host has (pull: never, or a local build)",
            remedy=f"docker images {repository}",
            code=ErrorCode.IMAGE_NOT_FOUND,
        )
    for digest in image.digests:
        name, _, value = digest.partition("@")
        if name == repository:
            return ResolvedImage(version=version, repository=repository, digest=value, local=False)
    return ResolvedImage(version=version, repository=repository, digest=image.id, local=True)
