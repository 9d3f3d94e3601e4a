"""From a version to an image by digest, and the proof that it passed where it had to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, DeploymentFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Build, Environment
    from deploy_action.engines.engine import Engine
    from deploy_action.inputs import Inputs
    from deploy_action.progress import Progress

__all__ = ["SourcedImage", "credentials", "source"]

_BUILD_SECONDS = 3600.0
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What a tag may be: https://github.com/distribution/reference"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedImage:
    """What will be deployed: never a tag, always a digest (an image id where `local`).

    `commit` is what it was built from, where an earlier deployment recorded that.
    """

    version: str
    repository: str
    digest: str
    local: bool
    commit: str = ""


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


def source(
    environment: Environment, inputs: Inputs, engine: Engine, progress: Progress
) -> SourcedImage:
    """Find, or build, the image and pin it down by its digest. Nothing is pulled yet.

    Raises:
        BadInput: neither an image nor a version was given, or one that can be no tag.
        DeploymentFailed: the registry has no such tag, or does not answer.
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
    if environment.build is not None and digest is None:
        reference = f"{repository}:{version}"
        login = credentials(environment, inputs.environ)
        _build(environment.build, reference, inputs, progress, login)
        if not environment.build.push:
            return _local(engine, repository, version, reference)
        return _from_registry(environment, inputs, engine, repository, version, reference)
    reference = f"{repository}@{digest}" if digest else f"{repository}:{tag or version}"
    if environment.pull == "never":
        return _local(engine, repository, version, reference)
    if environment.pull == "missing" and engine.image(reference) is not None:
        return _local(engine, repository, version, reference)
    if digest:
        return SourcedImage(version=version, repository=repository, digest=digest, local=False)
    return _from_registry(environment, inputs, engine, repository, version, reference)


def _from_registry(
    environment: Environment,
    inputs: Inputs,
    engine: Engine,
    repository: str,
    version: str,
    reference: str,
) -> SourcedImage:
    digest, architectures = engine.resolve(reference, credentials(environment, inputs.environ))
    here = engine.info().architecture
    if architectures and here not in architectures:
        raise DeploymentFailed(
            f"{reference} is built for {', '.join(sorted(architectures))}, but {engine.host} "
            f"is {here}",
            cause="wrong architecture",
            remedy=f"build it with --platform linux/{here}",
        )
    return SourcedImage(version=version, repository=repository, digest=digest, local=False)


def _local(engine: Engine, repository: str, version: str, reference: str) -> SourcedImage:
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
            return SourcedImage(version=version, repository=repository, digest=value, local=False)
    return SourcedImage(version=version, repository=repository, digest=found.id, local=True)


def _split(reference: str) -> tuple[str, str | None, str | None]:
    """Split an image reference into repository, tag and digest."""
    rest, _, digest = reference.partition("@")
    head, colon, tag = rest.rpartition(":")
    if colon and "/" not in tag:
        return head, tag, digest or None
    return rest, None, digest or None


def _build(
    build: Build,
    reference: str,
    inputs: Inputs,
    progress: Progress,
    login: tuple[str, str] | None,
) -> None:
    """Build with the Docker command line, which brings BuildKit and its cache."""
    from deploy_action.process import run
    from deploy_action.targets.registry_login import logged_in

    root = inputs.config.parent
    argv = ["docker", "build", "-q", "-t", reference, "-f", str(root / build.dockerfile)]
    if build.target:
        argv += ["--target", build.target]
    for name, value in build.args.items():
        argv += ["--build-arg", f"{name}={value}"]
    progress.say(f"building {reference}")
    steps = [[*argv, "--", str(root / build.context)]]
    if build.push:
        steps.append(["docker", "push", "-q", "--", reference])
    for step in steps:
        with logged_in(reference, login) as env:
            done = run(step, timeout_seconds=_BUILD_SECONDS, env=env)
        if done.exit_code != 0:
            progress.quote(" ".join(step[:2]), done.stderr.splitlines()[-40:])
            raise DeploymentFailed(
                f"{' '.join(step[:2])} of {reference} failed with exit code {done.exit_code}",
                cause=(done.stderr.strip().splitlines() or [""])[-1][:300],
            )
