"""An engine on TCP: deployed to with a certificate, refused without the right one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.certificates import authority, signed
from tests.support.hosts import Hosts, hosts
from tests.support.sandbox import Sandbox, sandbox

from deploy_action.platforms.docker.edge import artifact

# Side by side they would each start what the module shares.
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("engine on TCP")]


@pytest.fixture(scope="module")
def machines() -> Iterator[Hosts]:
    """One host whose engine listens on TCP."""
    with hosts(1, tls=True) as made:
        made.hosts[0].load("deploy-action-demo:1.0.0", "deploy-action-demo:2.0.0", artifact.tag())
        yield made


@pytest.fixture
def box(machines: Hosts, tmp_path: Path) -> Iterator[Sandbox]:
    """Production is that host."""
    host = machines.hosts[0]
    with sandbox(tmp_path, hosts=[host.tcp], engine=host.docker, where=host.address) as made:
        # An authority for everything else must not replace the engine's own.
        others = {"REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"}
        made.environ = {"DOCKER_CERT_PATH": str(machines.certificates)} | others
        yield made


def test_an_engine_on_tcp_is_deployed_to_and_rolled_back(box: Sandbox) -> None:
    """All that goes over the other transports goes over TLS: lock, streams, smoke tests, edge."""
    box.deployed("1.0.0")
    with box.unbroken():
        box.deployed("2.0.0")
        assert box.serving() == "2.0.0"
        back = box.run("rollback")
        assert back.exit_code == 0, back.text
    assert box.serving() == "1.0.0"


def test_only_the_right_certificates_are_taken(
    box: Sandbox, machines: Hosts, tmp_path: Path
) -> None:
    """None, one of another authority, and an engine that we do not trust: each is said, and
    nothing is touched."""
    stranger = authority(tmp_path / "stranger")
    forged = signed(stranger, tmp_path / "forged", name="DNS:deployer", use="clientAuth")
    distrusting = tmp_path / "distrusting"
    distrusting.mkdir()
    for name in ("cert.pem", "key.pem"):
        (distrusting / name).write_bytes((machines.certificates / name).read_bytes())
    (distrusting / "ca.pem").write_bytes((stranger / "ca.pem").read_bytes())
    (forged / "ca.pem").write_bytes((machines.certificates / "ca.pem").read_bytes())
    for directory, why in ((forged, "certificate"), (distrusting, "certificate"), (None, "TLS")):
        box.environ = {"DOCKER_CERT_PATH": "" if directory is None else str(directory)}
        refused = box.deploy("1.0.0")
        assert refused.exit_code in (2, 4), refused.text
        assert why in refused.text, refused.text
        assert machines.hosts[0].tcp in refused.text
        assert "Traceback" not in refused.text
    assert machines.hosts[0].run("ps", "-aq") == ""
