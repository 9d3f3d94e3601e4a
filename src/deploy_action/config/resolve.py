"""A valid deploy.yaml as frozen environments, everything merged and every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.config import model, sections
from deploy_action.config.merge import Section, merge, shared_settings
from deploy_action.units import parse_duration

__all__ = ["DEFAULT_ENVIRONMENT", "environment_sections", "resolve", "resolve_environment"]

DEFAULT_ENVIRONMENT = "production"


def environment_sections(top: Section) -> Mapping[str, Section]:
    """Return the merged settings of each environment, in the order of the file."""
    base = shared_settings(top)
    environments: Mapping[str, Section | None] = top.get("environments") or {
        DEFAULT_ENVIRONMENT: {}
    }
    return {name: merge(base, own or {}) for name, own in environments.items()}


def resolve(top: Section, *, file: str) -> model.DeployConfig:
    """Return the configuration that a valid document means."""
    return model.DeployConfig(
        file=file,
        service=top["service"],
        environments={
            name: resolve_environment(name, section)
            for name, section in environment_sections(top).items()
        },
    )


def resolve_environment(name: str, section: Section) -> model.Environment:
    """Return one environment from its merged settings."""
    port: int | None = None if section.get("port") is None else int(section["port"])
    protocol = section.get("protocol", "http")
    values: dict[str, Any] = {
        key: sections.whole(section[key])
        for key in ("image", "pull", "url", "after", "read_only", "replicas", "retain")
        if key in section
    }
    for key in ("hosts", "secrets", "networks", "tmpfs", "command", "entrypoint"):
        if key in section:
            values[key] = tuple(section[key])
    for key in ("env", "labels"):
        values[key] = sections.text_map(section.get(key, {}))
    for key in ("gates", "strategy", "stop", "hooks", "resources", "edge"):
        values[key] = getattr(sections, key)(section.get(key, {}))
    for key in ("build", "registry", "probe"):
        if key in section:
            values[key] = getattr(sections, key)(section[key])
    if "user" in section:
        values["user"] = str(sections.whole(section["user"]))
    if "bake" in section:
        values["bake_seconds"] = parse_duration(section["bake"])
    if port is not None:
        values["route"] = sections.route(
            section.get("route", {}), url=section.get("url"), protocol=protocol, port=port
        )
    return model.Environment(
        name=name,
        service=section["service"],
        port=port,
        protocol=protocol,
        health=sections.health(section.get("health", {}), port=port, protocol=protocol),
        smoke=tuple(sections.smoke(test) for test in section.get("smoke", ())),
        volumes=tuple(sections.volume(item) for item in section.get("volumes", ())),
        **values,
    )
