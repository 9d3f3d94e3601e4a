"""Releases, deployments and ledgers made by hand, for tests of pure functions."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from deploy_action.config import serialize
from deploy_action.config.model import Environment, Health, Route
from deploy_action.releases.ledger import Ledger, merge
from deploy_action.releases.model import Deployment, Kind, Release, Role, State, roles_of

__all__ = [
    "WEB_AND_WORKER",
    "deployment",
    "digest_of",
    "environment",
    "ledger",
    "release",
    "shared",
    "succeeded",
]

WEB_AND_WORKER = (
    Role(name="web", replicas=2),
    Role(name="worker", replicas=1, takes_traffic=False),
)


def digest_of(text: str) -> str:
    """Return a digest that only this text has."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def environment(**changes: Any) -> Environment:
    """Return the shop in production, with a port and a route unless they are changed."""
    given: dict[str, Any] = {
        "name": "production",
        "service": "shop",
        "image": "registry.test/shop",
        "hosts": ("a",),
        "port": 8080,
        "route": Route(port=80),
        "health": Health(kind="http", path="/healthz"),
        "watch_seconds": 0.0,
    }
    return Environment(**given | changes)


def release(
    version: str = "1.0.0",
    configuration: Environment | None = None,
    *,
    roles: tuple[Role, ...] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Release:
    """Return a release of a configuration."""
    configuration = environment() if configuration is None else configuration
    return Release(
        service=configuration.service,
        environment=configuration.name,
        version=version,
        image="registry.test/shop",
        digest=digest_of(version),
        config=serialize(configuration),
        roles=roles_of(configuration) if roles is None else roles,
        secrets=secrets or {},
    )


def deployment(number: int, what: Release | str = "1.0.0", **changes: Any) -> Deployment:
    """Return a deployment that runs; `what` is its release, or the version of one."""
    given: dict[str, Any] = {
        "id": f"d{number}",
        "number": number,
        "kind": Kind.DEPLOY,
        "release": release(what) if isinstance(what, str) else what,
        "actor": "ada",
        "started_at": f"2026-01-01T12:{number:02}:00+00:00",
    }
    return Deployment(**given | changes)


def succeeded(number: int, what: Release | str = "1.0.0", **changes: Any) -> Deployment:
    """Return a deployment that succeeded."""
    ended = {"state": State.SUCCEEDED, "ended_at": f"2026-01-01T12:{number:02}:30+00:00"}
    return dataclasses.replace(deployment(number, what), **ended | changes)


def ledger(*entries: Deployment) -> Ledger:
    """Return a ledger with these entries."""
    return Ledger(entries=entries)


def shared(*entries: Deployment, hosts: Sequence[str] = ("a", "b")) -> Ledger:
    """Return what hosts say together that all record these entries."""
    return merge(dict.fromkeys(hosts, ledger(*entries)))
