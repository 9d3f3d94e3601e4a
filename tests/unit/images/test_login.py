"""A registry's login reaches the Docker command line, and is nowhere afterwards."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from deploy_action.images.login import logged_in

LOGIN = ("bot", "tr0ub4dor:3")


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own configuration of the Docker command line."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def seen(reference: str) -> tuple[dict[str, Any], Path]:
    """Return what `docker` would read, and where it was."""
    with logged_in(reference, LOGIN) as env:
        assert env is not None
        folder = Path(env["DOCKER_CONFIG"])
        assert folder.stat().st_mode & 0o077 == 0
        document: dict[str, Any] = json.loads((folder / "config.json").read_text())
        return document, folder


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("ghcr.io/acme/shop:1", "ghcr.io"),
        ("127.0.0.1:5000/shop:1", "127.0.0.1:5000"),
        ("localhost/shop:1", "localhost"),
        ("shop:1", "https://index.docker.io/v1/"),
        ("acme/shop:1", "https://index.docker.io/v1/"),
        ("docker.io/acme/shop:1", "https://index.docker.io/v1/"),
    ],
)
@pytest.mark.usefixtures("theirs")
def test_the_login_is_for_the_registry_of_the_image(reference: str, registry: str) -> None:
    """A password is never offered to another registry."""
    document, folder = seen(reference)
    assert list(document["auths"]) == [registry]
    assert base64.b64decode(document["auths"][registry]["auth"]) == b"bot:tr0ub4dor:3"
    assert not folder.exists()


def test_without_a_login_the_users_own_configuration_is_used() -> None:
    """`docker login` done before goes on working."""
    with logged_in("ghcr.io/acme/shop:1", None) as env:
        assert env is None


def test_what_the_user_configured_otherwise_stays_in_force(theirs: Path) -> None:
    """Contexts, plugins and other registries; only a helper that would be asked instead goes."""
    (theirs / "contexts").mkdir()
    (theirs / "config.json").write_text(
        json.dumps(
            {
                "currentContext": "far",
                "credsStore": "desktop",
                "credHelpers": {"ghcr.io": "pass", "quay.io": "pass"},
                "auths": {"example.com": {"auth": "x"}},
            }
        )
    )
    with logged_in("ghcr.io/acme/shop:1", LOGIN) as env:
        assert env is not None
        folder = Path(env["DOCKER_CONFIG"])
        assert (folder / "contexts").resolve() == theirs / "contexts"
        document = json.loads((folder / "config.json").read_text())
    assert document["currentContext"] == "far"
    assert document["credHelpers"] == {"quay.io": "pass"}
    assert set(document["auths"]) == {"example.com", "ghcr.io"}
    assert "credsStore" not in document
    assert (theirs / "contexts").is_dir()


@pytest.mark.parametrize("text", ["", "not json", "[]"])
def test_a_damaged_configuration_does_not_keep_anybody_from_pushing(
    theirs: Path, text: str
) -> None:
    """The Docker command line would say what is wrong with it; it does not concern the login."""
    (theirs / "config.json").write_text(text)
    document, _ = seen("ghcr.io/acme/shop:1")
    assert list(document["auths"]) == ["ghcr.io"]
