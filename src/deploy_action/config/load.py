"""From a deploy.yaml to frozen environments: read, schema, lint, resolve."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from deploy_action.config.document import Document, Unreadable, parse, read_bytes
from deploy_action.config.host_file import with_hosts
from deploy_action.config.lint import lint
from deploy_action.config.merge import lookup
from deploy_action.config.model import Build, DeployConfig
from deploy_action.config.resolve import resolve
from deploy_action.config.schema import Violation, deploy_schema, violations
from deploy_action.config.text_file import text_of
from deploy_action.errors import ConfigError
from deploy_action.problem import Problem, Severity
from deploy_action.repository import leads_out

__all__ = ["check", "load"]

_MOST_PROBLEMS = 100
_LARGEST_DOCKERFILE = 1 << 20
_END = sys.maxsize
"""A line after every other one."""
# Maps that make no sense without all of their keys.
_INDIVISIBLE = ("registry", "certificate", "identity", "post")


def load(path: Path) -> DeployConfig:
    """Read a deploy.yaml.

    Raises:
        ConfigError: it has errors; `problems` has all of them, and the warnings.
    """
    config, problems = check(path)
    if config is None:
        errors = sum(problem.severity is Severity.ERROR for problem in problems)
        count = "1 error" if errors == 1 else f"{errors} errors"
        raise ConfigError(
            f"{path} has {count}",
            problems,
            remedy=f"deploy-action validate --config {path}",
        )
    return config


def check(path: Path) -> tuple[DeployConfig | None, tuple[Problem, ...]]:
    """Read a deploy.yaml and report all of its problems at once.

    Returns:
        The configuration, or None if a problem is an error, and all problems in the order of
        the file.
    """
    file = str(path)
    if leads_out(path.parent, path.name):
        message = "this link leads out of the repository, and a pull request could have it read"
        return None, (Problem(file=file, message=message, rule="outside-repository"),)
    try:
        document = parse(read_bytes(path, file=file), file=file)
    except Unreadable as error:
        return None, tuple(map(_with_advice, error.problems))
    # Read once, so that what was checked is what is deployed.
    text = functools.cache(functools.partial(text_of, path.parent))
    problems = _in_order(_problems(document, path.parent, text), file)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None, problems
    # Anything but a map is an error of the schema.
    top, _ = with_hosts(cast("Mapping[str, Any]", document.data), text)
    return resolve(top, file=file, text=text), problems


def _with_advice(problem: Problem) -> Problem:
    if problem.rule not in ("file-missing", "empty-file"):
        return problem
    return replace(problem, hint="write one with: deploy-action init")


def _problems(document: Document, root: Path, text: Callable[[str], str]) -> Iterator[Problem]:
    yield from document.problems
    broken: list[Violation] = []
    for violation in violations(document, deploy_schema(), wording="values"):
        broken.append(violation)
        yield violation.problem
    if isinstance(document.data, dict):
        read = functools.partial(_dockerfile, root)
        outside = functools.partial(leads_out, root)
        valid, unknown = with_hosts(_without(document.data, broken), text)
        for each in unknown:
            yield document.problem(each.path, each.message, "hosts-unknown", hint=each.hint)
        yield from lint(document, valid, read, outside, text)


def _dockerfile(root: Path, build: Build) -> str:
    """Return the text of a build's Dockerfile; empty where it cannot be read: the build says why."""
    file_name = Path(build.context, build.dockerfile)
    if leads_out(root, str(file_name)):
        return ""
    try:
        with (root / file_name).open(encoding="utf-8") as file:
            return file.read(_LARGEST_DOCKERFILE)
    except (OSError, ValueError):
        return ""


def _in_order(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """Return each problem once: one of the top level is found again in every environment."""
    once: dict[Problem, None] = {}
    for problem in problems:
        once[problem] = None
        if len(once) == _MOST_PROBLEMS:
            message = f"more than {_MOST_PROBLEMS} problems; the rest is not shown"
            once[Problem(file=file, line=_END, message=message, rule="too-many-problems")] = None
            break
    ordered = sorted(once, key=lambda item: (item.line, item.column, item.rule, item.message))
    return tuple(replace(item, line=0) if item.line == _END else item for item in ordered)


def _without(top: Mapping[str, Any], broken: Iterable[Violation]) -> Mapping[str, Any]:
    """Return the data without the values that the schema refuses, so that lint can check the rest.

    A list with a broken item is left out as a whole, which keeps the places of other items.
    """
    data: dict[str, Any] = copy.deepcopy(dict(top))
    for violation in broken:
        path = violation.path
        for index, part in enumerate(path):
            if isinstance(part, int):
                path = path[:index]
                break
            if part in _INDIVISIBLE:
                path = path[: index + 1]
                break
        holder = lookup(data, path[:-1])
        if path and isinstance(holder, dict):
            holder.pop(path[-1], None)
    return data
