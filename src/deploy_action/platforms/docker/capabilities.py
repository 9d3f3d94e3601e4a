"""Which right an application lacks, by the words that the kernel has for it in its log. Pure.

https://docs.docker.com/engine/security/#linux-kernel-capabilities
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deploy_action.config.model import ContainerOptions
from deploy_action.platforms.docker.container_options import is_dropped
from deploy_action.redaction import excerpt

__all__ = ["MissingRight", "missing_right"]

_REFUSED = re.compile(
    r"operation not permitted|permission denied|\bEPERM\b|\bEACCES\b", re.IGNORECASE
)
_NO_NEW_PRIVILEGES = re.compile(r"no new privileges|effective uid is not 0", re.IGNORECASE)
_CHANGE_USER = ("CHOWN", "SETGID", "SETUID")
"""Who starts as root and becomes another user needs one after the other."""
_ACTIONS = (
    (r"\b(?:l|f)?chown|set(?:res|e)?[ug]id|(?:set|init)groups|gosu|su-exec|setpriv", _CHANGE_USER),
    (r"\bping|\bicmp|\braw\b|socket:", ("NET_RAW",)),
    (r"\b(?:bind|listen)", ("NET_BIND_SERVICE",)),
    (r"\bmknod", ("MKNOD",)),
    (r"\bchroot", ("SYS_CHROOT",)),
    (r"\bf?chmod|\butimes?", ("FOWNER",)),
    (r"\bkill", ("KILL",)),
    (r"\bcapset|\bsetcap|capabilit", ("SETFCAP", "SETPCAP")),
    (r"\bopen|\bmkdir|\bunlink|\brename|\bcreate|\bread|\bwrite", ("DAC_OVERRIDE",)),
)
"""What a line of a log speaks of → the capabilities for it; the first match counts."""
_LINE_CHARACTERS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRight:
    """Why a container may have ended, and what to write in deploy.yaml."""

    cause: str
    remedy: str


def missing_right(log: str, options: ContainerOptions, user: str) -> MissingRight | None:
    """Find a right that deploy.yaml takes from a container and that its log asks for.

    Args:
        log: the container's last lines.
        user: what its process starts as; empty is root.
    """
    for line in log.splitlines():
        said = f'its log says "{excerpt(line.strip(), _LINE_CHARACTERS)}"'
        if options.no_new_privileges and _NO_NEW_PRIVILEGES.search(line):
            return MissingRight(
                cause=f"{said}, and a replica gets no new privileges",
                remedy="add to deploy.yaml: no_new_privileges: false",
            )
        if not _REFUSED.search(line):
            continue
        needed = next(
            (names for text, names in _ACTIONS if re.search(text, line, re.IGNORECASE)), ()
        )
        if not _is_root(user):
            # No capability of the container reaches a process that does not start as root.
            if "NET_BIND_SERVICE" not in needed:
                continue
            return MissingRight(
                cause=f"{said}, and the user {user} may not listen below port 1024",
                remedy="let it listen on 1024 or above, or add to deploy.yaml: "
                "sysctls: {net.ipv4.ip_unprivileged_port_start: 0}",
            )
        lacked = [name for name in needed if is_dropped(name, options)]
        if lacked:
            names = ", ".join(sorted({*options.cap_add, *lacked}))
            return MissingRight(
                cause=f"{said}, and the replica lacks {', '.join(lacked)}, which docker run gives",
                remedy=f"add to deploy.yaml: cap_add: [{names}]",
            )
    return None


def _is_root(user: str) -> bool:
    return user.partition(":")[0] in ("", "0", "root")
