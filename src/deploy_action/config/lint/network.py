"""Lint of what the edge lets through: trusted proxies, timeouts and limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, zero

__all__ = ["RULES"]


def _trusted_proxies(scope: Scope) -> Iterator[Finding]:
    for index, network in enumerate(scope.environment.edge.trusted_proxies):
        try:
            ipaddress.ip_network(network)
        except ValueError as reason:
            yield error(
                "bad-network",
                ("edge", "trusted_proxies", index),
                f"not a network: {reason}",
                "write the first address of the network and its length: 10.0.0.0/8, 2001:db8::/32",
            )


def _timeouts(scope: Scope) -> Iterator[Finding]:
    timeouts = scope.environment.timeouts
    for key in ("request", "idle", "tunnel"):
        if scope.gives("timeouts", key) and getattr(timeouts, f"{key}_seconds") <= 0:
            yield zero(("timeouts", key), "timeout")


RULES: tuple[Rule, ...] = (_trusted_proxies, _timeouts)
