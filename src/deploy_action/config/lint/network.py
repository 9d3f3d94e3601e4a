"""Lint of what the edge lets through: trusted proxies, timeouts and limits."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning, zero
from deploy_action.config.model import HttpSmoke

__all__ = ["RULES"]

_WIDEST, _NARROWEST = 16, 26
_SMALLEST_HEADERS, _LARGEST_HEADERS = 1 << 10, 256 << 10
_LARGEST_BODY = 1 << 40


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


def _bind(scope: Scope) -> Iterator[Finding]:
    for index, address in enumerate(scope.environment.edge.bind):
        try:
            known = ipaddress.ip_address(address)
        except ValueError as reason:
            message = f"not an address: {reason}"
        else:
            if not (known.is_unspecified or known.is_multicast or known.is_link_local):
                continue
            message = "a service cannot be reached at this address"
        yield error(
            "bad-address",
            ("edge", "bind", index),
            message,
            "write an address of the host; the edge listens on all of them where bind is left out",
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


def _limits(scope: Scope) -> Iterator[Finding]:
    limits, protocol = scope.environment.limits, scope.environment.protocol
    if limits is None or scope.lacks("port") or scope.broken("limits", "protocol"):
        return
    if protocol == "tcp":
        yield error(
            "limits-without-http",
            ("limits",),
            "the edge sees no requests of a TCP service, only bytes",
            "remove limits",
            at_key=True,
        )
    headers = limits.header_bytes
    if headers is not None and not _SMALLEST_HEADERS <= headers <= _LARGEST_HEADERS:
        yield error(
            "limit-out-of-range",
            ("limits", "headers"),
            "the edge reads headers at once: it can limit them to 1k at least and 256k at most",
            "write 32k",
        )
    if limits.body_bytes is not None and not 0 < limits.body_bytes <= _LARGEST_BODY:
        yield error(
            "limit-out-of-range",
            ("limits", "body"),
            "a body can be limited to 1b at least and 1024g at most",
            "write 10m, or remove body for none",
        )
    if protocol == "h2c" and limits.body_bytes is not None:
        yield warning(
            "body-limit-of-h2c",
            ("limits", "body"),
            "gRPC requests do not say their length, and the edge answers 411 to them",
            "remove body where clients speak gRPC",
        )


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


def _without_alpn(scope: Scope) -> Iterator[Finding]:
    route = scope.environment.route
    if scope.environment.protocol == "tcp" and route is not None and route.certificate is not None:
        yield warning(
            "no-alpn",
            ("protocol",),
            "TLS of a tcp service negotiates no protocol, so gRPC clients do not connect",
            "for gRPC write protocol: h2c; another protocol needs none",
        )


RULES: tuple[Rule, ...] = (
    _trusted_proxies,
    _bind,
    _subnet,
    _timeouts,
    _limits,
    _http1_smoke,
    _without_alpn,
)
