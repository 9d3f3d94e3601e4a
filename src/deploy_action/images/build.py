"""Builds an image with the Docker command line, which brings BuildKit, and pushes it once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.images.login import logged_in
from deploy_action.process import ProcessTimeout, run
from deploy_action.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deploy_action.config.model import Build
    from deploy_action.events.stream import EventStream
    from deploy_action.process import Completed

__all__ = ["COMMIT_LABEL", "build_image", "build_steps"]

COMMIT_LABEL = "deploy-action.commit"
"""A label of the image: the commit that it was built from."""

_SECONDS = 3600.0
_SHOWN_LINES = 40
_PUSHED = re.compile(r"\bdigest: (sha256:[0-9a-f]{64})\b")
"""What `docker push` ends with: https://docs.docker.com/reference/cli/docker/image/push/"""


def build_image(
    build: Build,
    reference: str,
    root: Path,
    events: EventStream,
    login: tuple[str, str] | None,
    *,
    commit: str = "",
) -> str | None:
    """Build the image, and push it if deploy.yaml says so.

    Args:
        reference: repository and tag.
        root: the directory of deploy.yaml.
        login: the registry's user name and password.
        commit: the commit whose source this is; empty if it is none's.

    Returns:
        The digest that the push itself reported, so that a tag that is moved a moment later
        changes nothing; None if the image is not pushed.

    Raises:
        BadInput: there is no Docker command line.
        DeploymentFailed: the build or the push failed; its last lines are in the progress.
    """
    events.say(f"building {reference}")
    pushed = None
    for step in build_steps(build, reference, root, commit):
        with logged_in(reference, login) as env:
            done = _run(step, reference, env, events)
        if done.exit_code != 0:
            output = [*done.stdout.splitlines(), *done.stderr.splitlines()]
            events.quote(" ".join(step[:2]), map(redact, output[-_SHOWN_LINES:]))
            raise DeploymentFailed(
                f"{' '.join(step[:2])} of {reference} failed with exit code {done.exit_code}",
                cause=redact((done.stderr.strip().splitlines() or [""])[-1])[:300],
                remedy=_remedy(step),
                code=ErrorCode.BUILD_FAILED,
            )
        if step[1] == "push" and pushed is None:
            pushed = _digest(done.stdout, reference)
    return pushed


def build_steps(build: Build, reference: str, root: Path, commit: str) -> list[list[str]]:
    """Return the commands: the build, then the pushes of the image and of its cache's tag.

    The cache is in the image itself (BuildKit's inline cache), the only kind that the engine's
    own builder writes: https://docs.docker.com/build/cache/backends/inline/
    A machine without BuildKit builds without it.
    """
    context = root / build.context
    argv = ["docker", "build", "-t", reference, "-f", str(context / build.dockerfile)]
    # Said where there is none, too: the base image may have the label of its own.
    argv += ["--label", f"{COMMIT_LABEL}={commit}"]
    if build.target:
        argv += ["--target", build.target]
    for name, value in build.args.items():
        argv += ["--build-arg", f"{name}={value}"]
    pushes = [["docker", "push", "--", reference]] if build.push else []
    if build.push and build.cache:
        cache = f"{reference.rpartition(':')[0]}:{build.cache}"
        argv += ["--build-arg", "BUILDKIT_INLINE_CACHE=1", "--cache-from", cache, "-t", cache]
        pushes.append(["docker", "push", "--", cache])
    return [[*argv, "--", str(context)], *pushes]


def _run(
    step: Sequence[str],
    reference: str,
    env: Mapping[str, str] | None,
    events: EventStream,
) -> Completed:
    doing = "pushing" if step[1] == "push" else "building"
    try:
        with events.waiting(f"{doing} {reference}", quoted=True) as tell:
            # BuildKit writes its plain progress, a line a step, wherever it has no terminal.
            return run(
                step, timeout_seconds=_SECONDS, env=env, on_line=lambda line: tell(redact(line))
            )
    except FileNotFoundError as error:
        raise BadInput(
            f"{reference} cannot be built: there is no Docker command line here",
            cause="on GitHub only the action org/deploy-action/build has one",
            remedy="build in a step with `uses: org/deploy-action/build@v1`, and pass on its digest;"
            " elsewhere install docker, or deploy an image that exists with --digest",
            code=ErrorCode.BUILD_FAILED,
        ) from error
    except ProcessTimeout as error:
        raise DeploymentFailed(
            f"{' '.join(step[:2])} of {reference} timed out after {error.seconds:g} s",
            remedy="run it by hand and see where it hangs",
            code=ErrorCode.BUILD_FAILED,
        ) from error


def _remedy(step: Sequence[str]) -> str:
    if step[1] == "build":
        return "read the lines of the build above, fix the Dockerfile, and try again"
    return "check that deploy.yaml's registry: names a user who may push there"


def _digest(output: str, reference: str) -> str:
    digests = _PUSHED.findall(output)
    if not digests:
        raise DeploymentFailed(
            f"docker push of {reference} did not say which digest the registry has",
            remedy=f"docker buildx imagetools inspect {reference}, then --digest",
            code=ErrorCode.BUILD_FAILED,
        )
    return str(digests[-1])
