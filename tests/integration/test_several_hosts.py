"""Two hosts over ssh: both or none, and a failure on the second brings the first back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.hosts import Hosts, hosts
from tests.support.sandbox import Finished, Sandbox, await_step, sandbox, until

from deploy_action.platforms.docker.edge import artifact
from deploy_action.rollout.step import StepId

pytestmark = pytest.mark.docker


@pytest.fixture
def pair() -> Iterator[Hosts]:
    """Two hosts that have all images."""
    with hosts(2) as made:
        for host in made.hosts:
            host.load("deploy-action-demo:1.0.0", "deploy-action-demo:2.0.0", artifact.tag())
        yield made


def _versions(pair: Hosts, box: Sandbox) -> list[str]:
    return [box.ask(f"http://{host.address}:{box.port}") for host in pair.hosts]


def _running(pair: Hosts, part: str) -> list[str]:
    names = [n for host in pair.hosts for n in host.run("ps", "--format", "{{.Names}}").split()]
    return [name for name in names if part in name]


def _assert_went_back(done: Finished, pair: Hosts, box: Sandbox) -> None:
    first, second = pair.hosts
    assert done.exit_code == 4, done.text
    assert second.url in done.text
    assert _versions(pair, box) == ["1.0.0", "1.0.0"]
    for host in (first, second):
        left = host.run("ps", "-a", "--format", "{{.Names}}").split()
        assert not [name for name in left if "_2.0.0_" in name], left
    for entry in _ledgers(pair, box):
        assert (entry["state"], entry["release"]["version"]) == ("failed", "2.0.0")
        assert entry["cause"]


def _deploy_until_a_death(pair: Hosts, box: Sandbox) -> Finished:
    """Deploy 2.0.0, and kill it on the second host when the first has switched."""
    second = pair.hosts[1]
    process = box.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
    await_step(process, StepId.SHIFT_TRAFFIC, host=second.url)
    names = second.run("ps", "--format", "{{.Names}}").split()
    second.run("kill", *[name for name in names if "_2.0.0_" in name])
    out, err = process.communicate(timeout=60)
    return Finished(exit_code=process.returncode, out=out, err=err)


def _ledgers(pair: Hosts, box: Sandbox) -> Iterator[dict[str, Any]]:
    """Read the newest entry on each host itself."""
    for host in pair.hosts:
        folder = "/state/ledger/shop/production"
        names = host.run("exec", box.edge, "ls", folder).split()
        newest = max(name for name in names if name.endswith(".json"))
        yield yaml.safe_load(host.run("exec", box.edge, "cat", f"{folder}/{newest}"))


def test_all_hosts_change_or_none(pair: Hosts, tmp_path: Path) -> None:
    """Row 33: where the second host fails, the first goes back; then both go on, and both back."""
    first, second = pair.hosts
    with sandbox(tmp_path) as box:
        production = {
            "hosts": [first.url, second.url],
            "route": {"port": box.port},
        }
        box.environ.update(pair.environment)
        box.configure(
            environments={"production": production}, stop={"timeout": "1s", "drain": "3s"}
        )
        box.deployed("1.0.0")
        assert _versions(pair, box) == ["1.0.0", "1.0.0"]

        box.configure(bake="5s")
        _assert_went_back(_deploy_until_a_death(pair, box), pair, box)

        box.configure(bake=None)
        box.deployed("2.0.0")
        assert _versions(pair, box) == ["2.0.0", "2.0.0"]
        # Nobody waited for that: the connection over which it was asked for is closed.
        until(lambda: not _running(pair, "_1.0.0_"), "the end of 1.0.0")

        back = box.run("rollback")
        assert back.exit_code == 0, back.text
        assert _versions(pair, box) == ["1.0.0", "1.0.0"]
        drift = box.run("drift")
        assert drift.exit_code == 0, drift.text
