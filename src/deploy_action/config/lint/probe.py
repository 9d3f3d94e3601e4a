"""Lint of the probe through the edge: requests that are never sent, or not as they are written."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning

__all__ = ["RULES"]

_FRAMING = ("content-length", "transfer-encoding")
"""What says where a body ends (RFC 9112, 6.1 and 6.2)."""


def _tcp(scope: Scope) -> Iterator[Finding]:
    if scope.environment.protocol != "tcp":
        return
    if scope.gives("probe", "post"):
        yield error(
            "post-of-tcp",
            ("probe", "post"),
            "a POST can be sent to an HTTP service only, and this one speaks tcp",
            "remove post, or protocol: tcp",
            at_key=True,
        )
    elif scope.valid.get("probe", False) is not False:
        yield warning(
            "probe-of-tcp",
            ("probe",),
            "requests are sent to HTTP services only, and this one speaks tcp",
            "remove probe, or protocol: tcp",
            at_key=True,
        )


def _post_without_rate(scope: Scope) -> Iterator[Finding]:
    probe = scope.environment.probe
    if probe.post is not None and not probe.rate_per_second and not scope.broken("probe"):
        yield warning(
            "post-without-rate",
            ("probe", "post"),
            "post has no effect: with a rate of 0 nothing is sent",
            "raise the rate, or remove it: the default is 4",
            at_key=True,
        )


def _post_headers(scope: Scope) -> Iterator[Finding]:
    post = scope.environment.probe.post
    for name in post.headers if post is not None else ():
        if name.lower() in _FRAMING:
            yield error(
                "post-framing",
                ("probe", "post", "headers", name),
                f"the probe writes {name} itself, from the length of the body",
                "remove it",
                at_key=True,
            )


RULES: tuple[Rule, ...] = (_tcp, _post_without_rate, _post_headers)
