"""Decides from a repository what its deploy.yaml should say; writes nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from deploy_action.config.dockerfile import Container, read_dockerfile
from deploy_action.init.checkout import Checkout, find_checkout
from deploy_action.init.sources import Guess, Sources, read_sources, read_text

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
    """What deploy.yaml should say, and where each value comes from.

    `port` is None for a worker; `health_path` is None if none is known, and then `docker_health`
    tells whether the image has a HEALTHCHECK.
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
    """Where the workflows belong: the top of the checkout, or the directory itself."""
    branch: str
    notes: tuple[str, ...] = field(default=())


def survey(root: Path) -> Survey:
    """Read the directory to deploy and the checkout that it is in."""
    root = root.resolve()
    checkout = find_checkout(root)
    files = _dockerfiles(root)
    chosen = files[0] if files else None
    context, file = _context(chosen) if chosen else (None, "Dockerfile")
    base = root / context if context else root
    container = read_dockerfile(read_text(root / chosen)) if chosen else Container()
    sources = read_sources(base)
    part = _part(root, checkout, context if len(files) > 1 else None)
    port = _port(container, sources, chosen)
    return Survey(
        service=_service(root, checkout, part),
        image=_image(checkout, part),
        context=context,
        dockerfile=file,
        port=port,
        health_path=_health_path(container, sources, chosen) if port else None,
        docker_health=container.has_health_check,
        python_paths=tuple(_below(context, path) for path in sources.python_paths),
        secrets=sources.secrets,
        checkout=checkout.root if checkout else root,
        branch=checkout.branch if checkout else "main",
        notes=_notes(checkout, files, sources),
    )


def _dockerfiles(root: Path) -> list[str]:
    """Return every Dockerfile, the nearest to the top first."""
    files: list[str] = []
    for base, directories, names in os.walk(root):
        here = Path(base).relative_to(root)
        directories[:] = [
            name
            for name in sorted(directories)
            if name not in _NOT_BUILT
            and (not name.startswith(".") or name in _BESIDE)
            and len(here.parts) < _DEEPEST
        ]
        files += [(here / n).as_posix() for n in names if n in {"Dockerfile", "Containerfile"}]
    return sorted(files, key=lambda path: (path.count("/"), path))


def _context(file: str) -> tuple[str, str]:
    """Return context and Dockerfile: beside it, unless its directory is just for it."""
    directory, _, name = file.rpartition("/")
    if directory.rpartition("/")[2] in _BESIDE:
        above = directory.rpartition("/")[0]
        return above or ".", f"{directory.rpartition('/')[2]}/{name}"
    return directory or ".", name


def _below(context: str | None, path: str) -> str:
    return (Path(context or ".") / path).as_posix()


def _part(root: Path, checkout: Checkout | None, context: str | None) -> str:
    """Name the part of a repository with several services; empty for the only one."""
    if context and context != ".":
        return context.rpartition("/")[2]
    if checkout and checkout.root != root:
        return root.name
    return ""


def _service(root: Path, checkout: Checkout | None, part: str) -> Guess[str]:
    if part:
        name, source = part, "the name of its directory"
    elif checkout and checkout.remote:
        name, source = checkout.remote.name, f"the git remote {checkout.remote_name}"
    else:
        name, source = root.name, "the name of the directory"
    clean = _NAME.sub("-", name.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return Guess(value=clean, source=source) if clean else Guess(value="service", source="nothing")


def _image(checkout: Checkout | None, part: str) -> Guess[str] | None:
    image = checkout.remote.image if checkout and checkout.remote else None
    if checkout is None or image is None:
        return None
    suffix = _NAME.sub("-", part.lower()).strip("-")
    image = f"{image}/{suffix}" if suffix else image
    return Guess(value=image, source=f"the git remote {checkout.remote_name}")


def _port(container: Container, sources: Sources, file: str | None) -> Guess[int] | None:
    """Return the port on which the container most likely listens; None for a worker."""
    stated = [
        (container.command_port, f"the command in {file}"),
        (container.health_port, f"HEALTHCHECK in {file}"),
        (container.port_variable, f"ENV PORT in {file}"),
    ]
    exposed = [(port, f"EXPOSE in {file}") for port in container.exposed]
    agreed = [(port, source) for port, source in exposed if port in {p for p, _ in stated}]
    for port, source in (*agreed, *exposed, *stated):
        if port:
            return Guess(value=port, source=source)
    if container.is_worker:
        return None
    usual = Guess(value=_USUAL_PORT, source="nothing in the repository: a usual port")
    return sources.port or sources.framework_port or usual


def _health_path(container: Container, sources: Sources, file: str | None) -> Guess[str] | None:
    if container.health_path:
        return Guess(value=container.health_path, source=f"HEALTHCHECK in {file}")
    return sources.health_path


def _notes(checkout: Checkout | None, files: list[str], sources: Sources) -> tuple[str, ...]:
    notes = []
    if sources.framework:
        notes.append(f"it looks like {sources.framework.value} ({sources.framework.source})")
    elif sources.language:
        notes.append(f"most of its files are {sources.language}")
    if not files:
        notes.append("there is no Dockerfile: the image must come from elsewhere")
    if len(files) > 1:
        others = ", ".join(_context(file)[0] for file in files[1:])
        notes.append(
            f"there are more Dockerfiles ({others}): one deploy.yaml describes one service;"
            " run init in each directory"
        )
    if checkout is None:
        notes.append(
            "this is no git checkout (as far as git can tell): the name of the image is made up"
        )
    return tuple(notes)
