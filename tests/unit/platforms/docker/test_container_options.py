"""The options of deploy.yaml as `docker run` would send them."""

from __future__ import annotations

import pytest

from deploy_action.config.model import ContainerOptions, Logging, ULimit, Volume
from deploy_action.platforms.docker.container_options import (
    DROPPED,
    changed_options,
    host_config,
)


def test_a_container_has_less_than_docker_gives_by_default() -> None:
    """No raw sockets, no new privileges, and a bounded log, whatever the engine's default is."""
    config = host_config(ContainerOptions())
    assert config["CapDrop"] == sorted(DROPPED)
    assert config["CapAdd"] == []
    assert config["SecurityOpt"] == ["no-new-privileges:true"]
    bounds = {"max-size": "10m", "max-file": "3"}
    assert config["LogConfig"] == {"Type": "json-file", "Config": bounds}


@pytest.mark.parametrize(
    ("add", "drop", "dropped"),
    [
        (("NET_RAW",), (), ["MKNOD", "SETFCAP"]),
        ((), ("CHOWN",), ["CHOWN", "MKNOD", "NET_RAW", "SETFCAP"]),
        (("NET_BIND_SERVICE",), ("ALL",), ["ALL"]),
        (("ALL",), (), []),
    ],
)
def test_what_is_given_back_is_not_dropped(
    add: tuple[str, ...], drop: tuple[str, ...], dropped: list[str]
) -> None:
    """cap_add is the documented way to have a capability."""
    config = host_config(ContainerOptions(cap_add=add, cap_drop=drop))
    assert config["CapAdd"] == list(add)
    assert config["CapDrop"] == dropped


@pytest.mark.parametrize(
    ("logging", "config"),
    [
        (Logging(driver="engine"), None),
        (Logging(driver="journald"), {"Type": "journald", "Config": {}}),
        (
            Logging(driver="local", options={"max-size": "50m"}),
            {"Type": "local", "Config": {"max-size": "50m", "max-file": "3"}},
        ),
    ],
)
def test_a_log_is_bounded_where_the_driver_has_bounds(
    logging: Logging, config: dict[str, object] | None
) -> None:
    """Options that somebody wrote win."""
    assert host_config(ContainerOptions(logging=logging))["LogConfig"] == config


def test_every_option_is_written_as_the_engine_has_it() -> None:
    """Limits, devices, GPUs, hosts, name servers, parameters."""
    options = ContainerOptions(
        ulimits={"nofile": ULimit(soft=1, hard=2)},
        shm_bytes=1 << 20,
        devices=("/dev/fuse", "/dev/a:/dev/b", "/dev/c:/dev/d:r", "/dev/e:rw"),
        gpus=-1,
        extra_hosts=("a=10.0.0.1", "host.docker.internal:host-gateway"),
        dns=("10.0.0.53",),
        init=True,
        sysctls={"net.core.somaxconn": "1024"},
        no_new_privileges=False,
    )
    config = host_config(options)
    assert config["Ulimits"] == [{"Name": "nofile", "Soft": 1, "Hard": 2}]
    assert config["ShmSize"] == 1 << 20
    assert [
        (d["PathOnHost"], d["PathInContainer"], d["CgroupPermissions"]) for d in config["Devices"]
    ] == [
        ("/dev/fuse", "/dev/fuse", "rwm"),
        ("/dev/a", "/dev/b", "rwm"),
        ("/dev/c", "/dev/d", "r"),
        ("/dev/e", "/dev/e", "rw"),
    ]
    assert config["DeviceRequests"] == [{"Count": -1, "Capabilities": [["gpu"]]}]
    assert config["ExtraHosts"] == ["a:10.0.0.1", "host.docker.internal:host-gateway"]
    assert (config["Dns"], config["Init"], config["SecurityOpt"]) == (["10.0.0.53"], True, [])
    assert config["Sysctls"] == {"net.core.somaxconn": "1024"}


def test_an_init_of_the_engine_s_own_is_left_alone() -> None:
    """`init: true` in daemon.json holds where deploy.yaml asks for nothing."""
    assert host_config(ContainerOptions())["Init"] is None


def test_a_mount_is_written_as_docker_run_takes_it() -> None:
    """With SELinux's label after the rights."""
    assert Volume(source="data", target="/data").bind == "data:/data:rw"
    assert Volume(source="/a", target="/b", read_only=True, relabel="Z").bind == "/a:/b:ro,Z"


OPTIONS = ContainerOptions(
    cap_add=("NET_RAW",),
    ulimits={"nofile": ULimit(soft=10, hard=20)},
    devices=("/dev/null",),
    gpus=-1,
    sysctls={"net.core.somaxconn": "9"},
    shm_bytes=2**26,
)
AS_SENT = host_config(OPTIONS)
NOFILE, CORE = {"Name": "nofile", "Soft": 10, "Hard": 20}, {"Name": "core", "Soft": 0, "Hard": 0}
BOUNDS = AS_SENT["LogConfig"]["Config"]


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        ({}, []),
        # What the engine adds or writes in another way is no change.
        ({"CapAdd": ["CAP_NET_RAW"]}, []),
        ({"Dns": None, "ExtraHosts": None, "Init": None, "Privileged": False}, []),
        ({"SecurityOpt": ["no-new-privileges=true", "label=disable"]}, []),
        ({"Ulimits": [NOFILE, CORE]}, []),
        ({"LogConfig": {"Type": "json-file", "Config": {**BOUNDS, "tag": "x"}}}, []),
        ({"CapAdd": ["NET_RAW", "SYS_ADMIN"]}, ["cap_add"]),
        ({"CapDrop": None}, ["cap_drop"]),
        ({"SecurityOpt": None}, ["no_new_privileges"]),
        ({"Privileged": True}, ["privileged"]),
        ({"Init": True}, ["init"]),
        ({"Ulimits": [NOFILE | {"Hard": 99}]}, ["ulimits"]),
        ({"Ulimits": None}, ["ulimits"]),
        ({"Devices": []}, ["devices"]),
        ({"DeviceRequests": None}, ["gpus"]),
        ({"Sysctls": None}, ["sysctls"]),
        ({"ShmSize": 1}, ["shm_size"]),
        ({"LogConfig": {"Type": "json-file", "Config": {}}}, ["logging.options"]),
        ({"LogConfig": {"Type": "none", "Config": BOUNDS}}, ["logging.driver"]),
        ({"ExtraHosts": ["a:10.0.0.1"]}, ["extra_hosts"]),
        ({"Dns": ["10.0.0.1"]}, ["dns"]),
    ],
)
def test_options_that_a_container_no_longer_has_are_named(
    found: dict[str, object], keys: list[str]
) -> None:
    """By the key of deploy.yaml, and without the engine's own defaults."""
    changed = list(changed_options(OPTIONS, AS_SENT | found))
    assert [key for key, _, _ in changed] == keys
    assert all(recorded != other for _, recorded, other in changed)
