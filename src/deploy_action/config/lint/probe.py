"""Lint of the probe along the public way: requests that go nowhere, or not as they are written."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope
from deploy_action.problem import Severity

__all__ = ["RULES"]

_FRAMING = ("content-length", "transfer-encoding")
"""What says where a body ends (RFC 9112, 6.1 and 6.2)."""


def _tcp(scope: Scope) -> Iterator[Finding]:
    if scope.environment.protocol != "tcp":
        return
    if scope.gives("probe", "post"):
        yield Finding(
            path=("probe", "post"),
            message="a POST can be sent to an HTTP service only, and this one speaks tcp",
            hint="remove post, or protocol: tcp",
            rule="post-of-tcp",
            at_key=True,
        )
    elif scope.valid.get("probe", False) is not False:
        yield Finding(
            path=("probe",),
            message="requests are sent to HTTP services only, and this one speaks tcp",
            hint="remove probe, or protocol: tcp",
            rule="probe-of-tcp",
            severity=Severity.WARNING,
            at_key=True,
        )


def _post_without_rate(scope: Scope) -> Iterator[Finding]:
    probe = scope.environment.probe
    if probe.post is not None and not probe.rate_per_second and not scope.broken("probe"):
        yield Finding(
            path=("probe", "post"),
            message="post has no effect: with a rate of 0 nothing is sent",
            hint="raise the rate, or remove it: the default is 4",
            rule="post-without-rate",
            severity=Severity.WARNING,
            at_key=True,
        )


def _post_headers(scope: Scope) -> Iterator[Finding]:
    post = scope.environment.probe.post
    for name in post.headers if post is not None else ():
        if name.lower() in _FRAMING:
            yield Finding(
                path=("probe", "post", "headers", name),
                message=f"{name} is written by the probe itself, as long as the body is",
                hint="remove it",
                rule="post-framing",
                at_key=True,
            )


RULES: tuple[Rule, ...] = (_tcp, _post_without_rate, _post_headers)
