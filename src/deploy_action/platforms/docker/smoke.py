"""The smoke tests of an environment, aimed at a replica on its host or at the host's edge."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.result import CheckResult
from deploy_action.checks.smoke import run_smoke
from deploy_action.checks.target import Target
from deploy_action.clock import Clock
from deploy_action.config.model import Environment
from deploy_action.inputs import Secret
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica
from deploy_action.releases.model import Release
from deploy_action.rollout.plan import Stage
from deploy_action.rollout.steps import CheckEdge, CheckReplica, Step, Verify

__all__ = ["Smoking"]

_CLIENT = "deploy_action.checks.http"
"""It brings requests, which takes as long to import as much of what is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoking:
    """Runs them with the secrets that the environment declares."""

    environment: Environment
    release: Release
    secrets: Mapping[str, str]
    clock: Clock

    def asks(self, step: Step) -> bool:
        """Tell whether a step asks something by HTTP or TCP."""
        match step:
            case Verify():
                expected = IdentityExpectation.of(self.environment.health, self.release)
                asks = expected is not None and not step.standby
            case CheckReplica() | CheckEdge():
                asks = step.tests > 0
            case _:
                asks = False
        return asks and self.environment.port is not None

    def ahead(
        self, sites: Mapping[str, Host], stage: Stage, following: Stage | None
    ) -> list[Callable[[], object]]:
        """Return what can be done in a stage for the questions of the one that follows.

        The connection for the first question to a replica is made ready while that gets ready, and
        not while its container starts: the engine would do both more slowly.
        """
        coming = [step for step in (following.steps if following else ()) if self.asks(step)]
        acts: list[Callable[[], object]] = []
        if coming:
            acts.append(functools.partial(importlib.import_module, _CLIENT))
        first = stage.steps if stage.name == "verify" else ()
        acts += [sites[step.host].dialer.prepare for step in first if self.asks(step)]
        acts += [sites[s.host].dialer.prepare for s in coming if not isinstance(s, Verify)]
        return acts

    def replica(self, site: Host, replica: Replica) -> tuple[CheckResult, ...]:
        """Run what is meant for a replica, before or after it has traffic."""
        return run_smoke(
            self.environment.smoke,
            self._replica_target(site, replica),
            only="replica",
            identity=None,
            secrets=self._secrets(),
            clock=self.clock,
        )

    def edge(self, site: Host, *, alone: bool = True) -> tuple[CheckResult, ...]:
        """Run what is meant for the public way, through the edge of this host.

        Args:
            alone: the release has all of the traffic, so every answer has to be its own.
        """
        identity = IdentityExpectation.of(self.environment.health, self.release)
        return run_smoke(
            self.environment.smoke,
            self._edge_target(site),
            only="edge",
            identity=identity if alone else None,
            secrets=self._secrets(),
            clock=self.clock,
        )

    def identity(self, site: Host, replica: Replica) -> tuple[CheckResult, ...]:
        """Ask the application itself which version it is, where deploy.yaml says how."""
        identity = IdentityExpectation.of(self.environment.health, self.release)
        if identity is None or self.environment.port is None:
            return ()
        return (check_identity(identity, self._replica_target(site, replica), clock=self.clock),)

    def _replica_target(self, site: Host, replica: Replica) -> Target:
        def run_command(argv: Sequence[str], timeout_seconds: float) -> tuple[int, str]:
            done = site.engine.execute(replica.container.id, argv, timeout_seconds=timeout_seconds)
            return done.exit_code, done.output

        return Target(
            where=f"replica {replica.index + 1} on {site.host}",
            dialer=site.dialer,
            address=site.replica_address(replica),
            port=replica.port,
            host_header=self._host_header(),
            run_command=run_command,
        )

    def _edge_target(self, site: Host) -> Target:
        route = self.environment.route
        return Target(
            where=f"edge of {site.host}",
            dialer=site.dialer,
            address=site.edge_address(),
            port=route.port if route is not None else 0,
            host_header=self._host_header(),
        )

    def _host_header(self) -> str:
        route = self.environment.route
        if route is None:
            return ""
        # A socket has no name that could stand in for it.
        return route.host or ("localhost" if route.certificate is not None else "")

    def _secrets(self) -> Mapping[str, Secret]:
        return {name: Secret(value) for name, value in self.secrets.items()}
