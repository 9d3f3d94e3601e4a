"""Bring a host to one release: it serves alone, older good ones are kept, failed ones go.

This one function is the end of every story: the cleaning up after a success, the way back after
a failure, the settling of what a killed run left, and the repair of a host that drifted. It can
be called again at any time and does nothing where nothing is to be done.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Collection, Mapping

from deploy_action.config.model import Environment
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.cleanup import (
    ReconcileResult,
    remove,
    restarts,
    stop_and_retain,
)
from deploy_action.platforms.docker.drain import drain
from deploy_action.platforms.docker.edge.state import Backend, Server, sorted_servers
from deploy_action.platforms.docker.health import Cancel, await_healthy
from deploy_action.platforms.docker.host import Host
from deploy_action.platforms.docker.replicas import Replica, backend_for, hook_selector, of_release
from deploy_action.platforms.docker.standby import stands_by
from deploy_action.platforms.docker.tls import remove_unused
from deploy_action.releases.model import Release

__all__ = ["reconcile", "remove_orphaned_hooks", "remove_service"]


def reconcile(
    site: Host,
    release: Release,
    environment: Environment,
    *,
    good: Collection[str],
    secrets: Mapping[str, str],
    number: int,
    drain_seconds: float,
    cancel: Cancel,
    standby: str = "",
    attended: bool = True,
) -> ReconcileResult:
    """Make `release` the one that serves on this host.

    Args:
        environment: as the release was made with, not as deploy.yaml says today.
        good: ids of releases that have succeeded, newest first; others' containers are removed.
        secrets: values for a replica that has to be created anew.
        number: number of the present deployment, for such a replica.
        drain_seconds: how long requests in flight may take on replicas that leave.
        standby: id of the release whose replicas stay running without traffic, where they do.
        attended: wait for the end of those that leave; see `stop_and_retain`.

    Raises:
        DeploymentFailed: the release cannot be brought up; what serves was not taken away.
    """
    done = ReconcileResult()
    found = site.replicas()
    if environment.route is not None:
        site.ensure_edge()
        _take_out(site, release, environment, found)
    serving, started = _bring_up(site, release, environment, found, secrets, number, done)
    waiting = tuple(replica for replica in found if stands_by(replica, standby))
    names = {replica.name for replica in (*serving, *waiting)}
    leaving = [replica for replica in found if replica.name not in names]
    if environment.route is not None:
        _enter(site, environment, serving, started, cancel)
    elif started:
        for replica in started:
            await_healthy(site, replica, environment, cancel)

    def let_go() -> None:
        done.notes += drain(site, environment, serving, waiting, drain_seconds)

    # What the engine may revive does not depend on who still has requests.
    staying = [replica for replica in leaving if replica.release in good]
    acts = restarts(site, serving, staying)
    if environment.route is not None:
        acts += [let_go, functools.partial(remove_unused, site)]
    run_parallel(operator.call, acts)
    stop_and_retain(
        site, environment, leaving, release, good, done, beside=waiting, attended=attended
    )
    return done


def remove_service(site: Host) -> ReconcileResult:
    """Take a service off a host on which no deployment has ever succeeded."""
    done = ReconcileResult()
    if site.environment.route is not None and site.edge.backend(site.backend) is not None:
        site.edge.change(site.backend, lambda _: None)
        remove_unused(site)
    for replica in site.replicas():
        remove(site, replica, done)
    return done


def remove_orphaned_hooks(site: Host) -> None:
    """Remove the hooks that a dead deployer left: a migration must not go on beside the next one."""
    for container in site.engine.containers(hook_selector(site.environment)):
        site.session.ping()
        site.engine.remove(container.id)


def _bring_up(
    site: Host,
    release: Release,
    environment: Environment,
    found: tuple[Replica, ...],
    secrets: Mapping[str, str],
    number: int,
    done: ReconcileResult,
) -> tuple[tuple[Replica, ...], tuple[Replica, ...]]:
    """Have every replica of the release running; return all, and those that had to be started."""
    present = {
        replica.index: replica for replica in of_release(found, release.id, environment.replicas)
    }
    serving, started = [], []
    for index in range(environment.replicas):
        replica = present.get(index)
        if replica is None or not replica.container.running:
            site.session.ping()
            if replica is None:
                done.notes.append(f"{site.host}: replica {index + 1} was gone and is made anew")
                anew = functools.partial(
                    site.create_replica,
                    environment,
                    release,
                    number=number,
                    index=index,
                    secrets=secrets,
                )
                container = site.start_replica(anew(), anew)
            else:
                done.notes.append(f"{site.host}: {replica.name} was stopped and is started again")
                site.engine.start(replica.container.id)
                again = site.engine.container(replica.container.id)
                container = replica.container if again is None else again
            replica = Replica.read(container)
            started.append(replica)
        serving.append(replica)
    return tuple(serving), tuple(started)


def _take_out(
    site: Host, release: Release, environment: Environment, found: tuple[Replica, ...]
) -> None:
    """Take servers that do not run out of the edge before others of their name are started.

    It may not have noticed yet that they are away, and would send requests to one that is only
    just starting.
    """
    running = {replica.name for replica in found if replica.container.running}
    mine = of_release(found, release.id, environment.replicas)
    if sum(replica.name in running for replica in mine) == environment.replicas:
        return

    def without(old: Backend | None) -> Backend | None:
        if old is None:
            return None
        stay = tuple(server for server in old.servers if server.name in running)
        return dataclasses.replace(old, servers=stay)

    site.edge.change(site.backend, without)


def _enter(
    site: Host,
    environment: Environment,
    serving: tuple[Replica, ...],
    started: tuple[Replica, ...],
    cancel: Cancel,
) -> None:
    """Give the serving replicas all traffic; those just started only once they are healthy."""
    fresh = {replica.name for replica in started}
    target = backend_for(environment, [(replica, 100) for replica in serving])
    if target is None:
        return
    if fresh:
        site.edge.change(site.backend, lambda old: _beside(old, target, fresh))
        for replica in started:
            await_healthy(site, replica, environment, cancel)
    site.edge.change(site.backend, lambda old: _alone(old, target))


def _beside(old: Backend | None, target: Backend, fresh: Collection[str]) -> Backend:
    """Add what was just started at weight 0, and leave the traffic where it is meanwhile."""
    kept = {server.name: server.weight for server in old.servers} if old is not None else {}
    mine = tuple(
        dataclasses.replace(s, weight=0 if s.name in fresh else kept.get(s.name, s.weight))
        for s in target.servers
    )
    return dataclasses.replace(target, servers=sorted_servers((*mine, *_others(old, target))))


def _alone(old: Backend | None, target: Backend) -> Backend:
    """Give the target's servers everything; others stay at weight 0 until they are drained."""
    others = (dataclasses.replace(server, weight=0) for server in _others(old, target))
    return dataclasses.replace(target, servers=sorted_servers((*target.servers, *others)))


def _others(old: Backend | None, target: Backend) -> tuple[Server, ...]:
    """Return the servers that are not the target's.

    They are not judged by a health check that is not theirs; where it is the same they are left
    as they are, since a change of that needs a reload.
    """
    if old is None:
        return ()
    names = {server.name for server in target.servers}
    same = old.check == target.check
    return tuple(
        server if same else dataclasses.replace(server, check=False)
        for server in old.servers
        if server.name not in names
    )
