"""Turns a valid deploy.yaml into frozen environments: merged, in seconds and bytes, with defaults."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from deploy_action.config import model
from deploy_action.config.merge import Section, merge, shared_settings
from deploy_action.config.serialize import field_types
from deploy_action.config.urls import Url, parse_url, without_dot
from deploy_action.gates.registry import read_options
from deploy_action.units import parse_duration, parse_share, parse_size

__all__ = ["environment_sections", "resolve", "resolve_environment"]

T = TypeVar("T")

_DEFAULT_ENVIRONMENT = "production"
_HTTP_PORT = 80
_HTTPS_PORT = 443


def environment_sections(top: Section) -> Mapping[str, Section]:
    """Return the merged settings of each environment, in the order of the file."""
    base = shared_settings(top)
    environments: Mapping[str, Section | None] = top.get("environments") or {
        _DEFAULT_ENVIRONMENT: {}
    }
    return {name: merge(base, own or {}) for name, own in environments.items()}


def resolve(
    top: Section, *, file: str, text: Callable[[str], str] = lambda _: ""
) -> model.DeployConfig:
    """Return the configuration of a valid document.

    Args:
        text: returns that of a file that it names.
    """
    sections = environment_sections(top)
    return model.DeployConfig(
        file=file,
        service=top["service"],
        environments={
            name: resolve_environment(name, each, text) for name, each in sections.items()
        },
        notifications={
            name: tuple(
                _construct(model.NotificationTarget, target)
                for target in each.get("notifications", ())
            )
            for name, each in sections.items()
        },
        without_hosts=frozenset(name for name, each in sections.items() if "hosts" not in each),
    )


def resolve_environment(
    name: str, section: Section, text: Callable[[str], str] = lambda _: ""
) -> model.Environment:
    """Return one environment from its merged settings; `_construct` fills in the other fields."""
    values: dict[str, Any] = {
        "name": name,
        "gates": read_options(section.get("gates", {})),
        "health": _health(section),
        "hooks": _hooks(section.get("hooks", {})),
        "resources": _resources(section.get("resources", {})),
        "route": None if section.get("port") is None else _route(section),
        "secrets": tuple(map(_secret_name, section.get("secrets", ()))),
        "secret_files": {
            secret["name"]: secret["file"]
            for secret in section.get("secrets", ())
            if isinstance(secret, Mapping)
        },
        "files": {path: text(source) for path, source in section.get("files", {}).items()},
        "smoke": tuple(_smoke(test, text) for test in section.get("smoke", ())),
        "strategy": _strategy(section.get("strategy", {})),
        "volumes": tuple(map(_volume, section.get("volumes", ()))),
        "options": _options(section),
    }
    for key, read in (
        ("build", _build),
        ("limits", _limits),
        ("probe", _probe),
        ("registry", _registry),
    ):
        if key in section:
            values[key] = read(section[key])
    if "network_alias" in section:
        alias = section["network_alias"]
        values["network_alias"] = alias if isinstance(alias, str) else ""
    if "user" in section:
        values["user"] = str(_whole(section["user"]))
    return _construct(model.Environment, section, **values)


def _construct(model_type: type[T], section: Section, **values: Any) -> T:
    """Return a dataclass whose fields are the keys of a section, defaults where it has none.

    A field that ends in `_seconds` takes a duration from the key without this ending. Lists become
    tuples, maps the dataclass or the map of texts that the field's type names.

    Args:
        values: fields that do not follow from their key alone.
    """
    fields: Any = model_type
    for name, type_ in field_types(fields).items():
        key = name.removesuffix("_seconds")
        if name not in values and key in section:
            value = section[key]
            values[name] = parse_duration(value) if key != name else _convert(type_, value)
    return model_type(**values)


def _convert(type_: Any, value: Any) -> object:
    if get_origin(type_) in (Union, UnionType):
        type_ = next(member for member in get_args(type_) if member is not NoneType)
    if dataclasses.is_dataclass(type_) and isinstance(type_, type):
        return _construct(type_, value)
    if get_origin(type_) is tuple:
        return tuple(_convert(get_args(type_)[0], item) for item in value)
    if get_args(type_) == (str, str):
        return {key: _text(item) for key, item in value.items()}
    return _whole(value)


def _whole(value: Any) -> Any:
    """Return 2 for 2.0, which JSON Schema counts among the integers; others unchanged."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: object) -> str:
    """Return a scalar as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _argv(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return a command as arguments; a text is a script for the container's shell."""
    return ("sh", "-c", value) if isinstance(value, str) else tuple(value)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _secret_name(value: str | Section) -> str:
    return value if isinstance(value, str) else str(value["name"])


def _build(value: str | Section) -> model.Build:
    return _construct(model.Build, {"context": value} if isinstance(value, str) else value)


def _registry(section: Section) -> model.RegistryLogin:
    return _construct(model.RegistryLogin, section, password_secret=section["password"])


def _health(section: Section) -> model.Health:
    """Return the health check; without a kind it follows from the other keys."""
    health: Section = section.get("health", {})
    if "kind" in health:
        kind = health["kind"]
    elif "command" in health:
        kind = "command"
    elif section.get("port") is None:
        kind = "running"
    else:
        without_http1 = section.get("protocol") in ("tcp", "h2c")
        kind = "tcp" if without_http1 and "path" not in health else "http"
    command = _argv(health["command"]) if "command" in health else ()
    return _construct(model.Health, health, kind=kind, command=command)


def _compact(text: str) -> str:
    """Return JSON without the blanks that it is exported with; the ledger keeps it."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) if text else ""


def _smoke(section: Section, text: Callable[[str], str]) -> model.SmokeTest:
    """Return one smoke test; its kind is the key that it has."""
    if "postman" in section:
        environment = section.get("environment")
        return _construct(
            model.PostmanSmoke,
            {"name": section["postman"], **section},
            collection=_compact(text(section["postman"])),
            environment=_compact(text(environment)) if environment else "",
        )
    contains = tuple(_listed(section.get("contains", [])))
    if "image" in section:
        return _construct(
            model.ImageSmoke,
            {"name": section["image"], **section},
            command=_argv(section["command"]),
            files={path: text(source) for path, source in section.get("files", {}).items()},
        )
    if "command" in section:
        return _construct(
            model.CommandSmoke,
            {"name": "command", **section},
            command=_argv(section["command"]),
            contains=contains,
        )
    if "tcp" in section:
        return _construct(model.TcpSmoke, {"name": "tcp", **section, **section["tcp"]})
    name = f"{section.get('method', 'GET')} {section['path']}"
    return _construct(
        model.HttpSmoke,
        {"name": name, **section, "status": _listed(section.get("status", 200))},
        contains=contains,
    )


def _probe(value: bool | Section) -> model.Probe:
    """Return the counted requests; `false` sends none."""
    if isinstance(value, bool):
        return model.Probe() if value else model.Probe(rate_per_second=0.0)
    values: dict[str, Any] = {}
    if "rate" in value:
        values["rate_per_second"] = float(value["rate"])
    if "post" in value:
        post = value["post"]
        section = {"path": post} if isinstance(post, str) else post
        values["post"] = _construct(model.ProbePost, section)
    return _construct(model.Probe, value, **values)


def _strategy(section: Section) -> model.Strategy:
    sticky = [model.Sticky(kind=k, name=v) for k, v in section.get("sticky", {}).items()]
    return _construct(
        model.Strategy,
        section,
        analysis=_analysis(section.get("analysis", {})),
        sticky=sticky[0] if sticky else None,
    )


def _analysis(section: Section) -> model.Analysis:
    errors = section.get("errors", {})
    return _construct(
        model.Analysis,
        section,
        errors=_construct(model.ErrorLimits, errors, **_shares(errors, "floor", "notice")),
        **_shares(section, "limit", "false_alarms"),
    )


def _shares(section: Section, *names: str) -> Mapping[str, float]:
    return {name: parse_share(section[name]) for name in names if name in section}


def _hooks(section: Section) -> model.Hooks:
    """Return the hooks of each moment, named after it where they have no name."""

    def hook(item: Section, name: str) -> model.Hook:
        return _construct(model.Hook, {"name": name, **item}, command=_argv(item["run"]))

    return model.Hooks(
        **{
            moment: tuple(hook(item, f"{moment} {index}") for index, item in enumerate(items, 1))
            for moment, items in section.items()
        }
    )


def _volume(value: str | Section) -> model.Volume:
    """Return a volume from its short or its long form."""
    if not isinstance(value, str):
        return _construct(model.Volume, value)
    source, target, *rest = value.split(":")
    modes = rest[0].split(",") if rest else []
    relabel = next((mode for mode in modes if mode in ("z", "Z")), "")
    volume = {"source": source, "target": target, "relabel": relabel}
    return _construct(model.Volume, volume, read_only="ro" in modes)


def _options(section: Section) -> model.ContainerOptions:
    """Return the options of the containers, which are keys of the top level."""
    values: dict[str, Any] = {
        key: tuple(name.removeprefix("CAP_") for name in section.get(key, ()))
        for key in ("cap_add", "cap_drop")
    }
    values["ulimits"] = {name: _ulimit(value) for name, value in section.get("ulimits", {}).items()}
    if "shm_size" in section:
        values["shm_bytes"] = parse_size(section["shm_size"])
    if "gpus" in section:
        values["gpus"] = -1 if section["gpus"] == "all" else _whole(section["gpus"])
    return _construct(model.ContainerOptions, section, **values)


def _ulimit(value: int | Section) -> model.ULimit:
    """Return a limit from one number, or from two."""
    both = value if isinstance(value, Mapping) else {"soft": value, "hard": value}
    return model.ULimit(soft=_whole(both.get("soft", -1)), hard=_whole(both.get("hard", -1)))


def _limits(section: Section) -> model.Limits:
    return model.Limits(**{f"{key.rstrip('s')}_bytes": parse_size(section[key]) for key in section})


def _resources(section: Section) -> model.Resources:
    memory = parse_size(section["memory"]) if "memory" in section else None
    return _construct(model.Resources, section, memory_bytes=memory)


def _route(section: Section) -> model.Route:
    """Return the traffic of a service with a port: from `route`, else from `url`.

    A TCP service listens at the edge on its own port, if neither names one.
    """
    route: Section = section.get("route", {})
    try:
        url = parse_url(section.get("url") or "")
    except ValueError:
        url = Url()  # Lint has an error for it.
    certificate = None
    if "certificate" in route:
        certificate = model.Certificate(**route["certificate"])
    if section.get("protocol") == "tcp":
        port = _whole(route.get("port", url.port or section["port"]))
        return model.Route(port=port, certificate=certificate)
    default = _HTTP_PORT if certificate is None else _HTTPS_PORT
    host, *hosts = _names(route, url) or [""]
    return model.Route(
        host=host,
        hosts=tuple(hosts),
        redirect_from=tuple(map(without_dot, route.get("redirect_from", ()))),
        path=route.get("path", url.path or "/"),
        port=_whole(route.get("port", url.port or default)),
        certificate=certificate,
        hsts=_construct(model.Hsts, route["hsts"]) if "hsts" in route else None,
    )


def _names(route: Section, url: Url) -> list[str]:
    """Return the names at which a service answers: first the one that people are to use."""
    given = [*([route["host"]] if "host" in route else []), *route.get("hosts", ())]
    names = list(dict.fromkeys(map(without_dot, given)))
    public = without_dot(url.host)
    if public and ("host" not in route or public in names):
        return list(dict.fromkeys([public, *names]))
    return names
