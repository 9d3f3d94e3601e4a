"""A release as containers: names that people can read, labels that hold no secret."""

from __future__ import annotations

import dataclasses
import re

import pytest

from deploy_action.config.model import EdgeOptions, Environment, Hook, Resources, Route, Volume
from deploy_action.platforms.docker.edge.state import Check
from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec
from deploy_action.platforms.docker.replicas import (
    Replica,
    backend_for,
    hook_spec,
    name_of,
    of_release,
    replica_spec,
)
from deploy_action.releases.model import Release

SECRET = "swordfish-17"
ENVIRONMENT = Environment(
    name="production",
    service="shop",
    port=8080,
    route=Route(host="shop.example.com", port=80),
    env={"LEVEL": "info"},
    secrets=("TOKEN",),
    labels={"team": "web"},
    volumes=(Volume(source="data", target="/data", read_only=True),),
    networks=("backend",),
    resources=Resources(memory_bytes=2**26, cpus=0.5, pids=50),
)
RELEASE = Release(
    service="shop",
    environment="production",
    version="1.4.2",
    image="ghcr.io/acme/shop",
    digest="sha256:" + "ab" * 32,
    config={"port": 8080},
    commit="0123abc",
    secrets={"TOKEN": "0011223344556677"},
)


def spec(index: int = 0, number: int = 7) -> ContainerSpec:
    return replica_spec(
        ENVIRONMENT,
        RELEASE,
        number=number,
        index=index,
        address="10.128.0.2",
        secrets={"TOKEN": SECRET},
    )


def replica(index: int = 0, number: int = 7, *, running: bool = True) -> Replica:
    made = spec(index, number)
    return Replica.read(
        Container(
            id=f"{number}-{index}",
            name=made.name,
            image_id="sha256:1",
            labels=made.labels,
            status="running" if running else "exited",
            addresses={"deploy-action": f"10.128.0.{number + index}"},
        )
    )


def test_what_a_container_is_can_be_read_from_its_labels() -> None:
    """The way there and back; the whole release is in it, the second witness beside the ledger."""
    found = replica(index=1)
    assert (found.release, found.version, found.image) == (RELEASE.id, "1.4.2", RELEASE.reference)
    assert (found.number, found.index, found.port) == (7, 1, 8080)
    assert found.record() == RELEASE


def test_a_container_without_a_readable_record_has_none() -> None:
    """Nobody's labels are trusted to be ours."""
    found = replica()
    for record in ("", "{", "[]", '{"service": "shop"}'):
        labels = {**found.container.labels, "deploy-action.record": record}
        container = dataclasses.replace(found.container, labels=labels)
        assert Replica.read(container).record() is None


def test_a_secret_is_in_the_environment_and_nowhere_else() -> None:
    """Labels can be read by everybody who may list containers; a description is never shown whole."""
    made = spec()
    assert made.env["TOKEN"] == SECRET
    assert SECRET not in str(made.labels)
    assert SECRET not in repr(made)


def test_a_candidate_is_not_restarted_by_the_engine_and_has_all_that_was_configured() -> None:
    """Limits, volumes, networks, own labels; the version is told to the application."""
    made = spec()
    assert made.restart == "no"
    assert made.image == RELEASE.reference
    assert (made.memory_bytes, made.cpus, made.pids) == (2**26, 0.5, 50)
    assert made.binds == ("data:/data:ro",)
    assert [(n.name, n.address) for n in made.networks] == [
        ("deploy-action", "10.128.0.2"),
        ("backend", None),
    ]
    assert made.labels["team"] == "web"
    assert made.env["DEPLOY_VERSION"] == "1.4.2"


def test_a_user_label_cannot_take_the_place_of_ours() -> None:
    """Containers are found by our labels."""
    hostile = dataclasses.replace(ENVIRONMENT, labels={"deploy-action.release": "x"})
    made = replica_spec(hostile, RELEASE, number=1, index=0, address="10.128.0.2", secrets={})
    assert made.labels["deploy-action.release"] == RELEASE.id


@pytest.mark.parametrize(
    "version", ["1.4.2", "feature/x", "ü", "v" * 200, "--", "a b", "1.0+build.5", "_"]
)
@pytest.mark.parametrize("edge", ["deploy-action", "other"])
def test_any_version_makes_a_name_that_docker_and_haproxy_take(version: str, edge: str) -> None:
    """Docker: [a-zA-Z0-9][a-zA-Z0-9_.-]+; HAProxy takes those too."""
    env = dataclasses.replace(ENVIRONMENT, edge=EdgeOptions(name=edge))
    names = [name_of(env, version, number, i) for number in (7, 8) for i in (0, 1)]
    assert len(set(names)) == 4
    for name in names:
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}", name)


def test_a_hook_is_a_container_of_the_new_image_that_is_no_replica() -> None:
    """It is found by its role, and gets the same environment, secrets included."""
    hook = Hook(name="migrate the data", command=("./migrate", "up"))
    made = hook_spec(ENVIRONMENT, RELEASE, hook, number=7, secrets={"TOKEN": SECRET})
    assert made.labels["deploy-action.kind"] == "hook"
    assert made.name == "shop-production-1.4.2-7-hook-migrate-the-data"
    assert made.env["TOKEN"] == SECRET
    assert made.image == RELEASE.reference
    assert [*(made.entrypoint or ()), *(made.command or ())] == ["./migrate", "up"]


def test_of_several_containers_for_one_index_the_running_and_then_the_newest_counts() -> None:
    """One for each index, in order; those of other releases and beyond the count are left out."""
    stopped, older, newest = replica(0, 9, running=False), replica(0, 3), replica(0, 5)
    second, beyond = replica(1, 3), replica(2, 3)
    found = of_release([newest, stopped, second, older, beyond], RELEASE.id, 2)
    assert found == (newest, second)
    assert of_release([newest], "another", 2) == ()


def test_a_backend_has_the_servers_in_the_order_of_their_names() -> None:
    """So that two states which differ in nothing else are the same."""
    pairs = [(replica(0, 9), 100), (replica(0, 3), 0)]
    made = backend_for(ENVIRONMENT, pairs, unchecked=frozenset({pairs[1][0].name}))
    assert made is not None
    assert made == backend_for(
        ENVIRONMENT, reversed(pairs), unchecked=frozenset({pairs[1][0].name})
    )
    assert [(s.address, s.port, s.weight, s.check) for s in made.servers] == [
        ("10.128.0.3", 8080, 0, False),
        ("10.128.0.9", 8080, 100, True),
    ]
    assert made.check == Check.of(ENVIRONMENT.health, "shop.example.com")


def test_a_worker_has_no_backend() -> None:
    """Without a port there is nothing to route to."""
    worker = dataclasses.replace(ENVIRONMENT, port=None, route=None)
    assert backend_for(worker, [(replica(), 100)]) is None
