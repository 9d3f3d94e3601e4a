"""The stages that make a release live on Docker hosts. Pure: touches nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deploy_action.platforms.docker.edge.edge import place_taken
from deploy_action.platforms.docker.edge.subnets import is_part_of
from deploy_action.platforms.docker.health import require_healthcheck
from deploy_action.platforms.docker.replicas import (
    Placement,
    Replica,
    backend_for,
    of_release,
)
from deploy_action.platforms.docker.steps.clean_up import CleanUp
from deploy_action.platforms.docker.steps.hooks import RunHook
from deploy_action.platforms.docker.steps.pull import Pull
from deploy_action.platforms.docker.steps.smoke import CheckEdge, CheckReplica
from deploy_action.platforms.docker.steps.start import Start
from deploy_action.platforms.docker.steps.stop_old import StopOld
from deploy_action.platforms.docker.steps.traffic import ShiftTraffic
from deploy_action.platforms.docker.steps.verify import Verify
from deploy_action.platforms.docker.steps.watch import Bake, Watch, WatchCanary
from deploy_action.releases.ledger import disputes, unsigned_notes
from deploy_action.results.notes import Note, NoteCode
from deploy_action.rollout.plan import Plan, Stage, draft_plan
from deploy_action.rollout.steps.record import Record

if TYPE_CHECKING:
    from deploy_action.config.model import Environment, Hook
    from deploy_action.platforms.docker.observation import DockerObservation, HostObservation
    from deploy_action.releases.model import Kind, Release
    from deploy_action.rollout.step import Step

__all__ = ["plan_rollout"]


def plan_rollout(
    kind: Kind, release: Release, hosts: Sequence[str], seen: DockerObservation
) -> Plan:
    """Compute the steps that make `release` live on `hosts`.

    A release that is live already needs none. Replicas that were kept are started again where they
    still exist and hold what the release had.

    Raises:
        BadInput: its image lacks the HEALTHCHECK that deploy.yaml asks for.
        DeploymentFailed: another service has the release's place at an edge, or what is live is not
            signed as it has to be.
    """
    for host in seen.hosts:
        host.ledger.require_signed(host.host)
        absent = release.reference in host.without_healthcheck
        require_healthcheck(host.host, release, present=not absent)
    draft = draft_plan(kind, release, seen.ledger, hosts)
    draft = dataclasses.replace(
        draft,
        closed=frozenset(host.host for host in seen.hosts if host.in_maintenance),
        on_failure=tuple(_hooks(draft, draft.configuration.hooks.on_failure, "on-failure")),
    )
    if not draft.unchanged:
        _require_place(draft, seen)
    return dataclasses.replace(
        draft,
        stages=() if draft.unchanged else tuple(_stages(draft, seen)),
        notes=tuple(_notes(draft, seen)),
    )


def _require_place(plan: Plan, seen: DockerObservation) -> None:
    """Make sure that no other service has the place, before anything is started for it.

    The edge checks it again when it is changed, since another deployment may come in between.
    """
    placement = Placement.of(plan.configuration)
    backend = backend_for(placement, plan.configuration, [])
    for name in plan.hosts:
        clash = None if backend is None else seen.host(name).edge.clash(backend)
        if clash is not None:
            raise place_taken(name, clash)


def _stages(plan: Plan, seen: DockerObservation) -> Iterator[Stage]:
    configuration, reference = plan.configuration, plan.release.reference
    missing = [name for name in plan.behind if reference not in seen.host(name).image_ids]
    if missing:
        yield _stage("pull", [Pull(host=host, reference=reference) for host in missing])
    for hook in _hooks(plan, configuration.hooks.pre_deploy, "pre-deploy"):
        yield _stage("hook", [hook])
    # Where both cannot run at once, one host is finished before the next one stops serving.
    groups = [(host,) for host in plan.behind] if plan.stop_first else [plan.behind]
    for group in groups:
        if plan.stop_first:
            yield _stage("stop", [StopOld(host=host) for host in group])
        yield from _bring_up(plan, seen, group)
        yield from _switch(plan, group)
    if configuration.watched_seconds:
        step = Bake if configuration.bake_seconds else Watch
        seconds = configuration.watched_seconds
        yield _stage(step.id, [step(host=host, seconds=seconds) for host in plan.behind])
    for hook in _hooks(plan, configuration.hooks.post_deploy, "post-deploy"):
        yield _stage("hook", [hook])
    yield _stage("record", [Record()])
    yield _stage(
        "clean-up",
        [
            CleanUp(
                host=host,
                keep=configuration.retain,
                standby=plan.leaves_standby,
                first=plan.previous is None,
            )
            for host in plan.hosts
        ],
    )


def _hooks(plan: Plan, hooks: Sequence[Hook], when: str) -> Iterator[RunHook]:
    for hook in hooks:
        yield RunHook(host=plan.hosts[0], hook=hook, when=when)


def _bring_up(plan: Plan, seen: DockerObservation, hosts: Sequence[str]) -> Iterator[Stage]:
    release = plan.release
    starts: list[Start] = []
    for host in hosts:
        kept = {(r.role, r.index): r for r in of_release(seen.host(host).replicas, release)}
        starts += [
            _start(host, role.name, index, kept.get((role.name, index)))
            for role in release.roles
            for index in range(role.replicas)
        ]
    yield _stage("start", starts)
    yield _stage(
        "verify",
        [Verify(host=s.host, role=s.role, index=s.index, standby=s.standby) for s in starts],
        read_only=True,
    )
    tests = _count_tests(plan.configuration, "replica")
    tested = [start for start in starts if release.answers_requests(start.role)]
    if tests and tested:
        yield _stage(
            "smoke",
            [CheckReplica(host=s.host, role=s.role, index=s.index, tests=tests) for s in tested],
            read_only=True,
        )


def _start(host: str, role: str, index: int, kept: Replica | None) -> Start:
    if kept is None:
        return Start(host=host, role=role, index=index)
    return Start(host=host, role=role, index=index, kept=kept.name, standby=kept.is_up)


def _switch(plan: Plan, hosts: Sequence[str]) -> Iterator[Stage]:
    configuration = plan.configuration
    if configuration.route is None:
        return
    # A first release has nothing beside it: nobody has to wait for a comparison.
    canary = configuration.strategy.canary if plan.previous is not None else ()
    for percent in canary:
        seconds = configuration.strategy.pause_seconds
        yield _stage("canary", [ShiftTraffic(host=host, percent=percent) for host in hosts])
        yield _stage(
            "canary", [WatchCanary(host=host, seconds=seconds, percent=percent) for host in hosts]
        )
    tests = _count_tests(configuration, "edge")
    # The first host shows that it works; the others follow together.
    for group in (hosts[:1], hosts[1:]):
        if not group:
            continue
        yield _stage("switch", [ShiftTraffic(host=host, percent=100) for host in group])
        tested = [host for host in group if host not in plan.closed]
        if tests and tested:
            yield _stage(
                "smoke", [CheckEdge(host=host, tests=tests) for host in tested], read_only=True
            )


def _count_tests(configuration: Environment, through: str) -> int:
    """Count the smoke tests for one kind of target; a command runs in the replica."""
    return sum(
        1 for test in configuration.smoke if through in getattr(test, "through", ("replica",))
    )


def _notes(plan: Plan, seen: DockerObservation) -> Iterator[Note]:
    for host in seen.hosts:
        if host.edited:
            yield Note(
                NoteCode.EDGE_REWRITTEN,
                f"{host.host}: the edge's configuration was changed by hand or by another program; "
                "it is written anew",
            )
    for text in disputes(seen.ledger):
        yield Note(NoteCode.LEDGER_DISPUTED, text)
    for host in seen.hosts:
        for text in unsigned_notes(host.host, host.ledger):
            yield Note(NoteCode.LEDGER_UNSIGNED, text)
    for host in seen.hosts:
        yield from _network_notes(host, Placement.of(plan.configuration))
    if plan.unchanged:
        return
    configuration = plan.configuration
    for closed in sorted(plan.closed):
        yield Note(
            NoteCode.IN_MAINTENANCE,
            f"{closed}: maintenance is on and stays on: no smoke tests and no probe requests "
            f"through the edge (deploy-action maintenance off -e {configuration.name})",
        )
    if plan.stop_first:
        yield Note(
            NoteCode.GAP_EXPECTED,
            "stop-first: the old replicas stop before the new ones start; expect a gap of up to "
            f"{configuration.stop.timeout_seconds:g} s to stop and "
            f"{configuration.health.deadline_seconds:g} s to start",
        )
    if plan.release.dirty:
        text = "the image is built from files with changes that no commit has"
        yield Note(NoteCode.SOURCE_CHANGED, text)
    if plan.previous is None:
        text = "first deployment: there is nothing to roll back to if it fails"
        yield Note(NoteCode.FIRST_DEPLOYMENT, text)


def _network_notes(host: HostObservation, placement: Placement) -> Iterator[Note]:
    network, wanted = placement.network, placement.edge.subnet
    if host.subnet == "":
        own = "a range that the host has no route to (edge.subnet sets one)"
        subnet = f"a part of {wanted}" if wanted else own
        text = f"{host.host}: the network {network} will be created with {subnet}"
        yield Note(NoteCode.EDGE_NETWORK, text)
    elif host.subnet and wanted and not is_part_of(host.subnet, wanted):
        yield Note(
            NoteCode.EDGE_NETWORK,
            f"{host.host}: the network {network} keeps {host.subnet}, which is not in edge.subnet "
            f"{wanted}: a network that exists cannot change its range; deploy-action remove, or "
            "another edge.name, makes a new one",
        )


def _stage(name: str, steps: Sequence[Step], *, read_only: bool = False) -> Stage:
    return Stage(name=name, steps=tuple(steps), read_only=read_only)
