"""Reads from Compose files what `init` needs: builds, ports, volumes, environment, health checks.

https://docs.docker.com/reference/compose-file/
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy_action.config.dockerfile import local_url
from deploy_action.init.files import read_text

__all__ = ["ComposeService", "is_compose_file", "read_compose"]

_NAME = re.compile(r"(?:[\w.-]*[.-])?compose(?:[.-][\w.-]+)?\.ya?ml")
_NOT_DEPLOYED = re.compile(r"(?:^|[._-])(?:dev|development|test|tests|ci|debug|local|e2e)\b")
_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?:(:?[-+])([^{}]*)|[:?][^{}]*)?\}|(\w+))")
_SUPPORT = re.compile(
    r"postgres|postgis|timescale|mysql|mariadb|percona|redis|valkey|keydb|dragonfly|mongo|memcache"
    r"|rabbitmq|elasticsearch|opensearch|meilisearch|minio|nats|kafka|zookeeper|clickhouse|cassandra"
    r"|mailpit|mailhog|maildev|adminer|pgadmin|phpmyadmin|sql-edge|mssql|consul|vault$|selenium"
    r"|traefik|jaeger|prometheus|grafana"
)


class _Loader(yaml.SafeLoader):
    """A safe loader that takes tags of Compose, such as ``!reset``, for nothing."""


_Loader.add_multi_constructor("!", lambda *_: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeService:
    """One service; paths are relative to the directory of the Compose file, as written there."""

    name: str
    file: Path
    project: str
    image: str = ""
    context: str | None = None
    """The directory of its build; None without one, and for a remote one."""
    dockerfile: str = "Dockerfile"
    target: str = ""
    ports: tuple[int, ...] = ()
    """Ports in the container."""
    host_ports: tuple[int, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    """None where the value is not in the file."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Sources (empty for an anonymous volume) and targets."""
    tmpfs: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    health_path: str | None = None
    networks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def is_support(self) -> bool:
        """Whether it is a database, a queue or a tool beside the application."""
        return self.context is None and bool(
            _SUPPORT.search(self.image.rpartition("/")[2].partition(":")[0])
        )

    @property
    def develops(self) -> bool:
        """Whether it mounts sources from the repository, as only a development setup does."""
        here = self.file.parent
        return any(
            source.startswith(".") and any((here / source).glob("*.*"))
            for source, _ in self.mounts
            if (here / source).is_dir()
        )


def is_compose_file(name: str) -> bool:
    """Tell whether a file of this name describes a composition that may be deployed."""
    return bool(_NAME.fullmatch(name)) and not _NOT_DEPLOYED.search(name)


def read_compose(path: Path) -> tuple[ComposeService, ...]:
    """Read the services of a file; what is malformed in it is ignored."""
    try:
        data: Any = yaml.load(read_text(path), Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return ()
    if not isinstance(data, dict) or not isinstance(data.get("services"), dict):
        return ()
    project = re.sub(
        r"[^a-z0-9_-]", "", str(data.get("name") or path.resolve().parent.name).lower()
    )
    return tuple(
        _service(str(name), settings, path, project)
        for name, settings in data["services"].items()
        if isinstance(settings, dict) and not settings.get("profiles")
    )


def _service(name: str, settings: dict[str, Any], path: Path, project: str) -> ComposeService:
    build = settings.get("build")
    build = {"context": build} if isinstance(build, str) else build
    build = build if isinstance(build, dict) else None
    context = _text(build.get("context", ".")) if build else ""
    mounts = tuple(_mounts(settings.get("volumes")))
    ports = list(_ports(settings.get("ports")))
    check = settings.get("healthcheck")
    test = check.get("test") if isinstance(check, dict) else None
    networks = settings.get("networks")
    needs = settings.get("depends_on")
    tmpfs = settings.get("tmpfs")
    return ComposeService(
        name=name,
        file=path,
        project=project,
        image=_text(settings.get("image")),
        context=context if build and not re.search(r"://|^git@", context) else None,
        dockerfile=_text(build.get("dockerfile", "Dockerfile")) if build else "Dockerfile",
        target=_text(build.get("target")) if build else "",
        ports=tuple(dict.fromkeys(inner for _, inner in ports)),
        host_ports=tuple(outer for outer, _ in ports if outer),
        environment=_environment(settings, path.parent),
        mounts=mounts,
        tmpfs=tuple(_text(item) for item in _list(tmpfs)),
        command=_words(settings.get("command")),
        entrypoint=_words(settings.get("entrypoint")),
        health_path=local_url(" ".join(map(_text, _list(test))))[0],
        networks=tuple(map(str, networks)) if isinstance(networks, dict | list) else (),
        needs=tuple(map(str, needs)) if isinstance(needs, dict | list) else (),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: object) -> str:
    """Write a value as Compose reads it, with the defaults of its variables."""
    return _filled(value) or ""


def _filled(value: object) -> str | None:
    """Fill in variables that have a default; None if one has none."""
    known = True

    def fill(match: re.Match[str]) -> str:
        nonlocal known
        if match[0] == "$$":
            return "$"
        known = known and match[3] is not None
        return match[3] if match[3] and match[2][-1] == "-" else ""

    if value is None or isinstance(value, dict | list):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    for _ in range(3):  # a default may have variables of its own
        text = _VARIABLE.sub(fill, text)
    return text if known else None


def _words(value: object) -> tuple[str, ...]:
    filled = [_filled(word) for word in _list(value)]
    if not filled or None in filled:
        return ()
    if isinstance(value, list):
        return tuple(map(str, filled))
    try:
        return tuple(shlex.split(str(filled[0])))
    except ValueError:
        return ()


def _ports(value: object) -> Iterator[tuple[int | None, int]]:
    """Yield port on the host, if it is fixed, and port in the container."""
    for item in _list(value):
        if isinstance(item, dict):
            outer, inner = _text(item.get("published")), _text(item.get("target"))
            protocol = _text(item.get("protocol"))
        else:
            text, _, protocol = _text(item).partition("/")
            *before, inner = text.split(":")
            outer = before[-1] if before else ""
        if inner.isdigit() and len(inner) < 6 and protocol in ("", "tcp"):
            yield int(outer) if outer.isdigit() else None, int(inner)


def _mounts(value: object) -> Iterator[tuple[str, str]]:
    for item in _list(value):
        if isinstance(item, dict):
            source, target = _text(item.get("source")), _text(item.get("target"))
        else:
            parts = _text(item).split(":")
            source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
        if target.startswith("/"):
            yield source, target.rstrip("/") or "/"


def _environment(settings: dict[str, Any], directory: Path) -> dict[str, str | None]:
    variables: dict[str, str | None] = {}
    for item in _list(settings.get("env_file")):
        name = _text(item.get("path") if isinstance(item, dict) else item)
        text = read_text(directory / os.path.normpath(name)) if name else ""
        for key, value in re.findall(r"^\s*(?:export\s+)?(\w+)=(.*)$", text, re.MULTILINE):
            variables[key] = _filled(value.strip().strip("\"'"))
    given = settings.get("environment")
    if isinstance(given, dict):
        return variables | {str(name): _filled(value) for name, value in given.items()}
    for item in map(str, _list(given)):
        name, equals, value = item.partition("=")
        variables[name] = _filled(value) if equals else None
    return variables
