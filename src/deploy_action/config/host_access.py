"""Which paths of a host give a container power over the host, or read the host's secrets. Pure.

Only names are judged: what a symbolic link of the host leads to, nobody can know here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from enum import Enum, auto
from fnmatch import fnmatchcase

__all__ = ["HostAccess", "canonical_path", "device_access", "mount_access"]


class HostAccess(Enum):
    """What a container gets from a path of its host."""

    NONE = auto()
    SECRETS = auto()
    """It reads what only root of the host may read."""
    CONTROL = auto()
    """It can become root of the host."""


_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock")
"""A socket takes commands also through a mount that is read-only."""
_ENGINE = (
    *("/run/docker", "/run/containerd", "/run/podman", "/run/crio", "/run/buildkit", "/run/k3s"),
    *(f"/run/user/*/{name}" for name in (*_SOCKETS, "podman", "docker", "containerd")),
    *("/run/dbus", "/run/systemd/private", "/run/user/*/systemd"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers", "/var/lib/buildkit"),
    *("/var/lib/kubelet", "/var/lib/rancher", "/var/snap/docker"),
    *("/root/.local/share/docker", "/root/.local/share/containers"),
    *("/home/*/.local/share/docker", "/home/*/.local/share/containers"),
)
"""Where an engine or systemd takes commands, and where engines keep everything, the state of the
edge too."""
_SYSTEM = (
    *("/bin", "/boot", "/etc", "/lib*", "/proc", "/root", "/sbin", "/sys", "/usr", "/nix"),
    *("/run/systemd/system", "/run/systemd/generator*", "/run/udev"),
    *("/var/lib/cloud", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/systemd"),
    *("/var/spool/anacron", "/var/spool/at", "/var/spool/cron"),
)
"""Who writes here is root on the host."""
_SECRETS = (
    *("/etc/*shadow*", "/etc/ssh/ssh_host_*_key", "/etc/ssl/private", "/etc/pki/tls/private"),
    *("/etc/krb5.keytab", "/etc/wireguard", "/etc/kubernetes", "/etc/docker/key.json"),
    *("/proc/[0-9]*", "/proc/self", "/proc/thread-self", "/proc/kcore", "/var/backups"),
)
_PRIVATE = (
    *(".aws", ".azure", ".docker", ".git-credentials", ".gnupg", ".kube", ".netrc", ".ssh"),
    ".pgpass",
)
"""What holds the keys of the user in whose home it is."""
_HARMLESS_DEVICES = ("log", "null", "random", "shm", "urandom", "zero")
_POWERFUL_DEVICES = (
    *("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/disk", "/dev/mapper", "/dev/dm-*"),
    *("/dev/sd*", "/dev/hd*", "/dev/vd*", "/dev/xvd*", "/dev/nvme*", "/dev/mmcblk*", "/dev/md*"),
    *("/dev/loop*", "/dev/root", "/dev/block"),
)
_LINKS = {"/var/run": "/run", "/var/lock": "/run/lock"}
"""Symbolic links that every Linux has."""


def canonical_path(path: str) -> str:
    """Return an absolute path without `..`, doubled slashes and the links that every Linux has."""
    plain = "/" + posixpath.normpath(path).lstrip("/")
    for link, place in _LINKS.items():
        if plain == link or plain.startswith(f"{link}/"):
            return place + plain.removeprefix(link)
    return plain


def mount_access(source: str, *, read_only: bool) -> HostAccess:
    """Tell what a mount of a host's path gives to the container; a volume's name gives nothing."""
    if not source.startswith("/"):
        return HostAccess.NONE
    path = canonical_path(source)
    parts = _parts(path)
    if _reaches(path, _ENGINE) or parts[-1] in _SOCKETS:
        return HostAccess.CONTROL
    if "_data" in parts and "volumes" in parts:
        # A volume by its path, wherever the engine keeps its data: anybody's, and the edge's too.
        return HostAccess.CONTROL
    if parts[0] == "dev":
        # A device can be written to through a mount that is read-only.
        harmless = len(parts) > 1 and parts[1] in _HARMLESS_DEVICES
        return HostAccess.NONE if harmless else HostAccess.CONTROL
    if not read_only and _reaches(path, _SYSTEM):
        return HostAccess.CONTROL
    homes = tuple(f"{home}/{name}" for home in ("/root", "/home/*") for name in _PRIVATE)
    if _reaches(path, (*_SECRETS, *homes)) or not set(parts).isdisjoint(_PRIVATE):
        return HostAccess.SECRETS if read_only else HostAccess.CONTROL
    return HostAccess.NONE


def device_access(path: str) -> HostAccess:
    """Tell what a device of the host gives to the container that has it."""
    powerful = _reaches(canonical_path(path), _POWERFUL_DEVICES)
    return HostAccess.CONTROL if powerful else HostAccess.NONE


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _reaches(path: str, places: Iterable[str]) -> bool:
    """Tell whether a path is one of the places, is below one, or has one below it."""
    parts = _parts(path)
    return any(
        all(map(fnmatchcase, parts, _parts(place)))  # the shorter of the two decides
        for place in places
    )
