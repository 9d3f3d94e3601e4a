"""Who has the socket of one host writes its haproxy.cfg: nothing of others changes, and it is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.world import BACKEND, World, make_world

from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.edge.render import parse, render
from deploy_action.platforms.docker.edge.state import Backend, EdgeState
from deploy_action.results.reports import DifferenceKind, Drift, Status

GOOD, EVIL = "ssh://deploy@a", "ssh://deploy@b"
FILE = "edge/haproxy.cfg"
STATE = "# deploy-action-state "
NEIGHBOUR = "cart_production"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two hosts with 1.0.0; on the evil one another service has a route, too."""
    made = make_world(tmp_path, monkeypatch, hosts=(GOOD, EVIL))
    made.deployed("1.0.0")
    change(made, with_neighbour)
    return made


def with_neighbour(state: EdgeState) -> EdgeState:
    own = state.backends[BACKEND]
    other = dataclasses.replace(own, name=NEIGHBOUR, host="cart.example.com", servers=())
    return state.with_backend(NEIGHBOUR, other)


def file(world: World) -> dict[str, bytes]:
    """Return the files among which the evil host's configuration is."""
    return next(v.files for v in world.machines[EVIL].volumes.values() if FILE in v.files)


def change(world: World, update: Callable[[EdgeState], EdgeState]) -> None:
    """Write another state, as deploy-action itself would."""
    files = file(world)
    files[FILE] = render(update(parse(files[FILE].decode()))).encode()


def change_own(world: World, **changes: Any) -> None:
    """Write another route of the service itself."""

    def update(state: EdgeState) -> EdgeState:
        return state.with_backend(BACKEND, dataclasses.replace(state.backends[BACKEND], **changes))

    change(world, update)


def rewritten(text: str, **changes: Any) -> str:
    """Put values into the state of the service itself, beside which nothing is changed."""
    lines = text.split("\n")
    (number,) = [n for n, line in enumerate(lines) if line.startswith(STATE)]
    data = json.loads(lines[number].removeprefix(STATE))
    for entry in data["backends"]:
        if entry["name"] == BACKEND:
            entry.update(changes)
    lines[number] = STATE + json.dumps(data)
    return "\n".join(lines)


def without_state(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith(STATE))


SERVER = {"name": "x", "address": "10.0.0.9", "port": 8080, "weight": 1}
FORGED: dict[str, Callable[[str], str | bytes]] = {
    "port-text": lambda text: rewritten(text, port="80"),
    "port-high": lambda text: rewritten(text, port=70_000),
    "name": lambda text: rewritten(text, name="shop_production\n  server x 10.0.0.9:80"),
    "host-null": lambda text: rewritten(text, host=None),
    "host-line": lambda text: rewritten(text, host="a\nbackend x"),
    "path-separator": lambda text: rewritten(text, path="/\u2028"),
    "path-long": lambda text: rewritten(text, path="/" * 10_000),
    "protocol": lambda text: rewritten(text, protocol="udp"),
    "certificate-outside": lambda text: rewritten(text, certificate="../../etc/shadow"),
    "certificate-inside": lambda text: rewritten(
        text, certificate=f"certs/{BACKEND}/../{NEIGHBOUR}/1.pem"
    ),
    "certificate-of-another": lambda text: rewritten(text, certificate=f"certs/{NEIGHBOUR}/1.pem"),
    "page-of-another": lambda text: rewritten(text, maintenance=f"pages/{NEIGHBOUR}/1.html"),
    "token": lambda text: rewritten(text, probe_token="a\r\nX-Other: b"),
    "server-address": lambda text: rewritten(text, servers=[SERVER | {"address": "x disabled"}]),
    "server-name": lambda text: rewritten(text, servers=[SERVER | {"name": "x 1.1.1.1:1 #"}]),
    "server-weight": lambda text: rewritten(text, servers=[SERVER | {"weight": 1000}]),
    "servers": lambda text: rewritten(text, servers=[SERVER] * 10_001),
    "timeout": lambda text: rewritten(text, timeouts={"idle_seconds": -1}),
    "timeout-infinite": lambda text: rewritten(text, timeouts={"idle_seconds": float("inf")}),
    "unknown": lambda text: rewritten(text, from_a_newer_version=1),
    "two-names": lambda text: rewritten(text, name=NEIGHBOUR),
    "two-lines": lambda text: f"{STATE}{{}}\n{text}",
    "no-line": without_state,
    "no-marks": lambda text: "\n".join(x for x in text.split("\n") if not x.startswith("#")),
    "no-neighbour": lambda text: text.replace(STATE, "#").replace(
        "#{", f'{STATE}{{"format": 1, "backends": []}}\n#{{', 1
    ),
    "nested": lambda text: without_state(text) + f"\n{STATE}" + "[" * 100_000,
    "bytes": lambda text: text.encode() + b"\xff",
    "large": lambda text: text + "#" * (1 << 23),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_state_is_refused_as_a_whole(world: World, name: str) -> None:
    """The other host goes on as before, no other service loses its route, and it is told."""
    made = FORGED[name](file(world)[FILE].decode())
    forged = made if isinstance(made, bytes) else made.encode()
    file(world)[FILE] = forged
    report = world.run("status")
    assert isinstance(report, Status)
    problems = {host.host: host.problem for host in report.hosts}
    assert problems[GOOD] == ""
    assert "cannot be read" in problems[EVIL]
    assert all(character.isprintable() for character in problems[EVIL])
    done = world.deploy("2.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.EDGE_STATE_UNREADABLE
    assert done.error.what.startswith(f"{EVIL}: ")
    reply = world.machines[GOOD].through_edge(8088)
    assert reply is not None
    assert reply.version == "1.0.0"
    assert file(world)[FILE] == forged


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "evil.example.com"},
        {"path": "/evil"},
        {"hosts": ("evil.example.com",)},
        {"trusted_proxies": ("0.0.0.0/0",)},
        {"redirect_from": ("shop.example.com",), "redirect_to": "https://evil.example.com"},
    ],
)
def test_a_forged_route_of_the_right_form_is_told_and_repaired(
    world: World, changes: dict[str, Any]
) -> None:
    """Its checksum is right; the record of the release says otherwise."""
    change_own(world, **changes)
    drift = world.run("drift")
    assert isinstance(drift, Drift)
    told = [(d.host, d.kind) for d in drift.differences]
    assert set(told) == {(EVIL, DifferenceKind.EDGE_ROUTE)}
    assert len(told) == len(changes)
    assert world.deploy("1.0.0").error is None
    assert world.run("drift").differences == ()  # type: ignore[union-attr]
    assert NEIGHBOUR in parse(file(world)[FILE].decode()).backends


def test_a_forged_claim_to_the_place_is_refused_by_its_name(world: World) -> None:
    """Nothing is started for a release that would not be reached."""
    own = parse(file(world)[FILE].decode()).backends[BACKEND]
    claim: Backend = dataclasses.replace(own, name="evil_production", servers=())
    change(world, lambda state: state.with_backend(BACKEND, None).with_backend(claim.name, claim))
    done = world.deploy("2.0.0")
    assert done.error is not None
    assert done.error.code is ErrorCode.ROUTE_TAKEN
    assert "evil" in done.error.what
    reply = world.machines[GOOD].through_edge(8088)
    assert reply is not None
    assert reply.version == "1.0.0"


def test_a_number_without_end_is_no_generation(world: World) -> None:
    """Digits are counted before they are read."""
    text = file(world)[FILE].decode()
    first, _, rest = text.partition("\n")
    assert parse(f"{first}{'9' * 5000}\n{rest}").generation == 0
