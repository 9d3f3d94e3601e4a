"""The conversation with a host's edge: change a backend, watch its servers, wait for a drain."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.queries import server_statuses, written_state
from deploy_action.platforms.docker.edge.render import render
from deploy_action.platforms.docker.edge.state import Backend, EdgeState, ServerStatus
from deploy_action.platforms.docker.edge.transition import (
    Transition,
    add,
    at_once,
    restore_health,
    transition,
)
from deploy_action.session.client import Session
from deploy_action.session.queries import Conflict

__all__ = ["Edge", "StateCache"]

_TRIES = 20


@dataclass(slots=True)
class StateCache:
    """The newest state that was read or written: a change begins with it, and whether it is still so
    is for the session to say, by the generation. Threads may come late with an older one."""

    state: EdgeState | None = None
    _generation: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, state: EdgeState) -> None:
        """Remember a state, unless a newer one was known."""
        with self._guard:
            if state.generation >= self._generation:
                self.state, self._generation = state, state.generation

    def forget(self) -> None:
        """Have the next change read."""
        with self._guard:
            self.state = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The edge of one host."""

    host: str
    session: Session
    cache: StateCache = field(default_factory=StateCache)

    def state(self) -> EdgeState:
        """Read what the edge should do, as its configuration file says."""
        state = self.session.ask(written_state())
        self.cache.keep(state)
        return state

    def backend(self, name: str) -> Backend | None:
        """Read one backend."""
        return self.state().backends.get(name)

    def change(
        self,
        name: str,
        make: Callable[[Backend | None], Backend | None],
    ) -> Backend | None:
        """Replace a backend, file first and running edge after it; return what it is now.

        Args:
            make: computes the new backend from the present one; called again when another
                service changed the edge in between. The present one is that of `cache`: who has
                the lock is the only one to change this backend.

        Raises:
            DeploymentFailed: HAProxy refuses the new configuration; the old one stays.
        """
        return self._replace(name, _keeping(make))

    def announce(
        self,
        name: str,
        make: Callable[[Backend | None], Backend | None],
        *,
        starting: Collection[str],
    ) -> Backend | None:
        """Like `change`, with servers that do not run yet; return the backend with what is to be
        admitted: these, and all that are new.

        Args:
            starting: names of servers that are being started. What the edge knows of the health of
                one that it has already is out of date then.
        """
        known: set[str] = set()

        def noting(old: Backend | None) -> Backend | None:
            if old is not None:
                known.update(server.name for server in old.servers)
            return make(old)

        backend = self._replace(name, _keeping(noting), later=True)
        if backend is None:
            return None
        fresh = tuple(s for s in backend.servers if s.name in starting or s.name not in known)
        return dataclasses.replace(backend, servers=fresh)

    def admit(self, backend: Backend | None) -> None:
        """Add the servers to the running edge that `announce` wrote down and returned.

        Only now: a check of an address that nobody has yet ends when its time is up, and so would
        see the replica late.
        """
        if backend is None:
            return
        commands = [command for server in backend.servers for command in add(backend, server)]
        for line in at_once(commands):
            # One that is there already came with another service's reload.
            if _refused(self.session.haproxy(line), but=_THERE_ALREADY):
                self._reload()

    def cut(self, name: str, servers: Iterable[str]) -> None:
        """End the connections that servers still have, which stay where they are."""
        for line in at_once([f"shutdown sessions server {name}/{server}" for server in servers]):
            self.session.haproxy(line)

    def present(
        self, name: str, *, certificate: str | None = None, maintenance: str | None = None
    ) -> None:
        """Set what belongs to the host; None leaves a value as it is. A reload, if it differs."""

        def set_(old: Backend | None) -> Backend | None:
            if old is None:
                return None
            return dataclasses.replace(
                old,
                certificate=old.certificate if certificate is None else certificate,
                maintenance=old.maintenance if maintenance is None else maintenance,
            )

        self._replace(name, set_)

    def _replace(
        self,
        name: str,
        make: Callable[[Backend | None], Backend | None],
        *,
        later: bool = False,
    ) -> Backend | None:
        for _ in range(_TRIES):
            remembered = self.cache.state
            state = remembered or self.state()
            old = state.backends.get(name)
            new = make(old)
            if old == new and not state.edited:
                return new
            # What is refused, or never answered, is not known to be either.
            self.cache.forget()
            clash = self._clash(state, new)
            if clash and remembered is not None:
                # Who had the port may have left it since.
                continue
            if clash:
                raise clash
            # Where somebody has edited the file, what the running edge was told is not known.
            edited = Transition(reload=True) if state.edited else None
            step = edited or transition(old, new, later=later)
            # A server that comes with a reload waits for its first check and counts as up until
            # then; one that is added to the running edge is checked at once and starts as down.
            target, fresh = _split(old, new) if step.reload else (new, False)
            wanted = state.with_backend(name, target)
            try:
                answer = self.session.change_edge(
                    render(wanted),
                    generation=state.generation,
                    reload=step.reload,
                    commands=step.commands,
                )
            except Conflict:
                continue
            self.cache.keep(wanted)
            if step.reload:
                self.restore_health()
            elif _refused(answer):
                self._reload()
            if not fresh:
                return new
        raise DeploymentFailed(f"{self.host}: the edge is changed by others all the time")

    def _reload(self) -> None:
        """Have the running edge do what the file says: it is the truth where the two differ, as
        after a deployer that died between them."""
        for _ in range(_TRIES):
            state = self.state()
            following = dataclasses.replace(state, generation=state.generation + 1, edited=False)
            with contextlib.suppress(Conflict):
                self.session.change_edge(
                    render(following), generation=state.generation, reload=True, commands=""
                )
                self.cache.keep(following)
                self.restore_health()
                return

    def restore_health(self) -> None:
        """Count servers with traffic as healthy, in a process that has just begun.

        What others have changed since is theirs to tell, so that no answer is looked at.
        """
        for commands in restore_health(self.state()):
            self.session.haproxy(commands)

    def _clash(self, state: EdgeState, new: Backend | None) -> DeploymentFailed | None:
        clash = "" if new is None else state.clash(new)
        if not clash and new is not None and new.tls and not new.certificate:
            clash = "there is no certificate for it on this host"
        if not clash or new is None:
            return None
        return DeploymentFailed(
            f"{self.host}: the edge cannot take {new.name} on port {new.port}: {clash}",
            remedy="give it another port (route.port) or the certificate (route.certificate)",
            code=ErrorCode.PORT_TAKEN,
        )

    def servers(self, name: str) -> dict[str, ServerStatus]:
        """Ask how the servers of a backend are."""
        return self.session.ask(server_statuses(name))


def _keeping(
    make: Callable[[Backend | None], Backend | None],
) -> Callable[[Backend | None], Backend | None]:
    """Have what is made take over what belongs to the host."""

    def keep(old: Backend | None) -> Backend | None:
        new = make(old)
        return None if new is None else new.keeping(old)

    return keep


def _refused(answer: str, but: str = "") -> bool:
    """Tell whether the runtime API refused a command: it says so and goes on with the next.

    Args:
        but: how a refusal begins that is fine.
    """
    fine = (*_FINE, but) if but else _FINE
    lines = (line.strip() for line in answer.splitlines())
    return any(line and not line.startswith(fine) for line in lines)


def _split(old: Backend | None, new: Backend | None) -> tuple[Backend | None, bool]:
    """Leave out, for now, checked servers that are new and have no traffic yet."""
    if new is None:
        return None, False
    known = {server.name for server in old.servers} if old is not None else set()
    stay = tuple(s for s in new.servers if s.name in known or s.weight or not s.check)
    return dataclasses.replace(new, servers=stay), len(stay) < len(new.servers)


_FINE = (
    "New server registered",
    "Server deleted",
    "Done",
    "done",
    # The first wait of a removal may run out; whether the removal succeeds says the last command.
    "Wait delay expired",
)
_THERE_ALREADY = "Already exists a server"
