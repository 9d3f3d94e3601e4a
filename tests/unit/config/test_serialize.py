"""What a release stores of an environment, and what comes back."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from deploy_action.config import deserialize, load, serialize
from deploy_action.config.model import Environment, Health, HttpSmoke, Identity, Probe, ProbePost

EVERYTHING = Path(__file__).parents[2] / "corpus" / "valid" / "everything.yaml"


def test_everything_survives_storage() -> None:
    """Each field of the fullest example comes back through JSON as it was."""
    for environment in load(EVERYTHING).environments.values():
        stored = json.dumps(serialize(environment))
        assert deserialize(json.loads(stored)) == environment


def test_the_fullest_example_uses_every_field() -> None:
    """The round trip proves something: no field of the model keeps its default in the example."""
    [environment] = load(EVERYTHING).environments.values()
    kept = {"after", "protocol", "replicas"}
    for field in dataclasses.fields(Environment):
        default = field.default_factory() if callable(field.default_factory) else field.default
        same = getattr(environment, field.name) == default
        assert same == (field.name in kept), field.name


def test_keys_of_newer_versions_are_ignored() -> None:
    """A release that a newer version stored can still be read."""
    environment = Environment(name="production", service="shop", smoke=(HttpSmoke(name="home"),))
    plain = json.loads(json.dumps(serialize(environment)))
    plain["teleport"] = {"x": 1}
    plain["health"]["telepathy"] = True
    plain["smoke"][0]["smell"] = "none"
    assert deserialize(plain) == environment


def test_unused_options_are_not_stored() -> None:
    """An option that nobody uses leaves no trace, so a new one does not change old ids."""
    plain = serialize(Environment(name="production", service="shop"))
    assert "tmpfs" not in plain
    assert "url" not in plain
    assert plain["retain"] == 5
    assert plain["probe"] == {"rate_per_second": 4.0}


def test_what_was_stored_before_an_option_came_is_read_as_without_it() -> None:
    """A probe that was recorded when none could post does not post when its release comes back."""
    plain = serialize(Environment(name="production", service="shop", probe=Probe(path="/ready")))
    plain["probe"] = {"path": "/ready", "rate_per_second": 10.0, "lost": 2}
    assert deserialize(plain).probe == Probe(path="/ready", rate_per_second=10.0, lost=2, post=None)


def test_a_post_of_the_probe_survives_storage() -> None:
    """Its path alone is enough to bring it back."""
    environment = Environment(name="p", service="s", probe=Probe(post=ProbePost(path="/api/ping")))
    plain = json.loads(json.dumps(serialize(environment)))
    assert plain["probe"]["post"] == {"path": "/api/ping"}
    assert deserialize(plain) == environment


def test_what_a_default_means_today_is_stored() -> None:
    """Defaults that are values are written down: a later version may choose another one."""
    plain = serialize(
        Environment(name="p", service="s", health=Health(identity=Identity(header="X-Version")))
    )
    assert plain["health"] == {
        "kind": "http",
        "path": "/",
        "interval_seconds": 0.1,
        "timeout_seconds": 2.0,
        "deadline_seconds": 60.0,
        "successes": 2,
        "failures": 3,
        "identity": {"header": "X-Version", "expect": "{version}"},
    }


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"name": "p"},
        {"name": 1, "service": "s"},
        {"name": "p", "service": "s", "hosts": "local"},
        {"name": "p", "service": "s", "health": []},
        {"name": "p", "service": "s", "smoke": [{"name": "x"}]},
        {"name": "p", "service": "s", "smoke": [{"is": "smell", "name": "x"}]},
    ],
)
def test_what_was_never_stored_is_refused(plain: dict[str, object]) -> None:
    """A damaged ledger entry is told as such, and not half understood."""
    with pytest.raises(ValueError, match="no stored configuration"):
        deserialize(plain)
