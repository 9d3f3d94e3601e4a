"""Reads hosts from a file, such as the outputs of OpenTofu or Terraform."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy_action.config.document import KeyPath
from deploy_action.config.hosts import parse_host

__all__ = ["HostProblem", "with_hosts"]

_MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProblem:
    """Why there are no hosts, and where in deploy.yaml the file is named."""

    path: KeyPath
    message: str
    hint: str


def with_hosts(
    top: Mapping[str, Any], text: Callable[[str], str]
) -> tuple[dict[str, Any], tuple[HostProblem, ...]]:
    """Return deploy.yaml with lists of hosts where it names files, and what is wrong with those.

    Args:
        text: returns the text of a file; raises ValueError with the reason.
    """
    problems: list[HostProblem] = []

    def expanded(section: Mapping[str, Any], path: KeyPath) -> dict[str, Any]:
        given = section.get("hosts")
        if not isinstance(given, Mapping) or "from" not in given:
            return dict(section)
        rest = {key: value for key, value in section.items() if key != "hosts"}
        try:
            return {**rest, "hosts": _hosts(given, text)}
        except ValueError as error:
            problems.append(
                HostProblem(
                    path=(*path, "hosts", "from"),
                    message=f"{given['from']}: {error}",
                    hint=f"write it anew: tofu output -json > {given['from']}",
                )
            )
            return rest

    result = expanded(top, ())
    environments = result.get("environments")
    if isinstance(environments, Mapping):
        result["environments"] = {
            name: expanded(own, ("environments", name)) if isinstance(own, Mapping) else own
            for name, own in environments.items()
        }
    return result, tuple(problems)


def _hosts(given: Mapping[str, Any], text: Callable[[str], str]) -> list[str]:
    try:
        content: Any = json.loads(text(given["from"]))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    key = given.get("key")
    if key is not None:
        if not isinstance(content, dict) or key not in content:
            raise ValueError(f"it has no {key}")
        content = content[key]
        # As `tofu output -json` has it: value, type, and whether it is sensitive.
        if isinstance(content, dict) and {"value", "type"} <= content.keys():
            content = content["value"]
    values = [content[name] for name in sorted(content)] if isinstance(content, dict) else content
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(
            "it has no list of names or addresses" if key is None else f"{key} is none"
        )
    if not values:
        raise ValueError("its list is empty")
    if len(values) > _MOST:
        raise ValueError(f"it has more than {_MOST} hosts")
    hosts = [given.get("as", "{}").replace("{}", _bracketed(value)) for value in values]
    for host in hosts:
        parse_host(host)
    if len(set(hosts)) < len(hosts):
        raise ValueError("it names a host twice")
    return hosts


def _bracketed(value: str) -> str:
    return f"[{value}]" if ":" in value and "/" not in value and "[" not in value else value
