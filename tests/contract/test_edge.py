"""The edge: servers come, earn their health, get weights, drain and go; HAProxy and its model alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from tests.contract.bench import Bench, with_network
from tests.support.sandbox import free_port

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import ensure_edge, lock_spec
from deploy_action.platforms.docker.edge.state import Backend, Check, Server, ServerStatus
from deploy_action.platforms.docker.lock import acquire

CHECK = Check(kind="http", path="/healthz", headers={"Host": "localhost"}, successes=2, failures=3)
NAME = "shop_production"


@dataclasses.dataclass(slots=True)
class Site:
    """An edge with one service, and the state in which it should be."""

    bench: Bench
    edge: Edge
    backend: Backend

    def become(self, *servers: Server, check: Check = CHECK) -> None:
        """Have these servers."""
        wanted = dataclasses.replace(self.backend, servers=servers, check=check)
        self.edge.change(NAME, lambda _: wanted)

    def status(self, name: str) -> ServerStatus | None:
        """Ask the running edge for one."""
        return self.edge.servers(NAME).get(name)

    def up(self, name: str) -> bool:
        """Tell whether a server is up and has been checked."""
        found = self.status(name)
        return found is not None and found.up and found.checked

    def until_up(self, name: str) -> None:
        """Wait for that."""
        self.bench.until(lambda: self.up(name), f"{name} is up")

    def server(self, name: str, weight: int = 100) -> Server:
        """Start the demo's shop and describe it as a server."""
        address = self.bench.application(name)
        return Server(name=name, address=address, port=8080, weight=weight)


@pytest.fixture
def site(bench: Bench) -> Iterator[Site]:
    """A running edge."""
    with_network(bench)
    port = free_port()
    ensure_edge(bench.engine, bench.options, [port], bench.clock)
    lock = acquire(
        bench.engine,
        lock_spec(bench.options, f"{bench.name}-lock", {}),
        wait_seconds=0,
        clock=bench.clock,
    )
    backend = Backend(name=NAME, protocol="http", host="", path="/", port=port, check=CHECK)
    yield Site(bench, Edge(host="local", session=lock.session), backend)
    lock.release()


def test_a_new_server_is_down_until_its_checks_have_passed(site: Site) -> None:
    """It joins beside the old one at weight 0, and earns being up."""
    old = site.server("old")
    site.become(old)
    site.until_up("old")
    new = site.server("new", 0)
    site.become(new, old)
    found = site.status("new")
    assert found is not None
    assert found.weight == 0
    site.until_up("new")
    assert site.up("old")


def test_a_server_that_nobody_answers_for_stays_down_and_says_why(site: Site) -> None:
    """A refused connection is what its last check tells."""
    old = site.server("old")
    site.become(old)
    site.until_up("old")
    absent = dataclasses.replace(old, name="new", port=9, weight=0)
    site.become(absent, old)
    site.bench.until(
        lambda: "L4CON" in (s.last_check if (s := site.status("new")) else ""), "the refusal"
    )
    assert not site.up("new")
    assert site.up("old")


def test_weights_are_what_was_asked_for(site: Site) -> None:
    """Without a reload: counters and health stay."""
    one, two = site.server("one"), site.server("two", 0)
    site.become(one, two)
    site.until_up("one")
    site.until_up("two")
    site.become(dataclasses.replace(one, weight=0), dataclasses.replace(two, weight=256))
    weights = {name: found.weight for name, found in site.edge.servers(NAME).items()}
    assert weights == {"one": 0, "two": 256}
    assert site.up("one")
    assert site.up("two")


def test_a_server_that_left_is_gone(site: Site) -> None:
    """From the file and from the running edge; the same name can come back and has to earn it."""
    one, two = site.server("one"), site.server("two")
    site.become(one, two)
    site.until_up("one")
    site.until_up("two")
    site.become(two)
    assert list(site.edge.servers(NAME)) == ["two"]
    left = site.edge.backend(NAME)
    assert left is not None
    assert left.servers == (two,)
    site.become(dataclasses.replace(one, weight=0), two)
    site.until_up("one")


def test_any_number_of_servers_come_and_go_at_one_time(site: Site) -> None:
    """A command has to fit into a buffer of HAProxy's; a line of many need not."""
    one = site.server("one")
    many = [dataclasses.replace(one, name=f"{'replica-' * 5}{n}", weight=0) for n in range(200)]
    site.become(one)
    site.until_up("one")
    site.become(one, *many)
    assert len(site.edge.servers(NAME)) == 201
    heavier = [dataclasses.replace(server, weight=7) for server in many]
    site.become(dataclasses.replace(one, weight=0), *heavier)
    weights = {name: found.weight for name, found in site.edge.servers(NAME).items()}
    assert weights == {"one": 0} | {server.name: 7 for server in many}
    site.become(one)
    assert list(site.edge.servers(NAME)) == ["one"]


def test_what_others_changed_meanwhile_is_kept(site: Site) -> None:
    """Whoever remembers an older state is told so, and begins again from the present one."""
    one = site.server("one")
    site.become(one)
    other = Edge(host="local", session=site.edge.session)
    beside = dataclasses.replace(site.backend, name="api-production", path="/api")
    other.change(beside.name, lambda _: beside)
    site.become(dataclasses.replace(one, weight=7))
    assert site.edge.state().backends == {
        NAME: dataclasses.replace(site.backend, servers=(dataclasses.replace(one, weight=7),)),
        beside.name: beside,
    }
    assert site.edge.servers(NAME)["one"].weight == 7


def test_a_port_that_somebody_has_left_meanwhile_can_be_taken(site: Site) -> None:
    """Nothing is refused for what is only remembered."""
    site.become(site.server("one"))
    other = Edge(host="local", session=site.edge.session)
    port = free_port()
    beside = dataclasses.replace(site.backend, name="db-production", protocol="tcp", port=port)
    other.change(beside.name, lambda _: beside)
    assert beside.name in site.edge.state().backends
    moved = dataclasses.replace(site.backend, port=port)
    with pytest.raises(DeploymentFailed) as refused:
        site.edge.change(NAME, lambda _: moved)
    assert refused.value.code is ErrorCode.PORT_TAKEN
    assert beside.name in site.edge.state().backends
    other.change(beside.name, lambda _: None)
    site.edge.change(NAME, lambda _: moved)
    assert list(site.edge.state().backends.values()) == [moved]


def test_another_health_check_means_a_reload_and_the_traffic_goes_on(site: Site) -> None:
    """What has traffic is up at once; what has none is checked before it counts."""
    one = site.server("one")
    site.become(one)
    site.until_up("one")
    another = dataclasses.replace(CHECK, path="/version")
    two = site.server("two", 0)
    site.become(one, two, check=another)
    found = site.status("one")
    assert found is not None
    assert found.up
    site.until_up("one")
    site.until_up("two")


def test_a_server_that_stops_answering_goes_down(site: Site) -> None:
    """The others stay."""
    one, two = site.server("one"), site.server("two")
    site.become(one, two)
    site.until_up("one")
    site.until_up("two")
    found = site.bench.engine.container(f"{site.bench.name}-one")
    assert found is not None
    site.bench.engine.kill(found.id)
    site.bench.until(lambda: not (s := site.status("one")) or not s.up, "its fall")
    assert site.up("two")


def test_the_last_service_can_leave(site: Site) -> None:
    """An edge without services runs on and takes the next one."""
    one = site.server("one")
    site.become(one)
    site.edge.change(NAME, lambda _: None)
    assert site.edge.state().backends == {}
    assert site.edge.servers(NAME) == {}
    site.become(one)
    site.until_up("one")


def test_an_edge_that_starts_again_knows_its_servers(site: Site) -> None:
    """The file is the truth: after a reboot everything comes back as it was."""
    one = site.server("one")
    site.become(one)
    found = site.bench.engine.container(site.bench.name)
    assert found is not None
    site.bench.engine.kill(found.id)
    site.bench.engine.wait(found.id, timeout_seconds=10)
    port = site.backend.port
    ensure_edge(site.bench.engine, site.bench.options, [port], site.bench.clock)
    site.until_up("one")
