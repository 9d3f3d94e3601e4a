"""Lint of the files that deploy.yaml names: all of them are the repository's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.scope import Finding, Rule, Scope, error
from deploy_action.config.merge import lookup

__all__ = ["RULES"]


def _outside(scope: Scope) -> Iterator[Finding]:
    for path, name in _named(scope):
        if scope.leads_out(name):
            yield error(
                "outside-repository",
                path,
                f"{name} leads out of the repository, and a pull request could have it read",
                "name a file of the repository; a link counts as what it leads to",
            )


def _named(scope: Scope) -> Iterator[tuple[KeyPath, str]]:
    """Yield every path of an environment, relative to deploy.yaml, and where it is written."""
    build = scope.environment.build
    if build is not None:
        short = not scope.gives("build", "context") and not isinstance(scope.valid["build"], dict)
        yield ("build",) if short else ("build", "context"), build.context
        yield ("build", "dockerfile"), str(PurePath(build.context, build.dockerfile))
    gates = ("gates", "config"), ("gates", "bandit", "paths"), ("gates", "pip_audit", "files")
    keys: list[KeyPath] = [
        ("route", "certificate", "file"),
        ("gates", "bandit", "baseline"),
        ("gates", "infrastructure", "plan"),
        *((*list_path, index) for list_path in gates for index in _indexes(scope, list_path)),
    ]
    files: Mapping[str, str] = scope.valid.get("files", {})
    yield from ((("files", path), name) for path, name in files.items())
    for index, test in enumerate(scope.valid.get("smoke", ())):
        if "postman" in test:
            for key in ("postman", "environment"):
                if key in test:
                    yield ("smoke", index, key), test[key]
        elif "image" in test:
            for path, name in test.get("files", {}).items():
                yield ("smoke", index, "files", path), name
    for path in keys:
        value: Any = lookup(scope.valid, path)
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            for key in ("file", "schema"):
                if isinstance(value.get(key), str):
                    yield (*path, key), value[key]


def _indexes(scope: Scope, path: KeyPath) -> range:
    value: Any = lookup(scope.valid, path)
    return range(len(value)) if isinstance(value, list) else range(0)


RULES: tuple[Rule, ...] = (_outside,)
