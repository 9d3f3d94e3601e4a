"""What a start needs of its host: told before anything changes, each with a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.application import Application
from tests.fakes.values import environment
from tests.fakes.world import make_world

from deploy_action.config.model import (
    ContainerOptions,
    EdgeOptions,
    Logging,
    Resources,
    ULimit,
    Volume,
)
from deploy_action.errors import BadInput, ErrorCode
from deploy_action.platforms.docker.engine.protocol import EngineInfo
from deploy_action.platforms.docker.requirements import HostFacts, require_met, unmet
from deploy_action.results.notes import NoteCode
from deploy_action.results.outcome import Result
from deploy_action.results.reports import Check, CheckState

HOST = "ssh://deploy@web-1:2222"
BRIDGE = EdgeOptions(network="bridge")


def facts(
    *,
    networks: frozenset[str] | None = None,
    devices: frozenset[str] | None = None,
    open_files: int | None = None,
    users: frozenset[str] | None = None,
    **info: Any,
) -> HostFacts:
    known: dict[str, Any] = {"cpus": 2, "data_root": "/var/lib/docker"}
    return HostFacts(
        info=EngineInfo(
            host=HOST, version="28", architecture="amd64", identity="x", **known | info
        ),
        networks=networks,
        devices=devices,
        open_files=open_files,
        users=users,
    )


def options(**changes: Any) -> dict[str, Any]:
    return {"options": ContainerOptions(**changes)}


NOFILE = options(ulimits={"nofile": ULimit(soft=1, hard=2_000_000)})
SYSLOG = options(logging=Logging(driver="syslog"))
REMAPPED: dict[str, Any] = {"user_namespaces": True, "data_root": "/var/lib/docker/100000.100000"}


@pytest.mark.parametrize(
    ("wanted", "found", "subject", "state", "remedy"),
    [
        (
            {"networks": ("backend",)},
            facts(networks=frozenset({"bridge"})),
            "networks",
            CheckState.MISSING,
            f"docker --host {HOST} network create backend",
        ),
        (
            {"user": "app:staff"},
            facts(users=frozenset({"root", "nobody"})),
            "user",
            CheckState.MISSING,
            "run --rm --entrypoint cat",
        ),
        (
            {"resources": Resources(cpus=4)},
            facts(),
            "cpus",
            CheckState.MISSING,
            "resources: {cpus: 2}",
        ),
        (
            SYSLOG,
            facts(log_drivers=frozenset({"json-file"})),
            "logging",
            CheckState.MISSING,
            "logging: {driver: json-file}",
        ),
        (
            NOFILE,
            facts(open_files=1_048_576),
            "nofile",
            CheckState.MISSING,
            "ssh -p 2222 deploy@web-1 sudo sysctl -w fs.nr_open=2000000",
        ),
        (
            options(devices=("/dev/ttyUSB9:/dev/modem",)),
            facts(devices=frozenset({"null", "ttyUSB0"})),
            "devices",
            CheckState.WARNING,
            "sudo ls -l /dev/ttyUSB9",
        ),
        (options(gpus=-1), facts(), "gpus", CheckState.WARNING, "nvidia-ctk"),
        (
            {"volumes": (Volume(source="/data/docker/volumes/x", target="/x"),)},
            facts(data_root="/data/docker"),
            "volumes",
            CheckState.MISSING,
            "allow_host_access: [/data/docker/volumes/x]",
        ),
        (
            {"volumes": (Volume(source="/data", target="/x"),)},
            facts(data_root="/data/docker"),
            "volumes",
            CheckState.MISSING,
            "allow_host_access: [/data]",
        ),
        (
            {"volumes": (Volume(source="data", target="/x"),)},
            facts(**REMAPPED),
            "user namespaces",
            CheckState.MISSING,
            "edge: {network: bridge}",
        ),
        (
            {
                "edge": BRIDGE,
                "user": "1000:1001",
                "volumes": (Volume(source="/srv/shop", target="/x"),),
            },
            facts(**REMAPPED),
            "user namespaces",
            CheckState.WARNING,
            "sudo chown -R 101000:101001 /srv/shop",
        ),
        (
            {"edge": BRIDGE, **options(devices=("/dev/dri",))},
            facts(**REMAPPED),
            "user namespaces",
            CheckState.WARNING,
            "sudo ls -l /dev/dri",
        ),
    ],
)
def test_what_a_host_lacks_is_told_with_a_command(
    wanted: dict[str, Any], found: HostFacts, subject: str, state: CheckState, remedy: str
) -> None:
    """What, where, and what to type there."""
    (check,) = unmet(HOST, environment(**wanted), found)
    assert (check.host, check.subject, check.state) == (HOST, subject, state)
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"networks": ("backend",)}, facts(networks=frozenset({"backend"}))),
        ({"networks": ("backend",)}, facts()),
        ({"user": "app"}, facts(users=frozenset({"app"}))),
        ({"user": "app"}, facts()),
        ({"user": "1000"}, facts(users=frozenset({"root"}))),
        ({"resources": Resources(cpus=2)}, facts()),
        ({"resources": Resources(cpus=64)}, facts(cpus=0)),
        (SYSLOG, facts(log_drivers=frozenset({"syslog"}))),
        (NOFILE, facts(open_files=2_000_000)),
        (
            options(devices=("/dev/dri", "/dev/net/tun")),
            facts(devices=frozenset({"dri/card0", "net/tun"})),
        ),
        # What udev links to is no name of the kernel's.
        (options(devices=("/dev/serial/by-id/usb-1",)), facts(devices=frozenset({"null"}))),
        (options(gpus=1), facts(gpus=True)),
        ({"volumes": (Volume(source="/data/shop", target="/x"),)}, facts(data_root="/data/docker")),
        (
            {
                "volumes": (Volume(source="/data", target="/x"),),
                "allow_host_access": ("/data/",),
            },
            facts(data_root="/data/docker"),
        ),
    ],
)
def test_what_is_there_or_cannot_be_known_is_no_fault(
    wanted: dict[str, Any], found: HostFacts
) -> None:
    """A host that gives no answer lacks nothing by that."""
    assert list(unmet(HOST, environment(**wanted), found)) == []


def test_what_is_missing_refuses_and_what_is_doubtful_is_noted() -> None:
    """All that is missing is told at once."""
    doubtful = Check(host="a", subject="gpus", state=CheckState.WARNING, detail="d", remedy="r")
    missing = [
        Check(host=host, subject="networks", state=CheckState.MISSING, detail=host, remedy="r")
        for host in ("a", "b")
    ]
    (note,) = require_met([doubtful])
    assert note.code is NoteCode.HOST_DOUBTFUL
    with pytest.raises(BadInput) as caught:
        list(require_met([doubtful, *missing]))
    assert caught.value.code is ErrorCode.HOST_NOT_READY
    assert "b: b" in caught.value.cause


def test_plan_and_deploy_refuse_what_cannot_start_before_anything_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network of deploy.yaml that nobody created: the old release is not even told."""
    world = make_world(tmp_path, monkeypatch)
    world.deployed("1.0.0")
    world.publish(Application(version="2.0.0"))
    world.configure(networks=["backend"])
    before = {m.name: set(m.containers) for m in world.machines.values()}
    for done in (world.outcome("plan", version="2.0.0"), world.deploy("2.0.0")):
        assert done.error is not None
        assert done.error.code is ErrorCode.HOST_NOT_READY
        assert "docker network create backend" in done.error.remedy
    assert {m.name: set(m.containers) for m in world.machines.values()} == before
    for machine in world.machines.values():
        machine.networks["backend"] = "10.9.0.0/24"
    assert world.deploy("2.0.0").result is Result.DEPLOYED
