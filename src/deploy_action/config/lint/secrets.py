"""Lint of secrets: undeclared, named twice, or written down in plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deploy_action.config.document import KeyPath
from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning
from deploy_action.config.model import HttpSmoke
from deploy_action.config.secret_detection import looks_secret, name_looks_secret
from deploy_action.inputs import is_reserved, may_be_password
from deploy_action.suggest import did_you_mean

__all__ = ["RULES"]

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def _undeclared(scope: Scope) -> Iterator[Finding]:
    declared = scope.environment.secrets
    if scope.broken("secrets"):
        return
    for path, text in _smoke_texts(scope):
        for name in _REFERENCE.findall(text):
            if name in declared:
                continue
            hint = did_you_mean(name, declared) or f"add it: secrets: [{name}]"
            if not name:
                hint = "write the name of a declared secret between the braces"
            yield error("undeclared-secret", path, f"${{{name}}} is not a declared secret", hint)


def _smoke_texts(scope: Scope) -> Iterator[tuple[KeyPath, str]]:
    for index, test in enumerate(scope.environment.smoke):
        if not isinstance(test, HttpSmoke):
            continue
        for name, value in test.headers.items():
            yield ("smoke", index, "headers", name), value
        if test.body is not None:
            yield ("smoke", index, "body"), test.body


def _probe_texts(scope: Scope) -> Iterator[tuple[KeyPath, str]]:
    post = scope.environment.probe.post
    if post is None:
        return
    for name, value in post.headers.items():
        yield ("probe", "post", "headers", name), value
    yield ("probe", "post", "body"), post.body


def _secret_in_probe(scope: Scope) -> Iterator[Finding]:
    for path, text in _probe_texts(scope):
        if _REFERENCE.search(text):
            yield error(
                "secret-in-probe",
                path,
                "${…} is not filled in here: the probe's POST is sent as it is written",
                "name a path that needs no secret; a smoke test with method: POST can have one",
            )


def _secret_in_env(scope: Scope) -> Iterator[Finding]:
    for name in scope.environment.env:
        if name in scope.environment.secrets and name not in scope.environment.secret_files:
            yield error(
                "secret-in-env",
                ("env", name),
                f"{name} is also declared as a secret; one of them would be lost",
                "remove it from env",
                at_key=True,
            )


def _plain_secret(scope: Scope) -> Iterator[Finding]:
    for name, value in scope.environment.env.items():
        if name in scope.environment.secrets:
            continue
        by_name = bool(value) and name_looks_secret(name) and value not in ("true", "false")
        if by_name or looks_secret(value):
            yield warning(
                "plain-secret",
                ("env", name),
                f"{name} looks like a secret, and this file is in the repository",
                f"declare it: secrets: [{name}], and set it in the job's environment",
                at_key=True,
            )
    for path, text in (*_smoke_texts(scope), *_probe_texts(scope)):
        name = str(path[-1])
        literal = name.lower() in ("authorization", "cookie") or name_looks_secret(name)
        if "${" not in text and path[-2] == "headers" and (literal or looks_secret(text)):
            yield warning(
                "plain-secret",
                path,
                f"the header {name} holds a secret in plain text",
                'declare a secret and write "${NAME}"'
                if path[0] == "smoke"
                else "name a path that needs no secret",
                at_key=True,
            )


def _interpolation(scope: Scope) -> Iterator[Finding]:
    for name, value in scope.environment.env.items():
        if _REFERENCE.search(value):
            yield warning(
                "env-interpolation",
                ("env", name),
                "${…} is not filled in here: env is taken literally",
                f"declare {name} under secrets and set it in the job's environment",
            )


def _reserved(scope: Scope) -> Iterator[Finding]:
    environment = scope.environment
    named: list[tuple[KeyPath, str]] = [
        (("secrets", index), name) for index, name in enumerate(environment.secrets)
    ]
    if environment.route is not None and environment.route.certificate is not None:
        named.append(
            (("route", "certificate", "secret"), environment.route.certificate.secret or "")
        )
    if environment.registry is not None:
        named.append((("registry", "password"), environment.registry.password_secret))
    named += [
        (("notifications", index, key), target.get(key, ""))
        for index, target in enumerate(scope.valid.get("notifications", ()))
        for key in ("secret", "signing_key")
    ]
    for path, name in named:
        if is_reserved(name) and not (path[0] == "registry" and may_be_password(name)):
            yield error(
                "reserved-name",
                path,
                f"{name} belongs to GitHub, its runner, Docker, ssh or deploy-action, and is never "
                "handed on",
                "give the secret another name",
            )


def _signing(scope: Scope) -> Iterator[Finding]:
    for index, target in enumerate(scope.valid.get("notifications", ())):
        if "signing_key" in target and target["kind"] != "webhook":
            yield error(
                "no-effect",
                ("notifications", index, "signing_key"),
                f"{target['kind']} takes no signature",
                "remove signing_key; the address is what nobody else may know",
            )


def _twice(scope: Scope) -> Iterator[Finding]:
    names = set[str]()
    for index, name in enumerate(scope.environment.secrets):
        if name in names:
            yield error(
                "duplicate-secret",
                ("secrets", index),
                f"{name} is in the list twice",
                "name it once, as a variable or as a file",
            )
        names.add(name)


RULES: tuple[Rule, ...] = (
    _twice,
    _reserved,
    _signing,
    _undeclared,
    _secret_in_probe,
    _secret_in_env,
    _plain_secret,
    _interpolation,
)
