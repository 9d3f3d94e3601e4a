"""The plan: from what is wanted and what was found to typed steps. Pure: touches nothing.

What `--dry-run` prints and what the rollout executes is this one object. Stages follow each
other; the steps of a stage run side by side, on different hosts or replicas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from deploy_action.config import deserialize
from deploy_action.config.model import Environment
from deploy_action.platforms.docker.observation import HostObservation, Observation
from deploy_action.platforms.docker.replicas import Replica, of_release
from deploy_action.platforms.docker.standby import is_up, leaves_standby
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.model import Deployment, Kind, Release
from deploy_action.rollout.steps import (
    Bake,
    CheckEdge,
    CheckReplica,
    Pause,
    Pull,
    Record,
    Retire,
    RunHook,
    Shift,
    Start,
    Step,
    StopOld,
    Verify,
)

__all__ = ["Plan", "Stage", "make_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Steps that run side by side."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a release becomes live. Without stages there is nothing to do."""

    kind: Kind
    environment: Environment
    release: Release
    number: int
    previous: Deployment | None
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()
    closed: frozenset[str] = frozenset()
    """Hosts whose edge answers with the maintenance page: nothing is asked along the public way."""

    @property
    def moves(self) -> bool:
        """True when the public way is another one from the switch on."""
        return self.previous is not None and _way(self.environment) != _way(
            deserialize(self.previous.release.config)
        )

    @property
    def unchanged(self) -> bool:
        """True when the release serves already."""
        return not self.stages

    @property
    def starts_nothing(self) -> bool:
        """True when all that will serve runs already."""
        starts = [s for stage in self.stages for s in stage.steps if isinstance(s, Start)]
        return all(start.standby for start in starts)

    def lines(self) -> tuple[str, ...]:
        """Say the plan in words, one line a step."""
        one_host = len(self.environment.hosts) == 1
        return tuple(
            str(step) if one_host else f"{step.host}: {step}"
            for stage in self.stages
            for step in stage.steps
        )


def make_plan(
    kind: Kind, environment: Environment, release: Release, observation: Observation
) -> Plan:
    """Compute the steps that make `release` live.

    A release that is live already needs none. On a rollback the containers that were kept are
    started again where they still exist and hold what the release had.
    """
    previous = current_deployment(observation.ledger.entries)
    unchanged = previous is not None and previous.release.id == release.id
    if kind is Kind.ROLLBACK:
        environment = _straight(environment)
    closed = _closed(observation)
    return Plan(
        kind=kind,
        environment=environment,
        release=release,
        number=observation.ledger.highest + 1,
        previous=previous,
        stages=()
        if unchanged
        else tuple(_stages(kind, environment, release, previous, observation)),
        notes=tuple(_notes(environment, previous, observation, unchanged=unchanged)),
        closed=closed,
    )


def _way(env: Environment) -> tuple[object, ...]:
    """Return what a client has to know to reach the service."""
    route = env.route
    if route is None:
        return ()
    return route.host, route.port, env.protocol, route.certificate is not None


def _closed(observation: Observation) -> frozenset[str]:
    return frozenset(
        found.host
        for found in observation.hosts
        if found.backend is not None and found.backend.maintenance
    )


def _straight(env: Environment) -> Environment:
    """Leave out what a way back must not do: old migrations, canaries, waiting."""
    return dataclasses.replace(
        env,
        hooks=dataclasses.replace(env.hooks, pre_deploy=(), post_deploy=()),
        strategy=dataclasses.replace(env.strategy, canary=()),
        bake_seconds=0.0,
    )


def _stages(
    kind: Kind,
    env: Environment,
    release: Release,
    previous: Deployment | None,
    observation: Observation,
) -> Iterator[Stage]:
    hosts, first = env.hosts, env.hosts[0]
    indices = range(env.replicas)
    stop_first = env.strategy.order == "stop-first" and previous is not None
    missing = [h for h in hosts if release.reference not in observation.host(h).images]
    if missing:
        steps = tuple(Pull(host=host, reference=release.reference) for host in missing)
        yield Stage(name="pull", steps=steps)
    for hook in env.hooks.pre_deploy:
        yield _one("hook", RunHook(host=first, hook=hook, when="pre-deploy"))
    # Where both cannot run at once one host is finished before the next one stops serving.
    for group in [(host,) for host in hosts] if stop_first else [tuple(hosts)]:
        if stop_first:
            yield Stage(name="stop", steps=tuple(StopOld(host=host) for host in group))
        yield from _bring_up(env, release, observation, group, indices)
        if stop_first:
            yield from _switch(env, group, _closed(observation))
    if not stop_first:
        yield from _switch(env, tuple(hosts), _closed(observation))
    if env.bake_seconds:
        yield Stage(
            name="bake", steps=tuple(Bake(host=host, seconds=env.bake_seconds) for host in hosts)
        )
    for hook in env.hooks.post_deploy:
        yield _one("hook", RunHook(host=first, hook=hook, when="post-deploy"))
    yield Stage(name="record", steps=tuple(Record(host=host) for host in hosts))
    standby = previous is not None and leaves_standby(kind, env)
    yield Stage(
        name="retire",
        steps=tuple(Retire(host=host, keep=env.retain, standby=standby) for host in hosts),
    )


def _bring_up(
    env: Environment,
    release: Release,
    observation: Observation,
    hosts: tuple[str, ...],
    indices: range,
) -> Iterator[Stage]:
    kept = {host: _kept(observation.host(host), release, env.replicas) for host in hosts}
    every = [(host, index) for host in hosts for index in indices]
    starts = tuple(_start(host, index, kept[host].get(index)) for host, index in every)
    yield Stage(name="start", steps=starts)
    verifies = (Verify(host=s.host, index=s.index, standby=s.standby) for s in starts)
    yield Stage(name="verify", steps=tuple(verifies))
    tests = sum(1 for test in env.smoke if "replica" in getattr(test, "through", ("replica",)))
    if tests:
        yield Stage(
            name="smoke",
            steps=tuple(CheckReplica(host=h, index=i, tests=tests) for h, i in every),
        )


def _start(host: str, index: int, kept: Replica | None) -> Start:
    if kept is None:
        return Start(host=host, index=index)
    return Start(host=host, index=index, kept=kept.name, standby=is_up(kept))


def _switch(env: Environment, hosts: tuple[str, ...], closed: frozenset[str]) -> Iterator[Stage]:
    if env.route is None:
        return
    for percent in env.strategy.canary:
        yield Stage(name="canary", steps=tuple(Shift(host=host, percent=percent) for host in hosts))
        yield Stage(
            name="canary",
            steps=tuple(
                Pause(host=host, seconds=env.strategy.pause_seconds, percent=percent)
                for host in hosts
            ),
        )
    tests = sum(1 for test in env.smoke if "edge" in getattr(test, "through", ()))
    # The first one shows that it works; the others follow at one time.
    for group in (hosts[:1], hosts[1:]):
        if group:
            switches = tuple(Shift(host=host, percent=100) for host in group)
            yield Stage(name="switch", steps=switches)
        asked = [host for host in group if host not in closed]
        if tests and asked:
            checks = tuple(CheckEdge(host=host, tests=tests) for host in asked)
            yield Stage(name="smoke", steps=checks)


def _kept(found: HostObservation, release: Release, count: int) -> dict[int, Replica]:
    return {r.index: r for r in of_release(found.replicas, release.id, count)}


def _notes(
    env: Environment, previous: Deployment | None, observation: Observation, *, unchanged: bool
) -> Iterator[str]:
    for found in observation.hosts:
        if found.edited:
            yield (
                f"{found.host}: the configuration of the edge was changed by somebody else; it is "
                "written anew"
            )
    if unchanged:
        return
    for host in sorted(_closed(observation)):
        yield (
            f"{host}: maintenance is on and stays on: no smoke tests through the edge, no requests "
            f"along the public way (deploy-action maintenance off -e {env.name})"
        )
    if env.strategy.order == "stop-first" and previous is not None:
        yield (
            "stop-first: the old replicas stop before the new ones start; expect a gap of up to "
            f"{env.stop.timeout_seconds:g} s to stop and {env.health.deadline_seconds:g} s to start"
        )
    if previous is None:
        yield "first deployment: there is nothing to go back to if it fails"


def _one(name: str, step: Step) -> Stage:
    return Stage(name=name, steps=(step,))
