"""Contradictions that a schema cannot express, each with a remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deploy_action.config.dockerfile import read_dockerfile
from deploy_action.config.document import Document, KeyPath
from deploy_action.config.lint import (
    beside,
    container,
    environments,
    files,
    health,
    image,
    network,
    paths,
    probe,
    secrets,
    traffic,
)
from deploy_action.config.lint.scalars import surprising_scalars
from deploy_action.config.lint.scope import Finding, Rule, Scope
from deploy_action.config.merge import lookup, merge, shared_settings, source_of
from deploy_action.config.resolve import environment_sections, resolve_environment
from deploy_action.problem import Problem

if TYPE_CHECKING:
    from deploy_action.config.model import Build

__all__ = ["lint"]

_RULES: tuple[Rule, ...] = (
    *image.RULES,
    *health.RULES,
    *traffic.RULES,
    *network.RULES,
    *paths.RULES,
    *probe.RULES,
    *secrets.RULES,
    *container.RULES,
    *files.RULES,
    *beside.RULES,
    *environments.RULES,
)


def lint(
    document: Document,
    valid: Mapping[str, Any],
    read: Callable[[Build], str],
    leads_out: Callable[[str], bool],
    text: Callable[[str], str],
) -> Iterator[Problem]:
    """Yield errors and warnings.

    Args:
        document: the whole file.
        valid: its data without what the schema refuses.
        read: returns the text of a build's Dockerfile; empty where there is none.
        leads_out: tells whether a path, relative to the file, is outside of the repository.
        text: returns the text of a file, by such a path; raises ValueError with the reason.
    """
    yield from surprising_scalars(document, valid)
    scopes = _scopes(document, valid, read, leads_out, text)
    for scope in scopes.values():
        for rule in _RULES:
            for finding in rule(scope):
                yield _problem(document, scope, finding)
    for scope, finding in environments.between(scopes):
        yield _problem(document, scope, finding)


def _scopes(
    document: Document,
    valid: Mapping[str, Any],
    read: Callable[[Build], str],
    leads_out: Callable[[str], bool],
    text: Callable[[str], str],
) -> Mapping[str, Scope]:
    top = {"service": "service", **valid}
    whole = document.data if isinstance(document.data, dict) else {}
    scopes: dict[str, Scope] = {}
    for name, section in environment_sections(top).items():
        own = lookup(whole, ("environments", name))
        environment = resolve_environment(name, section)
        build = environment.build
        volumes = read_dockerfile(read(build), build.target or "").volumes if build else ()
        scopes[name] = Scope(
            environment=environment,
            valid=section,
            written=merge(shared_settings(whole), own if isinstance(own, Mapping) else {}),
            image_volumes=volumes,
            leads_out=leads_out,
            text=text,
        )
    return scopes


def _problem(document: Document, scope: Scope, finding: Finding) -> Problem:
    source: KeyPath = source_of(document, scope.environment.name, finding.path)
    # A missing key is looked for above; there the key is wrong, not its whole value.
    at_key = finding.at_key or source[-1:] != finding.path[-1:]
    return document.problem(
        source,
        finding.message,
        finding.rule,
        hint=finding.hint,
        at_key=at_key,
        severity=finding.severity,
    )
