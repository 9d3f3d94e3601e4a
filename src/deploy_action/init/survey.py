"""Looks at a repository and decides what its deploy.yaml should say; writes nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from deploy_action.init import dockerfile, remote, sources
from deploy_action.init.guess import Guess

__all__ = ["Survey", "survey"]

_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 40
_USUAL_PORT = 8080
_DEEPEST = 3
# Directories that hold a Dockerfile but not the files that it copies.
_BESIDE = frozenset({"docker", "deploy", "deployment", "build", "ci", ".docker", "container"})
_NOT_BUILT = frozenset({"node_modules", "vendor", "venv", "test", "tests", "examples", "docs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What deploy.yaml should say, each with where it was guessed from.

    `port` is None for a worker; `health_path` is None when nobody knows one; then
    `docker_health` says whether the image checks itself.
    """

    service: Guess[str]
    image: Guess[str] | None
    context: str | None
    """Directory to build in; None without a Dockerfile."""
    dockerfile: str
    """Relative to `context`."""
    port: Guess[int] | None
    health_path: Guess[str] | None
    docker_health: bool
    python_paths: tuple[str, ...]
    secrets: Guess[tuple[str, ...]] | None
    checkout: Path
    """Where the workflows belong: the checkout's top, or the directory itself."""
    branch: str
    notes: tuple[str, ...] = field(default=())


def survey(root: Path) -> Survey:
    """Look at the directory that is to be deployed and at the checkout that it lies in."""
    root = root.resolve()
    checkout = remote.find(root)
    files = _dockerfiles(root)
    chosen = files[0] if files else None
    context, file = _context(chosen) if chosen else (None, "Dockerfile")
    base = root / context if context else root
    container = dockerfile.read(_text(root / chosen)) if chosen else dockerfile.Container()
    found = sources.read(base)
    part = _part(root, checkout, context if len(files) > 1 else None)
    port = _port(container, found, chosen)
    return Survey(
        service=_service(root, checkout, part),
        image=_image(checkout, part),
        context=context,
        dockerfile=file,
        port=port,
        health_path=_health_path(container, found, chosen) if port else None,
        docker_health=container.has_health_check,
        python_paths=tuple(_below(context, path) for path in found.python_paths),
        secrets=found.secrets,
        checkout=checkout.root if checkout else root,
        branch=checkout.branch if checkout else "main",
        notes=_notes(checkout, files, found),
    )


def _dockerfiles(root: Path) -> list[str]:
    """Find every Dockerfile, the nearest first."""
    found = []
    for base, directories, names in os.walk(root):
        here = Path(base).relative_to(root)
        directories[:] = [
            name
            for name in sorted(directories)
            if name not in _NOT_BUILT
            and (not name.startswith(".") or name in _BESIDE)
            and len(here.parts) < _DEEPEST
        ]
        found += [(here / n).as_posix() for n in names if n in {"Dockerfile", "Containerfile"}]
    return sorted(found, key=lambda path: (path.count("/"), path))


def _context(file: str) -> tuple[str, str]:
    """Say where to build: beside the Dockerfile, unless it is in a directory just for it."""
    directory, _, name = file.rpartition("/")
    if directory.rpartition("/")[2] in _BESIDE:
        above = directory.rpartition("/")[0]
        return above or ".", f"{directory.rpartition('/')[2]}/{name}"
    return directory or ".", name


def _below(context: str | None, path: str) -> str:
    return (Path(context or ".") / path).as_posix()


def _part(root: Path, checkout: remote.Checkout | None, context: str | None) -> str:
    """Name the part of a repository with several services; empty for the only one."""
    if context and context != ".":
        return context.rpartition("/")[2]
    if checkout and checkout.root != root:
        return root.name
    return ""


def _service(root: Path, checkout: remote.Checkout | None, part: str) -> Guess[str]:
    if part:
        name, source = part, "the name of its directory"
    elif checkout and checkout.remote:
        name, source = checkout.remote.name, f"the git remote {checkout.remote_name}"
    else:
        name, source = root.name, "the name of the directory"
    clean = _NAME.sub("-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return Guess(value=clean, source=source) if clean else Guess(value="service", source="nothing")


def _image(checkout: remote.Checkout | None, part: str) -> Guess[str] | None:
    image = checkout.remote.image if checkout and checkout.remote else None
    if checkout is None or image is None:
        return None
    suffix = _NAME.sub("-", part.lower()).strip("-")
    image = f"{image}/{suffix}" if suffix else image
    return Guess(value=image, source=f"the git remote {checkout.remote_name}")


def _port(
    container: dockerfile.Container, found: sources.Sources, file: str | None
) -> Guess[int] | None:
    """Take the port that most directly says where the container listens; None for a worker."""
    said = [
        (container.command_port, f"the command in {file}"),
        (container.health_port, f"HEALTHCHECK in {file}"),
        (container.port_variable, f"ENV PORT in {file}"),
    ]
    exposed = [(port, f"EXPOSE in {file}") for port in container.exposed]
    agreed = [(port, source) for port, source in exposed if port in {p for p, _ in said}]
    for port, source in (*agreed, *exposed, *said):
        if port:
            return Guess(value=port, source=source)
    if container.is_worker:
        return None
    usual = Guess(value=_USUAL_PORT, source="nothing in the repository: a usual port")
    return found.port or found.framework_port or usual


def _health_path(
    container: dockerfile.Container, found: sources.Sources, file: str | None
) -> Guess[str] | None:
    if container.health_path:
        return Guess(value=container.health_path, source=f"HEALTHCHECK in {file}")
    return found.health_path


def _notes(
    checkout: remote.Checkout | None, files: list[str], found: sources.Sources
) -> tuple[str, ...]:
    notes = []
    if found.framework:
        notes.append(f"it looks like {found.framework.value} ({found.framework.source})")
    elif found.language:
        notes.append(f"most of its files are {found.language}")
    if not files:
        notes.append("there is no Dockerfile: the image must come from elsewhere")
    if len(files) > 1:
        others = ", ".join(_context(file)[0] for file in files[1:])
        notes.append(
            f"there are more Dockerfiles ({others}): one deploy.yaml describes one service;"
            " run init in each directory"
        )
    if checkout is None:
        notes.append("this is no git checkout: the name of the image is made up")
    return tuple(notes)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
