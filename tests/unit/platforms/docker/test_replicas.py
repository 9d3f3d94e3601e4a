"""A release as containers: names that people can read, labels that hold no secret."""

from __future__ import annotations

import dataclasses
import re

import pytest

from deploy_action.config import serialize
from deploy_action.config.model import EdgeOptions, Environment, Hook, Resources, Route, Volume
from deploy_action.inputs import Secret
from deploy_action.platforms.docker.edge.state import Check
from deploy_action.platforms.docker.engine.protocol import Container, ContainerSpec
from deploy_action.platforms.docker.replicas import (
    EPHEMERAL_LABEL,
    Placement,
    Replica,
    backend_for,
    hook_spec,
    name_of,
    of_release,
    replica_spec,
    task_spec,
)
from deploy_action.releases.model import Release, Role

SECRET = "swordfish-17"
SECRETS = {"TOKEN": Secret(SECRET)}
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
    config=serialize(ENVIRONMENT),
    commit="0123abc",
    roles=(Role(replicas=2),),
    secrets={"TOKEN": "0011223344556677"},
)
PLACEMENT = Placement.of(ENVIRONMENT)
WORKER = Role(name="mailer", takes_traffic=False)


def spec(index: int = 0, number: int = 7, role: Role = RELEASE.roles[0]) -> ContainerSpec:
    return replica_spec(
        PLACEMENT,
        RELEASE,
        role,
        number=number,
        index=index,
        address="10.128.0.2",
        secrets=SECRETS,
    )


def replica(
    index: int = 0, number: int = 7, role: Role = RELEASE.roles[0], *, running: bool = True
) -> Replica:
    made = spec(index, number, role)
    return Replica.read(
        Container(
            id=f"{number}-{index}",
            name=made.name,
            image_id="sha256:1",
            labels=made.labels,
            status="running" if running else "exited",
            addresses={"deploy-action_shop_production": f"10.128.0.{number + index}"},
        )
    )


def test_what_a_container_is_can_be_read_from_its_labels() -> None:
    """The way there and back."""
    read = replica(index=1)
    assert (read.release, read.version, read.image) == (RELEASE.id, "1.4.2", RELEASE.reference)
    assert (read.number, read.role, read.index, read.port) == (7, "web", 1, 8080)


@pytest.mark.parametrize("label", ["service", "environment", "edge", "kind"])
def test_a_replica_is_selected_by_every_field_of_its_placement(label: str) -> None:
    """Ownership is compared field by field, never by a joined name."""
    labels = spec().labels
    selector = PLACEMENT.selector()
    assert selector.items() <= labels.items()
    assert f"deploy-action.{label}" in selector


def test_roles_of_one_release_are_told_apart_by_name_and_label() -> None:
    """Web and worker are containers of the same image and version."""
    web, mailer = replica(), replica(role=WORKER)
    assert (web.role, mailer.role) == ("web", "mailer")
    assert web.name != mailer.name


def test_a_secret_is_in_the_environment_and_nowhere_else() -> None:
    """Labels can be read by everybody who may list containers; a description is never shown whole."""
    made = spec()
    assert made.env["TOKEN"] == SECRET
    assert SECRET not in str(made.labels)
    assert SECRET not in repr(made)


@pytest.mark.parametrize(
    ("read_only", "tmpfs", "volumes"),
    [
        (False, (), ()),
        (False, ("/tmp", "/run2"), ()),
        (False, ("/run/:size=1m",), ("/run/secrets",)),
        (True, (), ("/etc/shop", "/run/secrets")),
    ],
)
def test_a_secret_in_a_file_is_nowhere_else(
    read_only: bool, tmpfs: tuple[str, ...], volumes: tuple[str, ...]
) -> None:
    """Its directory is a volume where nothing else can be written or seen; it goes with the
    container."""
    files = {"A": "/etc/shop/a", "B": "/run/secrets/b", "C": "/run/secrets/c"}
    changed = dataclasses.replace(
        ENVIRONMENT,
        secrets=("A", "B", "C", "TOKEN"),
        secret_files=files | {"FORGED": "/x"},
        read_only=read_only,
        tmpfs=tmpfs,
    )
    release = dataclasses.replace(RELEASE, config=serialize(changed))
    secrets = SECRETS | {name: Secret(f"value of {name}") for name in files}
    hook = Hook(name="migrate", command=("./migrate",))
    for made in (
        hook_spec(PLACEMENT, release, hook, number=7, secrets=secrets),
        task_spec(PLACEMENT, release, ("x",), name="a", secrets=secrets, bare=False),
    ):
        assert {path: secret.reveal() for path, secret in made.files.items()} == {
            path: f"value of {name}" for name, path in files.items()
        }
        assert made.env["TOKEN"] == SECRET
        assert "value of" not in f"{made} {made.env} {made.labels}"
        assert made.binds == ("data:/data:ro", *volumes)
        assert made.labels.get(EPHEMERAL_LABEL, "") == ":".join(volumes)


def test_a_candidate_is_not_restarted_by_the_engine_and_has_all_that_was_configured() -> None:
    """Limits, volumes, networks, own labels; the version is told to the application."""
    made = spec()
    assert made.restart == "no"
    assert made.image == RELEASE.reference
    assert (made.memory_bytes, made.cpus, made.pids) == (2**26, 0.5, 50)
    assert made.binds == ("data:/data:ro",)
    assert [(n.name, n.address) for n in made.networks] == [
        ("deploy-action_shop_production", "10.128.0.2"),
        ("backend", None),
    ]
    assert made.labels["team"] == "web"
    assert made.env["DEPLOY_VERSION"] == "1.4.2"


def test_a_user_label_cannot_take_the_place_of_ours() -> None:
    """Containers are found by our labels."""
    hostile = dataclasses.replace(ENVIRONMENT, labels={"deploy-action.release": "x"})
    release = dataclasses.replace(RELEASE, config=serialize(hostile))
    made = replica_spec(
        PLACEMENT,
        release,
        release.roles[0],
        number=1,
        index=0,
        address="10.128.0.2",
        secrets=SECRETS,
    )
    assert made.labels["deploy-action.release"] == release.id


@pytest.mark.parametrize(
    "version", ["1.4.2", "feature/x", "ü", "v" * 200, "--", "a b", "1.0+build.5", "_"]
)
@pytest.mark.parametrize("edge", ["deploy-action", "other"])
def test_any_version_makes_a_name_that_docker_and_haproxy_take(version: str, edge: str) -> None:
    """Docker: [a-zA-Z0-9][a-zA-Z0-9_.-]+; HAProxy takes those too."""
    placement = dataclasses.replace(PLACEMENT, edge=EdgeOptions(name=edge))
    names = [
        name_of(placement, version, number, role, index)
        for number in (7, 8)
        for role in ("", "mailer")
        for index in (0, 1)
    ]
    assert len(set(names)) == 8
    for name in names:
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}", name)


def test_a_hook_is_a_container_of_the_new_image_that_is_no_replica() -> None:
    """It is found by its role, and gets the same environment, secrets included."""
    hook = Hook(name="migrate the data", command=("./migrate", "up"))
    made = hook_spec(PLACEMENT, RELEASE, hook, number=7, secrets=SECRETS)
    assert made.labels["deploy-action.kind"] == "hook"
    assert made.name == "shop_production_1.4.2_7_hook_migrate-the-data"
    assert made.env["TOKEN"] == SECRET
    assert made.image == RELEASE.reference
    assert [*(made.entrypoint or ()), *(made.command or ())] == ["./migrate", "up"]


def test_of_several_containers_for_one_place_the_running_and_then_the_newest_counts() -> None:
    """One for each role and index; those of other releases and beyond the count are left out."""
    stopped, older, newest = replica(0, 9, running=False), replica(0, 3), replica(0, 5)
    second, beyond, other_role = replica(1, 3), replica(2, 3), replica(0, 9, WORKER)
    everything = [newest, stopped, second, older, beyond, other_role]
    assert of_release(everything, RELEASE) == (newest, second)
    assert of_release([newest], dataclasses.replace(RELEASE, version="2.0.0")) == ()


def test_a_backend_has_the_servers_in_the_order_of_their_names() -> None:
    """So that two states which differ in nothing else are the same."""
    pairs = [(replica(0, 9), 100), (replica(0, 3), 0)]
    made = backend_for(PLACEMENT, ENVIRONMENT, pairs)
    assert made is not None
    assert made == backend_for(PLACEMENT, ENVIRONMENT, reversed(pairs))
    assert [(s.address, s.port, s.weight) for s in made.servers] == [
        ("10.128.0.3", 8080, 0),
        ("10.128.0.9", 8080, 100),
    ]
    assert made.check == Check.of(ENVIRONMENT.health, "shop.example.com")


def test_a_worker_has_no_backend() -> None:
    """Without a port there is nothing to route to."""
    worker = dataclasses.replace(ENVIRONMENT, port=None, route=None)
    assert backend_for(PLACEMENT, worker, [(replica(), 100)]) is None
