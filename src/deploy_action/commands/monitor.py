"""monitor: run health and smoke tests against what is live, for people, programs and Prometheus."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from deploy_action.checks.health import explain_exit, explain_unhealthy
from deploy_action.checks.result import CheckResult
from deploy_action.commands.command import ENVIRONMENT, GATE_EXITS, Command, option
from deploy_action.config import deserialize, load
from deploy_action.config.select import select_environment
from deploy_action.errors import DeployActionError
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.connections import connect_hosts
from deploy_action.platforms.docker.edge.certificates import served_until
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.platforms.docker.smoke import Smoking
from deploy_action.releases.ledger import current_deployment
from deploy_action.releases.secrets import available_secrets
from deploy_action.render.metrics import textfile
from deploy_action.results.answers import Monitoring

if TYPE_CHECKING:
    from deploy_action.config.model import Environment, Route
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.connections import HostConnections
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.replicas import Replica
    from deploy_action.releases.model import Deployment

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

_HANDSHAKE_SECONDS = 5.0
_DAY_SECONDS = 86400
_SOON_DAYS = 14


def run(inputs: Inputs, progress: Progress) -> Monitoring:
    """Look at the live release on every host; write the metrics where a textfile is asked for.

    Raises:
        HostUnreachable: a host does not answer.
    """
    wanted = select_environment(load(inputs.config), inputs.environment)
    with connect_hosts(wanted, inputs, progress) as engagement:
        serving = current_deployment(engagement.look().ledger.entries)
        if serving is None:
            found = Monitoring(
                service=wanted.service, environment=wanted.name, notes=("nothing is live",)
            )
        else:
            past = dataclasses.replace(deserialize(serving.release.config), hosts=wanted.hosts)
            results = run_parallel(
                lambda host: _host(engagement, host, past, serving, inputs), wanted.hosts
            )
            found = Monitoring(
                service=wanted.service,
                environment=wanted.name,
                url=wanted.url or "",
                version=serving.release.version,
                checks=tuple(check for checks, _ in results for check in checks),
                notes=tuple(note for _, notes in results for note in notes),
            )
        now = engagement.clock.now()
    if inputs.textfile is not None:
        # Prometheus's node exporter may read at any moment: the file is replaced whole.
        new = inputs.textfile.with_suffix(".new")
        new.write_text(textfile(found, now.timestamp()))
        new.replace(inputs.textfile)
    return found


def _host(
    engagement: HostConnections,
    host: str,
    past: Environment,
    serving: Deployment,
    inputs: Inputs,
) -> tuple[tuple[CheckResult, ...], tuple[str, ...]]:
    """Return the checks of a host, and what a person should know besides."""
    with engagement.reading(host) as found:
        if found is None:
            return (_result("edge", host, "nothing of ours runs on this host"),), ()
        site = dataclasses.replace(found, environment=past)
        smoking = Smoking(
            environment=past,
            release=serving.release,
            secrets=available_secrets(past, inputs),
            clock=engagement.clock,
        )
        mine = of_release(site.replicas(), serving.release.id, past.replicas)
        checks = [_health(site, past, replica) for replica in mine]
        if len(mine) < past.replicas:
            gone = past.replicas - len(mine)
            checks.append(_result("replicas", host, f"{gone} of {past.replicas} are gone"))
        for replica in mine:
            if replica.container.running:
                checks += smoking.replica(site, replica)
        notes = []
        if past.route is not None:
            backend = site.edge.backend(site.backend)
            if backend is not None and backend.maintenance:
                notes.append(f"{host}: maintenance is on: nothing was asked through the edge")
            else:
                checks += smoking.edge(site)
        if past.route is not None and past.route.certificate is not None:
            checks.append(_certificate(site, past.route, notes))
        return tuple(checks), tuple(notes)


def _certificate(site: Host, route: Route, notes: list[str]) -> CheckResult:
    """Shake hands as clients do: the smoke tests go a way of their own, without TLS."""
    where = f"edge of {site.host}"
    try:
        until = served_until(
            lambda: site.dialer.dial(site.public_address(), route.port, _HANDSHAKE_SECONDS),
            host=route.host,
        )
    except (DeployActionError, OSError) as error:
        return _result("certificate", where, str(error))
    left = (until - site.clock.now().timestamp()) / _DAY_SECONDS
    if left < _SOON_DAYS:
        notes.append(f"{site.host}: the certificate expires in {left:.0f} days")
    return _result("certificate", where, "")


def _health(site: Host, past: Environment, replica: Replica) -> CheckResult:
    where = f"{replica.name} on {site.host}"
    container = replica.container
    if not container.running:
        return _result("health", where, explain_exit(container))
    try:
        status = site.edge.servers(site.backend).get(replica.name) if past.route else None
    except DeployActionError as error:
        return _result("health", where, error.what)
    unhealthy = container.health == "unhealthy" or (
        past.route is not None and (status is None or not status.up)
    )
    return _result(
        "health", where, explain_unhealthy(past.health, status, container) if unhealthy else ""
    )


def _result(name: str, where: str, detail: str) -> CheckResult:
    return CheckResult(
        name=name, where=where, passed=not detail, seconds=0.0, attempts=1, detail=detail
    )
