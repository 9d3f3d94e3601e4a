"""Asks whether a release serves on a host: nobody says so because it was meant to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.checks.bake import watch
from deploy_action.checks.health import explain_exit, explain_unhealthy
from deploy_action.platforms.docker.replicas import of_release
from deploy_action.platforms.docker.smoke import SmokeRunner

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host
    from deploy_action.releases.model import Release

__all__ = ["why_silent"]

_DEADLINE_SECONDS = 3.0
_INTERVAL_SECONDS = 0.25


def why_silent(host: Host, release: Release) -> str:
    """Ask through the edge, or look at the containers of what has no traffic, for at most three
    seconds; say why the release does not answer, or nothing where it does."""
    why = ""

    def ask() -> str | None:
        nonlocal why
        why = _why_silent(host, release)
        return None if why else "it answers"

    watch(_DEADLINE_SECONDS, ask, host.clock, _INTERVAL_SECONDS)
    return why


def _why_silent(host: Host, release: Release) -> str:
    replicas = of_release(host.replicas(), release)
    ended = [replica for replica in replicas if not replica.container.running]
    if ended:
        return f"{ended[0].name}: {explain_exit(ended[0].container)}"
    count = sum(role.replicas for role in release.roles)
    if len(replicas) < count:
        return f"{count - len(replicas)} of {count} replicas are gone"
    configuration = release.configuration
    if configuration.route is None:
        return ""
    statuses = host.edge.servers(host.backend)
    for replica in replicas:
        status = statuses.get(replica.name)
        if release.takes_traffic(replica.role) and (status is None or not status.up):
            why = explain_unhealthy(configuration.health, status, replica.container)
            return f"{replica.name}: {why}"
    backend = host.edge.backend(host.backend)
    if backend is not None and backend.maintenance:
        return ""
    runner = SmokeRunner(host=host, release=release, configuration=configuration, secrets={})
    failed = [result.detail for result in runner.route() if not result.passed]
    return "; ".join(dict.fromkeys(failed))
