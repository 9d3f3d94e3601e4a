"""TLS at the edge, maintenance and one-off commands, on a real engine and under load."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.certificates import bundle
from tests.support.sandbox import Sandbox, docker, sandbox, until

pytestmark = pytest.mark.docker

HOST = "shop.test"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Sandbox]:
    """A shop behind TLS, with a certificate beside deploy.yaml."""
    with sandbox(tmp_path) as made:
        renew(made, "first")
        made.config.pop("environments")
        made.configure(
            url=f"https://{HOST}:{made.port}", route={"certificate": {"file": "shop.pem"}}
        )
        yield made


def renew(box: Sandbox, name: str, **changes: object) -> None:
    """Put another certificate in the place of the present one; all are trusted by `trusting`."""
    made = bundle(box.directory, name, **changes)  # type: ignore[arg-type]
    (box.directory / "shop.pem").write_bytes(made.read_bytes())


def trusting(box: Sandbox) -> ssl.SSLContext:
    """Return a client that trusts every certificate that was made here."""
    context = ssl.create_default_context()
    for leaf in box.directory.glob("*.crt"):
        context.load_verify_locations(leaf)
    return context


def get(box: Sandbox, path: str = "/version", host: str = HOST) -> tuple[int, bytes, str]:
    """Ask once over TLS and return status, body and the certificate's SHA-256."""
    import hashlib

    with connect(box, trusting(box)) as secured:
        connection = http.client.HTTPConnection(host)
        connection.sock = secured
        connection.request("GET", path)
        answer = connection.getresponse()
        leaf = secured.getpeercert(binary_form=True) or b""
        return answer.status, answer.read(), hashlib.sha256(leaf).hexdigest()


def connect(box: Sandbox, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Shake hands with the edge."""
    plain = socket.create_connection(("127.0.0.1", box.port), 5)
    return context.wrap_socket(plain, server_hostname=HOST)


@dataclass(slots=True, kw_only=True)
class Clients:
    """Clients of a TLS service: half keep their connection, half make one for each request."""

    box: Sandbox
    context: ssl.SSLContext
    answers: int = 0
    lost: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Clients:
        for keep in (True, True, False, False):
            thread = threading.Thread(target=self._ask, args=(keep,), daemon=True)
            thread.start()
            self._threads.append(thread)
        self._await(20)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._await(self.answers + 20)
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _await(self, answers: int) -> None:
        until(lambda: self.answers >= answers or bool(self.lost), "the clients have answers")

    def _ask(self, keep: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._end.wait(0.005):
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(HOST, timeout=5)
                    connection.sock = connect(self.box, self.context)
                connection.request("GET", "/version")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.lost.append(f"status {answer.status}")
                self.answers += 1
                if keep and answer.getheader("connection") != "close":
                    continue
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
            if connection is not None:
                connection.close()
            connection = None
        if connection is not None:
            connection.close()


def test_a_certificate_is_renewed_without_a_lost_request(box: Sandbox) -> None:
    """By deploying the same version again; the old file goes, and no release is made."""
    box.deployed("1.0.0")
    status, body, first = get(box)
    assert (status, json.loads(body)["version"]) == (200, "1.0.0")
    renew(box, "second")
    with Clients(box=box, context=trusting(box)) as clients:
        done = box.deploy("1.0.0")
    assert done.json["result"] == "unchanged", done.text
    assert any("new certificate" in note["text"] for note in done.json["notes"])
    assert clients.lost == []
    assert get(box)[2] != first
    listed = docker("exec", box.edge, "ls", "/state/certs/shop_production").split()
    assert len(listed) == 1


def test_a_deployment_and_its_rollback_lose_nothing_over_tls(box: Sandbox) -> None:
    """Smoke tests and the probe go their own way; the key is in no ledger, label or log."""
    box.deployed("1.0.0")
    with Clients(box=box, context=trusting(box)) as clients:
        assert box.deploy("3.0.0-broken").exit_code == 4
        box.deployed("2.0.0")
        (box.directory / "shop.pem").unlink()
        back = box.run("rollback")
    assert back.exit_code == 0, back.text
    assert clients.lost == []
    assert json.loads(get(box)[1])["version"] == "1.0.0"
    key = (box.directory / "first.key").read_text().splitlines()[1]
    shown = box.run("history").out + box.run("deploy", "--version", "2.0.0").text
    names = docker("ps", "-aq", "--filter", f"label=deploy-action.edge={box.edge}").split()
    assert key not in shown + docker("inspect", *names) + docker("logs", box.edge)
    assert key not in docker("exec", box.edge, "cat", "/state/edge/haproxy.cfg")


def test_http2_is_spoken(box: Sandbox) -> None:
    """A client that offers it gets it, also while the certificate is exchanged."""
    box.deployed("1.0.0")
    context = trusting(box)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(box, context) as secured:
        assert secured.selected_alpn_protocol() == "h2"
    old = ssl.create_default_context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the library
        connect(box, old)


def test_a_bad_certificate_changes_nothing(box: Sandbox) -> None:
    """It is refused before a host is touched, and what served goes on."""
    box.deployed("1.0.0")
    before = get(box)
    for words, changes in (("expired", {"days": -1}), ("Hostname", {"host": "other.test"})):
        renew(box, "bad", **changes)
        done = box.deploy("2.0.0")
        assert (done.exit_code, words in done.text) == (2, True), done.text
    (box.directory / "shop.pem").unlink()
    assert box.deploy("2.0.0").exit_code == 2
    assert get(box) == before
    assert len(box.history()) == 1


def test_a_certificate_is_for_every_name_and_monitor_sees_each(box: Sandbox) -> None:
    """One that lacks a name is refused; with one that has both, one is answered, one redirected."""
    box.configure(route=box.config["route"] | {"redirect_from": ["www.shop.test"]})
    done = box.deploy("1.0.0")
    assert (done.exit_code, "www.shop.test" in done.text) == (2, True), done.text
    renew(box, "both", host=f"{HOST},DNS:www.shop.test")
    box.deployed("1.0.0")
    assert get(box)[0] == 200
    assert get(box, host="www.shop.test")[0] == 308
    seen = box.run("monitor").json
    assert [check["passed"] for check in seen["checks"] if check["name"] == "route"] == [True, True]
    assert [check["passed"] for check in seen["checks"] if check["name"] == "certificate"] == [True]


def test_tls_comes_and_goes_with_releases(box: Sandbox) -> None:
    """From plain to TLS and back by a rollback and forth again, without the key being given."""
    route, url = box.config.pop("route"), box.config["url"]
    box.configure(url=f"http://{HOST}:{box.port}")
    box.deployed("1.0.0")
    box.configure(url=url, route=route)
    box.deployed("2.0.0")
    assert get(box)[0] == 200
    assert box.run("rollback").exit_code == 0
    plain = http.client.HTTPConnection("127.0.0.1", box.port, timeout=5)
    plain.request("GET", "/version", headers={"Host": HOST})
    assert json.loads(plain.getresponse().read())["version"] == "1.0.0"
    plain.close()
    (box.directory / "shop.pem").unlink()
    back = box.run("rollback", "--to", "2.0.0")
    assert back.exit_code == 0, back.text
    assert json.loads(get(box)[1])["version"] == "2.0.0"


def test_maintenance_outlives_deployments(box: Sandbox) -> None:
    """Visitors get 503 and the page until it is switched off; the ledger says who did it."""
    box.deployed("1.0.0")
    page = box.directory / "sorry.html"
    # HAProxy answers from one buffer: what would not fit is refused before it is asked.
    page.write_bytes(b"x" * (12 * 1024 + 1))
    assert box.run("maintenance", "on", "--page", str(page)).exit_code == 2
    page.write_bytes(b"x" * 12 * 1024)
    on = box.run("maintenance", "on", "--page", str(page), "--reason", "new disks")
    assert (on.exit_code, on.json["result"]) == (0, "closed"), on.text
    assert get(box)[:2] == (503, page.read_bytes())
    box.deployed("2.0.0")
    assert get(box)[0] == 503
    assert any("maintenance is on" in note["text"] for note in box.run("status").json["notes"])
    seen = box.run("monitor").json
    assert seen["result"] == "healthy"
    assert "certificate" in {check["name"] for check in seen["checks"]}
    assert any("maintenance is on" in note["text"] for note in seen["notes"])
    off = box.run("maintenance", "off")
    assert (off.json["result"], off.json["changed"]) == ("open", True), off.text
    assert json.loads(get(box)[1])["version"] == "2.0.0"
    told = [note for entry in box.history() for note in entry["warnings"]]
    assert any("maintenance on: new disks" in note for note in told)
    assert box.run("maintenance", "off").json["changed"] is False


def test_a_command_runs_as_the_live_release(box: Sandbox) -> None:
    """Its environment and secrets, its output and its exit code; nothing of it is left."""
    box.configure(env={"LEVEL": "info"}, secrets=["TOKEN"])
    assert box.deploy("1.0.0", env={"TOKEN": "s3cret-value"}).exit_code == 0
    script = 'echo "$LEVEL $DEPLOY_VERSION ${#TOKEN}"; echo complaint >&2; exit "$1"'
    bare = ("run", "--no-entrypoint", "--", "sh", "-c", script, "sh")
    good = box.run(*bare, "0")
    assert good.exit_code == 0, good.text
    assert set(good.json["output"]) == {"info 1.0.0 12", "complaint"}
    bad = box.run(*bare, "7")
    assert (bad.exit_code, bad.json["code"], bad.json["result"]) == (4, 7, "failed")
    late = box.run("run", "--timeout", "1s", "--no-entrypoint", "--", "sleep", "60")
    assert (late.exit_code, late.json["code"]) == (4, None)
    assert box.containers("task") == []


def test_an_interrupted_command_leaves_nothing(box: Sandbox) -> None:
    """Ctrl-C takes the container along."""
    import signal

    box.deployed("1.0.0")
    process = box.start("run", "--no-entrypoint", "--", "sleep", "600")
    until(lambda: bool(box.containers("task", all=False)), "the container runs")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4, said
    assert box.containers("task") == []


def test_plain_requests_are_redirected(box: Sandbox) -> None:
    """On the usual ports, inside the bridge network of an edge of its own."""
    config = Path(box.directory / "haproxy.cfg")
    from deploy_action.config.model import Certificate, Route
    from deploy_action.platforms.docker.edge.render import render
    from deploy_action.platforms.docker.edge.state import Backend, Check, EdgeState

    route = Route(host=HOST, port=443, certificate=Certificate(file="x"))
    backend = Backend.of("shop", route, "http", Check(kind="http"))
    import dataclasses

    backend = dataclasses.replace(backend, certificate="shop.pem")
    config.write_text(render(EdgeState(backends={"shop": backend})))
    box.deployed("1.0.0")
    image = docker("inspect", "-f", "{{.Config.Image}}", box.edge).strip()
    argv = ["run", "--rm", "-i", "--network", "none", "--entrypoint", "sh"]
    argv += ["-v", f"{box.directory}:/given:ro", image, "-c"]
    script = (
        "mkdir -p /state/run && cp /given/shop.pem /state/ && "
        "haproxy -D -f /given/haproxy.cfg && "
        f"printf 'GET /a?b=c HTTP/1.1\\r\\nHost: {HOST}\\r\\nConnection: close\\r\\n\\r\\n' | "
        "socat - TCP:127.0.0.1:80"
    )
    said = subprocess.run(
        ["docker", *argv, script], check=True, capture_output=True, text=True
    ).stdout
    assert "308 Permanent Redirect" in said
    assert f"location: https://{HOST}/a?b=c" in said.lower()
