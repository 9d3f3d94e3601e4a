"""Neighbours on a host, and hosts beside each other: rows 53 and 58."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from tests.support.hosts import hosts
from tests.support.sandbox import Sandbox, docker, sandbox, until

from deploy_action.platforms.docker.edge import artifact

pytestmark = pytest.mark.docker

LEDGER = "/state/ledger/shop/production"
MACHINERY = {"DEPLOY_SSH_KEY": "the-key-of-the-deployer", "GITHUB_TOKEN": "the-token-of-the-job"}


def test_a_neighbour_keeps_its_place_its_containers_and_its_images(shop: Sandbox) -> None:
    """Row 53: the same place is refused, naming the holder; a name that joins to ours is another's."""
    before = shop.serving_containers()
    shop.configure(service="other", retain=1)
    with shop.load() as stop:
        taken = shop.deploy("2.0.0")
        shop.configure(
            service="shop-production",
            environments={"x": {}},
            route={"port": shop.port, "path": "/elsewhere"},
        )
        mistaken = shop.run("deploy", "-e", "x", "--version", "1.0.0")
        shop.configure(smoke=None)
        beside = [shop.run("deploy", "-e", "x", "--version", v) for v in ("1.0.0", "2.0.0")]
        seen = stop()
    assert taken.exit_code == 4, taken.text
    assert taken.json["error"]["code"] == "route-taken"
    assert "shop (production)" in taken.text
    # Its smoke tests ask for /, which is the shop's.
    assert mistaken.exit_code == 4
    assert "shop (production) answers" in mistaken.text
    assert [done.exit_code for done in beside] == [0, 0], [done.text for done in beside]
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert set(before) <= set(shop.containers())
    assert shop.serving() == "1.0.0"


@pytest.mark.faults
def test_a_host_that_somebody_else_controls_changes_nothing_on_another(tmp_path: Path) -> None:
    """Row 58: its ledger names another image and the deployer's own variables; it is reported."""
    with hosts(2) as pair, sandbox(tmp_path) as box:
        for host in pair.hosts:
            host.load(*(f"deploy-action-demo:{v}" for v in ("1.0.0", "2.0.0")), artifact.tag())
        good, evil = pair.hosts
        box.environ.update(pair.environment)
        box.configure(
            environments={
                "production": {"hosts": [good.url, evil.url], "route": {"port": box.port}}
            }
        )
        box.deployed("1.0.0")
        _forge(box, evil)
        for argv in (
            ("status",),
            ("drift",),
            ("monitor",),
            ("rollback", "--to", "6.6.6"),
            ("deploy", "--version", "1.0.0"),
            ("rollback",),
            ("deploy", "--version", "2.0.0"),
        ):
            done = box.run(*argv, env=MACHINERY)
            assert "traceback" not in done.text.lower(), done.text
            names = good.run("ps", "-a", "--format", "{{.Names}}")
            assert "6.6.6" not in names, f"{argv}: {names}"
        kept = good.run("exec", box.edge, "sh", "-c", f"cat {LEDGER}/*.json")
        assert "6.6.6" not in kept
        for host in pair.hosts:
            told = host.run("ps", "-aq").split()
            everything = host.run("inspect", *told)
            assert not [value for value in MACHINERY.values() if value in everything]
        drift = box.run("drift")
        assert "ledger-disputed" in json.dumps(drift.json), drift.text


def _forge(box: Sandbox, host: Any) -> None:
    """Write a release that nobody deployed into a host's ledger, as root of it can."""
    entry = json.loads(host.run("exec", box.edge, "cat", f"{LEDGER}/00000001.json"))
    entry |= {"number": 99, "id": "forged"}
    entry["release"] |= {"version": "6.6.6"}
    entry["release"]["config"] |= {"secrets": list(MACHINERY)}
    host.run(
        *("exec", box.edge, "sh", "-c", 'printf %s "$1" > "$2"', "sh"),
        *(json.dumps(entry), f"{LEDGER}/00000099.json"),
    )


def test_a_forged_route_is_told(shop: Sandbox) -> None:
    """Row 58: an edge whose file somebody wrote is drift, and what answers then is not taken for us."""
    path = "/state/edge/haproxy.cfg"
    edit = r"s/use_backend shop_production\S*/use_backend none/"
    forge = f"sed -i '{edit}' {path} && haproxy -c -f {path} && kill -USR2 1"
    docker("exec", shop.edge, "sh", "-c", forge)
    until(lambda: not _serves(shop), "the forged route")
    drift = shop.run("drift")
    assert drift.exit_code == 3
    assert "edge-edited" in [d["kind"] for d in drift.json["differences"]]
    monitor = shop.run("monitor")
    assert monitor.exit_code == 3
    [route] = [check for check in monitor.json["checks"] if check["name"] == "route"]
    assert route["failure_kinds"] == ["served-elsewhere"]


def _serves(shop: Sandbox) -> bool:
    try:
        return bool(shop.serving())
    except urllib.error.HTTPError:
        return False
