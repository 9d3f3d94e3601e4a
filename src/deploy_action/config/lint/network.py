"""Lint of what the edge lets through: trusted proxies, timeouts and limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, zero
from deploy_action.config.model import HttpSmoke

__all__ = ["RULES"]

_WIDEST, _NARROWEST = 16, 26


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


def _subnet(scope: Scope) -> Iterator[Finding]:
    subnet = scope.environment.edge.subnet
    if subnet is None:
        return
    try:
        network = ipaddress.IPv4Network(subnet)
    except ValueError as reason:
        yield error(
            "bad-network",
            ("edge", "subnet"),
            f"not a network: {reason}",
            "write the first address of the network and its length: 172.30.0.0/20",
        )
        return
    if not _WIDEST <= network.prefixlen <= _NARROWEST:
        yield error(
            "bad-network",
            ("edge", "subnet"),
            f"a /{network.prefixlen} has {'too many' if network.prefixlen < _WIDEST else 'too few'} "
            "addresses for replicas",
            f"write one from /{_WIDEST} to /{_NARROWEST}",
        )


def _timeouts(scope: Scope) -> Iterator[Finding]:
    timeouts = scope.environment.timeouts
    for key in ("request", "idle", "tunnel"):
        if scope.gives("timeouts", key) and getattr(timeouts, f"{key}_seconds") <= 0:
            yield zero(("timeouts", key), "timeout")


def _http1_smoke(scope: Scope) -> Iterator[Finding]:
    if scope.environment.protocol != "h2c" or scope.broken("smoke"):
        return
    for index, test in enumerate(scope.environment.smoke):
        if isinstance(test, HttpSmoke) and "replica" in test.through:
            yield error(
                "http1-of-h2c",
                ("smoke", index),
                "smoke tests speak HTTP/1.1, and this service HTTP/2 only; the edge translates",
                "add through: [edge]",
            )


RULES: tuple[Rule, ...] = (_trusted_proxies, _subnet, _timeouts, _http1_smoke)
