"""Replacing the edge by a newer one: every step may be the last of a deployer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.contract.bench import Bench, fake_bench, with_network
from tests.fakes.engine import FakeEngine
from tests.fakes.process import Died, Fault, Process

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.doctor import host_checks
from deploy_action.platforms.docker.edge import artifact, upgrade
from deploy_action.platforms.docker.edge.host import ensure_edge, renew_edge
from deploy_action.platforms.docker.engine.protocol import Container, Execution
from deploy_action.results.reports import CheckState

# The image's content and its REVISION belong together: who changes a file below
# src/deploy_action/platforms/docker/edge/image raises REVISION there, and then writes both down here.
REVISIONS = {9: "eea7232892bf"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A host on which an edge of an older revision serves."""
    with fake_bench() as made:
        age(with_network(made))
        yield made


def age(bench: Bench) -> None:
    """Make the edge that runs an older one."""
    ensure_edge(bench.engine, bench.options, (), bench.clock)
    assert isinstance(bench.engine, FakeEngine)
    found = bench.engine.machine.find(bench.name)
    assert found is not None
    found.spec = replace(found.spec, labels=dict(found.spec.labels) | {upgrade.REVISION: "1"})


def edges(bench: Bench) -> dict[str, Container]:
    """Return all edges by name."""
    found = bench.engine.containers({"deploy-action.edge": bench.name})
    return {container.name: container for container in found}


def in_order(bench: Bench) -> None:
    """Hold that there is one edge, a new one, which comes back after a restart of the engine."""
    upgrade.remove_ended(bench.engine, bench.options)
    assert list(edges(bench)) == [bench.name]
    edge = edges(bench)[bench.name]
    assert (edge.running, edge.restart) == (True, "unless-stopped")
    assert edge.labels[upgrade.REVISION] == str(artifact.revision())


def test_a_change_of_the_image_raises_its_revision() -> None:
    """Otherwise an edge that runs would never get what was changed."""
    content = artifact.tag().partition(":")[2]
    assert {artifact.revision(): content} == REVISIONS


def test_an_older_edge_is_replaced_and_a_present_one_stays(bench: Bench) -> None:
    """A second look finds nothing to do."""
    assert "replaced" in renew_edge(bench.engine, bench.options, bench.clock)
    in_order(bench)
    serving = edges(bench)[bench.name].id
    assert renew_edge(bench.engine, bench.options, bench.clock) == ""
    assert edges(bench)[bench.name].id == serving


def test_a_newer_edge_than_ours_stays(bench: Bench) -> None:
    """Two services may be deployed by two versions: they must not take turns."""
    renew_edge(bench.engine, bench.options, bench.clock)
    assert isinstance(bench.engine, FakeEngine)
    found = bench.engine.machine.find(bench.name)
    assert found is not None
    newer = str(artifact.revision() + 1)
    found.spec = replace(found.spec, labels=dict(found.spec.labels) | {upgrade.REVISION: newer})
    assert renew_edge(bench.engine, bench.options, bench.clock) == ""
    assert edges(bench)[bench.name].id == found.id


def test_published_ports_belong_to_one_container_only(bench: Bench) -> None:
    """Without the host's network the edge is left as it is; the doctor says what to do."""
    options = replace(bench.options, network="bridge")
    assert renew_edge(bench.engine, options, bench.clock) == ""
    needs = host_checks("local", options, connect=lambda _: bench.engine)
    edge = next(need for need in needs if need.subject == "edge")
    assert edge.state is CheckState.WARNING
    assert edge.remedy.startswith(f"docker rm -f {bench.name}")


def test_the_doctor_says_that_the_next_deployment_replaces_it(bench: Bench) -> None:
    """It is a warning: what is there serves."""
    edge = next(
        need
        for need in host_checks("local", bench.options, connect=lambda _: bench.engine)
        if need.subject == "edge"
    )
    assert edge.state is CheckState.WARNING
    assert "replaces it and loses no request" in edge.remedy


def test_one_that_does_not_start_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old edge goes on, and the master of it can be reached again."""
    old = edges(bench)[bench.name].id
    asked: list[tuple[str, ...]] = []
    execute = bench.engine.execute

    def refuse(container_id: str, argv: tuple[str, ...], *, timeout_seconds: float) -> Execution:
        asked.append(tuple(argv))
        if "show proc" in argv[-1]:
            return Execution(exit_code=1, output="")
        return execute(container_id, argv, timeout_seconds=timeout_seconds)

    monkeypatch.setattr(bench.engine, "execute", refuse)
    assert "did not start" in renew_edge(bench.engine, bench.options, bench.clock)
    assert {name: found.id for name, found in edges(bench).items()} == {bench.name: old}
    assert "mv -T master-old.sock master.sock" in asked[-1][-1]


def test_an_edge_that_does_not_run_makes_room_for_a_newer_one(bench: Bench) -> None:
    """There is nothing to hand over."""
    bench.engine.stop(edges(bench)[bench.name].id, timeout_seconds=0)
    ensure_edge(bench.engine, bench.options, (), bench.clock)
    in_order(bench)


def test_the_next_command_goes_on_where_a_dead_one_stopped(bench: Bench) -> None:
    """Killed before or after any call: something serves, and the end is the same."""
    assert isinstance(bench.engine, FakeEngine)
    machine, died = bench.engine.machine, 0
    for fault in (Fault.DIES, Fault.DIES_AFTER):
        for at in range(100):
            age_again(bench)
            process = Process(fault=fault, at=at)
            try:
                renew_edge(FakeEngine(machine, process), bench.options, bench.clock)
            except Died:
                died += 1
            else:
                assert not process.struck
                break
            assert any(found.running for found in edges(bench).values()), process.calls
            ensure_edge(bench.engine, bench.options, (), bench.clock)
            renew_edge(bench.engine, bench.options, bench.clock)
            in_order(bench)
    assert died > 20


def age_again(bench: Bench) -> None:
    """Start from an older edge, alone."""
    for container in edges(bench).values():
        bench.engine.remove(container.id)
    age(bench)


def test_a_name_that_is_never_given_back_is_told() -> None:
    """A stranger's container with the next edge's name ends in words, not in a traceback."""
    with fake_bench() as bench:
        age(with_network(bench))
        bench.run("sleep 1000", name="next")
        with pytest.raises(DeploymentFailed) as refused:
            upgrade.replace_edge(
                bench.engine,
                bench.options,
                bench.spec("true"),
                edges(bench)[bench.name],
                bench.clock,
            )
        assert refused.value.code is ErrorCode.NAME_TAKEN
