"""The edge's state, its file and its transitions: pure."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from typing import Any

import pytest

from deploy_action.config.model import Timeouts
from deploy_action.platforms.docker.edge.artifact import DIRECTORY
from deploy_action.platforms.docker.edge.edge import StateCache
from deploy_action.platforms.docker.edge.render import parse, render
from deploy_action.platforms.docker.edge.state import (
    Backend,
    Check,
    EdgeState,
    Server,
    again_socket,
    as_backup,
)
from deploy_action.platforms.docker.edge.transition import transition, weights

CHECK = Check(kind="http", path="/healthz?a='b'", headers={"Host": "shop.example.com"})


def server(name: str, weight: int = 100, **changes: object) -> Server:
    made = Server(name=name, address="10.128.0.2", port=8080, weight=weight)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def backend(name: str = "shop_production", **changes: object) -> Backend:
    made = Backend(
        name=name,
        protocol="http",
        host="shop.example.com",
        path="/",
        port=80,
        check=CHECK,
        servers=(server("a"),),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def state(*backends: Backend) -> EdgeState:
    return EdgeState(generation=7, backends={b.name: b for b in backends})


STATES = {
    "empty": state(),
    "one": state(backend()),
    "paths": state(
        backend("all", host="", path="/"),
        backend("shop", path="/"),
        backend("api", path="/api/"),
        backend("any-api", host="", path="/api"),
    ),
    "tcp": state(
        backend(),
        backend("db", protocol="tcp", port=5432, host="", check=Check(kind="tcp")),
    ),
    "canary": state(backend(servers=(server("a", 230), server("b", 26, check=False)))),
}


@pytest.mark.parametrize("name", STATES)
def test_the_file_holds_the_state(name: str) -> None:
    """What is written is read back, so file and state cannot disagree."""
    assert parse(render(STATES[name])) == STATES[name]


@pytest.mark.parametrize("name", STATES)
def test_a_file_that_was_edited_is_known_by_its_checksum(name: str) -> None:
    """The state is what it was; a checksum that is gone counts as one that differs."""
    text = render(STATES[name])
    changed = parse(text.replace("timeout connect 2s", "timeout connect 9s"))
    assert changed == dataclasses.replace(STATES[name], edited=True)
    without = "".join(line for line in text.splitlines(True) if "-checksum" not in line)
    assert parse(without) == dataclasses.replace(STATES[name], edited=True)


def test_the_empty_configuration_of_the_image_is_an_empty_state() -> None:
    """An edge that starts on an empty volume was edited by nobody."""
    assert parse((DIRECTORY / "empty.cfg").read_text()) == EdgeState()


@pytest.mark.parametrize(
    "change",
    [('"format": 1', '"format": 2'), ('"servers"', '"hosts"'), ("{", "[")],
)
def test_a_state_of_another_format_is_not_guessed(change: tuple[str, str]) -> None:
    """A state that cannot be read must not count as an empty one, which would remove every service."""
    with pytest.raises(ValueError, match=r"format|stored|Expecting"):
        parse(render(STATES["one"]).replace(*change))


def test_the_most_particular_route_comes_first() -> None:
    """A named host before any host, a longer path before a shorter one."""
    lines = [
        line.split()[1]
        for line in render(STATES["paths"]).splitlines()
        if "use_backend" in line and "stopping" not in line
    ]
    assert lines[1::2] == ["api", "shop", "any-api", "all"]
    assert lines[::2] == [f"{name}.kept" for name in lines[1::2]]


def test_only_servers_and_weights_change_without_a_reload() -> None:
    """Everything else is topology."""
    old = backend()
    assert not transition(old, backend(servers=(server("a"), server("b", 0)))).reload
    assert not transition(old, backend(servers=(server("a", 5),))).reload
    for changed in ({"port": 81}, {"host": "x"}, {"path": "/x"}, {"check": Check(kind="tcp")}):
        assert transition(old, backend(**changed)).reload
    assert transition(None, old).reload
    assert transition(old, None).reload
    assert transition(old, backend(servers=(server("a", address="10.128.0.3"),))).reload


def test_a_new_server_has_to_earn_being_up() -> None:
    """HAProxy counts an added server as up; it is told otherwise before anything else."""
    commands = transition(backend(), backend(servers=(server("a"), server("b", 0)))).commands
    for name in ("shop_production", "shop_production.kept"):
        added = commands.index(f"add server {name}/b 10.128.0.2:8080 weight 0 check")
        assert commands.index(f"set server {name}/b health down") > added


def test_weights_rise_before_others_fall() -> None:
    """At no instant every server has weight 0."""
    old = backend(servers=(server("a", 100), server("b", 0)))
    new = backend(servers=(server("a", 0), server("b", 100)))
    names = ("shop_production", "shop_production.kept")
    now = {f"{name}/{server}": 100 * (server == "a") for name in names for server in "ab"}
    for command in transition(old, new).commands.strip().split("; "):
        target, weight = command.removeprefix("set server ").split(" weight ")
        now[target] = int(weight)
        assert all(now[f"{name}/a"] + now[f"{name}/b"] for name in names)
    assert now == {f"{name}/{server}": 100 * (server == "b") for name in names for server in "ab"}


@pytest.mark.parametrize(
    ("percent", "new", "old"),
    list(itertools.product([1, 5, 10, 25, 50, 75, 90], [1, 2, 7], [1, 3, 16])),
)
def test_percents_are_true_over_all_replicas(percent: int, new: int, old: int) -> None:
    """The share of the new servers together is the percent that was asked for, as true as whole weights
    from 1 to 256 allow."""
    a, b = weights(percent, new=new, old=old)
    assert 1 <= a <= 256
    assert 1 <= b <= 256
    assert abs(new * a / (new * a + old * b) - percent / 100) < 0.021


@pytest.mark.parametrize(
    ("percent", "new", "old", "wanted"),
    [(100, 2, 2, (100, 0)), (0, 2, 2, (0, 100)), (10, 1, 0, (100, 0)), (50, 0, 1, (0, 100))],
)
def test_nobody_is_left_without_a_server(
    percent: int, new: int, old: int, wanted: tuple[int, int]
) -> None:
    """Where there is only one side it has everything."""
    assert weights(percent, new=new, old=old) == wanted


def test_a_thread_that_comes_late_with_an_older_state_is_not_believed() -> None:
    """Else a change back to that state would seem to be made already."""
    older, newer = state(), dataclasses.replace(state(backend()), generation=8)
    memory = StateCache()
    memory.keep(newer)
    memory.keep(older)
    assert memory.state == newer
    memory.forget()
    memory.keep(older)
    assert memory.state is None
    memory.keep(newer)
    assert memory.state == newer


def test_a_file_in_the_words_of_another_version_is_known() -> None:
    """An edge that was upgraded reloads with the next change, though the state stays the same."""
    lines = render(STATES["one"]).splitlines(keepends=True)
    without = "".join(line for line in lines[:-1] if "forwardfor" not in line)
    old = f"{without}# deploy-action-checksum {hashlib.sha256(without.encode()).hexdigest()[:16]}\n"
    assert parse(old) == dataclasses.replace(STATES["one"], outdated=True)


def test_what_comes_from_outside_is_one_argument() -> None:
    """Quotes, blanks, # and, in a log format, % are themselves."""
    check = dataclasses.replace(CHECK, path="/a'b #%20", headers={"X-Key": "100% 'x' \"y\" #"})
    rendered = render(state(backend(check=check, path="/it's")))
    assert r"uri '/a'\''b #%20' ver HTTP/1.1" in rendered
    assert r"""hdr 'X-Key' '100%% '\''x'\'' "y" #'""" in rendered
    assert r"path_beg '/it'\''s/'" in rendered


def test_both_backends_of_a_service_get_every_command() -> None:
    """Else GET and POST would reach other servers, in other shares."""
    old = backend(servers=(server("a"), server("b")))
    new = backend(servers=(server("b", 5), server("c", 0)))
    commands = transition(old, new).commands.strip().split("; ")
    plain = [c.split(" hash-key")[0] for c in commands if ".kept/" not in c]
    kept = [c.split(" pool-")[0].replace(".kept/", "/") for c in commands if ".kept/" in c]
    assert plain == kept
    assert len(plain) == 4 + 1 + 5


def test_a_server_that_is_not_checked_keeps_no_connection() -> None:
    """Nothing would bring it back after its first refused connection, so it is not taken out."""
    unchecked = server("b", check=False)
    _, kept = (
        line
        for line in render(state(backend(servers=(server("a"), unchecked)))).splitlines()
        if line.startswith("  server b ")
    )
    assert "pool-max-conn 0" in kept
    assert "mark-down" not in kept


def test_nothing_of_a_server_is_deleted_before_all_of_it_is_out_of_use() -> None:
    """And the waits for its last requests overlap."""
    commands = transition(backend(), backend(servers=())).commands.strip().split("; ")
    verbs = [command.split()[0] for command in commands]
    assert verbs == [verb for verb in ("set", "wait", "shutdown", "wait", "del") for _ in range(2)]


def test_a_tcp_service_has_one_backend() -> None:
    """A connection is the client's own there."""
    rendered = render(STATES["tcp"])
    assert "backend db\n" in rendered
    assert "backend db.kept\n" not in rendered
    assert "backend shop_production.kept\n" in rendered


def test_only_a_get_without_a_body_shares_connections() -> None:
    """A route leads there first, under the same conditions."""
    lines = [line for line in render(STATES["paths"]).splitlines() if "use_backend api" in line]
    shared, closed = (line.strip() for line in lines)
    assert shared == closed.replace("api if", "api.kept if") + " get !alone"


@pytest.mark.parametrize(
    "changes",
    [{"sticky": "req.cook(session)"}, {"timeouts": Timeouts(request_seconds=29)}],
    ids=["sticky", "short"],
)
def test_a_service_whose_requests_cannot_be_repeated_elsewhere_has_one_backend(
    changes: dict[str, Any],
) -> None:
    """A client stays with its server, or a repetition could not be answered in time."""
    assert ".kept" not in render(state(backend(**changes)))
    assert ".kept" not in transition(backend(**changes, servers=()), backend(**changes)).commands


def test_what_a_kept_connection_lost_is_repeated_where_a_server_is_in_reserve() -> None:
    """The backend with kept connections asks the other one, and has no such server of its own."""
    reserve = as_backup(server("b"))
    rendered = render(state(backend(servers=(server("a"), reserve))))
    kept = rendered.partition("backend shop_production.kept\n")[2].partition("backend ")[0]
    assert [line.split()[1:] for line in kept.splitlines() if line.startswith("  server ")][1:] == [
        ["again", f"unix@{again_socket('shop_production')}", "backup", "pool-max-conn", "0"]
    ]
    commands = transition(backend(), backend(servers=(server("a"), reserve))).commands
    assert "b-backup" in commands
    assert ".kept/" not in commands
