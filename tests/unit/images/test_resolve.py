"""A version that no image can be tagged with is refused before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.errors import fails_with

from deploy_action.config import load, select_environment
from deploy_action.config.model import Environment, RegistryLogin
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.images.resolve import credentials, resolve_image
from deploy_action.inputs import Inputs


@pytest.mark.parametrize("version", ["lat est", "release/1.0", "-v1", "v1:2", "x" * 129])
def test_what_can_be_no_tag_is_no_version(tmp_path: Path, version: str) -> None:
    """Neither the engine nor a build is asked."""
    file = tmp_path / "deploy.yaml"
    file.write_text("version: 1\nservice: shop\nbuild: {context: .}\nport: 80\n")
    untouched: Any = None
    with fails_with(ErrorCode.INVALID_VERSION):
        resolve_image(
            select_environment(load(file), None),
            Inputs(config=file, version=version),
            untouched,
            untouched,
            untouched,
        )


@pytest.mark.parametrize(
    ("server", "image", "sent"),
    [
        (None, "ghcr.io/acme/shop", True),
        (None, "evil.example.com/acme/shop", False),
        (None, "acme/shop", False),
        ("ghcr.io", "ghcr.io/acme/shop@sha256:ab", True),
        ("https://GHCR.io/v2/", "ghcr.io/other/name:1", True),
        ("ghcr.io", "ghcr.io.example.com/acme/shop", False),
        ("ghcr.io", "ghcr.io:5000/acme/shop", False),
        ("docker.io", "acme/shop", True),
        ("https://index.docker.io/v1/", "docker.io/acme/shop", True),
    ],
)
def test_a_login_goes_only_to_the_server_it_was_declared_for(
    server: str | None, image: str, sent: bool
) -> None:
    """Whatever image an option, the ledger or an environment before names."""
    environment = Environment(
        name="production",
        service="shop",
        image="ghcr.io/acme/shop",
        registry=RegistryLogin(username="bot", password_secret="TOKEN", server=server),
    )
    login = credentials(environment, {"TOKEN": "hunter2"}, image)
    assert login == (("bot", "hunter2") if sent else None)


@pytest.mark.parametrize(
    ("name", "server", "refused"),
    [
        ("GITHUB_TOKEN", "ghcr.io", False),
        ("GITHUB_TOKEN", "containers.git.example.com", False),
        ("GITHUB_TOKEN", "containers.github.com.example.com", True),
        ("GITHUB_TOKEN", "registry.example.com", True),
        ("github_token", "ghcr.io", True),
        ("DOCKER_PASSWORD", "registry.example.com", False),
        ("DEPLOY_PROOF_KEY", "registry.example.com", True),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ghcr.io", True),
    ],
)
def test_the_machinerys_own_tokens_are_no_passwords(name: str, server: str, refused: bool) -> None:
    """The job's token goes to GitHub's registry, here with an Enterprise Server's, and nowhere else."""
    environment = Environment(
        name="production",
        service="shop",
        image=f"{server}/acme/shop",
        registry=RegistryLogin(username="bot", password_secret=name, server=server),
    )
    environ = {name: "hunter2", "GITHUB_SERVER_URL": "https://git.example.com"}
    if not refused:
        assert credentials(environment, environ, f"{server}/acme/shop") == ("bot", "hunter2")
        return
    with pytest.raises(BadInput) as caught:
        credentials(environment, environ, f"{server}/acme/shop")
    assert caught.value.code is ErrorCode.CREDENTIAL_REFUSED


def test_a_password_that_is_not_set_is_an_error_only_where_it_is_needed() -> None:
    """An image from elsewhere needs no login."""
    login = RegistryLogin(username="bot", password_secret="TOKEN", server="ghcr.io")
    environment = Environment(name="production", service="shop", registry=login)
    assert credentials(environment, {}, "acme/shop") is None
    with pytest.raises(BadInput) as caught:
        credentials(environment, {}, "ghcr.io/acme/shop")
    assert caught.value.code is ErrorCode.SECRET_MISSING
