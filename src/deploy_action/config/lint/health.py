"""Lint of health checks and smoke tests: probes that could never pass, or never fail."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.scope import Finding, Rule, Scope, seconds
from deploy_action.config.model import CommandSmoke, HttpSmoke, TcpSmoke
from deploy_action.jsonpath import parse_path
from deploy_action.problem import Severity

__all__ = ["RULES"]

_MIN_INTERVAL_SECONDS = 0.05
_BELONGS = {"path": "http", "headers": "http", "identity": "http", "command": "command"}


def _probe_without_port(scope: Scope) -> Iterator[Finding]:
    kind = scope.environment.health.kind
    if not scope.lacks("port"):
        return
    for key in ("path", "headers", "identity"):
        if scope.gives("health", key):
            yield Finding(
                path=("health", key),
                message=f"health.{key} needs a port, and this service has none",
                hint="add port:, or check a worker with health: {command: […]}",
                rule="probe-without-port",
                at_key=True,
            )
    if scope.gives("health", "kind") and kind in ("http", "tcp"):
        yield Finding(
            path=("health", "kind"),
            message=f"a health check of kind {kind} needs a port, and this service has none",
            hint="add port:, or use kind: running, command or docker",
            rule="probe-without-port",
        )


def _probe_mismatch(scope: Scope) -> Iterator[Finding]:
    kind = scope.environment.health.kind
    if scope.broken("health", "port", "protocol") or (scope.lacks("port") and kind == "running"):
        return
    for key, wanted in _BELONGS.items():
        if scope.gives("health", key) and kind != wanted:
            yield Finding(
                path=("health", key),
                message=f"health.{key} has no meaning in a health check of kind {kind}",
                hint=f"remove it, or use kind: {wanted} alone",
                rule="probe-mismatch",
                at_key=True,
            )
    if kind == "command" and scope.lacks("health", "command"):
        yield Finding(
            path=("health", "kind"),
            message="a health check of kind command needs a command",
            hint="add command: [PROGRAM, ARGUMENT]",
            rule="probe-mismatch",
        )


def _health_times(scope: Scope) -> Iterator[Finding]:
    health = scope.environment.health
    if scope.broken("health"):
        return
    for key in ("interval", "timeout", "deadline"):
        if getattr(health, f"{key}_seconds") <= 0:
            yield _zero(("health", key), key)
    if 0 < health.interval_seconds < _MIN_INTERVAL_SECONDS:
        yield Finding(
            path=("health", "interval"),
            message=f"an interval of {seconds(health.interval_seconds)} is too short",
            hint="write 50ms or more",
            rule="interval-too-short",
        )
    needed = health.interval_seconds * max(0, health.successes - 1)
    if 0 < health.deadline_seconds <= needed:
        yield Finding(
            path=("health", "deadline"),
            message=(
                f"{health.successes} good checks every {seconds(health.interval_seconds)} "
                f"cannot be had within {seconds(health.deadline_seconds)}"
            ),
            hint=f"raise it above {seconds(needed)}, or lower successes or interval",
            rule="deadline-too-short",
        )
    elif 0 < health.deadline_seconds < health.timeout_seconds:
        yield Finding(
            path=("health", "deadline"),
            message=(
                f"the deadline of {seconds(health.deadline_seconds)} ends before one check "
                f"may time out ({seconds(health.timeout_seconds)})"
            ),
            hint="raise the deadline or lower the timeout",
            rule="deadline-too-short",
            severity=Severity.WARNING,
        )


def _zero(path: tuple[str | int, ...], key: str) -> Finding:
    return Finding(
        path=path,
        message=f"the {key} is zero, which can never be kept",
        hint="write a duration above zero, or remove the key",
        rule="zero-duration",
    )


def _secret_in_health(scope: Scope) -> Iterator[Finding]:
    for name, value in scope.environment.health.headers.items():
        if "${" in value:
            yield Finding(
                path=("health", "headers", name),
                message="secrets are not filled into health headers: they would be stored",
                hint="give the health route without authorisation, or use health.command",
                rule="secret-in-health",
            )


def _smoke_needs_port(scope: Scope) -> Iterator[Finding]:
    if not scope.lacks("port"):
        return
    for index, test in enumerate(scope.environment.smoke):
        if isinstance(test, HttpSmoke) or (isinstance(test, TcpSmoke) and test.port is None):
            key = "path" if isinstance(test, HttpSmoke) else "tcp"
            yield Finding(
                path=("smoke", index, key),
                message="this smoke test needs a port, and this service has none",
                hint="add port:, or test a worker with command: […]",
                rule="smoke-without-port",
                at_key=True,
            )


def _smoke_times(scope: Scope) -> Iterator[Finding]:
    for index, test in enumerate(scope.environment.smoke):
        if test.timeout_seconds <= 0:
            yield _zero(("smoke", index, "timeout"), "timeout")
        if test.retry.interval_seconds <= 0:
            yield _zero(("smoke", index, "retry", "interval"), "retry interval")
        if isinstance(test, CommandSmoke | TcpSmoke) or test.within_seconds is None:
            continue
        if test.within_seconds <= 0:
            yield _zero(("smoke", index, "within"), "latency bound")
        elif test.within_seconds > test.timeout_seconds:
            yield Finding(
                path=("smoke", index, "within"),
                message=(
                    f"within {seconds(test.within_seconds)} has no effect: the test times out "
                    f"after {seconds(test.timeout_seconds)}"
                ),
                hint="raise the timeout or lower within",
                rule="within-over-timeout",
                severity=Severity.WARNING,
            )


def _smoke_names(scope: Scope) -> Iterator[Finding]:
    names = Counter(test.name for test in scope.environment.smoke)
    seen: set[str] = set()
    for index, test in enumerate(scope.environment.smoke):
        if names[test.name] > 1 and test.name in seen:
            yield Finding(
                path=("smoke", index),
                message=f"two smoke tests are called '{test.name}': reports cannot tell them apart",
                hint="give each its own name",
                rule="duplicate-name",
                severity=Severity.WARNING,
            )
        seen.add(test.name)


def _smoke_patterns(scope: Scope) -> Iterator[Finding]:
    for index, test in enumerate(scope.environment.smoke):
        if not isinstance(test, HttpSmoke):
            continue
        if test.matches is not None:
            try:
                re.compile(test.matches)
            except (re.error, RecursionError, OverflowError) as error:
                yield Finding(
                    path=("smoke", index, "matches"),
                    message=f"this is no regular expression: {error}",
                    hint="see Python's re module; use contains: for plain text",
                    rule="bad-pattern",
                )
        for path in test.json:
            yield from _json_path(path, ("smoke", index, "json", path))
        if test.method == "HEAD" and (test.contains or test.matches or test.json):
            yield Finding(
                path=("smoke", index, "method"),
                message="the answer to HEAD has no body to look at",
                hint="use GET, or check status and response_headers only",
                rule="head-without-body",
            )


def _json_path(path: str, at: KeyPath) -> Iterator[Finding]:
    try:
        parse_path(path)
    except ValueError as error:
        yield Finding(
            path=at,
            message=str(error),
            hint='write names and indexes: items[0].id, or ["a name with.dots"]',
            rule="bad-json-path",
            at_key=True,
        )


def _identity_path(scope: Scope) -> Iterator[Finding]:
    identity = scope.environment.health.identity
    if identity is not None and identity.json is not None:
        at: KeyPath = ("health", "identity", "json")
        for finding in _json_path(identity.json, at):
            yield dataclasses.replace(finding, at_key=False)


def _hook_times(scope: Scope) -> Iterator[Finding]:
    hooks = scope.environment.hooks
    for moment in ("pre_deploy", "post_deploy", "on_failure"):
        for index, hook in enumerate(cast("Any", getattr(hooks, moment))):
            if hook.timeout_seconds <= 0:
                yield _zero(("hooks", moment, index, "timeout"), "timeout")


RULES: tuple[Rule, ...] = (
    _probe_without_port,
    _probe_mismatch,
    _health_times,
    _secret_in_health,
    _smoke_needs_port,
    _smoke_times,
    _smoke_names,
    _smoke_patterns,
    _identity_path,
    _hook_times,
)
