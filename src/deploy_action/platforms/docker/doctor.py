"""What one host has and lacks: its engine, and through the edge its disk, clock and volume."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from deploy_action.errors import DeployActionError, DeploymentFailed, HostUnreachable
from deploy_action.platforms.docker import engine as engines
from deploy_action.platforms.docker.edge.subnets import (
    ROUTES_ARGV,
    crossing_routes,
    is_part_of,
    read_routes,
)
from deploy_action.platforms.docker.edge.upgrade import is_older
from deploy_action.platforms.docker.requirements import host_facts, unmet
from deploy_action.results.reports import Check, CheckState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy_action.config.model import EdgeOptions, Environment
    from deploy_action.platforms.docker.engine import Engine
    from deploy_action.platforms.docker.engine.protocol import Container

__all__ = ["host_checks"]

_SECONDS = 10.0
_SKEW_SECONDS = 5.0
_GIB = 1 << 30
_LOW_BYTES = 2 * _GIB
_FULL_BYTES = _GIB // 4


def host_checks(
    host: str,
    edge: EdgeOptions,
    *,
    environments: Sequence[Environment] = (),
    connect: Callable[[str], Engine] = engines.connect,
    now: Callable[[], float] = time.time,
) -> tuple[Check, ...]:
    """Ask one host; whatever goes wrong becomes a row.

    Args:
        host: as deploy.yaml names it.
        edge: the edge that serves there.
        environments: what is deployed there.
        connect: opens the engine.
        now: this machine's clock, in seconds since the epoch.
    """
    try:
        engine = connect(host)
    except DeployActionError as error:
        return (_no_engine(host, error),)
    try:
        info = engine.info()
        detail = f"Docker {info.version} on {info.architecture}"
        needs = [Check(host=host, subject="engine", state=CheckState.OK, detail=detail)]
        return (
            *needs,
            *_through_edge(engine, host, edge, now),
            *_lacks(engine, host, environments),
        )
    except DeployActionError as error:
        return (_no_engine(host, error),)
    finally:
        engine.close()


def _lacks(engine: Engine, host: str, environments: Sequence[Environment]) -> Iterator[Check]:
    for environment in environments:
        facts = host_facts(engine, environment)
        if facts is None:
            continue
        found = list(unmet(host, environment, facts))
        if not found:
            detail = "networks, users, devices and limits are as deploy.yaml needs them"
            found = [Check(host=host, subject="needs", state=CheckState.OK, detail=detail)]
        for check in found:
            yield dataclasses.replace(check, detail=f"{environment.name}: {check.detail}")


def _no_engine(host: str, error: DeployActionError) -> Check:
    detail = f"{error.what}; {error.cause}" if error.cause else error.what
    own = isinstance(error, HostUnreachable) and "doctor" in error.remedy
    return Check(
        host=host,
        subject="engine",
        state=CheckState.MISSING,
        detail=detail,
        remedy=_remedy(host) if own or not error.remedy else error.remedy,
    )


def _remedy(host: str) -> str:
    if host == "local" or host.startswith("unix://"):
        return "apt-get install docker.io && systemctl start docker; docker info must answer"
    if host.startswith("ssh://"):
        return f"try it by hand: ssh {host.removeprefix('ssh://')} docker info"
    return f"try it by hand: docker --host {host} --tlsverify info"


def _through_edge(
    engine: Engine, host: str, options: EdgeOptions, now: Callable[[], float]
) -> tuple[Check, ...]:
    found = engine.container(options.name)
    if found is None:
        network = options.subnet or "ranges that the host has no route to (edge.subnet sets one)"
        detail = f"not there yet; the first deployment brings it, with networks in {network}"
        return (Check(host=host, subject="edge", state=CheckState.WARNING, detail=detail),)
    if "deploy-action.edge" not in found.labels:
        return (
            Check(
                host=host,
                subject="edge",
                state=CheckState.MISSING,
                detail=f"the name {options.name} is taken by a container that is not an edge",
                remedy="set edge.name in deploy.yaml to another name",
            ),
        )
    if not found.running:
        return (
            Check(
                host=host,
                subject="edge",
                state=CheckState.MISSING,
                detail=f"{options.name} is {found.status} (exit code {found.exit_code})",
                remedy=f"docker start {options.name}; docker logs --tail 20 {options.name}",
            ),
        )
    edge = _age(engine, host, options, found)
    looks: dict[str, Look] = {"disk": _disk, "volume": _volume, "clock": _clock(now)}
    looks["network"] = _network(options)
    return (edge, *(_asked(name, look, engine, host, found) for name, look in looks.items()))


def _age(engine: Engine, host: str, options: EdgeOptions, found: Container) -> Check:
    if not is_older(engine, options, found):
        return Check(host=host, subject="edge", state=CheckState.OK, detail=f"{options.name} runs")
    published = options.network != "host"
    return Check(
        host=host,
        subject="edge",
        state=CheckState.WARNING,
        detail=f"{options.name} runs and is older than this deploy-action's",
        remedy=f"docker rm -f {options.name} && deploy-action deploy; its ports are closed meanwhile"
        if published
        else "deploy-action deploy replaces it and loses no request",
    )


Look = Callable[["Engine", str, "Container"], "Check"]


def _asked(name: str, look: Look, engine: Engine, host: str, edge: Container) -> Check:
    try:
        return look(engine, host, edge)
    except DeploymentFailed as error:
        detail = f"could not be looked at: {error.what}"
        return Check(host=host, subject=name, state=CheckState.WARNING, detail=detail)


def _disk(engine: Engine, host: str, edge: Container) -> Check:
    """Read the free space under the state volume, which is on the engine's own disk.

    Source: df(1), POSIX output format: the fourth column is what is available, in KiB.
    """
    asked = engine.execute(edge.id, ("df", "-Pk", "/state"), timeout_seconds=_SECONDS)
    try:
        free = int(asked.output.strip().splitlines()[-1].split()[3]) * 1024
    except (IndexError, ValueError):
        return Check(
            host=host, subject="disk", state=CheckState.WARNING, detail="df gave no number"
        )
    state = CheckState.OK
    if free < _LOW_BYTES:
        state = CheckState.WARNING if free >= _FULL_BYTES else CheckState.MISSING
    return Check(
        host=host,
        subject="disk",
        state=state,
        detail=f"{free / _GIB:.1f} GiB free",
        remedy="" if state is CheckState.OK else "docker image prune; docker builder prune",
    )


def _volume(engine: Engine, host: str, edge: Container) -> Check:
    asked = engine.execute(
        edge.id,
        ("test", "-w", "/state/ledger", "-a", "-w", "/state/edge"),
        timeout_seconds=_SECONDS,
    )
    if asked.exit_code == 0:
        return Check(host=host, subject="volume", state=CheckState.OK, detail="can be written")
    return Check(
        host=host,
        subject="volume",
        state=CheckState.MISSING,
        detail="the ledger's volume cannot be written",
        remedy=f"look at it: docker exec {edge.name} ls -ld /state /state/ledger /state/edge",
    )


def _network(options: EdgeOptions) -> Look:
    def look(engine: Engine, host: str, edge: Container) -> Check:
        networks = engine.networks({"deploy-action.edge": options.name})
        count = len(networks.keys() - {options.name})
        state, remedy = CheckState.OK, ""
        detail = f"{count} network{'s' * (count != 1)} of services"
        shown = ""
        if options.network == "host":
            shown = engine.execute(edge.id, ROUTES_ARGV, timeout_seconds=_SECONDS).output
        known = read_routes(shown)
        for name, subnet in sorted(networks.items()):
            if not subnet:
                continue
            routes = crossing_routes(subnet, known)
            if routes:
                state = CheckState.WARNING
                detail = (
                    f"{name} has {subnet}, and the host has routes to addresses of it: "
                    f"{', '.join(routes[:5])}"
                )
                break
            if options.subnet is not None and not is_part_of(subnet, options.subnet):
                state = CheckState.WARNING
                detail = f"{name} has {subnet}, which is not in edge.subnet {options.subnet}"
        if state is not CheckState.OK:
            remedy = (
                "set edge.name and edge.subnet in deploy.yaml to others; "
                "deploy-action deploy creates the networks anew"
            )
        return Check(host=host, subject="network", state=state, detail=detail, remedy=remedy)

    return look


def _clock(now: Callable[[], float]) -> Look:
    def look(engine: Engine, host: str, edge: Container) -> Check:
        before = now()
        asked = engine.execute(edge.id, ("date", "+%s.%N"), timeout_seconds=_SECONDS)
        middle = (before + now()) / 2
        try:
            skew = float(asked.output.strip()) - middle
        except ValueError:
            return Check(host=host, subject="clock", state=CheckState.WARNING, detail="no answer")
        well = abs(skew) <= _SKEW_SECONDS
        direction = "ahead" if skew > 0 else "behind"
        return Check(
            host=host,
            subject="clock",
            state=CheckState.OK if well else CheckState.WARNING,
            detail="agrees with this machine" if well else f"{abs(skew):.0f}s {direction}",
            remedy="" if well else "timedatectl set-ntp true",
        )

    return look
