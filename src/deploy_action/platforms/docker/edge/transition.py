"""From one state of a backend to the next: runtime API commands, or a reload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy_action.platforms.docker.edge.render import server_options
from deploy_action.platforms.docker.edge.state import Backend, EdgeState, Server

__all__ = [
    "Transition",
    "add_server",
    "command_lines",
    "health_commands",
    "transition",
    "weights",
]

_HIGHEST_WEIGHT = 256
_COMMANDS_PER_LINE = 50
"""HAProxy runs a line of commands in one go, while others wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """`commands` make the running edge match the new file, unless a `reload` has to."""

    reload: bool
    commands: str = ""


def transition(
    old: Backend | None, new: Backend | None, *, defer_added: bool = False
) -> Transition:
    """Compare two states of one backend.

    Servers are added before weights rise, and weights rise before others fall, so that at no
    instant every server has weight 0.

    Args:
        defer_added: leave out the commands that add servers.
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
    if not defer_added:
        for server in new.servers:
            commands += [] if server.name in before else add_server(new, server)
    shared = [(before[name].weight, after[name]) for name in after if name in before]
    for weight, server in sorted(shared, key=lambda pair: pair[0] - pair[1].weight):
        if weight != server.weight:
            commands += [
                f"set server {target} weight {server.weight}" for target in _targets(new, server)
            ]
    for server in old.servers:
        if server.name not in after:
            commands += _remove_server(new, server)
    return Transition(reload=False, commands="; ".join(commands) + "\n" if commands else "")


def _identity(server: Server) -> tuple[str, int, bool, bool, bool]:
    return server.address, server.port, server.check, server.backup, server.h2


def _targets(backend: Backend, server: Server) -> list[str]:
    return [f"{section}/{server.name}" for section in backend.sections(server)]


def add_server(backend: Backend, server: Server) -> list[str]:
    """Return the commands that add a server, which starts as down where it is checked."""
    commands = []
    for section in backend.sections(server):
        target = f"{section}/{server.name}"
        options = server_options(backend, server, kept=section != backend.name)
        commands.append(
            f"add server {target} {server.address}:{server.port} weight {server.weight}{options}"
        )
        if server.check:
            commands.append(f"enable health {target}")
        commands.append(f"enable server {target}")
        if server.check:
            # HAProxy counts a new server as up until its first check.
            commands.append(f"set server {target} health down")
    return commands


def _remove_server(backend: Backend, server: Server) -> list[str]:
    targets = _targets(backend, server)
    return [
        *(f"set server {target} state maint" for target in targets),
        # A request that is connecting to a dead server goes to another one after "timeout connect"
        # (2 s); only what is left after that is cut.
        *(f"wait 3s srv-removable {target}" for target in targets),
        *(f"shutdown sessions server {target}" for target in targets),
        *(f"wait 2s srv-removable {target}" for target in targets),
        *(f"del server {target}" for target in targets),
    ]


def health_commands(state: EdgeState) -> Iterator[str]:
    """Yield the commands after a reload that mark servers with traffic as healthy.

    A new worker counts a server as up, but only until its first check: one slow check would then
    take the last server out. Marked as healthy, it may fail as many checks as usual (`fall`).
    """
    commands = [
        f"set server {target} health up"
        for backend in state.backends.values()
        for server in backend.servers
        if server.check and server.weight > 0
        for target in _targets(backend, server)
    ]
    yield from command_lines(commands)


def command_lines(commands: Sequence[str]) -> Iterator[str]:
    """Join commands to lines that the runtime API can take."""
    for start in range(0, len(commands), _COMMANDS_PER_LINE):
        yield "; ".join(commands[start : start + _COMMANDS_PER_LINE]) + "\n"


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
