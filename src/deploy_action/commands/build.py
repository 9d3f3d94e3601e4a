"""build: build the image that deploy.yaml describes, push it once, and say its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.clock import SystemClock
from deploy_action.commands.command import COMMIT, ENVIRONMENT, IMAGE, READ_EXITS, VERSION, Command
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.images.build import build_image
from deploy_action.images.build_once import pushed_before
from deploy_action.images.checkout import read_checkout, require_own_version
from deploy_action.images.resolve import credentials, requested_image
from deploy_action.platforms.docker.local import resolve_here
from deploy_action.releases.secrets import available_secrets
from deploy_action.results.reports import Built

if TYPE_CHECKING:
    from deploy_action.config.model import DeployConfig, Environment
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="build",
    summary="build the image of deploy.yaml, push it once, and print its digest",
    description=(
        "Builds what `build:` describes with the Docker command line (BuildKit where available),"
        " pushes it to the registry that `image:` names if `push: true` is set, and prints the"
        " digest. A version that names the commit that is checked out, and that the registry has, is not"
        " built again. Deployments with `--digest` build nothing, and an environment with `after:`"
        " never builds: every environment gets the bytes that were tested."
    ),
    examples=(("deploy-action build --version 1.4.2", "then: deploy -e staging --digest …"),),
    options=(ENVIRONMENT, VERSION, IMAGE, COMMIT),
    exits=READ_EXITS,
)


def run(inputs: Inputs, events: EventStream) -> Built:
    """Build once for all environments, which then deploy this digest.

    Raises:
        BadInput: there is no `build:`, or the environments build differently and none is named; or
            the version names a commit, and the source is not that commit's.
        DeploymentFailed: the build or the push failed.
    """
    config = load(inputs.config)
    environment = _select(config, inputs)
    if environment.build is None:
        raise BadInput(
            f"{config.file} has no build:",
            cause="an image that is built elsewhere is deployed by its version or digest",
            remedy="add build: {push: true} there, or do not run this command",
            code=ErrorCode.NOTHING_TO_BUILD,
        )
    if not environment.build.push and inputs.environ.get("GITHUB_ACTIONS") == "true":
        raise BadInput(
            f"{config.file}: build: does not push, so no other job could deploy the image",
            cause="on GitHub another job deploys it, and takes it from the registry",
            remedy="write `build: {push: true}`, and `registry` if it needs a login",
            code=ErrorCode.NOT_PUSHED,
        )
    name = requested_image(environment, inputs)
    clock = SystemClock()
    started = clock.monotonic()
    build = environment.build
    checkout = read_checkout(inputs.config, build.context, name.version)
    require_own_version(name.version, checkout)
    login = credentials(environment, inputs.environ, name.repository)
    notes = []
    if checkout.changed:
        notes.append(f"built with changes that no commit has: {checkout.changes}")
    digest = ""
    if build.push:
        digest = pushed_before(name, checkout, lambda reference: resolve_here(reference, login))
    if digest:
        notes.append(f"{name.reference} was pushed before, so nothing is built")
    else:
        root, commit = inputs.config.parent, checkout.commit
        # What was read is masked in what the build prints.
        available_secrets(environment, environment, inputs)
        pushed = build_image(build, name.reference, root, events, login, commit=commit)
        digest = pushed or ""
    if not digest:
        notes.append(
            "not pushed, so only this machine has it; write build: {push: true} for the others"
        )
    return Built(
        service=environment.service,
        image=name.repository,
        version=name.version,
        digest=digest,
        duration_seconds=round(clock.monotonic() - started, 3),
        notes=tuple(notes),
    )


def _select(config: DeployConfig, inputs: Inputs) -> Environment:
    """Return the environment to build for: any of them if all build alike."""
    if inputs.environment is None:
        every = list(config.environments.values())
        if all((e.build, e.image) == (every[0].build, every[0].image) for e in every):
            return every[0]
    return select_environment(config, inputs.environment)
