"""Lint of routes, canaries and of how old replicas end."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, seconds
from deploy_action.config.urls import parse_url
from deploy_action.problem import Severity

__all__ = ["RULES"]

_LONG_DRAIN_SECONDS = 600
_LONGEST_DRAIN_SECONDS = 3600
_LONG_BAKE_SECONDS = 3600


def _worker_with_traffic(scope: Scope) -> Iterator[Finding]:
    if not scope.lacks("port"):
        return
    for key in ("url", "route", "protocol", "probe"):
        if scope.gives(key) and scope.valid[key] is not False:
            yield Finding(
                path=(key,),
                message=f"'{key}' is about traffic, and without a port this service gets none",
                hint=f"add port:, or remove {key}",
                rule="worker-with-route",
                at_key=True,
            )
    strategy = scope.environment.strategy
    for key, wanted, message in (
        (
            "canary",
            strategy.canary,
            "a canary moves traffic step by step, and without a port there is none",
        ),
        (
            "standby",
            strategy.standby,
            "without a port a release on standby would go on working beside the new one",
        ),
    ):
        if wanted:
            yield Finding(
                path=("strategy", key),
                message=message,
                hint=f"add port:, or remove {key}",
                rule=f"{key}-without-port",
                at_key=True,
            )
    if scope.gives("stop", "drain"):
        yield Finding(
            path=("stop", "drain"),
            message="without a port there are no requests to wait for",
            hint="remove drain; timeout is the time that a worker has to finish",
            rule="drain-without-port",
            severity=Severity.WARNING,
            at_key=True,
        )


def _canary(scope: Scope) -> Iterator[Finding]:
    strategy = scope.environment.strategy
    for index in range(1, len(strategy.canary)):
        before, now = strategy.canary[index - 1 : index + 1]
        if now <= before:
            rising = ", ".join(str(percent) for percent in sorted(set(strategy.canary)))
            yield Finding(
                path=("strategy", "canary", index),
                message=f"the percentages must rise, but {now} follows {before}",
                hint=f"write [{rising}]",
                rule="canary-not-rising",
            )
    if strategy.canary and strategy.order == "stop-first":
        yield Finding(
            path=("strategy", "order"),
            message="a canary needs the old and the new release at once; stop-first forbids that",
            hint="remove canary, or use order: start-first",
            rule="canary-stop-first",
        )
    if scope.gives("strategy", "pause") and scope.lacks("strategy", "canary"):
        yield Finding(
            path=("strategy", "pause"),
            message="pause has no effect without a canary",
            hint="add canary: [10, 50], or use bake: to watch after the switch",
            rule="pause-without-canary",
            severity=Severity.WARNING,
            at_key=True,
        )


def _standby(scope: Scope) -> Iterator[Finding]:
    strategy = scope.environment.strategy
    if strategy.standby and strategy.order == "stop-first":
        yield Finding(
            path=("strategy", "order"),
            message="a standby is the old release beside the new one; stop-first forbids that",
            hint="remove standby, or use order: start-first",
            rule="standby-stop-first",
        )


def _sticky(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    if environment.strategy.sticky is None:
        return
    if scope.lacks("port") or environment.protocol == "tcp":
        yield Finding(
            path=("strategy", "sticky"),
            message="cookies and headers are HTTP's; without an HTTP port there are none",
            hint="remove sticky, or give the service a port: with protocol: http",
            rule="sticky-without-http",
        )


def _analysis(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    watched = environment.strategy.canary or environment.bake_seconds
    if not scope.gives("strategy", "analysis") or scope.broken("strategy", "bake"):
        return
    if not watched:
        yield Finding(
            path=("strategy", "analysis"),
            message="analysis has no effect: the new release's traffic is never watched",
            hint="add canary: [10, 50] beside it, or bake: 1m",
            rule="analysis-without-watch",
            severity=Severity.WARNING,
            at_key=True,
        )
    latency = environment.strategy.analysis.latency_seconds
    if latency is not None and latency <= 0:
        yield Finding(
            path=("strategy", "analysis", "latency"),
            message="the latency is zero, which can never be kept",
            hint="write a duration above zero, or remove the key",
            rule="zero-duration",
        )


def _drain(scope: Scope) -> Iterator[Finding]:
    stop = scope.environment.stop
    drain = seconds(stop.drain_seconds)
    if stop.drain_seconds > _LONG_DRAIN_SECONDS:
        too_long = stop.drain_seconds > _LONGEST_DRAIN_SECONDS
        yield Finding(
            path=("stop", "drain"),
            message=f"a drain of {drain} keeps a deployment waiting for one open connection",
            hint="write as long as the longest request takes, 10m at most",
            rule="drain-too-long",
            severity=Severity.ERROR if too_long else Severity.WARNING,
        )
    explicit = scope.gives("stop", "drain") and scope.gives("stop", "timeout")
    if explicit and stop.drain_seconds > stop.timeout_seconds > 0:
        yield Finding(
            path=("stop", "drain"),
            message=(
                f"requests may take {drain} while they are drained, but what is then still "
                f"running is killed {seconds(stop.timeout_seconds)} after the stop signal"
            ),
            hint=f"raise stop.timeout to {drain}, or lower the drain",
            rule="drain-over-timeout",
            severity=Severity.WARNING,
        )


def _stop(scope: Scope) -> Iterator[Finding]:
    stop = scope.environment.stop
    if scope.gives("stop", "timeout") and stop.timeout_seconds <= 0:
        yield Finding(
            path=("stop", "timeout"),
            message="a timeout of zero kills the replica at once, whatever its signal",
            hint="write 1s or more",
            rule="zero-duration",
        )
    if stop.signal in ("SIGKILL", "SIGSTOP"):
        yield Finding(
            path=("stop", "signal"),
            message=f"{stop.signal} gives the application no chance to finish its work",
            hint="write the signal on which it ends cleanly, or remove the key",
            rule="signal-cannot-be-caught",
            severity=Severity.ERROR,
        )


def _bake(scope: Scope) -> Iterator[Finding]:
    bake = scope.environment.bake_seconds
    if bake > _LONG_BAKE_SECONDS:
        yield Finding(
            path=("bake",),
            message=f"a bake of {seconds(bake)} holds the lock of the environment for so long",
            hint="write 1h at most; afterwards let the monitor watch",
            rule="bake-too-long",
            severity=Severity.WARNING,
        )


def _route(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    if environment.url is None or environment.route is None:
        return
    try:
        url = parse_url(environment.url)
    except ValueError as error:
        yield Finding(
            path=("url",),
            message=f"nothing can be reached at this url: {error}",
            hint="for example https://shop.example.com",
            rule="bad-url",
        )
        return
    if (url.scheme == "tcp") != (environment.protocol == "tcp"):
        yield Finding(
            path=("url",),
            message=f"the url speaks {url.scheme}, the service {environment.protocol}",
            hint="write the same in both",
            rule="url-protocol",
        )
    # A port or a path may differ where another proxy stands in front; the name is kept.
    given = scope.valid.get("route", {}).get("host", url.host)
    if given.lower() != url.host:
        yield Finding(
            path=("route", "host"),
            message=f"the route is for {given}, but the url says {url.host}",
            hint="write the same in both, or remove it from the route",
            rule="route-contradicts-url",
            severity=Severity.WARNING,
        )


def _certificate(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    route = environment.route
    if route is None or route.certificate is None or scope.broken("route", "url", "protocol"):
        return
    if environment.url is not None and environment.url.lower().startswith("http://"):
        yield Finding(
            path=("url",),
            message="with a certificate the service is reached by https, but the url says http",
            hint=f"write https://{environment.url.partition('://')[2]}",
            rule="url-without-tls",
            severity=Severity.WARNING,
        )
    if route.certificate.secret is not None and route.certificate.secret in environment.secrets:
        yield Finding(
            path=("secrets",),
            message=f"{route.certificate.secret} would give the private key to the application too",
            hint="remove it from secrets; route.certificate takes it from the environment itself",
            rule="certificate-as-secret",
            severity=Severity.WARNING,
        )


RULES: tuple[Rule, ...] = (
    _certificate,
    _worker_with_traffic,
    _canary,
    _standby,
    _sticky,
    _analysis,
    _drain,
    _stop,
    _bake,
    _route,
)
