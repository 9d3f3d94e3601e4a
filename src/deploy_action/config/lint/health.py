"""Lint of health checks and smoke tests: checks that could never pass, or never fail."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.scope import Finding, Rule, Scope, error, seconds, warning, zero
from deploy_action.config.model import HttpSmoke, TcpSmoke
from deploy_action.jsonpath import parse_path

__all__ = ["RULES"]

_MIN_INTERVAL_SECONDS = 0.05
_KIND_OF_KEY = {"path": "http", "headers": "http", "identity": "http", "command": "command"}


def _probe_without_port(scope: Scope) -> Iterator[Finding]:
    kind = scope.environment.health.kind
    if not scope.lacks("port"):
        return
    for key in ("path", "headers", "identity"):
        if scope.gives("health", key):
            yield error(
                "probe-without-port",
                ("health", key),
                f"health.{key} needs a port, and this service has none",
                "add port:, or check a worker with health: {command: […]}",
                at_key=True,
            )
    if scope.gives("health", "kind") and kind in ("http", "tcp"):
        yield error(
            "probe-without-port",
            ("health", "kind"),
            f"a health check of kind {kind} needs a port, and this service has none",
            "add port:, or use kind: running, command or docker",
        )


def _probe_mismatch(scope: Scope) -> Iterator[Finding]:
    kind = scope.environment.health.kind
    if scope.broken("health", "port", "protocol") or (scope.lacks("port") and kind == "running"):
        return
    for key, owner in _KIND_OF_KEY.items():
        if scope.gives("health", key) and kind != owner:
            yield error(
                "probe-mismatch",
                ("health", key),
                f"health.{key} has no meaning in a health check of kind {kind}",
                f"remove it, or use kind: {owner} alone",
                at_key=True,
            )
    if kind == "command" and scope.lacks("health", "command"):
        yield error(
            "probe-mismatch",
            ("health", "kind"),
            "a health check of kind command needs a command",
            "add command: [PROGRAM, ARGUMENT]",
        )


def _health_times(scope: Scope) -> Iterator[Finding]:
    health = scope.environment.health
    if scope.broken("health"):
        return
    for key in ("interval", "timeout", "deadline"):
        if getattr(health, f"{key}_seconds") <= 0:
            yield zero(("health", key), key)
    if 0 < health.interval_seconds < _MIN_INTERVAL_SECONDS:
        yield error(
            "interval-too-short",
            ("health", "interval"),
            f"an interval of {seconds(health.interval_seconds)} is too short",
            "write 50ms or more",
        )
    needed = health.interval_seconds * max(0, health.successes - 1)
    if 0 < health.deadline_seconds <= needed:
        yield error(
            "deadline-too-short",
            ("health", "deadline"),
            f"{health.successes} successful checks every {seconds(health.interval_seconds)} "
            f"do not fit into {seconds(health.deadline_seconds)}",
            f"raise it above {seconds(needed)}, or lower successes or interval",
        )
    elif 0 < health.deadline_seconds < health.timeout_seconds:
        yield warning(
            "deadline-too-short",
            ("health", "deadline"),
            f"the deadline of {seconds(health.deadline_seconds)} ends before one check "
            f"may time out ({seconds(health.timeout_seconds)})",
            "raise the deadline or lower the timeout",
        )


def _secret_in_health(scope: Scope) -> Iterator[Finding]:
    for name, value in scope.environment.health.headers.items():
        if "${" in value:
            yield error(
                "secret-in-health",
                ("health", "headers", name),
                "secrets are not filled into health headers, because they would be stored",
                "give the health route without authorisation, or use health.command",
            )


def _smoke_needs_port(scope: Scope) -> Iterator[Finding]:
    if not scope.lacks("port"):
        return
    for index, test in enumerate(scope.environment.smoke):
        if isinstance(test, HttpSmoke) or (isinstance(test, TcpSmoke) and test.port is None):
            key = "path" if isinstance(test, HttpSmoke) else "tcp"
            yield error(
                "smoke-without-port",
                ("smoke", index, key),
                "this smoke test needs a port, and this service has none",
                "add port:, or test a worker with command: […]",
                at_key=True,
            )


def _smoke_times(scope: Scope) -> Iterator[Finding]:
    for index, test in enumerate(scope.environment.smoke):
        if test.timeout_seconds <= 0:
            yield zero(("smoke", index, "timeout"), "timeout")
        if test.retry.interval_seconds <= 0:
            yield zero(("smoke", index, "retry", "interval"), "retry interval")
        if not isinstance(test, HttpSmoke) or test.within_seconds is None:
            continue
        if test.within_seconds <= 0:
            yield zero(("smoke", index, "within"), "latency bound")
        elif test.within_seconds > test.timeout_seconds:
            yield warning(
                "within-over-timeout",
                ("smoke", index, "within"),
                f"within {seconds(test.within_seconds)} has no effect: the test times out "
                f"after {seconds(test.timeout_seconds)}",
                "raise the timeout or lower within",
            )


def _smoke_names(scope: Scope) -> Iterator[Finding]:
    names = Counter(test.name for test in scope.environment.smoke)
    seen: set[str] = set()
    for index, test in enumerate(scope.environment.smoke):
        if names[test.name] > 1 and test.name in seen:
            yield warning(
                "duplicate-name",
                ("smoke", index),
                f"two smoke tests are called '{test.name}': reports cannot tell them apart",
                "give each its own name",
            )
        seen.add(test.name)


def _smoke_patterns(scope: Scope) -> Iterator[Finding]:
    for index, test in enumerate(scope.environment.smoke):
        if not isinstance(test, HttpSmoke):
            continue
        if test.matches is not None:
            try:
                re.compile(test.matches)
            except (re.error, RecursionError, OverflowError) as reason:
                yield error(
                    "bad-pattern",
                    ("smoke", index, "matches"),
                    f"this is not a regular expression: {reason}",
                    "see Python's re module; use contains: for plain text",
                )
        for path in test.json:
            yield from _json_path(path, ("smoke", index, "json", path))
        if test.method == "HEAD" and (test.contains or test.matches or test.json):
            yield error(
                "head-without-body",
                ("smoke", index, "method"),
                "the answer to HEAD has no body to look at",
                "use GET, or check status and response_headers only",
            )


def _json_path(path: str, at: KeyPath) -> Iterator[Finding]:
    try:
        parse_path(path)
    except ValueError as reason:
        yield error(
            "bad-json-path",
            at,
            str(reason),
            'write names and indexes: items[0].id, or ["a name with.dots"]',
            at_key=True,
        )


def _identity_path(scope: Scope) -> Iterator[Finding]:
    identity = scope.environment.health.identity
    if identity is not None and identity.json is not None:
        for finding in _json_path(identity.json, ("health", "identity", "json")):
            yield dataclasses.replace(finding, at_key=False)


def _hook_times(scope: Scope) -> Iterator[Finding]:
    hooks = scope.environment.hooks
    for moment in ("pre_deploy", "post_deploy", "on_failure"):
        for index, hook in enumerate(cast("Any", getattr(hooks, moment))):
            if hook.timeout_seconds <= 0:
                yield zero(("hooks", moment, index, "timeout"), "timeout")


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
