"""From one state of a backend to the next: what the runtime API is told, or that a reload is due."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy_action.platforms.docker.edge.render import server_options
from deploy_action.platforms.docker.edge.state import Backend, EdgeState, Server

__all__ = ["Transition", "add", "at_once", "restore_health", "transition", "weights"]

_HIGHEST_WEIGHT = 256
_COMMANDS_AT_ONCE = 50
"""HAProxy reads a line command by command; others are not to wait for too many of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """`commands` make the running edge match the new file, unless a `reload` has to."""

    reload: bool
    commands: str = ""


def transition(old: Backend | None, new: Backend | None, *, later: bool = False) -> Transition:
    """Compare two states of one backend.

    Servers are added before weights rise, and weights rise before others fall, so that at no
    instant every server has weight 0.

    Args:
        later: the servers that are new are left out.
    """
    if old is None and new is None:
        return Transition(reload=False)
    if old is None or new is None or old.topology != new.topology:
        return Transition(reload=True)
    before = {server.name: server for server in old.servers}
    after = {server.name: server for server in new.servers}
    if any(_identity(before[name]) != _identity(after[name]) for name in before.keys() & after):
        return Transition(reload=True)
    commands: list[str] = []
    for server in new.servers:
        if server.name not in before:
            commands += [] if later else add(new, server)
    shared = [(before[n].weight, after[n]) for n in after if n in before]
    for was, server in sorted(shared, key=lambda pair: pair[0] - pair[1].weight):
        if was != server.weight:
            commands.append(f"set server {new.name}/{server.name} weight {server.weight}")
    for server in old.servers:
        if server.name not in after:
            commands += _remove(new, server)
    return Transition(reload=False, commands="; ".join(commands) + "\n" if commands else "")


def _identity(server: Server) -> tuple[str, int, bool, bool]:
    return server.address, server.port, server.check, server.backup


def add(backend: Backend, server: Server) -> list[str]:
    """Return the commands that add a server, to be used once it has earned that."""
    where = f"{backend.name}/{server.name}"
    options = server_options(server, backend.check)
    commands = [
        f"add server {where} {server.address}:{server.port} weight {server.weight}{options}"
    ]
    if server.check:
        commands.append(f"enable health {where}")
    commands.append(f"enable server {where}")
    if server.check:
        # A new server counts as up until its first check; it has to earn that.
        commands.append(f"set server {where} health down")
    return commands


def _remove(backend: Backend, server: Server) -> list[str]:
    where = f"{backend.name}/{server.name}"
    return [
        f"set server {where} state maint",
        # A request that is still connecting to a dead server goes to another one when that times
        # out (timeout connect: 2 s); only what is left after that is cut.
        f"wait 3s srv-removable {where}",
        f"shutdown sessions server {where}",
        f"wait 2s srv-removable {where}",
        f"del server {where}",
    ]


def restore_health(state: EdgeState) -> Iterator[str]:
    """Yield the commands after a reload: servers with traffic count as healthy as before it.

    A new process takes a server for up, but only until its first check: a single one that is slow
    would take the last server out. So it gets as many tries as everywhere (`fall`).
    """
    commands = [
        f"set server {backend.name}/{server.name} health up"
        for backend in state.backends.values()
        for server in backend.servers
        if server.check and server.weight > 0
    ]
    yield from at_once(commands)


def at_once(commands: Sequence[str]) -> Iterator[str]:
    """Join commands to lines that the runtime API can take."""
    for start in range(0, len(commands), _COMMANDS_AT_ONCE):
        yield "; ".join(commands[start : start + _COMMANDS_AT_ONCE]) + "\n"


def weights(percent: int, *, new: int, old: int) -> tuple[int, int]:
    """Return the weight of each new and each old server, so that the new ones together get
    `percent` of the requests.

    Args:
        percent: 0–100.
        new: number of new servers.
        old: number of old servers.
    """
    if old == 0 or percent >= 100:
        return 100, 0
    if new == 0 or percent <= 0:
        return 0, 100
    share_new, share_old = percent / new, (100 - percent) / old
    scale = _HIGHEST_WEIGHT / max(share_new, share_old)
    return max(1, round(share_new * scale)), max(1, round(share_old * scale))
