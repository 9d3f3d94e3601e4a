"""The probe requests that go through a host's edge during a rollout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy_action.checks.health import edge_path
from deploy_action.checks.request_probe import RouteProbe
from deploy_action.platforms.docker.edge.proof import served_by

if TYPE_CHECKING:
    from deploy_action.checks.served_by import ServedBy
    from deploy_action.platforms.docker.host import Host
    from deploy_action.rollout.plan import Plan

__all__ = ["probes"]


def _served_by(host: Host) -> ServedBy | None:
    state = host.cache.state or host.edge.state()
    backend = state.backends.get(host.backend)
    return None if backend is None else served_by(backend)


def probes(plan: Plan, host: Host) -> Iterator[RouteProbe]:
    """Yield the probe of a host's edge.

    There is none before something serves, while the edge answers with the maintenance page, in an
    announced gap, or where the route itself changes.
    """
    configuration = plan.configuration
    route, options = configuration.route, configuration.probe
    if (
        plan.previous is None
        or route is None
        or configuration.protocol == "tcp"
        or (configuration.protocol == "h2c" and not options.path)
        or plan.stop_first
        or not options.rate_per_second
        or host.name in plan.closed
        or plan.moves_route
    ):
        return
    address, dialer = host.edge_address(route), host.dialer
    yield RouteProbe(
        where=host.name,
        dial=lambda seconds: dialer.dial(address, route.port, seconds),
        path=edge_path(configuration),
        headers={"Host": route.host or "localhost"},
        served_by=_served_by(host),
        post=options.post,
        rate_per_second=options.rate_per_second,
    )
