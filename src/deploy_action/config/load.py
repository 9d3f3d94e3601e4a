"""The way from a deploy.yaml to frozen environments: read, schema, lint, resolve."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy_action.config.contract import deploy_schema, satisfied_by
from deploy_action.config.document import Document, KeyPath, Unreadable, parse, read_bytes
from deploy_action.config.lint import lint
from deploy_action.config.merge import lookup
from deploy_action.config.model import DeployConfig, Environment
from deploy_action.config.resolve import resolve
from deploy_action.config.suggest import closest
from deploy_action.errors import BadInput, ConfigError
from deploy_action.problem import Problem, Severity

if TYPE_CHECKING:
    from deploy_action.config.schema import Violation

__all__ = ["check", "environment", "load"]

_MOST_PROBLEMS = 100
_END = sys.maxsize
"""A line after every other one."""

# Maps that cannot be understood without all of their keys.
_WHOLE = ("registry", "certificate", "identity", "post")


def load(path: Path) -> DeployConfig:
    """Read a deploy.yaml.

    Raises:
        ConfigError: it is wrong; `problems` holds everything found, warnings included.
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
    """Read a deploy.yaml and tell everything about it at once.

    Returns:
        The configuration, or None where a problem is an error, and all problems in the
        order of the file.
    """
    file = str(path)
    try:
        document = parse(read_bytes(path, file=file), file=file)
    except Unreadable as error:
        return None, tuple(_with_advice(problem) for problem in error.problems)
    ordered = _in_order(_problems(document), file)
    if any(problem.severity is Severity.ERROR for problem in ordered):
        return None, ordered
    return resolve(_top(document.data), file=file), ordered


def environment(config: DeployConfig, name: str | None) -> Environment:
    """Return an environment by its name; without a name the only one.

    Raises:
        BadInput: there is none of that name, or the name is needed.
    """
    names = list(config.environments)
    if name is None and len(names) == 1:
        return config.environments[names[0]]
    if name is not None and name in config.environments:
        return config.environments[name]
    known = f"{config.file} has {', '.join(names)}"
    if name is None:
        raise BadInput(
            "which environment is meant?", cause=known, remedy=f"--environment {names[0]}"
        )
    begun = [known_name for known_name in names if name and known_name.startswith(name)]
    likely = begun[0] if len(begun) == 1 else closest(name, names)
    # Nothing like it: to name the first would be to guess where somebody wants to deploy.
    remedy = f"did you mean -e {likely}?" if likely else f"-e {' or -e '.join(names)}"
    raise BadInput(f"there is no environment '{name}'", cause=known, remedy=remedy)


def _with_advice(problem: Problem) -> Problem:
    if problem.rule not in ("file-missing", "empty-file"):
        return problem
    return replace(problem, hint="write one with: deploy-action init")


def _problems(document: Document) -> Iterator[Problem]:
    yield from document.problems
    broken: list[Violation] = []
    for violation in _violations(document):
        broken.append(violation)
        yield violation.problem
    if isinstance(document.data, dict):
        yield from lint(document, _without(document, broken))


def _violations(document: Document) -> Iterable[Violation]:
    if satisfied_by(document.data):
        return ()
    # 80 ms with jsonschema, which a valid file need not pay.
    from deploy_action.config.schema import violations

    return violations(document, deploy_schema(), wording="values")


def _in_order(problems: Iterable[Problem], file: str) -> tuple[Problem, ...]:
    """Return each problem once: what the top level has wrong is found in every environment."""
    once: dict[Problem, None] = {}
    for problem in problems:
        once[problem] = None
        if len(once) == _MOST_PROBLEMS:
            message = f"more than {_MOST_PROBLEMS} problems; the rest is not shown"
            once[Problem(file=file, line=_END, message=message, rule="too-many-problems")] = None
            break
    ordered = sorted(once, key=lambda item: (item.line, item.column, item.rule, item.message))
    return tuple(replace(item, line=0) if item.line == _END else item for item in ordered)


def _top(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _without(document: Document, broken: Iterable[Violation]) -> Mapping[str, Any]:
    """Return the data without what the schema refuses, so that the lint can look at the rest.

    A list with a broken item goes as a whole: its other items keep their places that way.
    """
    data: dict[str, Any] = copy.deepcopy(dict(_top(document.data)))
    for violation in broken:
        _remove(data, violation)
    return data


def _remove(data: dict[str, Any], violation: Violation) -> None:
    path = violation.path
    for index, part in enumerate(path):
        if isinstance(part, int):
            path = path[:index]
            break
        if part in _WHOLE:
            path = path[: index + 1]
            break
    if not path:
        return
    parent: KeyPath = path[:-1]
    holder = lookup(data, parent)
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
