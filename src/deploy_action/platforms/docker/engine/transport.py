"""How an engine is reached: a unix socket, TCP with TLS, or ssh.

ssh is OpenSSH itself: one connection per host forwards a local unix socket to the engine's,
so host keys, agents, jump hosts and `~/.ssh/config` work as the user knows them, and every
call after the first shares the connection.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from deploy_action.errors import BadInput, ErrorCode, HostUnreachable
from deploy_action.process import environment

__all__ = ["SshTunnel", "TlsEndpoint", "Transport", "UnixEndpoint", "open_transport"]

_CONNECT_SECONDS = 10.0
_POLL_SECONDS = 0.002
_MAX_SAID = 8192
"""Bytes that are shown of what ssh says, which may be the server's."""
_REMOTE_SOCKET = "/var/run/docker.sock"


class Transport(Protocol):
    """A way to an engine."""

    @property
    def base_url(self) -> str:
        """The address for the Docker client."""

    def tls(self) -> tuple[str, str, str] | None:
        """Paths of (client certificate, key, authority), where TLS is used."""

    def open(self) -> socket.socket:
        """Open a raw connection to the engine's API."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(slots=True, kw_only=True)
class UnixEndpoint:
    """The engine's socket on this machine."""

    path: str

    @property
    def base_url(self) -> str:
        return f"unix://{self.path}"

    def tls(self) -> tuple[str, str, str] | None:
        return None

    def open(self) -> socket.socket:
        raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            raw.settimeout(_CONNECT_SECONDS)
            raw.connect(self.path)
            raw.settimeout(None)
        except OSError:
            raw.close()
            raise
        return raw

    def close(self) -> None:
        """Hold nothing."""


@dataclass(slots=True, kw_only=True)
class TlsEndpoint:
    """An engine on TCP; TLS with DOCKER_CERT_PATH's cert.pem, key.pem and ca.pem, as the
    Docker command line does it. Without certificates only loopback is allowed."""

    host: str
    port: int
    certificates: Path | None

    @property
    def base_url(self) -> str:
        scheme = "https" if self.certificates else "http"
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{name}:{self.port}"

    def tls(self) -> tuple[str, str, str] | None:
        if self.certificates is None:
            return None
        cert, key, ca = (str(self.certificates / f"{n}.pem") for n in ("cert", "key", "ca"))
        return cert, key, ca

    def open(self) -> socket.socket:
        raw = socket.create_connection((self.host, self.port), _CONNECT_SECONDS)
        try:
            files = self.tls()
            if files is not None:
                context = ssl.create_default_context(cafile=files[2])
                context.load_cert_chain(files[0], files[1])
                raw = context.wrap_socket(raw, server_hostname=self.host)
            raw.settimeout(None)
        except OSError:
            raw.close()
            raise
        return raw

    def close(self) -> None:
        """Hold nothing."""


@dataclass(slots=True, kw_only=True)
class SshTunnel:
    """An ssh connection that forwards a local socket to the engine's socket on the host."""

    host: str
    argv: tuple[str, ...]
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def _local(self) -> UnixEndpoint:
        return UnixEndpoint(path=str(self.directory / "docker.sock"))

    @property
    def base_url(self) -> str:
        return self._local.base_url

    def tls(self) -> tuple[str, str, str] | None:
        return None

    def start(self) -> None:
        """Connect, and wait until the forwarded socket accepts connections.

        Raises:
            HostUnreachable: with ssh's own last words.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        errors = self.directory / "errors"
        with errors.open("wb") as sink:
            # `cat` ends with our end of its input, so the connection cannot outlive us.
            self.process = subprocess.Popen(
                [*self.argv, "cat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                env=environment(),
                start_new_session=True,
            )
        deadline = time.monotonic() + _CONNECT_SECONDS + 5
        while not self._accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with errors.open("rb") as said:
                    output = said.read(_MAX_SAID).decode(errors="replace").strip()
                raise HostUnreachable(
                    f"{self.host}: ssh did not connect: {output or 'timed out'}",
                    cause=_ssh_cause(output),
                    remedy=f"try it by hand: ssh {self.host.removeprefix('ssh://')} docker version",
                )
            time.sleep(_POLL_SECONDS)

    def _accepts(self) -> bool:
        # The socket's file exists from `bind` on, and connections are refused until `listen`.
        try:
            self._local.open().close()
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def open(self) -> socket.socket:
        return self._local.open()

    def close(self) -> None:
        if self.process is not None:
            if self.process.stdin is not None:
                self.process.stdin.close()
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)


def open_transport(host: str) -> Transport:
    """Return the way to a host that deploy.yaml names.

    Args:
        host: ``local``, ``unix:///path``, ``tcp://host:port`` or ``ssh://[user@]host[:port]``.

    Raises:
        BadInput: the address is malformed.
        HostUnreachable: ssh could not connect.
    """
    if host == "local":
        host = _local_engine()
    parts = urlsplit(host)
    match parts.scheme:
        case "unix":
            return UnixEndpoint(path=parts.path)
        case "tcp":
            return _tcp(host, parts.hostname or "", parts.port)
        case "ssh":
            return _ssh(host, parts.username, parts.hostname or "", parts.port)
        case _:
            raise BadInput(
                f"{host}: not an address of a Docker host",
                remedy="write local, unix:///path, tcp://host:port or ssh://user@host",
            )


def _local_engine() -> str:
    """Return the engine that `docker` itself uses here: DOCKER_HOST, else this machine's socket.

    Raises:
        BadInput: docker's current context is another engine; which one is meant cannot be guessed.
    """
    # The order is that of the Docker command line.
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    context = os.environ.get("DOCKER_CONTEXT") or _current_context()
    if context not in ("", "default"):
        raise BadInput(
            f"local: docker uses the context {context} here, which is another engine than this "
            "machine's",
            remedy="name the engine: hosts: [ssh://user@host] in deploy.yaml, or use this machine's: "
            "DOCKER_CONTEXT=default",
            code=ErrorCode.ENGINE_AMBIGUOUS,
        )
    return f"unix://{_REMOTE_SOCKET}"


def _current_context() -> str:
    """Return what `docker context use` has chosen; empty where nobody chose."""
    directory = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        known = json.loads(Path(directory, "config.json").read_text("utf-8"))
        return str(known.get("currentContext", ""))
    except (OSError, ValueError, AttributeError, RuntimeError):
        return ""


def _tcp(host: str, name: str, port: int | None) -> TlsEndpoint:
    directory = os.environ.get("DOCKER_CERT_PATH")
    certificates = Path(directory) if directory else None
    if certificates is None and name not in ("localhost", "127.0.0.1", "::1"):
        raise BadInput(
            f"{host}: refusing an engine on TCP without TLS",
            cause="whoever reaches that port is root on the host",
            remedy="set DOCKER_CERT_PATH to a directory with cert.pem, key.pem and ca.pem, "
            "or use ssh://user@host",
        )
    return TlsEndpoint(host=name, port=port or 2376, certificates=certificates)


def _ssh(host: str, user: str | None, name: str, port: int | None) -> SshTunnel:
    if not name or name.startswith("-") or (user or "").startswith("-"):
        raise BadInput(f"{host}: not a host name", remedy="write ssh://user@host")
    directory = Path(tempfile.mkdtemp(prefix="deploy-action-"))
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(int(_CONNECT_SECONDS)),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "ExitOnForwardFailure": "yes",
        "ControlPath": "none",
    }
    known_hosts = os.environ.get("DEPLOY_ACTION_KNOWN_HOSTS")
    if known_hosts:
        options["UserKnownHostsFile"] = known_hosts
    argv = ["ssh", "-T", "-L", f"{directory}/docker.sock:{_REMOTE_SOCKET}"]
    for key, value in options.items():
        argv += ["-o", f"{key}={value}"]
    identity = os.environ.get("DEPLOY_ACTION_SSH_KEY_FILE")
    if identity:
        argv += ["-i", identity, "-o", "IdentitiesOnly=yes"]
    if port:
        argv += ["-p", str(port)]
    argv += ["--", f"{user}@{name}" if user else name]
    tunnel = SshTunnel(host=host, argv=tuple(argv), directory=directory)
    tunnel.start()
    return tunnel


def _ssh_cause(said: str) -> str:
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in said:
        return (
            "the host's key is not the one that is known: a new machine, or an attacker in between"
        )
    if "Host key verification failed" in said:
        return "the host's key is not in known_hosts; it is never accepted unseen"
    if "Permission denied" in said:
        return "the host refuses the key"
    return ""
