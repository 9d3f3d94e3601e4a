"""The step's ssh key and known hosts as private files, removed when the step ends."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy_action.errors import BadInput

__all__ = ["ssh_files"]


@contextlib.contextmanager
def ssh_files(inputs: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Write the files and yield the variables that platforms/docker/engine/transport.py reads.

    Raises:
        BadInput: a key without known hosts.
    """
    key, known_hosts = inputs.get("ssh-key", ""), inputs.get("ssh-known-hosts", "")
    if not key.strip() and not known_hosts.strip():
        yield {}
        return
    if not known_hosts.strip():
        raise BadInput(
            "input ssh-known-hosts: missing",
            cause="an ssh key was given, and a host's key is never accepted unseen",
            remedy="put the output of `ssh-keyscan HOST`, checked against the host, into it",
        )
    directory = Path(tempfile.mkdtemp(prefix="deploy-action-ssh-"))
    try:
        variables = {"DEPLOY_ACTION_KNOWN_HOSTS": str(directory / "known_hosts")}
        _write(directory / "known_hosts", known_hosts)
        if key.strip():
            _write(directory / "key", key)
            variables["DEPLOY_ACTION_SSH_KEY_FILE"] = str(directory / "key")
        yield variables
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    # OpenSSH refuses a key without a line end at its end, which secrets often lose.
    path.write_text(text.replace("\r\n", "\n").rstrip("\n") + "\n")
