"""Lint of routes, canaries and of how old replicas end."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.lint.scope import Finding, Rule, Scope, error, seconds, warning, zero
from deploy_action.config.urls import parse_url, without_dot

__all__ = ["RULES"]

_LONG_DRAIN_SECONDS = 600
_LONGEST_DRAIN_SECONDS = 3600
_LONG_BAKE_SECONDS = 3600
_PRELOAD_SECONDS = 31_536_000


def _worker_with_traffic(scope: Scope) -> Iterator[Finding]:
    if not scope.lacks("port"):
        return
    for key in ("url", "route", "protocol", "probe", "timeouts", "limits"):
        if scope.gives(key) and scope.valid[key] is not False:
            yield error(
                "worker-with-route",
                (key,),
                f"'{key}' configures traffic, and a service without a port gets none",
                f"add port:, or remove {key}",
                at_key=True,
            )
    strategy = scope.environment.strategy
    unfit: list[tuple[str, str]] = []
    if strategy.canary:
        message = "a canary moves traffic step by step, and without a port there is none"
        unfit.append(("canary", message))
    if strategy.standby:
        message = "without a port a release on standby would keep working beside the new one"
        unfit.append(("standby", message))
    for key, message in unfit:
        yield error(
            f"{key}-without-port",
            ("strategy", key),
            message,
            f"add port:, or remove {key}",
            at_key=True,
        )
    if scope.gives("stop", "drain"):
        yield warning(
            "drain-without-port",
            ("stop", "drain"),
            "without a port there are no requests to wait for",
            "remove drain; timeout is the time that a worker has to finish",
            at_key=True,
        )


def _canary(scope: Scope) -> Iterator[Finding]:
    strategy = scope.environment.strategy
    for index in range(1, len(strategy.canary)):
        before, now = strategy.canary[index - 1 : index + 1]
        if now <= before:
            rising = ", ".join(str(percent) for percent in sorted(set(strategy.canary)))
            yield error(
                "canary-not-rising",
                ("strategy", "canary", index),
                f"the percentages must rise, but {now} follows {before}",
                f"write [{rising}]",
            )
    if strategy.canary and strategy.order == "stop-first":
        yield error(
            "canary-stop-first",
            ("strategy", "order"),
            "a canary needs the old and the new release at once; stop-first forbids that",
            "remove canary, or use order: start-first",
        )
    if scope.gives("strategy", "pause") and scope.lacks("strategy", "canary"):
        yield warning(
            "pause-without-canary",
            ("strategy", "pause"),
            "pause has no effect without a canary",
            "add canary: [10, 50], or use bake: to watch after the switch",
            at_key=True,
        )


def _standby(scope: Scope) -> Iterator[Finding]:
    strategy = scope.environment.strategy
    if strategy.standby and strategy.order == "stop-first":
        yield error(
            "standby-stop-first",
            ("strategy", "order"),
            "a standby is the old release beside the new one; stop-first forbids that",
            "remove standby, or use order: start-first",
        )


def _sticky(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    if environment.strategy.sticky is None:
        return
    if scope.lacks("port") or environment.protocol == "tcp":
        yield error(
            "sticky-without-http",
            ("strategy", "sticky"),
            "cookies and headers are HTTP's; without an HTTP port there are none",
            "remove sticky, or give the service a port: with protocol: http",
        )


def _analysis(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    if not scope.gives("strategy", "analysis") or scope.broken("strategy", "bake"):
        return
    if not (environment.strategy.canary or environment.bake_seconds):
        yield warning(
            "analysis-without-watch",
            ("strategy", "analysis"),
            "analysis has no effect: without a canary or a bake the new release's traffic is not watched",
            "add canary: [10, 50] beside it, or bake: 1m",
            at_key=True,
        )
    latency = environment.strategy.analysis.latency_seconds
    if latency is not None and latency <= 0:
        yield zero(("strategy", "analysis", "latency"), "latency")


def _drain(scope: Scope) -> Iterator[Finding]:
    stop = scope.environment.stop
    drain = seconds(stop.drain_seconds)
    if stop.drain_seconds > _LONG_DRAIN_SECONDS:
        finding = error if stop.drain_seconds > _LONGEST_DRAIN_SECONDS else warning
        yield finding(
            "drain-too-long",
            ("stop", "drain"),
            f"a drain of {drain} keeps a deployment waiting for one open connection",
            "write as long as the longest request takes, 10m at most",
        )
    explicit = scope.gives("stop", "drain") and scope.gives("stop", "timeout")
    if explicit and stop.drain_seconds > stop.timeout_seconds > 0:
        yield warning(
            "drain-over-timeout",
            ("stop", "drain"),
            f"draining may take {drain}, but requests that still run then are "
            f"killed {seconds(stop.timeout_seconds)} after the stop signal",
            f"raise stop.timeout to {drain}, or lower the drain",
        )


def _stop(scope: Scope) -> Iterator[Finding]:
    stop = scope.environment.stop
    if scope.gives("stop", "timeout") and stop.timeout_seconds <= 0:
        yield error(
            "zero-duration",
            ("stop", "timeout"),
            "a timeout of zero kills the replica at once, whatever its signal",
            "write 1s or more",
        )
    if stop.signal in ("SIGKILL", "SIGSTOP"):
        yield error(
            "signal-cannot-be-caught",
            ("stop", "signal"),
            f"{stop.signal} gives the application no chance to finish its work",
            "write the signal on which it ends cleanly, or remove the key",
        )


def _bake(scope: Scope) -> Iterator[Finding]:
    bake = scope.environment.bake_seconds
    if bake > _LONG_BAKE_SECONDS:
        yield warning(
            "bake-too-long",
            ("bake",),
            f"a bake of {seconds(bake)} holds the lock of the environment for so long",
            "write 1h at most; afterwards let the monitor watch",
        )


def _route(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    if environment.url is None or environment.route is None:
        return
    try:
        url = parse_url(environment.url)
    except ValueError as reason:
        yield error(
            "bad-url",
            ("url",),
            f"nothing can be reached at this url: {reason}",
            "for example https://shop.example.com",
        )
        return
    if (url.scheme == "tcp") != (environment.protocol == "tcp"):
        yield error(
            "url-protocol",
            ("url",),
            f"the url speaks {url.scheme}, the service {environment.protocol}",
            "write the same in both",
        )
    # A port or a path may differ where another proxy stands in front; the name is kept.
    host = scope.valid.get("route", {}).get("host", url.host)
    if without_dot(url.host) not in (environment.route.host, *environment.route.hosts):
        yield warning(
            "route-contradicts-url",
            ("route", "host"),
            f"the route is for {host}, but the url says {url.host}",
            "write the same in both, or remove it from the route",
        )


def _names(scope: Scope) -> Iterator[Finding]:
    environment, route = scope.environment, scope.environment.route
    if route is None or scope.broken("route", "url", "protocol"):
        return
    if environment.protocol == "tcp":
        for key in ("host", "hosts", "path", "redirect_from"):
            if scope.gives("route", key):
                yield warning(
                    "route-without-http",
                    ("route", key),
                    f"{key} has no effect: of a TCP service the edge knows only the port",
                    f"remove {key}",
                    at_key=True,
                )
        return
    if route.redirect_from and (not route.host or route.host.startswith("*.")):
        yield error(
            "redirect-without-name",
            ("route", "redirect_from"),
            "there is no host name to send the requests to",
            "write the name that people are to use: url: https://shop.example.com",
            at_key=True,
        )
    for index, name in enumerate(route.redirect_from):
        if name in (route.host, *route.hosts):
            yield error(
                "redirect-to-itself",
                ("route", "redirect_from", index),
                f"{name} cannot both be answered and be sent to {route.host}",
                "remove it here, or from url, host or hosts",
            )


def _certificate(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    route = environment.route
    if route is None or route.certificate is None or scope.broken("route", "url", "protocol"):
        return
    if environment.url is not None and environment.url.lower().startswith("http://"):
        yield warning(
            "url-without-tls",
            ("url",),
            "with a certificate the service is reached by https, but the url says http",
            f"write https://{environment.url.partition('://')[2]}",
        )
    if route.certificate.secret is not None and route.certificate.secret in environment.secrets:
        yield warning(
            "certificate-as-secret",
            ("secrets",),
            f"{route.certificate.secret} would give the private key to the application too",
            "remove it from secrets; route.certificate takes it from the environment itself",
        )


def _hsts(scope: Scope) -> Iterator[Finding]:
    """Rules for preloading are those of https://hstspreload.org."""
    if not scope.gives("route", "hsts") or scope.broken("route", "protocol"):
        return
    environment = scope.environment
    route = environment.route
    if route is None:
        return
    if route.certificate is None or environment.protocol == "tcp":
        yield error(
            "hsts-without-tls",
            ("route", "hsts"),
            "browsers take Strict-Transport-Security from answers by HTTPS only, and the edge gives none "
            "here",
            "add route.certificate, or remove hsts; a proxy in front that has the certificate sets it",
            at_key=True,
        )
    hsts = route.hsts
    if hsts is None or not hsts.preload:
        return
    if not hsts.include_subdomains or hsts.max_age_seconds < _PRELOAD_SECONDS:
        yield error(
            "hsts-preload",
            ("route", "hsts", "preload"),
            "a list of browsers has only names with all their subdomains, and for a year at least",
            "add include_subdomains: true and max_age: 8760h, or remove preload",
        )


RULES: tuple[Rule, ...] = (
    _certificate,
    _hsts,
    _names,
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
