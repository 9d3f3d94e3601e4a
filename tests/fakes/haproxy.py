"""A small model of HAProxy: servers with weights, checks that take their time, the runtime API.

It reads the configuration's text by itself, so that a mistake of `render` is not made twice.
Checks happen at their own times whenever `catch_up` is called: before anything changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

__all__ = ["FakeHaproxy", "FakeServer"]

Ask = Callable[[str, int, float], int | None]
"""(address, port, time) → HTTP status, None where the connection is refused."""

_SERVER = re.compile(r"  server (\S+) ([\d.]+):(\d+) weight (\d+)(.*)")
_TOKEN = re.compile(r"var\(txn.token\) -m str (\w+)")
_ROUTE = re.compile(r"  (?:use|default)_backend (\S+)(?: if .*)?")
_NAMES = re.compile(r"req\.hdr\(host\),host_only -i( -m end)? (\S+)")
_REDIRECT = re.compile(r"  http-request redirect prefix '(\S+)' code (\d+)")
_COLUMNS = (
    *("pxname", "svname", "status", "weight", "scur", "stot", "hrsp_5xx", "econ", "eresp"),
    *("rtime", "check_status", "check_desc", "last_chk"),
)


@dataclass(slots=True, kw_only=True)
class FakeServer:
    """One server; `health` counts as HAProxy does: at `rise` and above it is up."""

    name: str
    address: str
    port: int
    weight: int
    options: str
    born: float
    enabled: bool = True
    health: int = 0
    checked: bool = False
    last: str = ""
    next_check: float = 0.0
    sessions: int = 0

    def _option(self, name: str, default: int) -> int:
        found = re.search(rf" {name} (\d+)", self.options)
        return int(found[1]) if found else default

    @property
    def check(self) -> bool:
        """True where the edge judges it."""
        return self.options.startswith(" check")

    @property
    def rise(self) -> int:
        """Checks that have to pass."""
        return self._option("rise", 2)

    @property
    def fall(self) -> int:
        """Checks in a row that may fail."""
        return self._option("fall", 3)

    @property
    def up(self) -> bool:
        """True where it may get requests."""
        return self.enabled and (not self.check or self.health >= self.rise)

    def begin(self, *, up: bool) -> None:
        """Start its health: a server that counts as up falls with its first failed check."""
        self.health = self.rise if up else 0
        self.next_check = self.born

    def examine(self, status: int | None, *, http: bool) -> None:
        """Take one check's result."""
        rise, fall = self.rise, self.fall
        steady, unsure = self._option("inter", 1000), self._option("fastinter", 50)
        passed = status is not None and (not http or 200 <= status < 300)
        if status is None:
            self.last = "L4CON"
        else:
            self.last = ("L7OK" if http else "L4OK") if passed else "L7STS"
        self.checked = passed
        if passed:
            was = self.health
            self.health = min(rise + fall - 1, self.health + 1)
            if was < rise <= self.health:
                self.health = rise + fall - 1
        else:
            was = self.health
            self.health -= 1
            if was >= rise > self.health or self.health < 0:
                self.health = 0
        if self.health == 0:
            wait = self._option("downinter", 50)
        else:
            wait = steady if self.health == rise + fall - 1 else unsure
        self.next_check += wait / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRoute:
    """Where requests for a host name go; every one for an empty name, and below one with a dot."""

    name: str
    backend: str

    def takes(self, host: str) -> bool:
        """Tell whether it is for this name; somebody who names none takes the first route."""
        below = self.name.startswith(".") and host.endswith(self.name)
        return not self.name or not host or below or host == self.name


@dataclass(slots=True, kw_only=True)
class FakeHaproxy:
    """One running edge."""

    ask: Ask
    now: Callable[[], float]
    backends: dict[str, dict[str, FakeServer]] = field(default_factory=dict)
    http: dict[str, bool] = field(default_factory=dict)
    frontends: dict[int, list[FakeRoute]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    sockets: dict[str, str] = field(default_factory=dict)

    def load(self, text: str) -> None:
        """Take a configuration: what was known of servers is forgotten, as by a reload."""
        self.backends, self.http, self.frontends = {}, {}, {}
        self.tokens, self.redirects, self.sockets = {}, {}, {}
        where = socket = ""
        port = 0
        for line in text.splitlines():
            if line.startswith("backend "):
                where = line.split()[1]
                self.backends[where], self.http[where] = {}, False
            elif line.startswith("frontend "):
                port, socket = 0, ""
            elif line.startswith("  bind unix@") and not port:
                socket = line.split()[1].removeprefix("unix@")
            elif socket and line.startswith("  default_backend "):
                self.sockets[socket] = line.split()[1]
            elif line.startswith("  bind :"):
                port = int(line.split()[1][1:])
            elif line.endswith("{ stopping }") or ".kept if " in line:
                # Whoever asks here asks with a token, on a connection of their own.
                continue
            elif port and (found := _ROUTE.fullmatch(line)):
                names = _NAMES.search(line)
                name = names[2].strip("'") if names else ""
                route = FakeRoute(name=name, backend=found[1])
                self.frontends.setdefault(port, []).append(route)
            elif found := _REDIRECT.fullmatch(line):
                self.redirects[where] = found[1]
            elif found := _TOKEN.search(line):
                self.tokens[where] = found[1]
            elif line == "  option httpchk":
                self.http[where] = True
            elif found := _SERVER.fullmatch(line):
                self._add(where, found, up=True)

    def _add(self, backend: str, found: re.Match[str], *, up: bool) -> FakeServer:
        name, address, port, weight, options = found.groups()
        server = FakeServer(
            name=name,
            address=address,
            port=int(port),
            weight=int(weight),
            options=options,
            born=self.now(),
        )
        server.begin(up=up)
        self.backends[backend][name] = server
        return server

    def catch_up(self) -> None:
        """Make every check whose time has come."""
        now = self.now()
        for backend, servers in self.backends.items():
            for server in servers.values():
                while server.check and server.enabled and server.next_check <= now:
                    status = self.ask(server.address, server.port, server.next_check)
                    server.examine(status, http=self.http[backend])

    def runtime(self, commands: str) -> str:
        """Answer the runtime API, command by command."""
        self.catch_up()
        parts = [part.strip() for part in re.split(r"[;\n]", commands)]
        return "\n".join(self._command(part) for part in parts if part) + "\n"

    def _command(self, text: str) -> str:
        if text.startswith("show stat "):
            return "\n".join(self._statistics(text.split()[2]))
        found = re.fullmatch(r"add server (\S+)/(\S+) (.*)", text)
        if found:
            backend, name, rest = found.groups()
            line = _SERVER.fullmatch(f"  server {name} {rest}")
            if line is None or name in self.backends.get(backend, {}):
                return "Already exists a server with the same name in backend."
            self._add(backend, line, up=True).enabled = False
            return "New server registered."
        found = re.search(r"(\S+)/(\S+)(.*)", text)
        server = self.backends.get(found[1], {}).get(found[2]) if found else None
        if server is None or found is None:
            return "No such server."
        return self._change(text, found[1], server, found[3].strip())

    def _change(self, text: str, backend: str, server: FakeServer, rest: str) -> str:
        verb = text.split(maxsplit=1)[0]
        if verb == "del":
            if server.enabled or server.sessions:
                return "Only servers in maintenance mode can be deleted."
            del self.backends[backend][server.name]
            return "Server deleted."
        if text.startswith("enable server"):
            server.enabled, server.next_check = True, self.now()
        elif rest == "state maint":
            server.enabled = False
        elif rest == "health up":
            server.health = server.rise + server.fall - 1
        elif rest == "health down":
            server.health, server.checked = 0, False
        elif rest.startswith("weight "):
            server.weight = int(rest.split()[1])
        elif verb == "shutdown":
            server.sessions = 0
        elif verb not in ("enable", "wait"):
            return f"Unknown command: '{text}'."
        return "Done." if verb == "wait" else ""

    def _statistics(self, backend: str) -> Iterator[str]:
        yield "# " + ",".join(_COLUMNS)
        for server in self.backends.get(backend, {}).values():
            status = "MAINT" if not server.enabled else "UP" if server.up else "DOWN"
            if server.enabled and not server.check:
                status = "no check"
            values = (backend, server.name, status, server.weight, server.sessions, 0, 0, 0, 0)
            yield ",".join(map(str, (*values, 0, server.last, "", "")))

    def eligible(self, backend: str) -> list[FakeServer]:
        """Return the servers that may get a request now."""
        usable = [s for s in self.backends.get(backend, {}).values() if s.up and s.weight > 0]
        active = [s for s in usable if " backup" not in s.options]
        return active or usable
