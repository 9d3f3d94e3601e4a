"""Reads what `init` needs from Kamal's config/deploy.yml.

https://kamal-deploy.org/docs/configuration/overview/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy_action.init.files import read_text

__all__ = ["FILE", "Kamal", "read_kamal"]

FILE = "config/deploy.yml"
_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kamal:
    """The settings that deploy.yaml has too, and the names of what it has no place for."""

    service: str = ""
    image: str = ""
    dockerfile: str = ""
    context: str = ""
    port: int | None = None
    health_path: str | None = None
    hosts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Host names by which clients reach it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    volumes: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    """Roles besides the first one, and accessories."""


def read_kamal(root: Path) -> Kamal | None:
    """Read config/deploy.yml; None if there is none that is Kamal's."""
    try:
        data: Any = yaml.safe_load(read_text(root / FILE))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not {"service", "image"} <= data.keys():
        return None
    servers, proxy = data.get("servers"), _map(data.get("proxy"))
    roles = servers if isinstance(servers, dict) else {"web": servers}
    first = next(iter(roles.values()), None)
    hosts = _map(first).get("hosts") if isinstance(first, dict) else first
    env, builder = _map(data.get("env")), _map(data.get("builder"))
    clear = _map(env.get("clear")) if {"clear", "secret"} & env.keys() else env
    user = _map(data.get("ssh")).get("user", "root")
    port = proxy.get("app_port", 80)  # https://kamal-deploy.org/docs/configuration/proxy/
    volumes = [str(item).split(":") for item in data.get("volumes") or ()]
    return Kamal(
        service=str(data["service"]),
        image=_image(str(data["image"]), _map(data.get("registry"))),
        dockerfile=str(builder.get("dockerfile", "")),
        context=str(builder.get("context", "")),
        port=port if isinstance(port, int) else None,
        health_path=str(_map(proxy.get("healthcheck")).get("path", "/up")),
        hosts=tuple(
            f"ssh://{user}@{next(iter(host)) if isinstance(host, dict) else host}"
            for host in _list(hosts)
        ),
        names=tuple(
            filter(_NAME.fullmatch, map(str, _list(proxy.get("hosts") or proxy.get("host"))))
        ),
        environment={str(name): _text(value) for name, value in clear.items()},
        secrets=tuple(str(name).partition(":")[0] for name in env.get("secret") or ()),
        volumes=tuple((parts[0], parts[1]) for parts in volumes if len(parts) > 1),
        left_out=(*list(roles)[1:], *_map(data.get("accessories"))),
    )


def _map(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _image(name: str, registry: Mapping[str, Any]) -> str:
    server = str(registry.get("server") or "")
    return f"{server}/{name}" if server and not name.startswith(f"{server}/") else name
