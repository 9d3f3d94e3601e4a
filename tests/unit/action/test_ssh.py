"""The key and the known hosts as files: private, complete, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.action.ssh import require_ssh, ssh_files
from deploy_action.config import load
from deploy_action.errors import BadInput, ErrorCode


def test_only_we_can_read_them_and_they_go_with_the_step() -> None:
    """OpenSSH wants 0600 and a line end at the end; Windows' line ends break a key."""
    with ssh_files(
        {"ssh-key": "one\r\ntwo", "ssh-known-hosts": "a.example ssh-ed25519 AAAA"}
    ) as env:
        key = Path(env["DEPLOY_ACTION_SSH_KEY_FILE"])
        known = Path(env["DEPLOY_ACTION_KNOWN_HOSTS"])
        assert key.read_text() == "one\ntwo\n"
        assert known.read_text() == "a.example ssh-ed25519 AAAA\n"
        assert [path.stat().st_mode & 0o777 for path in (key, known)] == [0o600, 0o600]
        assert key.parent.stat().st_mode & 0o777 == 0o700
    assert not key.parent.exists()


def test_they_go_after_a_failure_too() -> None:
    """An exception leaves no key behind."""
    paths = []

    def fail() -> None:
        with ssh_files({"ssh-key": "k", "ssh-known-hosts": "h"}) as env:
            paths.append(Path(env["DEPLOY_ACTION_SSH_KEY_FILE"]))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not paths[0].exists()


def test_a_host_is_never_trusted_unseen() -> None:
    """A key without known hosts is refused, with the way to get them, and without the key."""
    with (
        pytest.raises(BadInput, match="ssh-known-hosts") as refused,
        ssh_files({"ssh-key": "sesame"}),
    ):
        pass
    assert "ssh-keyscan" in refused.value.remedy
    assert "sesame" not in str(refused.value)


def test_without_either_nothing_is_written() -> None:
    """A local engine needs no ssh."""
    with ssh_files({"ssh-key": " \n"}) as env:
        assert env == {}


def test_a_certificate_stands_beside_its_key() -> None:
    """Where ssh looks for it by itself; without the key it is of no use."""
    with ssh_files({"ssh-key": "k", "ssh-known-hosts": "h", "ssh-certificate": "c"}) as env:
        key = Path(env["DEPLOY_ACTION_SSH_KEY_FILE"])
        assert Path(f"{key}-cert.pub").read_text() == "c\n"
    with pytest.raises(BadInput), ssh_files({"ssh-known-hosts": "h", "ssh-certificate": "c"}):
        pass


HOSTS = """\
version: 1
service: shop
image: shop
port: 8080
environments:
  staging: {hosts: [local]}
  production: {hosts: ["ssh://deploy@a.example.com"], route: {port: 81}}
"""


def test_ssh_hosts_need_a_key_of_the_step(tmp_path: Path) -> None:
    """An empty one is a secret that GitHub did not pass: that is told, and not that ssh failed."""
    (tmp_path / "deploy.yaml").write_text(HOSTS)
    config = load(tmp_path / "deploy.yaml")
    require_ssh(config, "staging", {"INPUT_SSH-KEY": ""})
    require_ssh(config, "production", {"INPUT_SSH-KEY": "k"})
    require_ssh(config, "production", {"SSH_AUTH_SOCK": "/agent"})
    for named in ("production", ""):
        with pytest.raises(BadInput, match="ssh-key") as refused:
            require_ssh(config, named, {"GITHUB_ACTIONS": "true", "INPUT_SSH-KEY": " "})
        assert refused.value.code is ErrorCode.SECRET_MISSING
        assert "ssh-key: ${{ secrets.DEPLOY_SSH_KEY }}" in refused.value.remedy
