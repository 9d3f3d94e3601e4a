"""Writes a first deploy.yaml and the workflows for a repository, and reports its guesses."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.init import render
from deploy_action.init.survey import Survey, survey

__all__ = ["BASELINE", "Survey", "WrittenFile", "initialise", "survey"]

BASELINE = "bandit-baseline.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """A file that was written, and the guesses in it."""

    path: Path
    guesses: tuple[str, ...] = ()


def initialise(
    root: Path,
    force: bool = False,
    *,
    name: str = "deploy.yaml",
    result: Survey | None = None,
    known: str = "",
) -> tuple[WrittenFile, ...]:
    """Write a directory's deploy.yaml and, at the top of the checkout, two workflows.

    Args:
        root: the directory of the service.
        force: replace files that exist.
        name: name of the configuration file.
        result: what they should say; None to look for it.
        known: bandit's findings of today, as its report; empty for none.

    Nothing is written if one of the files exists and `force` is not given.

    Raises:
        BadInput: a file exists already, or one cannot be written; `survey` has more causes.
    """
    result = result or survey(root)
    config = root.resolve() / name
    shown = config.relative_to(result.checkout).as_posix()
    baseline = BASELINE if known else ""
    workflows = result.checkout / ".github" / "workflows"
    # Another deploy.yml belongs to somebody who deploys in another way.
    others = not os.path.lexists(config) and any(
        os.path.lexists(workflows / name) for name in ("deploy.yml", "rollback.yml")
    )
    suffix = f"-{result.service.value}" if shown != "deploy.yaml" or others else ""
    files = {
        config: (render.deploy_yaml(result, baseline), _guesses(result)),
        workflows / f"deploy{suffix}.yml": (
            render.deploy_workflow(result, shown),
            (f"runs on pushes to {result.branch}",),
        ),
        workflows / f"rollback{suffix}.yml": (render.rollback_workflow(result, shown), ()),
    }
    if known:
        files[root.resolve() / BASELINE] = (
            known,
            ("bandit's findings of today: they do not count",),
        )
    if not force:
        _refuse_existing(files)
    for path, (text, _) in files.items():
        _write(path, text)
    return tuple(WrittenFile(path=path, guesses=guesses) for path, (_, guesses) in files.items())


def _refuse_existing(paths: Iterable[Path]) -> None:
    existing = [os.path.relpath(path) for path in paths if os.path.lexists(path)]
    if existing:
        raise BadInput(
            f"{', '.join(existing)} exist{'s' if len(existing) == 1 else ''} already;"
            " nothing was written",
            remedy="deploy-action init --force to replace them",
            code=ErrorCode.FILE_EXISTS,
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
            f"{os.path.relpath(path)} cannot be written: {error.strerror}",
            remedy="check the permissions of the directory",
            code=ErrorCode.FILE_NOT_WRITABLE,
        ) from error


def _guesses(result: Survey) -> tuple[str, ...]:
    guesses = [f"service {result.service.value}: from {result.service.source}"]
    if result.image:
        guesses.append(f"image {result.image.value}: from {result.image.source}")
    else:
        guesses.append("image: no hint in the repository; put your registry's name there")
    if result.context is not None:
        stage = f", stage {result.target}" if result.target else ""
        guesses.append(f"build: {result.dockerfile} in {result.context}{stage}")
    if result.port is None:
        guesses.append("no port: the command looks like a worker's")
    else:
        guesses.append(f"port {result.port.value}: from {result.port.source}")
    if result.health_path:
        guesses.append(f"health {result.health_path.value}: from {result.health_path.source}")
    elif result.docker_health is not None and result.port:
        guesses.append("health: the image's own HEALTHCHECK")
    elif result.port:
        guesses.append(
            "health: only that the port accepts connections, no health route found; use one that"
            " answers 2xx only when all is ready"
        )
    guesses += [f"volume {name} for {path}" for name, path in result.volumes]
    if result.python_paths:
        guesses.append(f"bandit over {', '.join(result.python_paths)}: these have Python files")
    if result.secrets:
        names = ", ".join(result.secrets.value)
        guesses.append(f"secrets {names} (as a comment): from {result.secrets.source}")
    guesses += [f"unconfirmed: {key}: {why}" for key, why in result.unconfirmed.items()]
    return (*guesses, *result.notes)
