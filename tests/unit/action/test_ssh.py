"""The key and the known hosts as files: private, complete, and gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy_action.action.ssh import ssh_files
from deploy_action.errors import BadInput


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
