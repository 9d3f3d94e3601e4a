"""All kinds of clients at one time, and an application that dies at once when it is told to stop:
whatever is not drained before that is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.sandbox import Sandbox, free_port
from tests.support.traffic import FULL, Total, Traffic

pytestmark = pytest.mark.docker

BRUTAL = {"DIE_ON_SIGTERM": "1"}
STOP = {"timeout": "1s", "drain": "15s"}


def _assert_nothing_lost(total: Total) -> None:
    assert total.all_lost == 0, f"{total.lost}\n" + "\n".join(total.examples)
    assert all(total.sent.values()), total.sent


def test_a_deployment_a_failed_one_and_a_rollback_cut_nothing(box: Sandbox) -> None:
    """64 clients: slow answers, streams, long polls and websockets all live to their end."""
    assert FULL.clients >= 64
    box.configure(env=BRUTAL, stop=STOP)
    box.deployed("1.0.0")
    with Traffic(box.url, FULL) as traffic:
        box.deployed("2.0.0")
        assert box.deploy("3.0.0-broken").exit_code == 4
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
    _assert_nothing_lost(traffic.total())
    assert set(traffic.total().versions) == {"1.0.0", "2.0.0"}


def test_what_the_edge_held_before_a_reload_is_drained_too(box: Sandbox, tmp_path: Path) -> None:
    """A reload leaves connections with the edge's process before; a deployment right after it,
    or with it, has to wait for them as well."""
    box.configure(env=BRUTAL, stop=STOP)
    box.deployed("1.0.0")
    (tmp_path / "other").mkdir()
    neighbour = Sandbox(
        directory=tmp_path / "other", edge=box.edge, port=free_port(), config=dict(box.config)
    )
    production = {"route": {"port": neighbour.port}}
    neighbour.configure(service="other", environments={"production": production})
    with Traffic(box.url, FULL) as traffic:
        neighbour.deployed("1.0.0")
        box.deployed("2.0.0")
        # Another check needs a reload at the very switch.
        box.configure(health=box.config["health"] | {"path": "/version"})
        box.deployed("1.0.0")
    _assert_nothing_lost(traffic.total())
