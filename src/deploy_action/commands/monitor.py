"""monitor: run health and smoke tests against what is live, for people, programs and Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.checks.health import (
    explain_instability,
    explain_unhealthy,
    is_condemned,
)
from deploy_action.checks.result import CheckResult
from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command, option
from deploy_action.config import load
from deploy_action.config.select import select_environment
from deploy_action.errors import DeployActionError, HostUnreachable
from deploy_action.parallel import run_parallel
from deploy_action.platforms.connection import connect_platform
from deploy_action.platforms.docker.health import health_of
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.platforms.docker.smoke import SmokeRunner
from deploy_action.platforms.docker.tls import certificate_expiry
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.secrets import available_secrets
from deploy_action.render.metrics import textfile
from deploy_action.results.reports import Monitoring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy_action.config.model import Route
    from deploy_action.events.stream import EventStream
    from deploy_action.inputs import Inputs, Secret
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.platform import DockerPlatform
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Release

__all__ = ["COMMAND", "run"]

COMMAND = Command(
    name="monitor",
    summary="run health and smoke tests of what is live",
    description=(
        "Checks every replica, and the service through the edge, once. Reports by exit code, JSON"
        " and on demand a Prometheus textfile. For cron or a schedule."
    ),
    examples=(
        ("deploy-action monitor -e production", "once, for a person"),
        (
            "deploy-action monitor -e production --textfile /var/lib/node_exporter/shop.prom",
            "for Prometheus",
        ),
    ),
    options=(
        ENVIRONMENT,
        option("--textfile", "PATH", "write Prometheus metrics here", kind="path"),
    ),
    exits=GATE_EXITS,
)

_DAY_SECONDS = 86400
_SOON_DAYS = 14


def run(inputs: Inputs, events: EventStream) -> Monitoring:
    """Look at the live release on every host; write the metrics where a textfile is asked for.

    Raises:
        HostUnreachable: a host does not answer.
    """
    target = select_environment(load(inputs.config), inputs.environment)
    with connect_platform(target, inputs, events, partial=True) as connection:
        platform = connection.platform
        ledger = platform.observe().ledger
        current = current_deployment(ledger.entries)
        if current is None:
            found = Monitoring(
                service=target.service,
                environment=target.name,
                unreachable=tuple(platform.unreachable),
                notes=("nothing is live", *platform.unreachable.values()),
            )
        else:
            release = current.release
            results = run_parallel(
                lambda name: _check_host(
                    platform,
                    name,
                    # A host is asked for what it records itself; one that joined, for the others'.
                    (current_deployment(ledger.of(name)) or current).release,
                    available_secrets(release.configuration, target, inputs),
                ),
                platform.answering,
            )
            found = Monitoring(
                service=target.service,
                environment=target.name,
                url=target.url or "",
                version=release.version,
                current=current,
                checks=tuple(check for checks, _ in results for check in checks),
                unreachable=tuple(platform.unreachable),
                notes=(
                    *(note for _, notes in results for note in notes),
                    *platform.unreachable.values(),
                ),
            )
        now = connection.clock.now()
    if inputs.textfile is not None:
        # Prometheus's node exporter may read at any moment: the file is replaced whole.
        new = inputs.textfile.with_suffix(".new")
        new.write_text(textfile(found, now.timestamp()))
        new.replace(inputs.textfile)
    return found


def _check_host(
    platform: DockerPlatform, name: str, release: Release, secrets: Mapping[str, Secret]
) -> tuple[tuple[CheckResult, ...], tuple[str, ...]]:
    """Return the checks of a host, and what people should know besides."""
    try:
        return _checks(platform, name, release, secrets)
    except HostUnreachable as error:
        # It answered a moment ago, when it was observed.
        return (_result("host", name, error.what),), ()


def _checks(
    platform: DockerPlatform, name: str, release: Release, secrets: Mapping[str, Secret]
) -> tuple[tuple[CheckResult, ...], tuple[str, ...]]:
    with platform.reader(name) as host:
        if host is None:
            return (_result("edge", name, "nothing of ours runs on this host"),), ()
        configuration = release.configuration
        runner = SmokeRunner(
            host=host,
            release=release,
            configuration=configuration,
            secrets=secrets,
        )
        replicas = of_release(host.replicas(), release)
        checks = [_health(host, release, replica) for replica in replicas]
        count = sum(role.replicas for role in release.roles)
        if len(replicas) < count:
            gone = count - len(replicas)
            checks.append(_result("replicas", name, f"{gone} of {count} are gone"))
        for replica in replicas:
            if replica.container.running and release.answers_requests(replica.role):
                checks += runner.replica(replica, beside=False)
        notes: list[str] = []
        route = configuration.route
        if route is not None:
            backend = host.edge.backend(host.backend)
            if backend is not None and backend.maintenance:
                notes.append(f"{name}: maintenance is on: nothing was asked through the edge")
            else:
                checks += (*runner.route(), *runner.names(), *runner.edge())
            if route.certificate is not None:
                checks.append(_certificate(host, route, notes))
        return tuple(checks), tuple(notes)


def _certificate(host: Host, route: Route, notes: list[str]) -> CheckResult:
    """Check the certificate as clients see it: the smoke tests reach the edge without TLS."""
    where = f"edge of {host.name}"
    try:
        until = certificate_expiry(host, route)
    except (DeployActionError, OSError) as error:
        return _result("certificate", where, str(error))
    left = (until - host.clock.now().timestamp()) / _DAY_SECONDS
    if left < _SOON_DAYS:
        notes.append(f"{host.name}: the certificate expires in {left:.0f} days")
    return _result("certificate", where, "")


def _health(host: Host, release: Release, replica: Replica) -> CheckResult:
    where = f"{replica.name} on {host.name}"
    container = replica.container
    routed = release.takes_traffic(replica.role)
    unstable = explain_instability(container, host.clock.now())
    if unstable:
        return _result("health", where, unstable)
    try:
        status = host.edge.servers(host.backend).get(replica.name) if routed else None
    except DeployActionError as error:
        return _result("health", where, error.what)
    health = health_of(release, replica.role)
    down = routed and (status is None or not status.up)
    why = explain_unhealthy(health, status, container)
    return _result("health", where, why if down or is_condemned(health, container) else "")


def _result(name: str, where: str, detail: str) -> CheckResult:
    return CheckResult(
        name=name, where=where, passed=not detail, seconds=0.0, attempts=1, detail=detail
    )
