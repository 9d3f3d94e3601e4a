"""The right that a log asks for."""

from __future__ import annotations

import pytest

from deploy_action.config.model import ContainerOptions
from deploy_action.platforms.docker.capabilities import missing_right

NOTHING = ContainerOptions(cap_drop=("ALL",))
SOME = ContainerOptions(cap_drop=("ALL",), cap_add=("KILL",))
DEFAULT = ContainerOptions()


@pytest.mark.parametrize(
    ("line", "options", "user", "lines"),
    [
        (
            'nginx: [emerg] chown("/var/cache/nginx", 101) failed (1: Operation not permitted)',
            NOTHING,
            "",
            "cap_add: [CHOWN, SETGID, SETUID]",
        ),
        (
            "setgid(101) failed (1: Operation not permitted)",
            SOME,
            "root",
            "cap_add: [CHOWN, KILL, SETGID, SETUID]",
        ),
        ("ping: socket: Operation not permitted", DEFAULT, "0:0", "cap_add: [NET_RAW]"),
        ("PermissionError: [Errno 1] Operation not permitted: raw", DEFAULT, "", "[NET_RAW]"),
        (
            "Error: listen EACCES: permission denied 0.0.0.0:80",
            NOTHING,
            "",
            "cap_add: [NET_BIND_SERVICE]",
        ),
        (
            "bind() to 0.0.0.0:80 failed (13: Permission denied)",
            NOTHING,
            "1000:1000",
            "sysctls: {net.ipv4.ip_unprivileged_port_start: 0}",
        ),
        ("open /data/x: permission denied", NOTHING, "", "cap_add: [DAC_OVERRIDE]"),
        ("mknod: Operation not permitted", DEFAULT, "", "cap_add: [MKNOD]"),
        (
            'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
            DEFAULT,
            "app",
            "no_new_privileges: false",
        ),
    ],
)
def test_names_the_lines_of_deploy_yaml(
    line: str, options: ContainerOptions, user: str, lines: str
) -> None:
    """What was taken away and is asked for is given back by the lines that the remedy has."""
    found = missing_right(f"starting\n{line}\nbye", options, user)
    assert found is not None
    assert lines in found.remedy
    assert line[:40] in found.cause


@pytest.mark.parametrize(
    ("line", "options", "user"),
    [
        ("no such table: orders", NOTHING, ""),
        ("chown: Operation not permitted", DEFAULT, ""),
        ("chown: Operation not permitted", NOTHING, "1000"),
        ("open /data/x: permission denied", NOTHING, "app"),
        ("mount: Operation not permitted", NOTHING, ""),
        (
            "ping: socket: Operation not permitted",
            ContainerOptions(cap_add=("NET_RAW",)),
            "",
        ),
    ],
)
def test_says_nothing_where_no_right_was_taken(
    line: str, options: ContainerOptions, user: str
) -> None:
    """A capability that the container has, or that its user could not use, is not the cause."""
    assert missing_right(line, options, user) is None
