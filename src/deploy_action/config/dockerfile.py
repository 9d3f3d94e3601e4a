"""Reads from a Dockerfile what `init` and lint need: ports, health check, command, volumes.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Container", "local_url", "read_dockerfile"]

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?[^}]*\}|(\w+))")
_LOCAL = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])"
_PATH = r"/[^\s\"'|;,\])>]*"
_LOCAL_URL = re.compile(
    rf"https?://{_LOCAL}(?::(\d{{1,5}}))?({_PATH})?|\b{_LOCAL}:(\d{{1,5}})({_PATH})"
)
# --port 80, --port=80, -p 80, --bind 0.0.0.0:80, -b :80, --listen host:80, --server.port=80
_PORT_FLAG = re.compile(
    r"(?:^|[\s\"'\[])-{1,2}(?:[\w.]*port|p|bind|b|listen|l|addr|address|http)"
    r"[\s=\"',]+(?:[\w.\[\]:*-]*:)?(\d{2,5})(?![\w.])"
)
# runserver 0.0.0.0:8000, php -S 0.0.0.0:8000
_PORT_ADDRESS = re.compile(r"(?:0\.0\.0\.0|\[::\]|\*):(\d{2,5})\b")
_WORKER = re.compile(
    r"\b(?:celery|rq|dramatiq|huey|arq|sidekiq|resque|worker|consumer)\b", re.IGNORECASE
)
_PORT_VARIABLE = re.compile(r"(?:\w+_)?(?:HTTP_)?(?:PORT|LISTEN_ADDR|HTTP_ADDR|BIND)")
_RELEASED = ("release", "production", "prod", "final", "runtime", "runner", "app", "web")
_NOT_RELEASED = re.compile(r"test|dev|debug|lint|nightly|pr-|build|upload|export")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One stage of a Dockerfile, with what it inherits from earlier ones."""

    base: str = ""
    """The image from outside that it is based on."""
    target: str = ""
    """Its name, where it is not the last stage."""
    exposed: tuple[int, ...] = ()
    """TCP ports of EXPOSE."""
    port_variable: int | None = None
    """ENV PORT and the like."""
    command_port: int | None = None
    health_path: str | None = None
    health_port: int | None = None
    health_seconds: float | None = None
    """How long HEALTHCHECK may need for its first result; None without one."""
    volumes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """What COPY and ADD take from the context, in all stages."""
    runs: bool = False
    """It has a command or an entry point of its own."""
    is_worker: bool = False
    """The command names a task queue and no port."""


def read_dockerfile(text: str, target: str = "", *, guess: bool = False) -> Container:
    """Read a Dockerfile; unknown or malformed instructions are ignored.

    Args:
        target: the stage that is built; empty for the last one.
        guess: without a target, prefer a stage that is named like a release to a last one that
            runs nothing or is named like a test.
    """
    stages: dict[str, Container] = {}
    stage, container = "", Container()
    variables: dict[str, str] = {}
    command = {"ENTRYPOINT": "", "CMD": ""}
    sources: list[str] = []
    for instruction, rest in _instructions(text):
        arguments = _expand(rest, variables)
        match instruction:
            case "FROM":
                base, stage = _stage(arguments)
                container = stages.get(base, Container(base=base))
                command = {"ENTRYPOINT": "", "CMD": ""}
            case "ARG":
                variables |= _assignments(arguments)
            case "ENV":
                variables |= _assignments(arguments)
                for name, value in _assignments(arguments).items():
                    port = _port(value.rpartition(":")[2])
                    if _PORT_VARIABLE.fullmatch(name) and port:
                        container = replace(container, port_variable=port)
            case "EXPOSE":
                ports = dict.fromkeys((*container.exposed, *_exposed(arguments)))
                container = replace(container, exposed=tuple(ports))
            case "VOLUME":
                paths = dict.fromkeys((*container.volumes, *_paths(arguments)))
                container = replace(container, volumes=tuple(paths))
            case "COPY" | "ADD":
                sources += _copied(arguments)
            case "HEALTHCHECK":
                container = _with_health_check(container, arguments)
            case "ENTRYPOINT" | "CMD":
                command[instruction] = arguments
                container = _with_command(container, " ".join(command.values()))
        stages[stage] = container
    if target:
        container = replace(stages.get(target.lower(), container), target=target)
    elif guess:
        container = _released(stages, container, stage)
    return replace(container, sources=tuple(sources))


def _released(stages: dict[str, Container], last: Container, name: str) -> Container:
    if (last.runs or last.exposed) and not _NOT_RELEASED.search(name):
        return last
    for named in _RELEASED:
        if named != name and named in stages and (stages[named].runs or stages[named].exposed):
            return replace(stages[named], target=named)
    return last


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
    """Yield the absolute paths of a list, in either form."""
    try:
        words = json.loads(text) if text.startswith("[") else text.split()
    except ValueError:
        words = []
    for word in words:
        path = str(word).strip("\"'").rstrip("/")
        if path.startswith("/") and not set(path) & set(":$"):
            yield path


def _copied(text: str) -> Iterator[str]:
    words = text.split()
    if any(word.startswith("--from") for word in words) or "<<" in text:
        return
    for word in [word.strip("[]\"',") for word in words if not word.startswith("--")][:-1]:
        if word and not re.search(r"[*?\[$]|://", word):
            yield word.strip("/") or "."


def _with_health_check(container: Container, text: str) -> Container:
    if text.upper().startswith("NONE"):
        return replace(container, health_seconds=None, health_path=None, health_port=None)
    # What no ENV sets is empty, as the shell has it.
    path, port = local_url(_VARIABLE.sub(lambda match: match[2] or "", text))
    times = dict(re.findall(r"--([a-z-]+)=(\S+)", text))
    # https://docs.docker.com/reference/dockerfile/#healthcheck has the defaults.
    interval, timeout = _duration(times, "interval"), _duration(times, "timeout")
    needed = _duration(times, "start-interval", "5s") if "start-period" in times else 0.0
    return replace(
        container,
        health_path=path,
        health_port=port,
        health_seconds=max(interval, needed) + timeout,
    )


def _duration(times: dict[str, str], name: str, default: str = "30s") -> float:
    parts = _DURATION.findall(times.get(name, default))
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def local_url(text: str) -> tuple[str | None, int | None]:
    """Return path and port of the first URL of this machine in a command, such as curl's."""
    url = _LOCAL_URL.search(text)
    if not url:
        return None, None
    return url[2] or url[4] or "/", _port(url[1] or url[3])


def _with_command(container: Container, command: str) -> Container:
    flag = _PORT_FLAG.search(command) or _PORT_ADDRESS.search(command)
    port = _port(flag[1]) if flag else None
    return replace(
        container,
        command_port=port,
        runs=True,
        is_worker=port is None and bool(_WORKER.search(command)),
    )


def _port(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return number if 0 < (number := int(text[:6])) < 65_536 else None
