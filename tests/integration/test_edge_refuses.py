"""What a real edge refuses: requests that two servers read in two ways, and weak TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import re
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.bench import real_bench, with_network
from tests.support.certificates import bundle
from tests.support.sandbox import free_port

from deploy_action.config.model import Hsts
from deploy_action.platforms.docker.edge.edge import Edge
from deploy_action.platforms.docker.edge.host import ensure_edge, lock_spec
from deploy_action.platforms.docker.edge.state import Backend, Check, Server
from deploy_action.platforms.docker.lock import acquire

pytestmark = pytest.mark.docker

NAME = "shop_production"
HOST = "shop.test"


class _Application(socketserver.BaseRequestHandler):
    """Reads one request as RFC 9112 frames it, answers, and keeps all that came, as it came."""

    seen: queue.Queue[tuple[bytes, bytes]]
    """Of each connection: the header section, and what came behind the request that it describes."""

    def handle(self) -> None:
        """Answer one connection."""
        with self.request.makefile("rb") as stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                if not (line := stream.readline(65536)):
                    break
                head += line
            if not head:
                return
            lower = head.lower()
            if b"transfer-encoding" in lower:
                while int(stream.readline().split(b";")[0] or b"0", 16):
                    stream.readline()
                stream.readline()
            elif length := re.search(rb"content-length: *(\d+)", lower):
                stream.read(int(length[1]))
            self.request.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
                b"Strict-Transport-Security: max-age=1\r\n\r\n"
            )
            behind = b""
            with contextlib.suppress(ConnectionError):
                behind = stream.read()
            self.seen.put((head, behind))


@dataclasses.dataclass(slots=True, kw_only=True)
class Site:
    """An edge in front of an application that keeps what it is sent: on a plain and on a TLS port."""

    plain: int
    secure: int
    seen: queue.Queue[tuple[bytes, bytes]]
    folder: Path

    def send(self, payload: bytes) -> bytes:
        """Send bytes to the plain port, and return all that the edge answers."""
        while not self.seen.empty():
            self.seen.get()
        with socket.create_connection(("127.0.0.1", self.plain), 5) as connection:
            connection.sendall(payload)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while received := connection.recv(65536):
                    answer += received
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running edge."""
    folder = tmp_path_factory.mktemp("certificates")
    seen: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
    handler = type("Application", (_Application,), {"seen": seen})
    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as application,
        real_bench() as bench,
    ):
        application.daemon_threads = True
        threading.Thread(target=application.serve_forever, daemon=True).start()
        with_network(bench)
        ensure_edge(bench.engine, bench.options, [], bench.clock)
        lock = acquire(
            bench.engine,
            lock_spec(bench.options, f"{bench.name}-lock", {}),
            wait_seconds=0,
            clock=bench.clock,
        )
        lock.session.put("certs/shop_tls/1.pem", bundle(folder, "a").read_bytes())
        port = application.server_address[1]
        plain = Backend(
            name=NAME,
            protocol="http",
            host="",
            path="/",
            port=free_port(),
            check=Check(kind="tcp"),
            hsts=Hsts(include_subdomains=True).header,
            servers=(Server(name="a", address="127.0.0.1", port=port, weight=100, check=False),),
        )
        secure = dataclasses.replace(
            plain, name="shop_tls", port=free_port(), tls=True, certificate="certs/shop_tls/1.pem"
        )
        edge = Edge(host="local", session=lock.session)
        edge.change(plain.name, lambda _: plain)
        edge.change(secure.name, lambda _: secure)
        yield Site(plain=plain.port, secure=secure.port, seen=seen, folder=folder)
        lock.release()
        application.shutdown()


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"
CHUNKS = b"0\r\n\r\n"
TE = b"Transfer-Encoding: chunked"


def _post(*headers: bytes, body: bytes = CHUNKS + SMUGGLED, version: bytes = b"1.1") -> bytes:
    lines = (b"POST / HTTP/" + version, b"Host: shop.test", b"Connection: close", *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _get(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join((first, *lines, b"Connection: close", b"", b""))


def _h2(*headers: tuple[bytes, bytes], data: bytes | None = None, path: bytes = b"/") -> bytes:
    """Return an HTTP/2 connection with one request (RFC 9113), its headers as literals (RFC 7541)."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        head = bytes((kind, flags)) + stream.to_bytes(4, "big")
        return len(payload).to_bytes(3, "big") + head + payload

    target = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path))
    named = (*target, (b":authority", b"shop.test"))
    block = b"".join(
        b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
        for name, value in (*named, *headers)
    )
    body = b"" if data is None else frame(0, 1, 1, data)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    return preface + frame(4, 0, 0, b"") + frame(1, 4 + (data is None), 1, block) + body


H2_REFUSED = {
    "coding": _h2((b"transfer-encoding", b"chunked"), data=CHUNKS + SMUGGLED),
    "length shorter than the data": _h2((b"content-length", b"0"), data=SMUGGLED),
    "length longer than the data": _h2((b"content-length", b"99"), data=b"abc"),
    "two lengths": _h2((b"content-length", b"3"), (b"content-length", b"4"), data=b"abc"),
    "line break in a value": _h2((b"x", b"a\r\nTransfer-Encoding: chunked"), data=b""),
    "line feed in a value": _h2((b"x", b"a\nTransfer-Encoding: chunked"), data=b""),
    "NUL in a value": _h2((b"x", b"a\0b"), data=b""),
    "line break in a name": _h2((b"x: a\r\ny", b"b"), data=b""),
    "colon in a name": _h2((b"transfer-encoding: chunked, x", b"b"), data=b""),
    "upper case in a name": _h2((b"Transfer-Encoding", b"chunked"), data=b""),
    "line break in the path": _h2(path=b"/ HTTP/1.1\r\nX: a", data=b""),
    "blank in the path": _h2(path=b"/ HTTP/1.1", data=b""),
    "connection": _h2((b"connection", b"content-length"), data=b""),
    "two authorities": _h2((b":authority", b"admin.test"), data=b""),
    "a pseudo header behind the others": _h2((b"x", b"a"), (b":path", b"/smuggled"), data=b""),
}


@pytest.fixture
def h2(site: Site) -> None:
    """Make sure that a request of this form does arrive where nothing is wrong with it."""
    assert b"\x01" in site.send(_h2((b"content-length", b"3"), data=b"abc"))
    head, behind = site.seen.get(timeout=5)
    assert (head.partition(b"\r\n")[0], behind) == (b"POST / HTTP/1.1", b"")


@pytest.mark.usefixtures("h2")
@pytest.mark.parametrize("form", H2_REFUSED)
def test_http2_hides_no_second_request(site: Site, form: str) -> None:
    """What HTTP/1.1 would read in another way is not translated."""
    site.send(H2_REFUSED[form])
    assert site.seen.empty()


REFUSED = {
    "two lengths": _post(b"Content-Length: 5", b"Content-Length: 44"),
    "two lengths in one": _post(b"Content-Length: 5, 44"),
    "length with a plus": _post(b"Content-Length: +5"),
    "length below zero": _post(b"Content-Length: -5"),
    "length in hexadecimal": _post(b"Content-Length: 0x5"),
    "length with a blank": _post(b"Content-Length: 5 5"),
    "empty length": _post(b"Content-Length:"),
    "endless length": _post(b"Content-Length: 99999999999999999999"),
    "chunked is not last": _post(b"Transfer-Encoding: chunked, identity"),
    "unknown coding": _post(b"Transfer-Encoding: xchunked"),
    "coding with a control character": _post(b"Transfer-Encoding: \x0bchunked"),
    "chunked twice": _post(TE, TE),
    "blank before the colon": _post(b"Transfer-Encoding : chunked"),
    "blank before the colon of a length": _post(b"Content-Length : 5"),
    "tab before the colon": _post(b"Transfer-Encoding\t: chunked"),
    "no name": _post(b": chunked"),
    "no colon": _post(b"Transfer-Encoding chunked"),
    "NUL in a value": _get(b"Host: shop.test", b"X: a\0b"),
    "NUL in a name": _get(b"Host: shop.test", b"X\0Y: a"),
    "bare CR in a value": _get(b"Host: shop.test", b"X: a\rTransfer-Encoding: chunked"),
    "no host": _get(),
    "two hosts": _get(b"Host: shop.test", b"Host: admin.test"),
    "another host in the target": _get(
        b"Host: shop.test", first=b"GET http://admin.test/ HTTP/1.1"
    ),
    "host with a blank": _get(b"Host: shop.test admin.test"),
    "user and another host in the target": _get(
        b"Host: shop.test", first=b"GET http://shop.test@admin.test/ HTTP/1.1"
    ),
    "blank in the target": _get(b"Host: shop.test", first=b"GET /a HTTP/1.1 HTTP/1.1"),
    "control character in the target": _get(b"Host: shop.test", first=b"GET /\x01 HTTP/1.1"),
    "control character in the method": _get(b"Host: shop.test", first=b"G\x01T / HTTP/1.1"),
    "fold before the first header": _get(b" X: a", b"Host: shop.test"),
    "chunk size below zero": _post(TE, body=b"-1\r\n\r\n" + SMUGGLED),
    "chunk size with 0x": _post(TE, body=b"0x5\r\nabcde\r\n" + CHUNKS),
    "endless chunk size": _post(TE, body=b"FFFFFFFFFFFFFFFFF\r\nabc"),
    "chunk longer than its size": _post(TE, body=b"3\r\nabcdef\r\n" + CHUNKS),
    "another protocol": _get(b"Host: shop.test", first=b"GET / HTTQ/1.1"),
    "another version": _get(b"Host: shop.test", first=b"GET / HTTP/1.1.1"),
}
REWRITTEN = {
    "length and chunked": _post(b"Content-Length: 49", TE),
    "chunked and length": _post(TE, b"Content-Length: 49"),
    "equal lengths": _post(b"Content-Length: 0", b"Content-Length: 0", body=b""),
    "folded line": _get(b"Host: shop.test", b"X: a", b" b"),
    "folded coding": _post(b"Transfer-Encoding:", b" chunked", body=CHUNKS),
    "bare LF": b"GET / HTTP/1.1\nHost: shop.test\nConnection: close\n\n",
    "the same host in the target": _get(
        b"Host: shop.test", first=b"GET http://shop.test/ HTTP/1.1"
    ),
    "upper case": _post(b"TRANSFER-ENCODING: CHUNKED", body=CHUNKS),
    "tab behind the colon": _post(b"Transfer-Encoding:\tchunked", body=CHUNKS),
    "chunk extension": _post(TE, body=b"3;a=b\r\nabc\r\n" + CHUNKS),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_two_servers_could_read_in_two_ways_is_refused(site: Site, form: str) -> None:
    """The application is not asked, or gets a request that never ends; nothing hidden arrives."""
    answer = site.send(REFUSED[form])
    assert not re.match(rb"HTTP/1.1 [23]", answer), answer
    assert site.seen.empty()


@pytest.mark.parametrize("form", REWRITTEN)
def test_what_is_read_in_one_way_is_written_in_one_way(site: Site, form: str) -> None:
    """One way of framing, one host, no folds; what follows the request is not part of it."""
    answer = site.send(REWRITTEN[form])
    assert answer.startswith(b"HTTP/1.1 200"), answer
    head, behind = site.seen.get(timeout=5)
    assert behind == b""
    assert site.seen.empty()
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert re.fullmatch(rb"(GET|POST) (http://shop\.test)?/ HTTP/1\.1", lines[0])
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert all(re.fullmatch(rb"[a-z0-9-]+", name) for name in names), head
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert not re.search(rb"[\0\r\n]", head.replace(b"\r\n", b""))


def test_http2_names_one_host(site: Site) -> None:
    """The authority counts (RFC 9113, 8.3.1), and the application is told no other one."""
    site.send(_h2((b"host", b"admin.test"), data=b""))
    head, _ = site.seen.get(timeout=5)
    assert re.findall(rb"host: (.*)\r\n", head) == [b"shop.test"]


def _handshake(site: Site, *options: str) -> str:
    """Shake hands as openssl's client does, and return what it reports."""
    argv = ("openssl", "s_client", "-connect", f"127.0.0.1:{site.secure}", "-servername", HOST)
    done = subprocess.run((*argv, *options), input=b"", capture_output=True, check=False)
    return done.stdout.decode() + done.stderr.decode()


STRONG = [
    ("-tls1_3", "TLS_AES_128_GCM_SHA256"),
    ("-tls1_3", "TLS_AES_256_GCM_SHA384"),
    ("-tls1_3", "TLS_CHACHA20_POLY1305_SHA256"),
    ("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("-tls1_2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]
WEAK = [
    ("-tls1_1", "ALL:@SECLEVEL=0"),
    ("-tls1", "ALL:@SECLEVEL=0"),
    ("-tls1_2", "ECDHE-ECDSA-AES128-SHA"),
    ("-tls1_2", "ECDHE-ECDSA-AES256-SHA384"),
    ("-tls1_2", "ECDHE-ECDSA-AES128-CCM8"),
    ("-tls1_2", "AES128-GCM-SHA256"),
]


@pytest.mark.parametrize(("version", "cipher"), STRONG)
def test_tls_of_mozillas_intermediate_profile_is_spoken(
    site: Site, version: str, cipher: str
) -> None:
    """The client chooses; no ticket lets somebody who steals the edge's memory read the past."""
    kind = "-ciphersuites" if version == "-tls1_3" else "-cipher"
    said = _handshake(site, version, kind, cipher)
    assert f"Cipher is {cipher}" in said, said
    assert "TLS session ticket:" not in said or version == "-tls1_3"


@pytest.mark.parametrize(("version", "cipher"), WEAK)
def test_weaker_tls_is_refused(site: Site, version: str, cipher: str) -> None:
    """Old versions, ciphers without authenticated encryption, keys that stay the same."""
    said = _handshake(site, version, "-cipher", cipher)
    assert "Cipher is (NONE)" in said, said


@pytest.mark.parametrize("curve", ["X25519", "P-256", "P-384", "P-521"])
def test_keys_are_agreed_on_the_profiles_curves(site: Site, curve: str) -> None:
    """P-521 is not one of them."""
    said = _handshake(site, "-curves", curve)
    assert ("Cipher is (NONE)" in said) == (curve == "P-521"), said


def test_browsers_are_told_to_use_https_by_https_alone(site: Site) -> None:
    """The value of deploy.yaml takes the place of the application's; by HTTP that one stays."""
    request = _get(b"Host: shop.test")
    assert b"strict-transport-security: max-age=1\r\n" in site.send(request).lower()
    context = ssl.create_default_context(cafile=str(site.folder / "a.crt"))
    with (
        socket.create_connection(("127.0.0.1", site.secure), 5) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as secured,
        secured.makefile("rb") as answer,
    ):
        secured.sendall(request)
        headers = [line for line in answer if line.lower().startswith(b"strict-transport")]
    assert headers == [b"strict-transport-security: max-age=31536000; includeSubDomains\r\n"]
