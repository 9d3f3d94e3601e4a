"""Mounts and devices that give power over the host."""

from __future__ import annotations

import pytest

from deploy_action.config.host_access import (
    HostAccess,
    canonical_path,
    device_access,
    mount_access,
)

NONE, SECRETS, CONTROL = HostAccess.NONE, HostAccess.SECRETS, HostAccess.CONTROL


@pytest.mark.parametrize(
    ("source", "written", "read"),
    [
        # An engine: also through a mount that is read-only, whatever the spelling.
        ("/", CONTROL, CONTROL),
        ("/run/docker.sock", CONTROL, CONTROL),
        ("/var/run/docker.sock", CONTROL, CONTROL),
        ("//var/run//docker.sock/", CONTROL, CONTROL),
        ("/srv/../var/./run/docker.sock", CONTROL, CONTROL),
        ("/../run/docker.sock", CONTROL, CONTROL),
        ("/run", CONTROL, CONTROL),
        ("/var/run", CONTROL, CONTROL),
        ("/run/user", CONTROL, CONTROL),
        ("/run/user/1000", CONTROL, CONTROL),
        ("/run/user/1000/docker.sock", CONTROL, CONTROL),
        ("/var/run/user/1000/podman/podman.sock", CONTROL, CONTROL),
        ("/run/podman/podman.sock", CONTROL, CONTROL),
        ("/run/containerd/containerd.sock", CONTROL, CONTROL),
        ("/home/deploy/.docker/run/docker.sock", CONTROL, CONTROL),
        ("/srv/sockets/docker.sock", CONTROL, CONTROL),
        ("/run/dbus/system_bus_socket", CONTROL, CONTROL),
        # What an engine keeps, the state of the edge too.
        ("/var", CONTROL, CONTROL),
        ("/var/lib", CONTROL, CONTROL),
        ("/var/lib/docker", CONTROL, CONTROL),
        ("/var/lib/docker/volumes/deploy-action/_data/ledger", CONTROL, CONTROL),
        ("/mnt/disk/docker/volumes/deploy-action/_data", CONTROL, CONTROL),
        ("/var/lib/containerd/io.containerd.content.v1.content", CONTROL, CONTROL),
        ("/home/deploy/.local/share/docker", CONTROL, CONTROL),
        # The system, and everything below it.
        ("/etc/cron.d", CONTROL, NONE),
        ("/etc/systemd/system/../../cron.d", CONTROL, NONE),
        ("/usr/local/bin", CONTROL, NONE),
        ("/usr/share/zoneinfo", CONTROL, NONE),
        ("/lib/systemd/system", CONTROL, NONE),
        ("/lib64", CONTROL, NONE),
        ("/lib/modules", CONTROL, NONE),
        ("/boot/grub", CONTROL, NONE),
        ("/var/spool", CONTROL, NONE),
        ("/var/spool/cron/crontabs", CONTROL, NONE),
        ("/run/systemd/system", CONTROL, NONE),
        ("/sys", CONTROL, NONE),
        ("/sys/fs/cgroup", CONTROL, NONE),
        ("/etc/localtime", CONTROL, NONE),
        ("/etc/timezone", CONTROL, NONE),
        ("/etc/passwd", CONTROL, NONE),
        ("/etc/ssl/certs", CONTROL, NONE),
        ("/etc/ssl/certs/ca-certificates.crt", CONTROL, NONE),
        ("/etc/shop/settings.toml", CONTROL, NONE),
        ("/proc/cpuinfo", CONTROL, NONE),
        # Secrets of the system and of its users.
        ("/etc", CONTROL, SECRETS),
        ("/etc/shadow", CONTROL, SECRETS),
        ("/etc//shadow-", CONTROL, SECRETS),
        ("/etc/gshadow", CONTROL, SECRETS),
        ("/etc/ssh", CONTROL, SECRETS),
        ("/etc/ssh/ssh_host_ed25519_key", CONTROL, SECRETS),
        ("/etc/ssh/ssh_known_hosts", CONTROL, NONE),
        ("/etc/ssl/private", CONTROL, SECRETS),
        ("/root", CONTROL, CONTROL),
        ("/root/.ssh", CONTROL, SECRETS),
        ("/root/.ssh/authorized_keys", CONTROL, SECRETS),
        ("/root/.docker/config.json", CONTROL, SECRETS),
        ("/home/deploy/.ssh", CONTROL, SECRETS),
        ("/proc", CONTROL, SECRETS),
        ("/proc/1/root/etc", CONTROL, SECRETS),
        ("/proc/self/environ", CONTROL, SECRETS),
        # A mount that is read-only still writes to a device.
        ("/dev", CONTROL, CONTROL),
        ("/dev/sda", CONTROL, CONTROL),
        ("/dev/shm", NONE, NONE),
        ("/dev/urandom", NONE, NONE),
        # Everybody's own.
        ("data", NONE, NONE),
        ("/srv/shop", NONE, NONE),
        ("/opt/shop/data", NONE, NONE),
        ("/home/deploy/data", NONE, NONE),
        ("/mnt/docker/shop", NONE, NONE),
        ("/var/lib/shop", NONE, NONE),
        ("/var/log/shop", NONE, NONE),
        ("/data/etc", NONE, NONE),
        ("/etcetera", NONE, NONE),
        ("/tmp/.X11-unix", NONE, NONE),
    ],
)
def test_judges_a_mount_by_what_is_at_above_and_below_it(
    source: str, written: HostAccess, read: HostAccess
) -> None:
    """A mount gives what is at, above or below its path, in whatever form the path is written."""
    assert mount_access(source, read_only=False) is written
    assert mount_access(source, read_only=True) is read


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/dev", CONTROL),
        ("/dev/mem", CONTROL),
        ("/dev/./sda1", CONTROL),
        ("/dev/nvme0n1", CONTROL),
        ("/dev/disk/by-id/x", CONTROL),
        ("/dev/dri", NONE),
        ("/dev/ttyUSB0", NONE),
        ("/dev/snd", NONE),
        ("/dev/net/tun", NONE),
    ],
)
def test_judges_a_device(path: str, access: HostAccess) -> None:
    """Memory and disks of the host are the host; a serial port is not."""
    assert device_access(path) is access


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("//etc///cron.d/", "/etc/cron.d"),
        ("/var/run/docker.sock", "/run/docker.sock"),
        ("/var/running", "/var/running"),
        ("/../..", "/"),
    ],
)
def test_writes_a_path_in_one_form(path: str, canonical: str) -> None:
    """Two spellings of one path are one path."""
    assert canonical_path(path) == canonical
