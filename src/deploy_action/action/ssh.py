"""The step's ssh key, certificate and known hosts as private files, removed when the step ends."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deploy_action.errors import BadInput, ErrorCode
from deploy_action.missing_secret import advise

if TYPE_CHECKING:
    from deploy_action.config.model import DeployConfig

__all__ = ["require_ssh", "ssh_files"]

_KEY_FILE, _KNOWN_HOSTS = "DEPLOY_ACTION_SSH_KEY_FILE", "DEPLOY_ACTION_KNOWN_HOSTS"


@contextlib.contextmanager
def ssh_files(inputs: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Write the files and yield the variables that platforms/docker/engine/transport.py reads.

    Raises:
        BadInput: a key without known hosts, or a certificate without a key.
    """
    key, known_hosts = inputs.get("ssh-key", ""), inputs.get("ssh-known-hosts", "")
    certificate = inputs.get("ssh-certificate", "")
    if certificate.strip() and not key.strip():
        raise BadInput(
            "input ssh-key: missing",
            cause="an ssh certificate was given, which proves nothing without its private key",
            remedy="pass the key whose public half was signed as ssh-key",
            code=ErrorCode.SECRET_MISSING,
        )
    if not key.strip() and not known_hosts.strip():
        yield {}
        return
    if not known_hosts.strip():
        raise BadInput(
            "input ssh-known-hosts: missing",
            cause="an ssh key was given, and a host's key is never accepted unseen",
            remedy="put the output of `ssh-keyscan HOST`, checked against the host, into it",
            code=ErrorCode.SECRET_MISSING,
        )
    directory = Path(tempfile.mkdtemp(prefix="deploy-action-ssh-"))
    try:
        variables = {_KNOWN_HOSTS: str(directory / "known_hosts")}
        _write(directory / "known_hosts", known_hosts)
        if key.strip():
            _write(directory / "key", key)
            variables[_KEY_FILE] = str(directory / "key")
        if certificate.strip():
            # ssh looks for a key's certificate under exactly this name (ssh_config, IdentityFile).
            _write(directory / "key-cert.pub", certificate)
        yield variables
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def require_ssh(config: DeployConfig, environment: str, environ: Mapping[str, str]) -> None:
    """Refuse ssh hosts without a key: the action's container has no other one.

    Args:
        environment: the one that the step names; empty or unknown: all of them are looked at.

    Raises:
        BadInput: the key is missing or, as a secret that GitHub does not pass, empty.
    """
    named = config.environments.get(environment)
    chosen = config.environments.values() if named is None else [named]
    host = next((h for each in chosen for h in each.hosts if h.startswith("ssh://")), "")
    known = environ.get(_KEY_FILE) or environ.get("SSH_AUTH_SOCK")
    if not host or known or environ.get("INPUT_SSH-KEY", "").strip():
        return
    advice = advise("ssh-key", environ, environment=environment, own="DEPLOY_SSH_KEY")
    raise BadInput(
        f"{host} is reached over ssh, and the input ssh-key is empty",
        cause=advice.cause,
        remedy=advice.remedy,
        code=ErrorCode.SECRET_MISSING,
    )


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    # OpenSSH refuses a key without a line end at its end, which secrets often lose.
    path.write_text(text.replace("\r\n", "\n").rstrip("\n") + "\n")
