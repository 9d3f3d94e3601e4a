"""Each section of a merged, valid deploy.yaml as its frozen value, with defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from deploy_action.config import model
from deploy_action.config.merge import Section
from deploy_action.config.urls import Url, parse_url
from deploy_action.gates.registry import read_options
from deploy_action.units import parse_duration, parse_share, parse_size

__all__ = [
    "argv",
    "build",
    "edge",
    "gates",
    "health",
    "hooks",
    "probe",
    "registry",
    "resources",
    "route",
    "smoke",
    "stop",
    "strategy",
    "text_map",
    "volume",
    "whole",
]

_HTTP_PORT = 80
_HTTPS_PORT = 443


def argv(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return a command as arguments; a text is a script for the container's shell."""
    return ("sh", "-c", value) if isinstance(value, str) else tuple(value)


def text_map(section: Section) -> dict[str, str]:
    """Return a map whose values are text, written as YAML writes them."""
    return {key: _text(value) for key, value in section.items()}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _durations(section: Section, *names: str) -> dict[str, Any]:
    """Return the given durations under the names that the model has for them."""
    return {f"{name}_seconds": parse_duration(section[name]) for name in names if name in section}


def _given(section: Section, *names: str) -> dict[str, Any]:
    """Return the given values that the model takes as they are."""
    return {name: whole(section[name]) for name in names if name in section}


def whole(value: Any) -> Any:
    """Return 2 for 2.0, which JSON Schema counts among the integers; all else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tuples(section: Section, *names: str) -> dict[str, Any]:
    return {name: tuple(section[name]) for name in names if name in section}


def build(value: str | Section) -> model.Build:
    """Build instructions; a text is the context."""
    if isinstance(value, str):
        return model.Build(context=value)
    return model.Build(
        args=text_map(value.get("args", {})),
        **_given(value, "context", "dockerfile", "target", "push", "cache"),
    )


def registry(section: Section) -> model.RegistryLogin:
    """The login of a registry."""
    return model.RegistryLogin(
        password_secret=section["password"], **_given(section, "username", "server")
    )


def health(section: Section, *, port: int | None, protocol: str) -> model.Health:
    """The health check; without a kind it follows from what is given."""
    values = _given(section, "path", "successes", "failures")
    values |= _durations(section, "interval", "timeout", "deadline")
    if "command" in section:
        values["command"] = argv(section["command"])
    if "headers" in section:
        values["headers"] = text_map(section["headers"])
    if "identity" in section:
        values["identity"] = model.Identity(**section["identity"])
    return model.Health(kind=_health_kind(section, port, protocol), **values)


def _health_kind(
    section: Section, port: int | None, protocol: str
) -> Literal["http", "tcp", "command", "docker", "running"]:
    if "kind" in section:
        kind: Literal["http", "tcp", "command", "docker", "running"] = section["kind"]
        return kind
    if "command" in section:
        return "command"
    if port is None:
        return "running"
    return "tcp" if protocol == "tcp" and "path" not in section else "http"


def smoke(section: Section) -> model.SmokeTest:
    """One smoke test; its kind is the key that it has."""
    common: dict[str, Any] = _durations(section, "timeout")
    if "retry" in section:
        common["retry"] = model.Retry(**_durations(section["retry"], "deadline", "interval"))
    if "command" in section:
        return model.CommandSmoke(
            name=section.get("name", "command"),
            command=argv(section["command"]),
            contains=_texts(section.get("contains")),
            **common,
        )
    common |= _tuples(section, "through")
    if "tcp" in section:
        return model.TcpSmoke(
            name=section.get("name", "tcp"),
            **_given(section["tcp"], "port", "send", "expect"),
            **common,
        )
    return _http_smoke(section, common)


def _http_smoke(section: Section, common: dict[str, Any]) -> model.HttpSmoke:
    method = section.get("method", "GET")
    common |= _given(section, "path", "body", "matches", "json", "redirects")
    common |= _durations(section, "within")
    status = section.get("status", 200)
    return model.HttpSmoke(
        name=section.get("name", f"{method} {section['path']}"),
        method=method,
        headers=text_map(section.get("headers", {})),
        status=tuple(int(code) for code in (status if isinstance(status, list) else [status])),
        contains=_texts(section.get("contains")),
        response_headers=text_map(section.get("response_headers", {})),
        **common,
    )


def probe(value: bool | Section) -> model.Probe:
    """The counted requests; `false` sends none."""
    if isinstance(value, bool):
        return model.Probe() if value else model.Probe(rate_per_second=0.0)
    values = _given(value, "path", "lost")
    if "rate" in value:
        values["rate_per_second"] = float(value["rate"])
    if "post" in value:
        values["post"] = _probe_post(value["post"])
    return model.Probe(**values)


def _probe_post(value: str | Section) -> model.ProbePost:
    """What is sent with POST; a text is the path."""
    if isinstance(value, str):
        return model.ProbePost(path=value)
    return model.ProbePost(
        headers=text_map(value.get("headers", {})), **_given(value, "path", "body")
    )


def gates(section: Section) -> Mapping[str, object]:
    """The options of each configured gate by its key."""
    return read_options(section)


def strategy(section: Section) -> model.Strategy:
    """How traffic moves."""
    canary = tuple(int(percent) for percent in section.get("canary", ()))
    sticky = section.get("sticky", {})
    return model.Strategy(
        analysis=analysis(section.get("analysis", {})),
        canary=canary,
        sticky=next((model.Sticky(kind=k, name=v) for k, v in sticky.items()), None),
        **_given(section, "order", "standby"),
        **_durations(section, "pause"),
    )


def analysis(section: Section) -> model.Analysis:
    """When real traffic speaks against a release."""
    values = _given(section, "requests", "inconclusive") | _durations(section, "latency")
    if "errors" in section:
        values["errors"] = parse_share(section["errors"])
    return model.Analysis(**values)


def stop(section: Section) -> model.Stop:
    """How an old replica ends."""
    return model.Stop(**_durations(section, "drain", "timeout"), **_given(section, "signal"))


def hooks(section: Section) -> model.Hooks:
    """The one-off containers of each moment."""
    return model.Hooks(
        **{
            moment: tuple(_hook(item, f"{moment} {index}") for index, item in enumerate(items, 1))
            for moment, items in section.items()
        }
    )


def _hook(section: Section, name: str) -> model.Hook:
    return model.Hook(
        name=section.get("name", name),
        command=argv(section["run"]),
        **_durations(section, "timeout"),
    )


def volume(value: str | Section) -> model.Volume:
    """A volume from its short or its long form."""
    if not isinstance(value, str):
        return model.Volume(**value)
    source, target, *mode = value.split(":")
    return model.Volume(source=source, target=target, read_only=mode == ["ro"])


def resources(section: Section) -> model.Resources:
    """The limits of a replica."""
    memory = parse_size(section["memory"]) if "memory" in section else None
    return model.Resources(memory_bytes=memory, **_given(section, "cpus", "pids"))


def edge(section: Section) -> model.EdgeOptions:
    """The edge of the environment's hosts."""
    return model.EdgeOptions(**section)


def route(section: Section, *, url: str | None, protocol: str, port: int) -> model.Route:
    """Which traffic is meant: what `route` says, else what follows from `url`.

    Args:
        port: the container's port, on which a TCP service also listens at the edge.
    """
    certificate = None
    if "certificate" in section:
        certificate = model.Certificate(**section["certificate"])
    parts = _parts(url)
    if protocol == "tcp":
        listening = whole(section.get("port", parts.port or port))
        return model.Route(port=listening, certificate=certificate)
    default = _HTTP_PORT if certificate is None else _HTTPS_PORT
    return model.Route(
        host=section.get("host", parts.host).lower(),
        path=section.get("path", parts.path or "/"),
        port=whole(section.get("port", parts.port or default)),
        certificate=certificate,
    )


def _parts(url: str | None) -> Url:
    """Return the parts of a url; the lint has refused one that has none."""
    try:
        return parse_url(url or "")
    except ValueError:
        return Url()
