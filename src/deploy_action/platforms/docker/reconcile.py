"""Brings a host to one release: it serves alone, older ones are kept, failed ones are removed.

This one function is the end of every story: the cleanup after a success, the undo of a failure,
the recovery of an interrupted run, and the repair of drift. It is idempotent.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.cleanup import remove, restart_policies, stop_and_retain
from deploy_action.platforms.docker.drain import await_last_requests, drain
from deploy_action.platforms.docker.edge.state import Backend, Server, sorted_servers
from deploy_action.platforms.docker.health import await_healthy
from deploy_action.platforms.docker.names import keep_names, remove_names
from deploy_action.platforms.docker.observation import is_leaving, is_on_standby
from deploy_action.platforms.docker.replicas import Replica, backend_for, of_release, with_traffic
from deploy_action.platforms.docker.tls import remove_unused
from deploy_action.platforms.docker.volumes import discard
from deploy_action.platforms.protocol import ReconcileResult
from deploy_action.results.notes import Note, NoteCode

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.inputs import Secret
    from deploy_action.parallel import Cancel
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.protocol import Desired
    from deploy_action.releases.model import Deployment, Release, Role

__all__ = ["reconcile_host", "remove_orphaned_hooks"]


def reconcile_host(host: Host, desired: Desired, cancel: Cancel) -> ReconcileResult:
    """Bring one host to what is desired.

    Raises:
        DeploymentFailed: the release cannot be brought up; what serves was not taken away.
    """
    if desired.deployment is None:
        return _remove_service(host, desired)
    return _reconcile(host, desired.deployment, desired, cancel)


def _reconcile(
    host: Host, deployment: Deployment, desired: Desired, cancel: Cancel
) -> ReconcileResult:
    release, result = deployment.release, ReconcileResult()
    configuration = release.configuration
    present = host.replicas()
    if configuration.route is not None:
        host.ensure_edge(configuration.route)
        _remove_stopped_servers(host, release, present)
    active, started = _bring_up(host, release, present, desired.secrets, deployment.number, result)
    standby = tuple(r for r in present if is_on_standby(r, deployment.standby))
    staying = {replica.name for replica in (*active, *standby)}
    leaving = [replica for replica in present if replica.name not in staying]
    if configuration.route is not None:
        _give_traffic(host, release, active, started, cancel)
    else:
        for replica in started:
            await_healthy(host, replica, release, cancel)

    def let_go() -> None:
        serving = with_traffic(active, release)
        result.notes += drain(host, release, serving, standby, desired.drain_seconds)

    # What the engine may revive does not depend on who still has requests.
    kept = [replica for replica in leaving if replica.release in desired.succeeded]
    tls = configuration.route is not None and configuration.route.certificate is not None
    calls: list[Callable[[], None]] = restart_policies(host, active, kept)
    calls.append(lambda: _keep_names(host, configuration, result))
    if configuration.route is not None:
        calls += [let_go, functools.partial(remove_unused, host, certificates=tls)]
    run_parallel(lambda call: call(), calls)
    stop_and_retain(host, release, leaving, desired, result, beside=standby)
    return result


def _keep_names(host: Host, configuration: Environment, result: ReconcileResult) -> None:
    """Keep the service's names; one that another container took does not keep a release from serving."""
    try:
        keep_names(host, configuration)
    except DeploymentFailed as error:
        if error.code is not ErrorCode.NAME_TAKEN:
            raise
        result.notes.append(Note(NoteCode.NETWORK_NAME_TAKEN, error.what))


def _remove_service(host: Host, desired: Desired) -> ReconcileResult:
    """Take a service off a host: its route, and then its replicas and whatever they ran."""
    result = ReconcileResult()
    remove_names(host)
    if host.edge.backend(host.backend) is not None:
        host.edge.change(host.backend, lambda _: None)
        # Requests from before go on in the edge's old processes.
        result.notes += await_last_requests(host, desired.drain_seconds)
        remove_unused(host, certificates=True)
    for replica in host.replicas():
        remove(host, replica, result, stop_seconds=desired.stop_seconds)
    return result


def remove_orphaned_hooks(host: Host) -> None:
    """Remove the hooks of a dead deployer: a migration must not go on beside the next one."""
    for container in host.engine.containers(host.placement.selector("hook")):
        host.session.ping()
        discard(host.engine, container.id)


def _bring_up(
    host: Host,
    release: Release,
    present: tuple[Replica, ...],
    secrets: Mapping[str, Secret],
    number: int,
    result: ReconcileResult,
) -> tuple[tuple[Replica, ...], tuple[Replica, ...]]:
    """Have every replica of the release running; return all, and those that had to be started."""
    known = {(r.role, r.index): r for r in of_release(present, release)}
    active: list[Replica] = []
    started: list[Replica] = []
    for role in release.roles:
        for index in range(role.replicas):
            replica = known.get((role.name, index))
            if replica is not None and role.takes_traffic and _is_leaving(host, replica):
                replica = _await_stop(host, release, replica)
            if replica is None or not replica.container.running:
                host.session.ping()
                if replica is None:
                    text = f"{host.name}: replica {index + 1} was gone and is made anew"
                    result.notes.append(Note(NoteCode.REPLICA_RECREATED, text))
                    replica = _create(host, release, role, number, index, secrets)
                else:
                    text = f"{host.name}: {replica.name} was stopped and is started again"
                    result.notes.append(Note(NoteCode.REPLICA_RESTARTED, text))
                    host.engine.start(replica.container.id)
                    container = host.engine.container(replica.container.id)
                    replica = Replica.read(replica.container if container is None else container)
                started.append(replica)
            active.append(replica)
    return tuple(active), tuple(started)


def _is_leaving(host: Host, replica: Replica) -> bool:
    if not replica.container.running:
        return False
    # Only the lock's holder changes this backend, so what this process wrote last is true.
    state = host.cache.state or host.edge.state()
    return is_leaving(replica, state.backends.get(host.backend))


def _await_stop(host: Host, release: Release, replica: Replica) -> Replica:
    """Wait for the end of a replica that an earlier command asked to stop."""
    host.session.ping()
    seconds = release.configuration.stop.timeout_seconds
    host.engine.stop(replica.container.id, timeout_seconds=seconds)
    return dataclasses.replace(
        replica, container=dataclasses.replace(replica.container, status="exited")
    )


def _create(
    host: Host,
    release: Release,
    role: Role,
    number: int,
    index: int,
    secrets: Mapping[str, Secret],
) -> Replica:
    create = functools.partial(
        host.create_replica, release, role, number=number, index=index, secrets=secrets
    )
    return Replica.read(host.start_replica(create(), create))


def _remove_stopped_servers(host: Host, release: Release, present: tuple[Replica, ...]) -> None:
    """Take servers that do not run out of the edge before others of their name are started.

    The edge may not have noticed yet that they are away, and would send requests to one that is
    just starting.
    """
    running = {replica.name for replica in present if replica.container.running}
    count = sum(role.replicas for role in release.roles)
    if sum(replica.name in running for replica in of_release(present, release)) == count:
        return

    def without(old: Backend | None) -> Backend | None:
        if old is None:
            return None
        stay = tuple(server for server in old.servers if server.name in running)
        return dataclasses.replace(old, servers=stay)

    host.edge.change(host.backend, without)


def _give_traffic(
    host: Host,
    release: Release,
    active: tuple[Replica, ...],
    started: tuple[Replica, ...],
    cancel: Cancel,
) -> None:
    """Give the active replicas all traffic; those just started only once they are healthy."""
    fresh = {replica.name for replica in started}
    serving = [(replica, 100) for replica in with_traffic(active, release)]
    target = backend_for(host.placement, release.configuration, serving)
    if target is None:
        return
    if fresh:
        host.edge.change(host.backend, lambda old: _beside(old, target, fresh))
        for replica in started:
            await_healthy(host, replica, release, cancel)
    host.edge.change(host.backend, lambda old: _alone(old, target))


def _beside(old: Backend | None, target: Backend, fresh: Collection[str]) -> Backend:
    """Add what was just started at weight 0, and leave the traffic where it is meanwhile."""
    weights = {server.name: server.weight for server in old.servers} if old is not None else {}
    servers = tuple(
        dataclasses.replace(s, weight=0 if s.name in fresh else weights.get(s.name, s.weight))
        for s in target.servers
    )
    return dataclasses.replace(target, servers=sorted_servers((*servers, *_others(old, target))))


def _alone(old: Backend | None, target: Backend) -> Backend:
    """Give the target's servers everything; others stay at weight 0 until they are drained."""
    others = (dataclasses.replace(server, weight=0) for server in _others(old, target))
    return dataclasses.replace(target, servers=sorted_servers((*target.servers, *others)))


def _others(old: Backend | None, target: Backend) -> tuple[Server, ...]:
    """Return the servers that are not the target's.

    A health check that is not theirs does not judge them; where it is the same they stay as they
    are, since a change of that needs a reload.
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
