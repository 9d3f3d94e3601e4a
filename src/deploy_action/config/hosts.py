"""Parses addresses of Docker hosts, so strictly that no part can be read as an option."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["HostAddress", "parse_host"]

_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_SOCKET = re.compile(r"/[A-Za-z0-9._/-]+", re.ASCII)
_DEFAULT_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAddress:
    """Where a Docker engine is reached.

    Attributes:
        kind: ``local`` is the engine that the environment or the default socket names.
        name: host name or IP address, IPv6 without brackets; empty for a socket.
        socket: path of a unix socket; empty otherwise.
    """

    kind: Literal["local", "unix", "tcp", "ssh"]
    name: str = ""
    port: int | None = None
    user: str | None = None
    socket: str = ""

    @property
    def identity(self) -> tuple[str, str, int | None]:
        """Addresses with the same identity are the same engine."""
        if self.kind in ("local", "unix"):
            path = self.socket or _DEFAULT_SOCKET
            return ("unix", "/run/docker.sock" if path == _DEFAULT_SOCKET else path, None)
        default = 22 if self.kind == "ssh" else None
        return (self.kind, self.name.lower(), self.port or default)


def parse_host(text: str) -> HostAddress:
    """Parse a host of deploy.yaml.

    Args:
        text: ``local``, ``unix:///path``, ``tcp://host:port`` or ``ssh://[user@]host[:port]``;
            IPv6 addresses in brackets.

    Raises:
        ValueError: it has another form; the message says what is wrong.
    """
    if text == "local":
        return HostAddress(kind="local")
    scheme, separator, rest = text.partition("://")
    if scheme == "unix" and separator:
        if not _SOCKET.fullmatch(rest):
            raise ValueError("a unix socket is an absolute path: unix:///var/run/docker.sock")
        return HostAddress(kind="unix", socket=rest)
    if scheme == "tcp" and separator:
        name, port = _name_and_port(rest)
        if port is None:
            raise ValueError("the port is missing: tcp://host:2376")
        return HostAddress(kind="tcp", name=name, port=port)
    if scheme == "ssh" and separator:
        user, at, address = rest.rpartition("@")
        if at and not _USER.fullmatch(user):
            raise ValueError("the user has characters that are not allowed in a login name")
        name, port = _name_and_port(address)
        return HostAddress(kind="ssh", name=name, port=port, user=user if at else None)
    raise ValueError("write local, unix:///path, tcp://host:port or ssh://user@host")


def _name_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        name, bracket, after = text[1:].partition("]")
        try:
            ipaddress.IPv6Address(name)
        except ValueError:
            raise ValueError("the text in brackets is not an IPv6 address") from None
        if not bracket or (after and not after.startswith(":")):
            raise ValueError("only :port may follow an IPv6 address in brackets")
        return name, _port(after[1:]) if after else None
    name, colon, port = text.partition(":")
    if not _NAME.fullmatch(name) or ".." in name:
        raise ValueError("the host name is empty or has characters that are not allowed in one")
    return name, _port(port) if colon else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)
