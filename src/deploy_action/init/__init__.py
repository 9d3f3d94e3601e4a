"""Writes a first deploy.yaml and the workflows for a repository, and tells what was guessed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy_action.errors import BadInput
from deploy_action.init import render
from deploy_action.init.survey import Survey, survey

__all__ = ["Survey", "WrittenFile", "initialise", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """A file that was written, and where its content was guessed from."""

    path: Path
    guesses: tuple[str, ...] = ()


def initialise(
    root: Path, force: bool = False, *, name: str = "deploy.yaml"
) -> tuple[WrittenFile, ...]:
    """Look at a directory and write its deploy.yaml and, at the checkout's top, two workflows.

    Args:
        root: the directory of the service.
        force: replace files that exist.
        name: name of the configuration file.

    Nothing is written when one of the files exists and `force` is not given.

    Raises:
        BadInput: a file exists already, or one cannot be written.
    """
    if not root.is_dir():
        raise BadInput(f"{root} is no directory", remedy="deploy-action init in your repository")
    seen = survey(root)
    config = root.resolve() / name
    shown = config.relative_to(seen.checkout).as_posix()
    suffix = f"-{seen.service.value}" if "/" in shown else ""
    workflows = seen.checkout / ".github" / "workflows"
    files = {
        config: (render.deploy_yaml(seen), _guesses(seen)),
        workflows / f"deploy{suffix}.yml": (
            render.deploy_workflow(seen, shown),
            (f"runs on pushes to {seen.branch}",),
        ),
        workflows / f"rollback{suffix}.yml": (render.rollback_workflow(seen, shown), ()),
    }
    if not force:
        _refuse_existing(files)
    for path, (text, _) in files.items():
        _write(path, text)
    return tuple(WrittenFile(path=path, guesses=guesses) for path, (_, guesses) in files.items())


def _refuse_existing(paths: Iterable[Path]) -> None:
    existing = [_shown(path) for path in paths if os.path.lexists(path)]
    if existing:
        raise BadInput(
            f"{', '.join(existing)} exist{'s' if len(existing) == 1 else ''} already;"
            " nothing was written",
            remedy="deploy-action init --force to replace them",
        )


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old or the new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        temporary = Path(file.name)
        try:
            temporary.chmod(0o644)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BadInput(
            f"{_shown(path)} cannot be written: {error.strerror}",
            remedy="check the permissions of the directory",
        ) from error


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _guesses(seen: Survey) -> tuple[str, ...]:
    guesses = [f"service {seen.service.value}: from {seen.service.source}"]
    if seen.image:
        guesses.append(f"image {seen.image.value}: from {seen.image.source}")
    else:
        guesses.append("image: nothing says where; put your registry's name there")
    if seen.context is not None:
        guesses.append(f"build: {seen.dockerfile} in {seen.context}")
    if seen.port is None:
        guesses.append("no port: the command looks like that of a worker")
    else:
        guesses.append(f"port {seen.port.value}: from {seen.port.source}")
    if seen.health_path:
        guesses.append(f"health {seen.health_path.value}: from {seen.health_path.source}")
    elif seen.docker_health and seen.port:
        guesses.append("health: the image's own HEALTHCHECK")
    elif seen.port:
        guesses.append("health /: no route found; name one that says when all is ready")
    if seen.python_paths:
        guesses.append(f"bandit over {', '.join(seen.python_paths)}: Python lies there")
    if seen.secrets:
        names = ", ".join(seen.secrets.value)
        guesses.append(f"secrets {names} (as a comment): from {seen.secrets.source}")
    return (*guesses, *seen.notes)
