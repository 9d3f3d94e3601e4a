"""Lint of tests beside a replica: collections of a version that newman runs, files, images, secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.files import contents
from deploy_action.config.lint.scope import Finding, Rule, Scope, error
from deploy_action.config.secret_detection import looks_secret

__all__ = ["RULES"]

_MOST_BYTES = 256 << 10
"""Of all collections of an environment: each entry of the ledger has them."""
_EXPORT = "in Postman: Export, Collection v2.1"
_ASSERTS = ("pm.test(", "pm.test (", "tests[", "pm.expect(")


def _tests(scope: Scope, key: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for index, test in enumerate(scope.valid.get("smoke", ())):
        if key in test:
            yield index, test


def _content(scope: Scope) -> Iterator[Finding]:
    total = 0
    for index, test in _tests(scope, "postman"):
        for key in ("postman", "environment"):
            name, place = test.get(key), ("smoke", index, key)
            if name is None or scope.leads_out(name):
                continue
            try:
                text = scope.text(name)
                content = json.loads(text)
            except (ValueError, RecursionError) as problem:
                hint = f"name a file of JSON, relative to this file; {_EXPORT}"
                yield error("unreadable-file", place, f"{name} cannot be read: {problem}", hint)
                continue
            total += len(json.dumps(content, separators=(",", ":")))
            if total > _MOST_BYTES:
                message = f"the collections have more than {_MOST_BYTES >> 10} KiB together"
                yield error("files-too-large", place, message, "leave out saved responses")
                return
            if looks_secret(text):
                yield error(
                    "secret-in-file",
                    place,
                    f"{name} has what looks like a secret, and the ledger would keep it",
                    "declare a secret, and name it under the test's secrets: it becomes a variable",
                )
            if key == "postman":
                yield from _collection(content, text, test, place)
            else:
                yield from _environment(content, name, place)


def _collection(
    content: object, text: str, test: Mapping[str, Any], place: KeyPath
) -> Iterator[Finding]:
    name, address = test["postman"], test.get("address", "baseUrl")
    info = content.get("info") if isinstance(content, dict) else None
    version = str(info.get("schema", "")) if isinstance(info, dict) else ""
    if "/v2." not in version:
        message = f"{name} is no collection of version 2.1, which is what newman runs"
        yield error("postman-version", place, message, _EXPORT)
        return
    if f"{{{{{address}}}}}" not in text:
        yield error(
            "postman-address",
            place,
            f"{name} never asks {{{{{address}}}}}, so it would not test the new release",
            f"begin the URLs of its requests with {{{{{address}}}}}, or name another variable: "
            "address",
        )
    if not any(word in text for word in _ASSERTS):
        yield error(
            "postman-without-assertion",
            place,
            f"{name} has no test script, so nothing could fail",
            "add one: pm.test('is there', () => pm.response.to.have.status(200))",
        )


def _environment(content: object, name: str, place: KeyPath) -> Iterator[Finding]:
    values = content.get("values") if isinstance(content, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        message = f"{name} is no environment of Postman"
        yield error("unreadable-file", place, message, "in Postman: Environments, Export")


def _files(scope: Scope) -> Iterator[Finding]:
    for index, test in _tests(scope, "image"):
        place: KeyPath = ("smoke", index, "files")
        yield from contents(scope, {(*place, path): name for path, name in _given(test)})


def _given(test: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    files: Mapping[str, str] = test.get("files", {})
    return files.items()


def _settings(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    for index, test in _tests(scope, "image"):
        for position, name in enumerate(test.get("secrets", ())):
            if name not in environment.secrets:
                yield error(
                    "undeclared-secret",
                    ("smoke", index, "secrets", position),
                    f"{name} is not a declared secret",
                    f"add it: secrets: [{name}]",
                )
        image = test["image"]
        if "@" not in image and image.rpartition("/")[2].partition(":")[2] in ("", "latest"):
            yield error(
                "moving-tag",
                ("smoke", index, "image"),
                f"{image} is another image tomorrow",
                "name a version, best by digest: NAME:6.2.1@sha256:…",
            )
        if "postman" in test and (environment.port is None or environment.protocol != "http"):
            yield error(
                "no-effect",
                ("smoke", index, "postman"),
                "a collection asks by HTTP/1.1, which this service does not speak",
                "remove the test, or set port and protocol: http",
            )


RULES: tuple[Rule, ...] = (_content, _files, _settings)
