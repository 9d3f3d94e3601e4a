"""Finds what a repository can deploy: the Dockerfile, its context and the Compose service with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from deploy_action.config.dockerfile import Container, read_dockerfile
from deploy_action.init.compose import ComposeService, is_compose_file, read_compose
from deploy_action.init.files import find_files, read_text
from deploy_action.init.kamal import Kamal

__all__ = ["Deployable", "find_composition", "find_deployables"]

_DEEPEST = 3
_MANY = 4
_DOCKERFILE = re.compile(r"(?:[\w.-]+\.)?(?:docker|container)file(?:[._-][\w.-]+)?", re.IGNORECASE)
_NOT_DEPLOYED = re.compile(
    r"(?:^|[._-])(?:dev|development|test|tests|ci|base|builder|build|export|debug|local|lint|j2"
    r"|cypress|dockerignore|ex|exs|py|rb|js|ts|go|md|template|tmpl)(?=$|[._-])",
    re.IGNORECASE,
)
_RELEASED = re.compile(r"(?:^|[._-])(?:prod|production|release)(?=$|[._-])", re.IGNORECASE)
_SOURCE = [".py", ".js", ".mjs", ".ts", ".tsx", ".go", ".rb", ".java", ".kt", ".php", ".rs", ".cs", ".ex", ".exs", ".scala", ".clj", ".swift", ".mod", ".gradle", ".csproj", ".sln", ".toml", ".xml", ".html"]  # fmt: skip
_PROJECT = frozenset({"package.json", "Gemfile", "composer.json", "Makefile", "requirements.txt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployable:
    """One image that could be deployed. Paths are relative to the directory that init runs in.

    Attributes:
        context: None without a Dockerfile.
        dockerfile: relative to that directory, as `context` is.
        rivals: other Dockerfiles that are as likely for the same context.
    """

    name: str
    context: str | None = None
    dockerfile: str = ""
    container: Container = field(default_factory=Container)
    compose: ComposeService | None = None
    rivals: tuple[str, ...] = ()


def find_composition(root: Path, top: Path) -> tuple[ComposeService, ...]:
    """Read every Compose file below the directory, or else at the top of the checkout."""
    for directory in dict.fromkeys((root, top)):
        files = [
            directory / name
            for name in find_files(directory, depth=_DEEPEST)
            if is_compose_file(name.rpartition("/")[2])
        ]
        files.sort(key=lambda path: (len(path.parts), not _RELEASED.search(path.name), path.name))
        services = _overridden(service for path in files for service in read_compose(path))
        if services:
            return services
    return ()


def _overridden(services: Iterable[ComposeService]) -> tuple[ComposeService, ...]:
    """Give a service the ports that only its override has."""
    listed = list(services)
    overrides = {
        (service.file.parent, service.name): service
        for service in listed
        if ".override." in service.file.name
    }
    merged = []
    for service in listed:
        override = overrides.get((service.file.parent, service.name))
        if override is service:
            continue
        merged.append(_with_ports(service, override) if override else service)
    return tuple(merged)


def _with_ports(service: ComposeService, override: ComposeService) -> ComposeService:
    return replace(
        service,
        ports=service.ports or override.ports,
        host_ports=(*service.host_ports, *override.host_ports),
    )


def find_deployables(
    root: Path, top: Path, composition: tuple[ComposeService, ...], kamal: Kamal | None
) -> tuple[Deployable, ...]:
    """Return what can be deployed: one, several of which none is the main one, or nothing."""
    names = [
        name
        for name in find_files(root, depth=_DEEPEST)
        if _DOCKERFILE.fullmatch(name.rpartition("/")[2])
        and not _NOT_DEPLOYED.search(name.rpartition("/")[2])
        and read_text(root / name).strip()
    ]
    built = {_built(root, service): service for service in reversed(composition)}
    built.pop(None, None)
    found = [_deployable(root, top, name, built) for name in names]
    if kamal and kamal.dockerfile:
        found = [each for each in found if each.dockerfile == kamal.dockerfile] or found
    groups: dict[str | None, list[Deployable]] = {}
    for each in found:
        groups.setdefault(each.context, []).append(each)
    if "." in groups:
        groups = {".": groups["."]}
    chosen = [each for group in groups.values() for each in _main(group)]
    services = [
        each for each in composition if not each.is_support and (each.image or each.context)
    ]
    if not chosen:
        return tuple(
            Deployable(name=service.name, compose=service)
            for service in {each.name: each for each in reversed(services) if each.image}.values()
        )[::-1]
    if len(chosen) == 1 and chosen[0].compose is None:
        only = _with_service(chosen[0], root, top, services)
        if only.compose or "/" not in only.dockerfile or len(services) < _MANY:
            return (only,)
        # One of many images of a product that Compose puts together.
        return (only, *(Deployable(name=each.name, compose=each) for each in services))
    return tuple(chosen)


def _built(root: Path, service: ComposeService) -> str | None:
    """Return the Dockerfile that a service is built from, relative to the root."""
    if service.context is None:
        return None
    path = service.file.parent / service.context / service.dockerfile
    near = path.is_file() and _is_near(service, path.resolve().parent, root)
    return os.path.relpath(path, root) if near else None


def _deployable(
    root: Path, top: Path, name: str, built: dict[str | None, ComposeService]
) -> Deployable:
    service = built.get(name)
    target = service.target if service and not service.develops else ""
    container = read_dockerfile(read_text(root / name), target, guess=True)
    if service and service.context is not None:
        context = os.path.relpath(service.file.parent / service.context, root)
    else:
        context = _context(root, top, name, container)
    own = name.rpartition("/")[0].rpartition("/")[2]
    called = service.name if service else own if context == "." else context.rpartition("/")[2]
    return Deployable(
        name=called or root.name,
        context=context,
        dockerfile=name,
        container=container,
        compose=service,
    )


def _context(root: Path, top: Path, name: str, container: Container) -> str:
    """Return the directory that has what the Dockerfile copies, the nearest one to it.

    Where COPY names nothing in particular it is the nearest one that has sources.
    """
    directory = (root / name).parent
    above = [directory, *directory.parents]
    above = above[: above.index(top) + 1] if top in above else [directory]
    named = [source for source in container.sources if source != "."]

    def rank(here: Path) -> tuple[int, bool]:
        missing = sum(not (here / source).exists() for source in named)
        return missing, not _has_sources(here)

    return os.path.relpath(min(above, key=rank), root)


def _has_sources(directory: Path) -> bool:
    try:
        names = [entry.name for entry in directory.iterdir() if entry.is_file()]
    except OSError:
        return False
    return any(name in _PROJECT or Path(name).suffix in _SOURCE for name in names)


def _main(group: list[Deployable]) -> list[Deployable]:
    """Choose among the Dockerfiles of one context; all, if Compose builds different services."""
    pinned = {each.compose.name: each for each in group if each.compose}
    plain = [each for each in group if "/" not in each.dockerfile]
    if len(pinned) > 1 and not plain:
        return list(pinned.values())

    def rank(each: Deployable) -> tuple[bool, bool, int, bool]:
        file = each.dockerfile.rpartition("/")[2]
        usual = file.lower() in {"dockerfile", "containerfile"}
        kind = 0 if _RELEASED.search(file) else 1 if usual else 2
        silent = not (each.container.exposed or each.container.port_variable)
        return each not in plain, each.compose is None, kind, silent

    ordered = sorted(group, key=lambda each: (rank(each), each.dockerfile))
    first, *others = ordered
    rivals = tuple(each.dockerfile for each in others if rank(each) == rank(first))
    return [replace(first, rivals=rivals)]


def _with_service(
    only: Deployable, root: Path, top: Path, services: list[ComposeService]
) -> Deployable:
    """Find the Compose service that runs the image of the only Dockerfile."""
    names = {only.name, root.name, top.name} - {""}
    directory = (root / only.dockerfile).parent
    near = [each for each in services if each.context is None and _is_near(each, directory, root)]
    for service in sorted(near, key=lambda each: not each.ports):
        image = re.split(r"[:@]", service.image.rpartition("/")[2])[0]
        if {service.name.lower(), image.lower()} & {name.lower() for name in names}:
            return replace(only, compose=service)
    images = {service.image for service in near}
    if len(images) == 1:
        return replace(only, compose=max(near, key=lambda each: bool(each.ports)))
    return only


def _is_near(service: ComposeService, directory: Path, root: Path) -> bool:
    """Tell whether a Compose file is beside a Dockerfile, above it, or below its own directory."""
    here = service.file.parent
    return directory.is_relative_to(here) or (directory != root and here.is_relative_to(directory))
