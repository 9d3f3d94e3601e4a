"""Lint of what is deployed: image, build and the edge's image."""

from __future__ import annotations

from collections.abc import Iterator

from deploy_action.config.hosts import parse_host
from deploy_action.config.lint.scope import Finding, Rule, Scope, error, warning
from deploy_action.config.references import registry_of, server_name, split_reference

__all__ = ["RULES"]

_MOVING_TAGS = {"main", "master", "stable", "edge", "nightly", "dev", "develop", "prod", "staging"}


def _moving_tag(scope: Scope) -> Iterator[Finding]:
    image = scope.environment.image
    if image is None:
        return
    repository, tag, digest = split_reference(image)
    if digest:
        return
    hint = f"write image: {repository}; the version is an option of each deployment (--version)"
    if tag == "latest":
        message = "the tag 'latest' does not say what is deployed and cannot be restored"
        yield error("latest-tag", ("image",), message, hint)
    elif tag in _MOVING_TAGS:
        yield warning(
            "moving-tag",
            ("image",),
            f"the tag '{tag}' usually moves, so it does not name a version",
            hint,
        )


def _edge_tag(scope: Scope) -> Iterator[Finding]:
    image = scope.environment.edge.image
    if image is None:
        return
    repository, tag, digest = split_reference(image)
    if not digest and tag in (None, "latest"):
        yield error(
            "edge-image-tag",
            ("edge", "image"),
            "the edge's image has no fixed tag, so two hosts may get different ones",
            f"write {repository}:VERSION or {repository}@sha256:…",
        )


def _no_image(scope: Scope) -> Iterator[Finding]:
    if scope.lacks("image") and scope.lacks("build"):
        yield error(
            "no-image",
            ("image",),
            "there is neither an image nor a build",
            "add image: REGISTRY/NAME, or build: . to build it from a Dockerfile",
            at_key=True,
        )


def _push_without_name(scope: Scope) -> Iterator[Finding]:
    build = scope.environment.build
    if build is not None and build.push and scope.lacks("image"):
        yield error(
            "push-without-image",
            ("build", "push"),
            "an image without a name cannot be pushed",
            "add image: REGISTRY/NAME",
        )


def _build_not_pushed(scope: Scope) -> Iterator[Finding]:
    build, hosts = scope.environment.build, scope.environment.hosts
    if build is None or build.push:
        return
    remote = [host for host in hosts if _is_remote(host)]
    if remote:
        yield warning(
            "build-not-pushed",
            ("build",),
            f"the image is built here, but {remote[0]} has no way to get it",
            "add push: true to the build, and an image name in a registry",
            at_key=True,
        )


def _cache_without_push(scope: Scope) -> Iterator[Finding]:
    build = scope.environment.build
    if build is not None and build.cache and not build.push:
        yield error(
            "cache-without-push",
            ("build", "cache"),
            "the cache is pushed with the image, and this image is not pushed",
            "add push: true to the build, or leave cache out: the engine keeps layers itself",
        )


def _login_for_another_registry(scope: Scope) -> Iterator[Finding]:
    image, login = scope.environment.image, scope.environment.registry
    if image is None or login is None or login.server is None:
        return
    if registry_of(image) != server_name(login.server):
        yield error(
            "registry-server",
            ("registry", "server"),
            f"the login is for {login.server}, but the image is in {registry_of(image)},"
            " so it is never sent",
            f"write server: {registry_of(image)}, or leave server out",
        )


def _is_remote(host: str) -> bool:
    try:
        return parse_host(host).kind in ("tcp", "ssh")
    except ValueError:
        return False


RULES: tuple[Rule, ...] = (
    _moving_tag,
    _edge_tag,
    _no_image,
    _push_without_name,
    _build_not_pushed,
    _cache_without_push,
    _login_for_another_registry,
)
