"""The host's engine, disk, network or ssh server fails: rows 18, 25, 34 to 37 and 54."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.hosts import Host, Hosts, hosts
from tests.support.lossy import LossyEngine, lossy_engine
from tests.support.sandbox import Sandbox, sandbox, until

from deploy_action.platforms.docker.edge import artifact

# Side by side they would each start what the module shares.
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("hosts that fail")]
LONG = pytest.mark.faults

VERSIONS = ("1.0.0", "2.0.0")


def _ready(machine: Host) -> None:
    machine.load(artifact.tag(), *(f"deploy-action-demo:{version}" for version in VERSIONS))


@pytest.fixture(scope="module")
def machines() -> Iterator[Hosts]:
    """One host with an engine and an ssh server of its own, and the images that are needed."""
    with hosts(1) as made:
        _ready(made.hosts[0])
        yield made


@contextlib.contextmanager
def on(machine: Host, directory: Path, *, host: str = "", **changes: Any) -> Iterator[Sandbox]:
    """Make a sandbox on a host."""
    with sandbox(
        directory,
        hosts=[host or machine.docker],
        engine=machine.docker,
        where=machine.address,
        **changes,
    ) as box:
        yield box


def _deploying(box: Sandbox, words: str) -> subprocess.Popen[str]:
    """Start to deploy 2.0.0 and return when these words were said."""
    process = box.start("deploy", "--json", "--version", "2.0.0")
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return process
    pytest.fail(f"{words!r} was never said: {process.communicate()[0]}")


@LONG
@pytest.mark.parametrize("options", [(), ("--live-restore",)], ids=["live-restore-off", "on"])
def test_an_engine_that_is_restarted_in_the_middle_is_reconciled(
    machines: Hosts, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Row 18: with live-restore nothing is lost; without it, what was lost is told; both settle."""
    machine = machines.hosts[0]
    machine.restart_engine(*options)
    with on(machine, tmp_path) as box:
        box.deployed("1.0.0")
        box.configure(bake="90s")
        with box.load() as stop:
            process = _deploying(box, "through the edge")
            machine.restart_engine(*options)
            out, err = process.communicate(timeout=60)
            assert process.returncode in (4, 5), out + err
            until(box.lock_is_free, "the lock frees itself", 45)
            seen = stop()
        box.configure(bake=None)
        if options:
            assert seen.lost == 0, f"{seen} {seen.examples}"
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert box.serving() == "2.0.0"
        assert box.history()[1]["state"] in ("failed", "unresolved")
        assert box.history()[1]["cause"]
        assert box.run("drift").exit_code == 0


@LONG
def test_after_a_restart_of_the_engine_the_live_release_serves_again(
    machines: Hosts, tmp_path: Path
) -> None:
    """Row 18: edge and live replicas come back by themselves, what was retained does not; with
    the files that hold secrets."""
    machine = machines.hosts[0]
    machine.restart_engine()  # without the live-restore of another test
    with on(machine, tmp_path) as box:
        box.configure(secrets=[{"name": "KEY", "file": "/run/secrets/key"}], read_only=True)
        box.environ["KEY"] = "swordfish-17"
        box.deployed("1.0.0")
        box.deployed("2.0.0")
        machine.restart_engine()
        until(lambda: _answers(box) == "2.0.0", "the live release serves again")
        [name] = box.containers(all=False)
        assert box.docker("exec", name, "cat", "/run/secrets/key") == "swordfish-17"
        assert box.run("drift").exit_code == 0


def _answers(box: Sandbox) -> str:
    try:
        return box.serving()
    except OSError:
        return ""


@LONG
def test_a_full_disk_of_the_engine_fails_before_the_switch(tmp_path: Path) -> None:
    """Row 25: the next container has no room; the message says so, and nothing is left of it."""
    with hosts(1, disk_megabytes=900) as made:
        machine = made.hosts[0]
        _ready(machine)
        with on(machine, tmp_path) as box:
            # The ledger has a disk of its own here: row 26 is about that one.
            options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=4m")
            machine.run("volume", "create", *options, box.edge)
            box.deployed("1.0.0")
            machine.fill_disk()
            with box.load() as stop:
                done = box.deploy("2.0.0")
                seen = stop()
            box.assert_survived(
                done,
                serves="1.0.0",
                seen=seen,
                code="disk-full",
                says=["docker system df", machine.docker],
                recorded=False,
            )
            machine.empty_disk()
            again = box.deploy("2.0.0")
            assert again.exit_code == 0, again.text


@LONG
def test_a_network_that_is_cut_in_the_middle_is_unknown_and_settled_on_its_return(
    machines: Hosts, tmp_path: Path
) -> None:
    """Row 34: the deployer gives up in bounded time; later the next command settles it."""
    machine = machines.hosts[0]
    with on(machine, tmp_path, host=machine.url) as box:
        box.environ = machines.environment
        box.deployed("1.0.0")
        box.configure(bake="90s")
        process = _deploying(box, "through the edge")
        begun = time.monotonic()
        machines.cut(machine)
        try:
            out, err = process.communicate(timeout=90)
        finally:
            machines.mend(machine)
        assert process.returncode in (4, 5), out + err
        assert time.monotonic() - begun < 60
        assert machine.address in out + err
        outcome = json.loads(out)
        lost = outcome["error"]["code"] == "session-lost"
        assert lost or "unknown" in outcome["deployment"]["hosts"].values(), out + err
        until(box.lock_is_free, "the lease runs out", 45)
        box.configure(bake=None)
        done = box.deploy("2.0.0")
        assert done.exit_code == 0, done.text
        assert box.serving() == "2.0.0"
        assert box.run("drift").exit_code == 0


@LONG
def test_a_host_is_deployed_to_over_ssh(machines: Hosts, tmp_path: Path) -> None:
    """The base of the rows about ssh: with the right keys it works, under load."""
    machine = machines.hosts[0]
    with on(machine, tmp_path, host=machine.url) as box:
        box.environ = machines.environment
        box.deployed("1.0.0")
        with box.load() as stop:
            box.deployed("2.0.0")
            seen = stop()
        assert seen.lost == 0, f"{seen} {seen.examples}"
        assert box.serving() == "2.0.0"


@LONG
def test_an_ssh_server_that_hangs_is_given_up(shop: Sandbox) -> None:
    """Row 35: it accepts and says nothing; a timeout names it, and no host was touched."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"ssh://root@127.0.0.1:{silent.getsockname()[1]}"
        environment = shop.config["environments"]["production"]
        shop.configure(environments={"production": environment | {"hosts": ["local", address]}})
        begun = time.monotonic()
        done = shop.deploy("2.0.0")
        took = time.monotonic() - begun
    shop.configure(environments={"production": environment})
    shop.assert_survived(
        done, serves="1.0.0", code="host-unreachable", says=["127.0.0.1"], recorded=False
    )
    assert took < 20, f"{took:.1f} s"


@LONG
@pytest.mark.parametrize(
    ("known", "says"),
    [("another", "key is not the one that is known"), ("none", "not in known_hosts")],
)
def test_a_host_key_that_is_not_the_known_one_is_refused(
    machines: Hosts, tmp_path: Path, known: str, says: str
) -> None:
    """Row 36: neither a changed nor an unseen key is accepted, and nothing is done there."""
    machine = machines.hosts[0]
    file = tmp_path / "known_hosts"
    other = (machines.directory / "key.pub").read_text().split()[:2]
    file.write_text(f"{machine.address} {' '.join(other)}\n" if known == "another" else "")
    with on(machine, tmp_path, host=machine.url) as box:
        box.environ = machines.environment | {"DEPLOY_ACTION_KNOWN_HOSTS": str(file)}
        done = box.deploy("1.0.0")
        assert done.exit_code == 4, done.text
        assert says in done.text
        assert machine.address in done.text
        for role in ("replica", "edge", "lock"):
            assert box.containers(role) == []


@LONG
def test_the_network_takes_no_range_that_the_host_routes_elsewhere(
    machines: Hosts, tmp_path: Path
) -> None:
    """Row 54: a host in a cloud's network, of which it routes one gateway, and `doctor` on it."""
    machine = machines.hosts[0]
    ip = ("ip", "-n", machine.name)
    subprocess.run((*ip, "route", "add", "10.128.0.1", "dev", "eth0"), check=True)
    inside = ""
    try:
        with on(machine, tmp_path) as box:
            box.deployed("1.0.0")
            shown = box.docker(
                "network", "inspect", box.network, "--format", "{{json .IPAM.Config}}"
            )
            taken = ipaddress.IPv4Network(json.loads(shown)[0]["Subnet"])
            assert not taken.overlaps(ipaddress.IPv4Network("10.128.0.0/9"))
            assert _network_row(box)["state"] == "ok"
            inside = str(taken.network_address + 9)
            subprocess.run((*ip, "route", "add", inside, "dev", "eth0"), check=True)
            row = _network_row(box)
            assert row["state"] == "warning"
            assert inside in row["detail"]
    finally:
        for route in filter(None, ("10.128.0.1", inside)):
            subprocess.run((*ip, "route", "del", route), check=True)


def _network_row(box: Sandbox) -> dict[str, str]:
    rows = box.run("doctor").json["checks"]
    return next(row for row in rows if row["subject"] == "network")


LOST = [
    pytest.param(rb"POST /containers/create\?name=\S+_production_", 0, id="create"),
    # The first start is the lock's.
    pytest.param(rb"POST /containers/\w+/start", 1, id="start", marks=LONG),
    pytest.param(rb"POST /containers/\w+/stop", 0, id="stop", marks=LONG),
]


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[LossyEngine]:
    """A way to this machine's engine on which answers get lost."""
    with lossy_engine(tmp_path) as made:
        yield made


@pytest.mark.parametrize(("request_line", "after"), LOST)
def test_an_answer_that_gets_lost_leaves_no_duplicate(
    tmp_path: Path, lossy: LossyEngine, request_line: bytes, after: int
) -> None:
    """Row 37: the engine did it and nobody heard: undone or done, and never twice."""
    with sandbox(tmp_path, hosts=[lossy.host]) as box:
        box.deployed("1.0.0")
        lossy.lose(request_line, after=after)
        with box.load() as stop:
            done = box.deploy("2.0.0")
            assert lossy.lost == 1, done.text
            if done.exit_code != 0:
                box.assert_survived(done, serves="1.0.0", says=[str(lossy.path)])
            again = box.deploy("2.0.0")
            seen = stop()
        assert again.exit_code == 0, again.text
        assert seen.lost == 0, f"{seen} {seen.examples}\n{done.text}"
        assert box.serving() == "2.0.0"
        assert len(box.serving_containers()) == 1
        assert len(box.containers()) == 2
        assert box.run("drift").exit_code == 0
