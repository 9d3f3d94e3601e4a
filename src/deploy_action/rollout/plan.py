"""The plan of a rollout, as a value: `--dry-run` prints it and the rollout executes it.

Stages follow each other; the steps of a stage run in parallel, on different hosts or replicas.
Which steps there are is the platform's knowledge; why a release is deployed is the ledger's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deploy_action.releases.ledger import Ledger, current_deployment, is_live
from deploy_action.releases.model import Deployment, Kind, Release

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.results.notes import Note
    from deploy_action.rollout.step import Step

__all__ = ["Plan", "Stage", "draft_plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Steps that run in parallel.

    Attributes:
        name: one bar of the timeline.
        read_only: its steps only look, so the journal is written beside them and not before.
    """

    name: str
    steps: tuple[Step, ...]
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a release becomes live on all hosts.

    Attributes:
        configuration: how to deploy it: the release's own, on a rollback without what a rollback
            must not repeat (migrations, canaries, bakes).
        hosts: where, in the order of deploy.yaml; hooks run on the first.
        number: the deployment's number in the ledger.
        previous: the deployment that is live now.
        ledger: what every host records itself, to which it returns after a failure.
        on_failure: steps that run after an undo.
        closed: hosts whose edge answers with the maintenance page; no request goes through it.
    """

    kind: Kind
    release: Release
    configuration: Environment
    hosts: tuple[str, ...]
    number: int
    previous: Deployment | None
    ledger: Ledger = field(default_factory=Ledger)
    stages: tuple[Stage, ...] = ()
    on_failure: tuple[Step, ...] = ()
    notes: tuple[Note | str, ...] = ()
    closed: frozenset[str] = frozenset()

    @property
    def unchanged(self) -> bool:
        """True when the release is live already, on every host that records any."""
        return is_live(self.ledger, self.release, self.hosts)

    @property
    def behind(self) -> tuple[str, ...]:
        """The hosts that do not record the release as live: all, but where hosts disagree."""
        return tuple(host for host in self.hosts if not is_live(self.ledger, self.release, (host,)))

    @property
    def stop_first(self) -> bool:
        """True when the previous release stops before the new one starts: a gap."""
        return self.configuration.strategy.order == "stop-first" and self.previous is not None

    @property
    def leaves_standby(self) -> bool:
        """True when the previous release stays running without traffic afterwards.

        After a rollback it does not: it was not good enough.
        """
        standby = self.configuration.strategy.standby and self.kind is not Kind.ROLLBACK
        return standby and self.previous is not None

    @property
    def moves_route(self) -> bool:
        """True when clients have to use another address than before."""
        return self.previous is not None and _address(self.configuration) != _address(
            self.previous.release.configuration
        )

    def steps(self) -> tuple[Step, ...]:
        """Return all steps in order."""
        return tuple(step for stage in self.stages for step in stage.steps)

    def lines(self) -> tuple[str, ...]:
        """Describe the plan, one line a step."""
        return tuple(
            f"{step.host}: {step.describe()}"
            if step.host and len(self.hosts) > 1
            else step.describe()
            for step in self.steps()
        )


def draft_plan(kind: Kind, release: Release, ledger: Ledger, hosts: Sequence[str]) -> Plan:
    """Return the plan of making `release` live, without its stages."""
    configuration = release.configuration
    return Plan(
        kind=kind,
        release=release,
        configuration=_without_migrations(configuration)
        if kind in (Kind.ROLLBACK, Kind.RESTART)
        else configuration,
        hosts=tuple(hosts),
        number=ledger.highest + 1,
        previous=current_deployment(ledger.entries),
        ledger=ledger,
    )


def _without_migrations(configuration: Environment) -> Environment:
    """Leave out what a rollback or a restart must not do: old migrations, canaries, waiting."""
    return dataclasses.replace(
        configuration,
        hooks=dataclasses.replace(configuration.hooks, pre_deploy=(), post_deploy=()),
        strategy=dataclasses.replace(configuration.strategy, canary=()),
        bake_seconds=0.0,
    )


def _address(configuration: Environment) -> tuple[object, ...]:
    """Return what a client has to know to reach the service."""
    route = configuration.route
    if route is None:
        return ()
    return route.host, route.path, route.port, configuration.protocol, route.certificate is not None
