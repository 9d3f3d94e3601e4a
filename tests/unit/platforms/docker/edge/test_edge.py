"""The edge's state, its file and its transitions: pure."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools

import pytest

from deploy_action.platforms.docker.edge.artifact import DIRECTORY
from deploy_action.platforms.docker.edge.edge import StateCache
from deploy_action.platforms.docker.edge.render import parse, render
from deploy_action.platforms.docker.edge.state import Backend, Check, EdgeState, Server
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
    assert lines == ["api", "shop", "any-api", "all"]


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
    assert commands.startswith("add server shop_production/b 10.128.0.2:8080 weight 0 check")
    assert commands.rstrip().endswith("set server shop_production/b health down")


def test_weights_rise_before_others_fall() -> None:
    """At no instant every server has weight 0."""
    old = backend(servers=(server("a", 100), server("b", 0)))
    new = backend(servers=(server("a", 0), server("b", 100)))
    now = {"a": 100, "b": 0}
    for command in transition(old, new).commands.strip().split("; "):
        name, weight = command.split("/")[1].split(" weight ")
        now[name] = int(weight)
        assert sum(now.values()) > 0
    assert now == {"a": 0, "b": 100}


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
