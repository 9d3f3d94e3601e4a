"""The requests along the public way that go on while a rollout does: to which edges, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploy_action.checks.request_probe import RouteProbe

if TYPE_CHECKING:
    from deploy_action.platforms.docker.host import Host
    from deploy_action.rollout.plan import Plan

__all__ = ["probes"]


def probes(plan: Plan, site: Host) -> Iterator[RouteProbe]:
    """Yield the probe of a host's edge; none before something serves, while the edge answers with the
    maintenance page, or where the public way itself changes."""
    environment = plan.environment
    route, wanted = environment.route, environment.probe
    if (
        plan.previous is None
        or route is None
        or environment.protocol != "http"
        or environment.strategy.order == "stop-first"
        or not wanted.rate_per_second
        or site.host in plan.closed
        or plan.moves
    ):
        return
    address, dialer = site.edge_address(), site.dialer.apart()
    yield RouteProbe(
        where=site.host,
        dial=lambda seconds: dialer.dial(address, route.port, seconds),
        path=wanted.path or (environment.health.path if environment.health.kind == "http" else "/"),
        headers={"Host": route.host or "localhost"},
        post=wanted.post,
        rate_per_second=wanted.rate_per_second,
        # It is over before the first request is due, but not without one.
        ahead=dialer.prepare if plan.starts_nothing else None,
    )
