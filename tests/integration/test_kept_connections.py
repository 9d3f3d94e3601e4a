"""Connections to replicas are kept, and an application that closes one loses nobody a request."""

from __future__ import annotations

import dataclasses
import http.client
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.contract.bench import APPLICATION, real_bench, with_network
from tests.support.sandbox import docker, free_port, until
from tests.support.servers import Serve, serve

from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import (
    ensure_edge,
    ensure_edge_network,
    ensure_image,
    lock_spec,
)
from deploy_action.platforms.docker.edge.state import Backend, Check, Server, as_backup
from deploy_action.platforms.docker.engine.protocol import NetworkSpec
from deploy_action.platforms.docker.lock import acquire

pytestmark = pytest.mark.docker

__all__ = ["serve"]

NAME = "shop_production"
CLIENTS = 24


@dataclass(kw_only=True)
class Application:
    """Answers every request, unless it closes a connection that is used again.

    Attributes:
        keep_alive_seconds: closes a connection that was idle for so long.
        resets: closes it as soon as a second request comes on it.
        surplus: sends more than it announced, a moment later.
        executed: how often each request was executed, by its path.
        shared: first lines of the requests that came on a connection that had been used.
    """

    keep_alive_seconds: float | None = None
    resets: bool = False
    surplus: bytes = b""
    executed: Counter[str] = field(default_factory=Counter)
    shared: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, connection: socket.socket) -> None:
        """Serve one connection."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as stream:
            used = False
            while head := self._head(connection, stream.readline, used):
                method, path, _ = head[0].split()
                with self.guard:
                    self.shared[" ".join([method, *_special(head)])] += used
                if used and self.resets:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                stream.read(_length(head))
                with self.guard:
                    self.executed[path] += 1
                body = path.encode()
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                connection.sendall(answer + (b"" if method == "HEAD" else body))
                if self.surplus:
                    time.sleep(0.001)
                    connection.sendall(self.surplus)
                used = True

    def _head(self, connection: socket.socket, read: Callable[[], bytes], used: bool) -> list[str]:
        connection.settimeout(self.keep_alive_seconds if used else None)
        lines = []
        while line := read().decode().strip():
            lines.append(line)
        return lines


def _length(head: list[str]) -> int:
    lengths = [line for line in head if line.lower().startswith("content-length:")]
    return int(lengths[0].split(":")[1]) if lengths else 0


def _special(head: list[str]) -> list[str]:
    names = ("upgrade", "content-length")
    return sorted(name for line in head[1:] if (name := line.partition(":")[0].lower()) in names)


@pytest.fixture(scope="module")
def edge() -> Iterator[Edge]:
    """A running edge on the host's network."""
    with real_bench() as bench:
        with_network(bench)
        ensure_edge(bench.engine, bench.options, [], bench.clock)
        spec = lock_spec(bench.options, f"{bench.name}-lock", {})
        lock = acquire(bench.engine, spec, wait_seconds=0, clock=bench.clock)
        yield Edge(host="local", session=lock.session)
        lock.release()


@dataclass(kw_only=True)
class Clients:
    """Clients that send one request of each kind after the other, on connections that they keep."""

    port: int
    seconds: float
    pause_seconds: float = 0.0
    methods: tuple[str, ...] = ("GET", "POST")
    answered: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, count: int = CLIENTS) -> None:
        """Send, and count."""
        jobs = [(method, number) for method in self.methods for number in range(count)]
        threads = [threading.Thread(target=self._send, args=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, method: str, number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        end, sent = time.monotonic() + self.seconds, 0
        while time.monotonic() < end and not self.ended.is_set():
            path = f"/{method}/{number}/{sent}"
            sent += 1
            self.paths.append(path)
            try:
                client.request(method, path, body=b"an order" if method == "POST" else None)
                answer = client.getresponse()
                said = answer.read()
                right = answer.status == 200 and said == (
                    b"" if method == "HEAD" else path.encode()
                )
                problem = "" if right else f"{answer.status} {said[:40]!r}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                client.close()
            if problem:
                self.lost.append(f"{path}: {problem}")
            else:
                self.answered[method] += 1
            # Paused until just when an application closes what is idle.
            self.ended.wait(self.pause_seconds)
        client.close()


def _serve(edge: Edge, port: int, *others: Server) -> Backend:
    """Lead a port of the edge to an application on this machine."""
    server = Server(name="a", address="127.0.0.1", port=port, weight=100)
    backend = Backend(
        name=NAME, protocol="http", host="", path="/", port=free_port(), check=Check(kind="tcp")
    )
    backend = dataclasses.replace(backend, servers=(server, *others))
    edge.change(NAME, lambda _: backend)
    return backend


def _change(edge: Edge, backend: Backend, servers: tuple[Server, ...]) -> None:
    edge.change(NAME, lambda _: dataclasses.replace(backend, servers=servers))


@pytest.mark.parametrize(
    ("keep_alive_seconds", "seconds"),
    [
        pytest.param(1.0, 2.2, id="short"),
        pytest.param(1.0, 60.0, id="1 s", marks=pytest.mark.long),
        pytest.param(5.0, 120.0, id="Node's 5 s", marks=pytest.mark.long),
    ],
)
def test_nothing_is_lost_to_an_application_that_closes_idle_connections(
    edge: Edge, serve: Serve, keep_alive_seconds: float, seconds: float
) -> None:
    """Requests arrive at the very moment at which it closes; a POST is executed once."""
    application = Application(keep_alive_seconds=keep_alive_seconds)
    port = _serve(edge, serve(application)).port
    clients = Clients(port=port, seconds=seconds, pause_seconds=keep_alive_seconds)
    clients.run()
    assert clients.lost == []
    _assert_executed_once(application, clients)


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(1.5, id="short"), pytest.param(60.0, marks=pytest.mark.long, id="long")],
)
def test_nothing_is_lost_to_an_application_that_resets_every_connection_that_is_used_again(
    edge: Edge, serve: Serve, seconds: float
) -> None:
    """A GET is repeated on a connection of its own, and a POST has one anyway."""
    application = Application(resets=True)
    clients = Clients(port=_serve(edge, serve(application)).port, seconds=seconds)
    clients.run()
    assert clients.lost == []
    assert application.shared["GET"] > 0, "no connection was used again"
    _assert_executed_once(application, clients)


def test_only_a_get_without_a_body_shares_a_connection(edge: Edge, serve: Serve) -> None:
    """Whatever may not be repeated, or changes the connection, has one of its own."""
    application = Application()
    backend = _serve(edge, serve(application))
    clients = Clients(port=backend.port, seconds=0.5, methods=("GET", "HEAD", "POST", "DELETE"))
    clients.run(2)
    for headers in ({"Upgrade": "other", "Connection": "Upgrade"}, {"Content-Length": "0"}):
        client = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=10)
        for _ in range(5):
            client.request("GET", "/special", headers=headers)
            assert client.getresponse().read() == b"/special"
        client.close()
    assert clients.lost == []
    assert application.shared["GET"] > 0
    assert {method for method, used in application.shared.items() if used} == {"GET"}


def test_bytes_after_an_answer_are_nobody_elses_answer(edge: Edge, serve: Serve) -> None:
    """Neither after a GET, which is repeated elsewhere, nor after a HEAD."""
    application = Application(surplus=b"surplus")
    clients = Clients(port=_serve(edge, serve(application)).port, seconds=0.7)
    clients.methods = ("GET", "HEAD")
    clients.run(8)
    assert clients.lost == []
    assert application.shared["GET"] > 0


def test_a_server_that_has_left_has_no_connection(edge: Edge, serve: Serve) -> None:
    """Idle ones end with it, and no request comes on them."""
    left, stays = Application(), Application()
    backend = _serve(edge, serve(left))
    clients = Clients(port=backend.port, seconds=30.0)
    thread = threading.Thread(target=clients.run, args=(8,))
    thread.start()
    other = dataclasses.replace(backend.servers[0], name="b", port=serve(stays))
    _change(edge, backend, (*backend.servers, dataclasses.replace(other, weight=0)))
    until(lambda: edge.servers(NAME)["b"].up, "the health of the other server")
    _change(edge, backend, (dataclasses.replace(backend.servers[0], weight=0), other))
    _change(edge, backend, (other,))
    executed = left.executed.total()
    until(lambda: stays.executed.total() > 100, "requests on the other server")
    clients.ended.set()
    thread.join()
    assert clients.lost == []
    assert left.executed.total() == executed
    _assert_executed_once(left, clients, stays)


@pytest.mark.parametrize(
    "deaths",
    [pytest.param(2, id="two"), pytest.param(60, marks=pytest.mark.long, id="many")],
)
def test_a_replica_that_dies_costs_no_get_while_another_one_is_in_reserve(
    edge: Edge, serve: Serve, deaths: int
) -> None:
    """As in a bake: all its connections break at once, and it refuses new ones."""
    port = serve(Application())
    reserve = as_backup(Server(name="b", address="127.0.0.1", port=port, weight=0))
    used = 0
    for _ in range(deaths):
        with subprocess.Popen([sys.executable, "-c", _MORTAL], stdout=subprocess.PIPE) as dying:
            assert dying.stdout is not None
            backend = _serve(edge, int(dying.stdout.readline()), reserve)
            clients = Clients(port=backend.port, seconds=1.5, methods=("GET",))
            thread = threading.Thread(target=clients.run, args=(8,))
            thread.start()
            threading.Event().wait(random.uniform(0.2, 0.3))
            dying.kill()
            used += dying.stdout.read().count(b"shared")
            thread.join()
            assert clients.lost == []
            assert clients.answered["GET"] > 0
    assert used, "no connection was used again"


def test_requests_go_on_when_another_client_has_every_port_towards_the_replica() -> None:
    """GET goes on upon the connections that are there, if not each one; POST, which needs a new one,
    shows that no port is left."""
    with real_bench() as bench:
        options = dataclasses.replace(bench.options, network="bridge")
        ensure_image(bench.engine, options)
        ensure_edge_network(bench.engine, options)
        port = free_port()
        ensure_edge(bench.engine, options, [port], bench.clock)
        # A port of the edge's network is not one of the machine's, which other tests need.
        program = _MORTAL.replace('"127.0.0.1", 0', '"", 8080')
        bench.run(
            program,
            "app",
            image=APPLICATION,
            entrypoint=("/usr/bin/python3", "-c"),
            networks=(NetworkSpec(name=bench.name),),
        )
        address = bench.engine.container(f"{bench.name}-app").addresses[bench.name]  # type: ignore[union-attr]
        spec = lock_spec(options, f"{bench.name}-lock", {})
        lock = acquire(bench.engine, spec, wait_seconds=0, clock=bench.clock)
        edge = Edge(host="local", session=lock.session)
        server = Server(name="a", address=address, port=8080, weight=100)
        backend = Backend(
            name=NAME, protocol="http", host="", path="/", port=port, check=Check(kind="tcp")
        )
        edge.change(NAME, lambda _: dataclasses.replace(backend, servers=(server,)))
        clients = Clients(port=port, seconds=60.0, methods=("GET",))
        thread = threading.Thread(target=clients.run)
        thread.start()
        until(lambda: clients.answered["GET"] > 500, "requests")
        before = _in_a_second(clients)
        pid = docker("inspect", "--format", "{{.State.Pid}}", bench.name).strip()
        taker = subprocess.Popen(
            ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", _TAKER, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert taker.stdout is not None
        assert taker.stdout.readline() == b"all of them\n"
        after = _in_a_second(clients)
        new = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        new.request("POST", "/")
        refused = new.getresponse().status
        new.close()
        clients.ended.set()
        thread.join()
        taker.communicate()
        lock.release()
    assert refused == 503, "a port was left"
    assert after > before / 50


def _in_a_second(clients: Clients) -> int:
    before = clients.answered["GET"]
    threading.Event().wait(1.0)
    return clients.answered["GET"] - before


_TAKER = """
import socket, sys
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40063")
taken = []
try:
    while True:
        taken.append(socket.create_connection((sys.argv[1], 8080)))
except OSError:
    print("all of them", flush=True)
sys.stdin.read()
"""

_MORTAL = """
import asyncio

async def serve(reader, writer):
    used = False
    while line := await reader.readline():
        while (await reader.readline()).strip():
            pass
        if used:
            print("shared", flush=True)
        used = True
        # Most requests are in progress whenever it dies.
        await asyncio.sleep(0.005)
        path = line.split()[1]
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(path), path))
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def _assert_executed_once(application: Application, clients: Clients, *others: Application) -> None:
    executed = sum((other.executed for other in others), application.executed)
    posted = [path for path in clients.paths if path.startswith("/POST/")]
    assert posted
    assert {path: executed[path] for path in posted if executed[path] != 1} == {}
