"""What a real edge tells an application about its clients, where it listens, and how long it waits."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import http.server
import json
import queue
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.bench import Bench, real_bench, with_network
from tests.support.certificates import bundle
from tests.support.http2 import Http2Client, Kind, grpc_server
from tests.support.sandbox import free_port, sandbox

from deploy_action.checks.http import http_connection
from deploy_action.config.model import Timeouts
from deploy_action.errors import DeploymentFailed
from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import ensure_edge, lock_spec
from deploy_action.platforms.docker.edge.render import PROBE_HEADER, SERVED_BY_HEADER
from deploy_action.platforms.docker.edge.state import Backend, Check, Server, name_socket
from deploy_action.platforms.docker.lock import acquire

NAME = "shop-production"
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X_Forwarded_For": "6.6.6.6",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;proto=https",
}


CUT: queue.SimpleQueue[float] = queue.SimpleQueue()
"""How long an application waited to be read until the edge cut it off."""


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the request's headers; /slow begins after a second, /events tells something three
    times, /silent nothing more, /much more than anybody reads, /tunnel is one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            time.sleep(1)
        if self.path == "/hints":
            self.send_response_only(103)
            self.send_header("Link", "</style.css>; rel=preload")
            self.end_headers()
        if self.path.startswith(("/events", "/silent", "/much", "/tunnel")):
            self._stream()
            return
        body = json.dumps(list(self.headers.items())).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        tunnel = self.path == "/tunnel"
        self.send_response(101 if tunnel else 200)
        self.send_header("Connection", "Upgrade" if tunnel else "close")
        if tunnel:
            self.send_header("Upgrade", "echo")
        self.end_headers()
        self.wfile.write(b"begin\n")
        self.close_connection = True
        with contextlib.suppress(OSError):
            for _ in range(3 if self.path == "/events" else 0):
                time.sleep(0.4)
                self.wfile.write(b"event\n")
            if self.path == "/much":
                # Buffers are full within milliseconds; the kernel may make room once more later.
                begun = time.monotonic()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(bytes(1 << 16))
                CUT.put(time.monotonic() - begun)
                return
            # Until the edge ends it.
            while self.path != "/events" and (read := self.rfile.read1(64)):
                self.wfile.write(read)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Site:
    """An edge on the host's network in front of an application in this process."""

    edge: Edge
    backend: Backend
    bench: Bench

    def become(self, **changes: object) -> None:
        """Change the backend."""
        self.backend = dataclasses.replace(self.backend, **changes)  # type: ignore[arg-type]
        self.edge.change(NAME, lambda _: self.backend)

    def ask(
        self, path: str = "/", *, address: str = "127.0.0.1", **headers: str
    ) -> tuple[int, list[tuple[str, str]]]:
        """Send one request; return the status and the headers that the application saw."""
        client = http.client.HTTPConnection(address, self.backend.port, timeout=10)
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        body = answer.read()
        client.close()
        seen = json.loads(body) if answer.status == 200 else []
        return answer.status, [(name.lower(), value) for name, value in seen]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A running edge."""
    application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=application.serve_forever, daemon=True).start()
    with real_bench() as bench:
        with_network(bench)
        ensure_edge(bench.engine, bench.options, [], bench.clock)
        lock = acquire(
            bench.engine,
            lock_spec(bench.options, f"{bench.name}-lock", {}),
            wait_seconds=0,
            clock=bench.clock,
        )
        port = application.server_address[1]
        server = Server(name="a", address="127.0.0.1", port=port, weight=100, check=False)
        backend = Backend(
            name=NAME,
            protocol="http",
            host="",
            path="/",
            port=free_port(),
            check=Check(kind="tcp"),
            servers=(server,),
        )
        yield Site(edge=Edge(host="local", session=lock.session), backend=backend, bench=bench)
        lock.release()
    application.shutdown()
    application.server_close()


def _forwarded(seen: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(pair for pair in seen if "forwarded" in pair[0] or "real" in pair[0])


def test_what_a_client_says_of_itself_is_not_passed_on(site: Site) -> None:
    """The application hears the edge alone, in whatever spelling the client lies."""
    site.become(trusted_proxies=())
    _, seen = site.ask(**FORGED)
    assert _forwarded(seen) == [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")]


def test_a_trusted_proxy_says_who_its_client_is(site: Site) -> None:
    """Its headers stay, and the edge adds the proxy's own address."""
    site.become(trusted_proxies=("127.0.0.0/8",))
    _, seen = site.ask(**FORGED)
    assert {("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "127.0.0.1")} <= set(seen)
    assert ("x-forwarded-proto", "https") in seen
    assert ("x-real-ip", "6.6.6.6") in seen


def test_a_kept_connection_is_the_same_client_after_a_reload(site: Site) -> None:
    """An old worker hands later requests over with the client's address, and lies are removed."""
    site.become(trusted_proxies=())
    client = http.client.HTTPConnection("127.0.0.1", site.backend.port, timeout=10)
    client.request("GET", "/")
    client.getresponse().read()
    site.become(timeouts=Timeouts(tunnel_seconds=7))
    client.request("GET", "/", headers=FORGED)
    seen = [(name.lower(), value) for name, value in json.loads(client.getresponse().read())]
    client.close()
    assert _forwarded(seen) == [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")]


def test_the_edge_answers_on_ipv6_where_the_host_has_it(site: Site) -> None:
    """The application is told the client's IPv6 address."""
    if not Path("/proc/net/if_inet6").exists():
        return
    site.become(trusted_proxies=())
    status, seen = site.ask(address="::1")
    assert (status, _forwarded(seen)[0]) == (200, ("x-forwarded-for", "::1"))


def test_an_ipv6_address_and_a_trailing_dot_are_host_names(site: Site) -> None:
    """Brackets, with and without a port; the dot of the root changes nothing."""
    for host, asked in (("[::1]", "[::1]:8080"), ("[::1]", "[::1]"), ("a.test", "a.test.:80")):
        site.become(host=host)
        assert site.ask(Host=asked)[0] == 200
    assert site.ask(Host="b.test")[0] == 404
    site.become(host="")


def test_every_name_leads_to_the_service_or_is_redirected(site: Site) -> None:
    """308 keeps path and query, and proves who redirects; other names lead nowhere."""
    site.become(
        host="a.test",
        hosts=("b.test", "*.b.test"),
        redirect_from=("www.a.test", "*.c.test"),
        redirect_to="https://a.test:8443/100%",
        path="/x",
    )
    for host in ("a.test", "B.test:80", "x.b.test."):
        assert site.ask("/x/y", Host=host)[0] == 200
    assert site.ask("/x", Host="c.test")[0] == 404
    assert site.ask("/", Host="www.a.test")[0] == 404
    token = site.edge.state().backends[NAME].probe_token
    for host in ("www.a.test", "WWW.a.test.:80", "y.c.test"):
        for target in ("/x/y?z=%2F&q='", f"http://{host}/x/y?z=%2F&q='"):
            client = http.client.HTTPConnection("127.0.0.1", site.backend.port, timeout=10)
            client.request("POST", target, b"body", {"Host": host, PROBE_HEADER: token})
            answer = client.getresponse()
            client.close()
            assert answer.status == 308
            assert answer.getheader("Location") == "https://a.test:8443/100%/x/y?z=%2F&q='"
            assert answer.getheader(SERVED_BY_HEADER) == f"{NAME}/"
    site.become(host="", hosts=(), redirect_from=(), path="/")


def test_a_path_with_a_quote_is_routed(site: Site) -> None:
    """What a URL may hold is no syntax of the configuration."""
    site.become(path="/it's/$HOME")
    assert site.ask("/it's/$HOME/x")[0] == 200
    assert site.ask("/its")[0] == 404
    site.become(path="/")


def test_a_request_ends_when_its_time_is_over(site: Site) -> None:
    """Before that it is waited for."""
    site.become(timeouts=Timeouts(request_seconds=0.3))
    assert site.ask("/slow")[0] == 504
    site.become(timeouts=Timeouts(request_seconds=5))
    assert site.ask("/slow")[0] == 200


def _seconds_until_end(site: Site, path: str) -> tuple[float, bytes]:
    """Ask for a stream; return after how many seconds of silence it ended, and what came."""
    with socket.create_connection(("127.0.0.1", site.backend.port), 10) as connection:
        upgrade = b"Connection: Upgrade\r\nUpgrade: echo\r\n" if path == "/tunnel" else b""
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n".encode() + upgrade + b"\r\n")
        received, last = b"", time.monotonic()
        while more := connection.recv(65536):
            received, last = received + more, time.monotonic()
        return time.monotonic() - last, received


def test_a_silent_stream_ends_when_deploy_yaml_says(site: Site) -> None:
    """After `idle`, and no sooner; a tunnel after `tunnel`, whatever `idle` is."""
    site.become(timeouts=Timeouts(request_seconds=5, idle_seconds=0.8, tunnel_seconds=1.6))
    seconds, received = _seconds_until_end(site, "/silent")
    assert received.endswith(b"begin\n")
    assert 0.7 < seconds < 1.4
    assert _seconds_until_end(site, "/events")[1].endswith(b"begin\nevent\nevent\nevent\n")
    seconds, received = _seconds_until_end(site, "/tunnel")
    assert received.startswith(b"HTTP/1.1 101")
    assert received.endswith(b"begin\n")
    assert 1.5 < seconds < 2.2
    with socket.create_connection(("127.0.0.1", site.backend.port), 10) as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        # Nobody reads: for as long the application could write nothing.
        assert 0.7 < CUT.get(timeout=4) < 2.0


def test_a_name_leads_to_the_application_whatever_is_asked_for(site: Site) -> None:
    """Host and path of the route do not matter; lies about the client are removed. TCP too."""
    socket_path = f"UNIX-CONNECT:{name_socket(NAME)}"
    argv = ("docker", "exec", "-i", site.bench.name, "socat", "-t", "5", "-", socket_path)
    # As the container that carries the name says it (PROXY protocol, version 1).
    asked = b"PROXY TCP4 192.0.2.9 192.0.2.1 1234 80\r\nGET / HTTP/1.1\r\nHost: shop\r\n"
    asked += b"X-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n"
    for protocol, client in (("http", ["192.0.2.9"]), ("tcp", ["6.6.6.6"])):
        site.become(named=True, host="a.test", path="/x", protocol=protocol)
        done = subprocess.run(argv, input=asked, capture_output=True, check=True)
        seen = json.loads(done.stdout.partition(b"\r\n\r\n")[2])
        assert [value for name, value in seen if name.lower() == "x-forwarded-for"] == client
    site.become(named=False, host="", path="/", protocol="http")


def _head(length: int) -> dict[str, str]:
    return {f"X-{i}": "v" * 1000 for i in range(length // 1000)}


def test_headers_have_a_limit_that_can_be_raised_and_lowered(site: Site) -> None:
    """431 where the edge can read them; a service beside one with a larger limit keeps its own."""
    site.become(header_bytes=None)
    assert [site.ask(**_head(n))[0] for n in (13_000, 20_000)] == [200, 400]
    site.become(header_bytes=40_000)
    assert [site.ask(**_head(n))[0] for n in (38_000, 50_000, 90_000)] == [200, 431, 400]
    assert site.ask(f"/{'x' * 39_000}", **_head(2_000))[0] == 431
    site.become(header_bytes=2_000)
    assert [site.ask(**_head(n))[0] for n in (1_000, 3_000)] == [200, 431]
    other = dataclasses.replace(site.backend, name="other_x", host="b.test", header_bytes=40_000)
    site.edge.change("other_x", lambda _: other)
    site.become(header_bytes=None)
    assert [site.ask(**_head(n))[0] for n in (13_000, 20_000)] == [200, 431]
    site.edge.change("other_x", lambda _: None)


def _status(site: Site, head: str, body: bytes = b"") -> bytes:
    """Send a request as it is given; return the status of the answer."""
    with socket.create_connection(("127.0.0.1", site.backend.port), 10) as connection:
        connection.sendall(head.encode() + b"\r\nHost: a\r\n\r\n" + body)
        return connection.recv(12)[-3:]


def _http2_status(site: Site, method: str, body: bytes | None, **headers: str) -> bytes:
    """Send a request by HTTP/2, whose body does not say its length by itself; None is no body."""
    with socket.create_connection(("127.0.0.1", site.backend.port), 10) as connection:
        client = Http2Client(connection=connection, host="a")
        stream = client.begin(method, "/", end=body is None, **headers)
        if body is not None:
            client.send(stream, body)
        answer = client.read().payload
        # A status is an index of HPACK's table, or three digits (RFC 7541, appendix A).
        return b"200" if answer[0] == 0x88 else answer[2:5]


def test_a_body_has_a_limit_that_no_request_gets_around(site: Site) -> None:
    """Neither by a length beyond 32 bits, nor by none, nor as a tunnel that is none."""
    site.become(body_bytes=1000)
    post, chunked = "POST / HTTP/1.1", "Transfer-Encoding: chunked"
    assert _status(site, f"{post}\r\nContent-Length: 1000", b"x" * 1000) == b"200"
    assert _status(site, f"{post}\r\nContent-Length: 1001", b"x" * 1001) == b"413"
    assert _status(site, f"{post}\r\nContent-Length: {2**32 + 5}") == b"413"
    assert _status(site, f"{post}\r\nContent-Length: {2**63 - 1}") == b"413"
    assert _status(site, f"{post}\r\n{chunked}", b"1\r\nx\r\n") == b"411"
    upgrade = "Connection: upgrade\r\nUpgrade: x"
    assert _status(site, f"{post}\r\n{upgrade}\r\n{chunked}", b"1\r\nx\r\n") == b"411"
    assert _status(site, f"{post}\r\n{chunked}", b"0\r\n\r\n") == b"200"
    assert _status(site, post) == b"200"
    for method in ("POST", "GET", "WHATEVER"):
        assert _http2_status(site, method, b"x") == b"411"
    for method in ("POST", "GET"):
        assert _http2_status(site, method, None) == b"200"
    assert _http2_status(site, "POST", b"x" * 1001, content_length="1001") == b"413"
    site.become(body_bytes=None)


def test_early_hints_reach_the_client_and_are_not_the_answer(site: Site) -> None:
    """103 passes the edge; our own client waits for what follows it."""
    with socket.create_connection(("127.0.0.1", site.backend.port), 10) as connection:
        connection.sendall(b"GET /hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as stream:
            assert stream.readline().startswith(b"HTTP/1.1 103")
            assert b"HTTP/1.1 200" in stream.read()
    client = http_connection(socket.create_connection(("127.0.0.1", site.backend.port), 10))
    client.request("GET", "/hints")
    assert client.getresponse().status == 200
    client.close()


@pytest.mark.parametrize("tls", [True, False])
def test_a_grpc_call_is_passed_on_message_by_message(site: Site, tls: bool, tmp_path: Path) -> None:
    """Each message arrives before the next is sent, in both directions; the status comes after them."""
    before, context = site.backend, None
    if tls:
        made = bundle(tmp_path, "a", host="grpc.test")
        site.edge.session.put(f"certs/{NAME}/a.pem", made.read_bytes())
        context = ssl.create_default_context(cafile=made.with_suffix(".crt"))
        context.set_alpn_protocols(["h2"])
    with grpc_server() as port:
        server = dataclasses.replace(before.servers[0], name="g", port=port, h2=True)
        certificate = f"certs/{NAME}/a.pem" if tls else ""
        site.become(servers=(server,), port=free_port(), tls=tls, certificate=certificate)
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(
                socket.create_connection(("127.0.0.1", site.backend.port), 10)
            )
            if context is not None:
                secured = context.wrap_socket(connection, server_hostname="grpc.test")
                connection = stack.enter_context(secured)
                assert secured.selected_alpn_protocol() == "h2"
            client = Http2Client(connection=connection, host="grpc.test")
            call = client.begin("POST", "/x.Y/Z", end=False, te="trailers")
            head = client.read()
            assert (head.kind, head.ends) == (Kind.HEADERS, False)
            assert b"application/grpc" in head.payload
            for message in (b"\0\0\0\0\1a", b"\0\0\0\0\1b"):
                client.send(call, message)
                assert client.read().payload == message
            client.send(call, b"", end=True)
            trailers = client.read()
            assert (trailers.kind, trailers.ends) == (Kind.HEADERS, True)
            assert b"grpc-status\x010" in trailers.payload
    site.become(servers=before.servers, port=before.port, tls=False, certificate="")


def test_the_edge_starts_whatever_the_engine_limits() -> None:
    """The engine here allows fewer open files than the edge asks for: its own limit holds."""
    with real_bench() as bench:
        with_network(bench)
        limited = bench.run("sleep 60", open_files=4096)
        limit = ("bash", "-c", "ulimit -Hn")
        assert bench.engine.execute(limited, limit, timeout_seconds=5).output.strip() == "4096"
        ensure_edge(bench.engine, bench.options, [], bench.clock)
        seen = bench.engine.execute(bench.name, limit, timeout_seconds=5).output.strip()
        assert seen == "unlimited" or int(seen) > 4096


def test_the_edge_and_the_lock_have_the_least_that_works(site: Site) -> None:
    """The edge can become HAProxy's user, signal it, give it sockets and listen on low ports; the lock
    and the edge's workers can do nothing of that. Neither can change its own files."""
    site.become(path="/")
    bench = site.bench
    capabilities = {"CHOWN": 0, "KILL": 5, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10}
    edge_mask = sum(1 << number for number in capabilities.values())

    def inside(container: str, *argv: str) -> str:
        return bench.engine.execute(container, argv, timeout_seconds=5).output

    for name, mask in ((bench.name, edge_mask), (f"{bench.name}-lock", 0)):
        status = inside(name, "cat", "/proc/1/status")
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert f"{kind}:\t{mask:016x}" in status
        assert "NoNewPrivs:\t1" in status
        assert "Read-only" in inside(name, "touch", "/usr/local/bin/session")
    processes = inside(bench.name, "sh", "-c", "cat /proc/[0-9]*/status").split("Name:\t")
    workers = [one for one in processes if one.startswith("haproxy") and "PPid:\t1\n" in one]
    assert workers
    for worker in workers:
        assert "Uid:\t0" not in worker
        assert f"CapEff:\t{0:016x}" in worker


def test_the_edge_listens_where_deploy_yaml_says(site: Site) -> None:
    """At these addresses alone, also where somebody else has the port at another one; two services of
    one port are told apart by address."""
    before, port = site.backend, free_port()

    def status(address: str, host: str = "a.test") -> int:
        try:
            return site.ask(address=address, Host=host)[0]
        except OSError:
            return 0

    with socket.create_server(("127.0.0.9", port)):
        with pytest.raises(DeploymentFailed, match=f"listens on port {port}"):
            site.become(port=port, bind=("127.0.0.9",))
        site.become(port=port, bind=("127.0.0.2", "::1"))
        assert [status(a) for a in ("127.0.0.2", "127.0.0.3", "::1")] == [200, 0, 200]
        site.become(bind=("127.0.0.2",))
        other = dataclasses.replace(site.backend, name="o_production", host="o.test")
        other = dataclasses.replace(other, bind=("127.0.0.3",))
        site.edge.change(other.name, lambda _: other)
        assert [status(a) for a in ("127.0.0.2", "127.0.0.3")] == [200, 404]
        assert [status(a, "o.test") for a in ("127.0.0.2", "127.0.0.3")] == [200, 200]
        site.edge.change(other.name, lambda _: None)
    site.become(port=before.port, bind=())
    assert status("127.0.0.3") == 200


def test_a_service_is_deployed_to_an_address(tmp_path: Path) -> None:
    """Our own checks ask there, and nobody listens elsewhere."""
    with sandbox(tmp_path, where="127.0.0.2") as box:
        box.configure(edge={"name": box.edge, "bind": ["127.0.0.2"]})
        box.deployed("1.0.0")
        assert box.serving() == "1.0.0"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", box.port), 5)
        assert box.run("monitor").exit_code == 0
