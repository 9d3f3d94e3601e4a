"""Aims the smoke tests of a release at a replica on its host, or at the host's edge."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.checks.attempt import ONCE
from deploy_action.checks.health import edge_path
from deploy_action.checks.identity import IdentityExpectation, check_identity
from deploy_action.checks.result import CheckFailure, CheckFailureKind, CheckResult
from deploy_action.checks.route import check_route
from deploy_action.checks.smoke import is_beside, run_smoke
from deploy_action.checks.target import Target
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.beside import run_beside
from deploy_action.platforms.docker.dialer import HostDialer
from deploy_action.platforms.docker.edge.proof import served_by
from deploy_action.platforms.docker.names import carriers

if TYPE_CHECKING:
    from deploy_action.checks.served_by import ServedBy
    from deploy_action.config.model import Environment, Retry
    from deploy_action.inputs import Secret
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.platforms.docker.runtime import DockerContext
    from deploy_action.releases.model import Release
    from deploy_action.rollout.log import RolloutLog

__all__ = ["SmokeRunner", "require_passed", "require_reached"]

_LOOK = "look at the log of the new release below, fix it, and deploy again"
_SAYS_OTHERWISE = (
    "deploy the version that the image says of itself (--version), or write what to compare it "
    "with: health.identity.expect"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRunner:
    """Runs a release's checks on one host.

    Attributes:
        configuration: how the release is deployed.
        secrets: values that the tests may use, as the environment declares them.
        check: raises when nobody waits for the result any more.
    """

    host: Host
    release: Release
    configuration: Environment
    secrets: Mapping[str, Secret]
    check: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, context: DockerContext, host: Host) -> SmokeRunner:
        """Return the runner of a rollout."""
        return cls(
            host=host,
            release=context.plan.release,
            configuration=context.plan.configuration,
            secrets=context.secrets,
            check=context.cancel.check,
        )

    def replica(self, replica: Replica, *, beside: bool = True) -> tuple[CheckResult, ...]:
        """Run the tests that are meant for a replica, before or after it has traffic.

        Args:
            beside: also those for which a container has to be started.
        """
        return run_smoke(
            [test for test in self.configuration.smoke if beside or not is_beside(test)],
            self._replica_target(replica),
            only="replica",
            identity=None,
            secrets=self.secrets,
            clock=self.host.clock,
        )

    def edge(self, *, alone: bool = True) -> tuple[CheckResult, ...]:
        """Run the tests that go through the edge of this host.

        Args:
            alone: the release has all of the traffic, so every answer must be its own.
        """
        return run_smoke(
            self.configuration.smoke,
            self._edge_target(alone=alone),
            only="edge",
            identity=self._expected() if alone else None,
            secrets=self.secrets,
            clock=self.host.clock,
        )

    def route(self, *, retry: Retry = ONCE, others: bool = False) -> tuple[CheckResult, ...]:
        """Ask for each host name through the edge, whatever the answer is, and tell whether ours
        answered; a name that is redirected has to be.

        Args:
            others: leave out the first name, for which the smoke tests and the probe ask.
        """
        route, clock = self.configuration.route, self.host.clock
        if route is None or self._served_by(alone=True) is None:
            return ()
        path, origin = edge_path(self.configuration), self.configuration.origin
        names = [] if others else [route.host]
        return (
            *(
                check_route(self._edge_target(alone=True, name=name), path, clock, retry=retry)
                for name in (*names, *route.hosts)
            ),
            *(
                check_route(
                    self._edge_target(alone=True, name=name),
                    path,
                    clock,
                    redirect_to=origin,
                    retry=retry,
                )
                for name in route.redirect_from
            ),
        )

    def names(self, *, retry: Retry = ONCE) -> tuple[CheckResult, ...]:
        """Ask by the service's name on each network of the user's, and tell whether ours answered."""
        target = self._edge_target(alone=True)
        alias, port = self.configuration.alias, self.configuration.port
        if target.served_by is None or not alias or port is None:
            return ()
        results = []
        for network, container in carriers(self.host, self.configuration).items():
            where = f"{alias} on network {network} of {self.host.name}"
            if container is None or not container.running:
                failure = CheckFailure(CheckFailureKind.NO_ANSWER, "its container does not run")
                results.append(CheckResult.of("route", where, (failure,), seconds=0.0, attempts=0))
                continue
            named = dataclasses.replace(
                target,
                where=where,
                dialer=HostDialer(engine=self.host.engine, container_id=container.id),
                address="127.0.0.1",
                port=port,
                host_header=alias,
            )
            path = edge_path(self.configuration)
            results.append(check_route(named, path, self.host.clock, retry=retry))
        return tuple(results)

    def identity(self, replica: Replica) -> tuple[CheckResult, ...]:
        """Ask the application itself which version it is, where deploy.yaml says how."""
        expected = self._expected()
        if expected is None or self.configuration.port is None:
            return ()
        target = self._replica_target(replica)
        return (check_identity(expected, target, clock=self.host.clock),)

    def _expected(self) -> IdentityExpectation | None:
        return IdentityExpectation.of(self.configuration.health, self.release)

    def _replica_target(self, replica: Replica) -> Target:
        def run_command(argv: Sequence[str], timeout_seconds: float) -> tuple[int, str]:
            engine = self.host.engine
            done = engine.execute(replica.container.id, argv, timeout_seconds=timeout_seconds)
            return done.exit_code, done.output

        return Target(
            where=f"replica {replica.index + 1} on {self.host.name}",
            dialer=self.host.dialer,
            address=replica.address(self.host.placement),
            port=replica.port,
            host_header=self._host_header(),
            run_command=run_command,
            run_beside=functools.partial(
                run_beside, self.host, self.release, replica, check=self.check
            ),
        )

    def _edge_target(self, *, alone: bool, name: str | None = None) -> Target:
        route = self.configuration.route
        asked = f", {name}" if route is not None and name not in (None, route.host) else ""
        return Target(
            where=f"edge of {self.host.name}{asked}",
            dialer=self.host.dialer,
            address="" if route is None else self.host.edge_address(route),
            port=0 if route is None else route.port,
            host_header=name or self._host_header(),
            served_by=self._served_by(alone=alone, name=name),
            route_path="/" if route is None else route.path,
        )

    def _served_by(self, *, alone: bool, name: str | None = None) -> ServedBy | None:
        state = self.host.cache.state or self.host.edge.state()
        backend = state.backends.get(self.host.backend)
        release = self.release.id if alone else ""
        return None if backend is None else served_by(backend, release, name=name)

    def _host_header(self) -> str:
        route = self.configuration.route
        if route is None:
            return ""
        # A socket has no name that could stand in for it.
        return route.host or ("localhost" if route.certificate is not None else "")


def require_passed(results: Sequence[CheckResult], log: RolloutLog) -> None:
    """Keep check results for the report.

    Raises:
        DeploymentFailed: a check failed.
    """
    log.checks += results
    failed = [result for result in results if not result.passed]
    if not failed:
        return
    first = failed[0]
    more = f" ({len(failed)} smoke tests failed in all)" if len(failed) > 1 else ""
    wrong_release = CheckFailureKind.WRONG_RELEASE in first.failure_kinds
    raise DeploymentFailed(
        f"smoke test {first.name} failed ({first.where}): {first.detail}{more}",
        remedy=_SAYS_OTHERWISE if wrong_release else _LOOK,
        code=ErrorCode.WRONG_RELEASE if wrong_release else ErrorCode.SMOKE_TEST_FAILED,
    )


def require_reached(results: Sequence[CheckResult]) -> None:
    """Make sure that the release answers at every host name that was asked for.

    Raises:
        DeploymentFailed: something else answers at one, or nobody.
    """
    for result in results:
        if not result.passed:
            raise DeploymentFailed(
                f"{result.where}: {result.detail}",
                cause="a host name of deploy.yaml does not lead to the new release",
                remedy="deploy-action drift, then deploy again",
                code=ErrorCode.ROUTE_NOT_SERVED,
            )
