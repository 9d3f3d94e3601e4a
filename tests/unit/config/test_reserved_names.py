"""Names of the machinery are refused wherever deploy.yaml takes the name of a variable."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fakes.application import Application
from tests.fakes.world import World, make_world

from deploy_action.config import load
from deploy_action.config.schema import deploy_schema
from deploy_action.errors import ConfigError
from deploy_action.results.outcome import Result

MACHINERY = {
    name: f"value of {name}"
    for name in (
        *("ACTIONS_RUNTIME_TOKEN", "DEPLOY_PROOF_KEY", "DOCKER_AUTH_CONFIG", "GITHUB_TOKEN"),
        *("INPUT_SECRETS", "RUNNER_TEMP", "SSH_AUTH_SOCK", "github_token", "HOME", "PATH"),
    )
} | {"DEPLOY_PROOF_KEY": "k" * 32}
BASE: dict[str, Any] = {"version": 1, "service": "shop", "image": "ghcr.io/acme/shop", "port": 80}
TLS = {"port": 443, "host": "shop.example.com"}


def named(place: str, name: str) -> dict[str, Any]:
    """Return the keys that name a variable at a place of the schema."""
    match place:
        case "secret/properties/name":
            return {"secrets": [{"name": name, "file": "/run/secrets/x"}]}
        case "secrets/items":
            return {"secrets": [name]}
        case "certificate/properties/secret":
            return {"route": {**TLS, "certificate": {"secret": name}}}
        case "registry/properties/password":
            return {"registry": {"server": "ghcr.io", "username": "x", "password": name}}
        case "postmanSmoke/properties/secrets/items":
            test = {"postman": "api.json", "image": "newman:6", "secrets": [name]}
            return {"secrets": [name], "smoke": [test]}
        case "imageSmoke/properties/secrets/items":
            test = {"image": "hurl:6", "command": ["hurl"], "secrets": [name]}
            return {"secrets": [name], "smoke": [test]}
        case "notification/properties/secret":
            return {"notifications": [{"kind": "slack", "secret": name}]}
        case "notification/properties/signing_key":
            target = {"kind": "webhook", "secret": "HOOK", "signing_key": name}
            return {"notifications": [target]}
        case _:
            raise AssertionError(
                f"{place}: a new place that takes a name; refuse reserved ones there"
            )


ALLOWED = {
    ("registry/properties/password", name) for name in ("GITHUB_TOKEN", "DOCKER_AUTH_CONFIG")
}


def places() -> Iterator[str]:
    """Yield every place of the schema that takes the name of a variable."""

    def walk(node: Any, path: tuple[str, ...]) -> Iterator[str]:
        if isinstance(node, dict):
            if node.get("$ref") == "#/$defs/secretName":
                yield "/".join(path)
            for key, item in node.items():
                yield from walk(item, (*path, key))
        elif isinstance(node, list):
            for item in node:
                yield from walk(item, path)

    yield from walk(deploy_schema()["$defs"], ())
    yield "secrets/items"


def rules(directory: Path, keys: dict[str, Any]) -> set[str]:
    file = directory / "deploy.yaml"
    file.write_text(yaml.safe_dump(copy.deepcopy(BASE | keys)))
    try:
        load(file)
    except ConfigError as error:
        return {problem.rule for problem in error.problems}
    return set()


@pytest.mark.parametrize("place", sorted(set(places())))
@pytest.mark.parametrize("name", MACHINERY)
def test_a_reserved_name_is_refused_at_every_place(tmp_path: Path, place: str, name: str) -> None:
    """The places come from the schema: a new one fails here until it refuses them, too."""
    collection = Path(__file__).parents[2] / "corpus/valid/files/shop.postman_collection.json"
    (tmp_path / "api.json").write_bytes(collection.read_bytes())
    expected = set() if (place, name) in ALLOWED else {"reserved-name"}
    assert rules(tmp_path, named(place, name)) == expected
    assert rules(tmp_path, named(place, "SHOP_VALUE")) == set()


@pytest.mark.parametrize("name", MACHINERY)
@pytest.mark.parametrize(
    "keys",
    [
        lambda text: {"smoke": [{"path": "/", "headers": {"X-A": text}}]},
        lambda text: {"smoke": [{"path": "/", "method": "POST", "body": text}]},
        lambda text: {"probe": {"post": {"path": "/", "headers": {"X-A": text}}}},
    ],
)
def test_a_reference_to_one_is_refused(tmp_path: Path, name: str, keys: Any) -> None:
    """Where a text may refer to a secret, it may refer to a declared one only."""
    found = rules(tmp_path, keys(f"${{{name}}}"))
    assert found & {"undeclared-secret", "secret-in-probe"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return make_world(tmp_path, monkeypatch, hosts=("local",))


def test_where_values_are_literal_nothing_is_filled_in(world: World) -> None:
    """Variables of the application, labels and commands: the job's own values reach none."""
    written = {f"A{number}": f"${{{name}}} ${name}" for number, name in enumerate(MACHINERY)}
    world.configure(
        env=written,
        labels=dict(written),
        command=["run", *written.values()],
    )
    world.publish(Application(version="1.0.0"))
    done = world.deploy("1.0.0", environ=MACHINERY)
    assert done.result is Result.DEPLOYED, str(done.error)
    specs = [str(each.spec) for m in world.machines.values() for each in m.containers.values()]
    assert any("${DEPLOY_PROOF_KEY}" in spec for spec in specs)
    files = [
        file
        for m in world.machines.values()
        for v in m.volumes.values()
        for file in v.files.values()
    ]
    for value in MACHINERY.values():
        assert not any(value in spec for spec in specs)
        assert not any(value.encode() in file for file in files)
