"""Postman collections that the real newman runs beside a new replica."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.sandbox import Sandbox, docker

pytestmark = [pytest.mark.docker, pytest.mark.long]

NEWMAN = "newman@6.2.2"
IMAGE = "test-newman:6.2.2"
RECIPE = f"""\
FROM debian:trixie-slim
RUN apt-get update -q && apt-get install -yq --no-install-recommends nodejs npm >/dev/null
RUN npm install --global {NEWMAN}
"""
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


@pytest.fixture(scope="session")
def newman() -> str:
    """Build an image that has newman, as anybody could."""
    known = subprocess.run(["docker", "image", "inspect", IMAGE], check=False, capture_output=True)
    if known.returncode:
        subprocess.run(
            ["docker", "build", "-q", "-t", IMAGE, "-"], input=RECIPE.encode(), check=True
        )
    return IMAGE


@pytest.fixture
def shop(box: Sandbox, newman: str) -> Sandbox:
    """A shop whose collection asks for a variable of each kind."""
    write(box.directory, "pm.response.to.have.status(200)")
    environment = {"name": "x", "values": [{"key": "language", "value": "en", "enabled": True}]}
    (box.directory / "env.json").write_text(json.dumps(environment))
    test = {"name": "API", "postman": "api.json", "image": newman, "environment": "env.json"}
    box.environ["TOKEN"] = "canary-token"
    box.configure(
        secrets=["TOKEN"],
        smoke=[{**test, "secrets": ["TOKEN"], "timeout": "30s", "retry": {"deadline": "0s"}}],
        probe=False,
    )
    return box


def write(directory: Path, expectation: str) -> None:
    script = [
        f"pm.test('it is there', () => {expectation});",
        "pm.test('variables', () => pm.expect(pm.environment.get('TOKEN')).to.have.lengthOf(12));",
        "pm.test('language', () => pm.expect(pm.environment.get('language')).to.eql('en'));",
    ]
    item: dict[str, Any] = {
        "name": "version",
        "request": {"method": "GET", "url": "{{baseUrl}}/version"},
        "event": [{"listen": "test", "script": {"exec": script}}],
    }
    collection = {"info": {"name": "shop", "schema": SCHEMA}, "item": [item]}
    (directory / "api.json").write_text(json.dumps(collection))


def test_a_collection_decides_before_traffic_moves(shop: Sandbox) -> None:
    """The new replica is asked, not what serves; a failure keeps the old release, and says which
    assertion failed; nothing is left, and no secret is told."""
    first = shop.deploy("1.0.0")
    assert first.exit_code == 0, first.text
    assert [check["name"] for check in first.json["checks"] if check["passed"]].count("API") == 1
    write(shop.directory, "pm.expect(pm.response.headers.get('X-Version')).to.eql('1.0.0')")
    with shop.load() as stop:
        failed = shop.deploy("2.0.0")
        seen = stop()
    assert failed.exit_code == 4, failed.text
    [check] = [check for check in failed.json["checks"] if check["name"] == "API"]
    assert "it is there" in check["detail"]
    assert "'2.0.0' to deeply equal '1.0.0'" in check["detail"]
    assert shop.serving() == "1.0.0"
    assert seen.lost == 0
    assert "canary-token" not in failed.text
    assert shop.run("monitor").exit_code == 0
    assert "_smoke" not in docker("ps", "-a", "--format", "{{.Names}}")


def test_a_collection_that_does_not_end_fails(shop: Sandbox) -> None:
    """As one that says nothing would."""
    write(shop.directory, "{ while (true) {} }")
    [test] = shop.config["smoke"]
    shop.configure(smoke=[{**test, "timeout": "4s"}])
    failed = shop.deploy("1.0.0")
    assert failed.exit_code == 4
    [check] = [check for check in failed.json["checks"] if check["name"] == "API"]
    assert check["failure_kinds"] in (["timed-out"], ["assertion"])
