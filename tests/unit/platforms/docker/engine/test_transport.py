"""How an engine is reached: when the way is ready, and what is left where it is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deploy_action.errors import BadInput, ErrorCode, HostUnreachable
from deploy_action.platforms.docker.engine.transport import (
    SshTunnel,
    UnixEndpoint,
    open_transport,
)

# Does what `ssh -L` does, with a pause between `bind` and `listen` that ends when it is told to.
LATE = """
import socket, sys
path, told = sys.argv[1:3]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
open(told).close()
server.listen()
server.accept()[0].close()
server.accept()[0].sendall(b"ready")
sys.stdin.read()
"""


def tunnel(directory: Path, *argv: str) -> SshTunnel:
    """Make a tunnel whose ssh is a Python program."""
    directory.mkdir()
    command = (sys.executable, "-c", *argv)
    return SshTunnel(host="ssh://deploy@a", argv=command, directory=directory)


def test_a_tunnel_is_used_only_when_its_socket_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there from `bind` on; whoever connects before `listen` is refused."""
    told = tmp_path / "told"
    os.mkfifo(told)
    made = tunnel(tmp_path / "tunnel", LATE, str(tmp_path / "tunnel/docker.sock"), str(told))
    refusals: list[str] = []

    def let_it_listen(_: float) -> None:
        if (made.directory / "docker.sock").exists() and not refusals:
            refusals.append("listen")
            told.write_text("")

    monkeypatch.setattr("deploy_action.platforms.docker.engine.transport.time.sleep", let_it_listen)
    made.start()
    assert refusals == ["listen"]
    with made.open() as connection:
        assert connection.recv(5) == b"ready"
    made.close()
    assert not made.directory.exists()


def test_a_tunnel_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """Neither a process nor a folder; ssh's own words are told."""
    made = tunnel(tmp_path / "tunnel", "raise SystemExit('Permission denied (publickey).')")
    with pytest.raises(HostUnreachable, match="Permission denied") as refused:
        made.start()
    assert refused.value.cause == "the host refuses the key"
    assert made.process is None
    assert not made.directory.exists()


@pytest.mark.parametrize(
    ("environ", "config", "meant"),
    [
        ({}, None, "unix:///var/run/docker.sock"),
        ({}, "{}", "unix:///var/run/docker.sock"),
        ({}, "no JSON", "unix:///var/run/docker.sock"),
        ({}, '{"currentContext": "default"}', "unix:///var/run/docker.sock"),
        ({"DOCKER_CONTEXT": "default"}, '{"currentContext": "far"}', "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": "unix:///x"}, '{"currentContext": "far"}', "unix:///x"),
        ({}, '{"currentContext": "far"}', ""),
        ({"DOCKER_CONTEXT": "far"}, None, ""),
    ],
)
def test_local_is_what_docker_uses_here_or_a_question(
    environ: dict[str, str],
    config: str | None,
    meant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another context than this machine's is refused: a deployment must not go elsewhere in silence."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    if meant:
        assert open_transport("local") == UnixEndpoint(path=meant.removeprefix("unix://"))
    else:
        with pytest.raises(BadInput) as raised:
            open_transport("local")
        assert raised.value.code is ErrorCode.ENGINE_AMBIGUOUS
        assert "far" in raised.value.what
