"""Reads from a Dockerfile what `init` and lint need: ports, health check, command, volumes.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Container", "read_dockerfile"]

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?[^}]*\}|(\w+))")
_LOCAL_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d{1,5}))?(/[^\s\"'|;,\])>]*)?"
)
# --port 80, --port=80, -p 80, --bind 0.0.0.0:80, -b :80, --listen host:80, --server.port=80
_PORT_FLAG = re.compile(
    r"(?:^|[\s\"'\[])-{1,2}(?:[\w.]*port|p|bind|b|listen|l|addr|address|http)"
    r"[\s=\"',]+(?:[\w.\[\]:*-]*:)?(\d{2,5})(?![\w.])"
)
# runserver 0.0.0.0:8000, php -S 0.0.0.0:8000
_PORT_ADDRESS = re.compile(r"(?:0\.0\.0\.0|\[::\]|\*):(\d{2,5})\b")
_WORKER = re.compile(r"\b(?:celery|rq|dramatiq|huey|arq|sidekiq|resque|worker|consumer)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The last stage of a Dockerfile."""

    exposed: tuple[int, ...] = ()
    """TCP ports of EXPOSE."""
    port_variable: int | None = None
    """ENV PORT."""
    command_port: int | None = None
    health_path: str | None = None
    health_port: int | None = None
    has_health_check: bool = False
    volumes: tuple[str, ...] = ()
    """Paths of VOLUME; those of a base image are not known."""
    is_worker: bool = False
    """The command names a task queue and no port."""


def read_dockerfile(text: str, target: str = "") -> Container:
    """Read a Dockerfile; unknown or malformed instructions are ignored.

    Args:
        target: the stage that is built; empty for the last one.
    """
    stages: dict[str, Container] = {}
    stage, container = "", Container()
    variables: dict[str, str] = {}
    command = {"ENTRYPOINT": "", "CMD": ""}
    for instruction, rest in _instructions(text):
        arguments = _expand(rest, variables)
        match instruction:
            case "FROM":
                base, stage = _stage(arguments)
                container = stages.get(base, Container())
                command = {"ENTRYPOINT": "", "CMD": ""}
            case "ARG":
                variables |= _assignments(arguments)
            case "ENV":
                variables |= _assignments(arguments)
                if "PORT" in _assignments(arguments):
                    container = replace(container, port_variable=_port(variables["PORT"]))
            case "EXPOSE":
                ports = dict.fromkeys((*container.exposed, *_exposed(arguments)))
                container = replace(container, exposed=tuple(ports))
            case "VOLUME":
                paths = dict.fromkeys((*container.volumes, *_paths(arguments)))
                container = replace(container, volumes=tuple(paths))
            case "HEALTHCHECK":
                container = _with_health_check(container, arguments)
            case "ENTRYPOINT" | "CMD":
                command[instruction] = arguments
                container = _with_command(container, " ".join(command.values()))
        stages[stage] = container
    return stages.get(target.lower(), container) if target else container


def _stage(text: str) -> tuple[str, str]:
    """Return the base and the name of a stage, both in small letters."""
    words = [word.lower() for word in text.split() if not word.startswith("--")]
    named = words[2] if words[1:2] == ["as"] and words[2:] else ""
    return (words[0] if words else ""), named


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and its arguments, on one line and without here-documents."""
    escape = "`" if re.search(r"^#\s*escape\s*=\s*`", text, re.IGNORECASE | re.MULTILINE) else "\\"
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    for line in lines:
        logical = line.strip()
        while logical.endswith(escape) and not logical.startswith("#"):
            following = next(lines, "").strip()
            if following.startswith("#"):
                continue
            logical = f"{logical[:-1].rstrip()} {following}"
        if not logical or logical.startswith("#"):
            continue
        name, _, rest = logical.partition(" ")
        if name.upper() in {"RUN", "COPY", "ADD"}:
            for end in re.findall(r"<<-?[\"']?(\w+)[\"']?", rest):
                while next(lines, end).strip() != end:
                    pass
        yield name.upper(), rest.strip()


def _expand(text: str, variables: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        return variables.get(name, match[2] if match[2] is not None else match[0])

    return _VARIABLE.sub(value, text)


def _assignments(text: str) -> dict[str, str]:
    pairs = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S*)", text)
    if not pairs and len(words := text.split(None, 1)) > 1:
        pairs = [(words[0], words[1])]
    return {name: value.strip("\"'") for name, value in pairs}


def _exposed(text: str) -> Iterator[int]:
    for word in text.split():
        ports, _, protocol = word.partition("/")
        port = _port(ports.partition("-")[0])
        if port and protocol.lower() in {"", "tcp"}:
            yield port


def _paths(text: str) -> Iterator[str]:
    """Yield the paths of VOLUME, a JSON list or words."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            words = []
    else:
        words = text.split()
    for word in words:
        if isinstance(word, str) and word.startswith("/"):
            yield word


def _with_health_check(container: Container, text: str) -> Container:
    if text.upper().startswith("NONE"):
        return replace(container, has_health_check=False, health_path=None, health_port=None)
    url = _LOCAL_URL.search(text)
    return replace(
        container,
        has_health_check=True,
        health_path=(url[2] or "/") if url else None,
        health_port=_port(url[1]) if url else None,
    )


def _with_command(container: Container, command: str) -> Container:
    flag = _PORT_FLAG.search(command) or _PORT_ADDRESS.search(command)
    port = _port(flag[1]) if flag else None
    return replace(
        container, command_port=port, is_worker=port is None and bool(_WORKER.search(command))
    )


def _port(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return number if 0 < (number := int(text[:6])) < 65_536 else None
