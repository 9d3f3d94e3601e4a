"""Services on one host reach each other through the edge, and in no other way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.sandbox import Sandbox, free_port, sandbox

pytestmark = pytest.mark.docker

# What an attacker with raw sockets can find out; root, because raw sockets need it.
ATTACKER: dict[str, Any] = {"service": "blog", "user": "0:0", "cap_add": ["NET_RAW"]}
REACH = """
import json, socket, struct, sys

def connects(address, port):
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True

def answers_arp(address):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    link.bind(("eth0", 0))
    own = open("/sys/class/net/eth0/address").read().strip()
    mac = bytes.fromhex(own.replace(":", ""))
    mine = socket.inet_aton(socket.gethostbyname(socket.gethostname()))
    wanted = socket.inet_aton(address)
    head = b"\\xff" * 6 + mac + b"\\x08\\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    link.send(head + mac + mine + bytes(6) + wanted)
    link.settimeout(1)
    try:
        while True:
            frame = link.recv(2048)
            if frame[20:22] == b"\\0\\x02" and frame[28:32] == wanted:
                return True
    except OSError:
        return False

gateway, neighbour, edge = sys.argv[1], sys.argv[2], int(sys.argv[3])
print(json.dumps({
    "arp of the gateway": answers_arp(gateway),
    "arp of the neighbour": answers_arp(neighbour),
    "the neighbour": connects(neighbour, 8080),
    "the edge": connects(gateway, edge),
}))
"""


def _networks(box: Sandbox, container: str) -> dict[str, dict[str, str]]:
    shown = box.docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", container)
    found: dict[str, dict[str, str]] = json.loads(shown)
    return found


def _deploy_attacker(box: Sandbox) -> str:
    """Deploy another service, and return the name of its replica."""
    box.configure(
        **ATTACKER, environments={"production": {"url": f"http://127.0.0.1:{free_port()}"}}
    )
    box.deployed("1.0.0")
    [attacker] = [name for name in box.containers(all=False) if "blog" in name]
    return attacker


def _reach(box: Sandbox, attacker: str, shop: str) -> dict[str, bool]:
    [(_, own)] = _networks(box, attacker).items()
    [(_, other)] = _networks(box, shop).items()
    argv = ("python3", "-c", REACH, own["Gateway"], other["IPAddress"], str(box.port))
    found: dict[str, bool] = json.loads(box.docker("exec", attacker, *argv))
    return found


@pytest.mark.parametrize("network", ["host", pytest.param("bridge", marks=pytest.mark.long)])
def test_a_service_reaches_another_one_through_the_edge_alone(tmp_path: Path, network: str) -> None:
    """No ARP and no connection; what is on a network with the attacker answers both. The shop loses
    no request while the attacker's network is made, joins the edge, and is taken away."""
    with sandbox(tmp_path, retain=1) as box:
        box.configure(edge={"name": box.edge, "network": network})
        box.deployed("1.0.0")
        [shop] = box.serving_containers()
        with box.unbroken():
            attacker = _deploy_attacker(box)
            assert _reach(box, attacker, shop) == {
                "arp of the gateway": True,
                "arp of the neighbour": False,
                "the neighbour": False,
                "the edge": True,
            }
            # The edge's sockets are in its volume, which nothing else mounts.
            assert box.docker("exec", attacker, "sh", "-c", "ls /state || true").strip() == ""
            assert box.run("remove", "--force").exit_code == 0
        mine = f"label=deploy-action.edge={box.edge}"
        left = box.docker("network", "ls", "--format", "{{.Name}}", "--filter", mine).split()
        own = [box.edge] if network == "bridge" else []
        assert sorted(left) == [*own, f"{box.edge}_shop_production"]


@pytest.mark.long
def test_an_edge_that_was_removed_returns_to_all_services(tmp_path: Path) -> None:
    """One without the host's network is on every service's network before it serves, and publishes
    the ports of all."""
    with sandbox(tmp_path) as box:
        box.configure(edge={"name": box.edge, "network": "bridge"})
        box.deployed("1.0.0")
        box.docker("rm", "-f", box.edge)
        _deploy_attacker(box)
        reached = set(_networks(box, box.edge))
        assert reached == {box.edge, f"{box.edge}_shop_production", f"{box.edge}_blog_production"}
        assert box.serving() == "1.0.0"
