"""plan: say what deploy would do, without a lock and without a change."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.commands import deploy
from deploy_action.commands.command import (
    COMMIT,
    DIGEST,
    ENVIRONMENT,
    GATE_EXITS,
    IMAGE,
    PROOF,
    VERSION,
    Command,
    option,
)
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import ExitCode
from deploy_action.gates.run import run_gates
from deploy_action.images.resolve import requested_image
from deploy_action.platforms.docker.observation import DockerObservation, HostObservation
from deploy_action.platforms.docker.plan import plan_rollout
from deploy_action.releases.model import Kind, ResolvedImage
from deploy_action.results.outcome import Outcome, Result

if TYPE_CHECKING:
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="plan",
    summary="show what a deployment would do, step by step",
    description=(
        "Observes the hosts and prints the steps that `deploy` with the same options would take."
        " Changes nothing. The printed plan is the one that would be executed. With `--offline` it"
        " is the plan for hosts on which nothing runs yet; that needs no secret, no host and no"
        " registry, so a pull request from a fork can have it."
    ),
    examples=(
        ("deploy-action plan -e production --version 1.4.2", "look before you leap"),
        ("deploy-action plan -e production --offline", "in a pull request from a fork"),
    ),
    options=(
        ENVIRONMENT,
        VERSION,
        IMAGE,
        DIGEST,
        COMMIT,
        option("--offline", "", "ask no host and no registry"),
        *PROOF,
    ),
    exits=(*GATE_EXITS, ExitCode.DEPLOYMENT_FAILED),
)


def run(inputs: Inputs, events: EventStream) -> Outcome:
    """Return `planned` with the steps, or `unchanged`; with `offline` nothing is contacted."""
    if inputs.offline:
        return _offline(inputs)
    return deploy.run(dataclasses.replace(inputs, dry_run=True), events)


def _offline(inputs: Inputs) -> Outcome:
    """Plan for hosts on which nothing runs yet: a pull request from a fork can know no more.

    The image is called by its tag, as no registry said which digest that is.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    gates = run_gates(target.gates, inputs.config.parent)
    refused = deploy.refusal(target, gates)
    if refused is not None:
        return refused
    name = requested_image(target, inputs)
    reference = f"{name.repository}@{name.digest}" if name.digest else name.reference
    image = ResolvedImage(
        version=name.version,
        repository=name.repository,
        digest=reference,
        local=True,
        commit=inputs.commit,
        pending=target.build is not None and target.after is None and name.digest is None,
    )
    empty = DockerObservation.of([HostObservation(host=host) for host in target.hosts])
    empty = deploy.expect_build(target, image, empty)
    release = deploy.make_release(target, image, {}, b"")
    plan = plan_rollout(Kind.DEPLOY, release, target.hosts, empty)
    note = "as on hosts where nothing runs yet: no host and no registry was asked"
    return Outcome(
        result=Result.PLANNED,
        service=target.service,
        environment=target.name,
        url=target.url or "",
        gates=gates,
        notes=(*plan.notes, note),
        plan=(*deploy.build_steps(target, image), *plan.lines()),
        planned_version=release.version,
    )
