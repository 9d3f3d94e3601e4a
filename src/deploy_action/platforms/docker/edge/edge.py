"""Changes a host's edge: its file first, then the running HAProxy."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.edge.queries import server_statuses, written_state
from deploy_action.platforms.docker.edge.render import render
from deploy_action.platforms.docker.edge.state import (
    Backend,
    Clash,
    EdgeState,
    ServerStatus,
    kept_name,
    owner_of,
)
from deploy_action.platforms.docker.edge.transition import (
    Transition,
    add_server,
    command_lines,
    health_commands,
    transition,
)
from deploy_action.session.client import Session
from deploy_action.session.queries import Conflict

__all__ = ["Edge", "StateCache", "place_taken"]

_TRIES = 20
_SUCCEEDED = (
    "New server registered",
    "Server deleted",
    "Done",
    "done",
    # The first wait of a removal may time out; its last command shows whether it succeeded.
    "Wait delay expired",
)
_ALREADY_ADDED = "Already exists a server"

Update = Callable[[Backend | None], Backend | None]
"""Computes a backend from the present one; None is no backend."""


@dataclass(slots=True)
class StateCache:
    """The newest state that was read or written, from which a change starts.

    The session compares its generation with the file's. Threads may arrive with an older state.
    """

    state: EdgeState | None = None
    _generation: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, state: EdgeState) -> None:
        """Keep a state, unless a newer one was known."""
        with self._guard:
            if state.generation >= self._generation:
                self.state, self._generation = state, state.generation

    def forget(self) -> None:
        """Make the next change read the state."""
        with self._guard:
            self.state = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The edge of one host."""

    host: str
    session: Session
    cache: StateCache = field(default_factory=StateCache)

    def state(self) -> EdgeState:
        """Read the desired state from the configuration file."""
        state = self.session.ask(written_state(self.host))
        self.cache.keep(state)
        return state

    def backend(self, name: str) -> Backend | None:
        """Read one backend of the desired state."""
        return self.state().backends.get(name)

    def servers(self, name: str) -> dict[str, ServerStatus]:
        """Ask the running edge for the servers of a backend."""
        return self.session.ask(server_statuses(name))

    def change(self, name: str, update: Update) -> Backend | None:
        """Replace a backend in the file and in the running edge; return the new one.

        Certificate, maintenance and token stay, as they belong to the host.

        Args:
            update: called again when another service changed the edge in between.

        Raises:
            DeploymentFailed: HAProxy refuses the new configuration; the old one stays.
        """
        return self._replace(name, _keeping_host_values(update))

    def announce(self, name: str, update: Update, *, starting: Collection[str]) -> Backend | None:
        """Change a backend as `change` does, except that new servers are only written to the file.

        Pass the result to `admit` once the servers run. HAProxy would otherwise check addresses
        that do not exist yet, and each such check delays the next one until it times out.

        Args:
            starting: names of servers that are being started; the running edge may know them, with
                an outdated health.

        Returns the backend with only the servers that are to be admitted.
        """
        known: set[str] = set()

        def noting_known(old: Backend | None) -> Backend | None:
            if old is not None:
                known.update(server.name for server in old.servers)
            return update(old)

        backend = self._replace(name, _keeping_host_values(noting_known), defer_added=True)
        if backend is None:
            return None
        servers = tuple(s for s in backend.servers if s.name in starting or s.name not in known)
        return dataclasses.replace(backend, servers=servers)

    def admit(self, backend: Backend | None) -> None:
        """Add the servers that `announce` returned to the running edge."""
        if backend is None:
            return
        commands = [c for server in backend.servers for c in add_server(backend, server)]
        for line in command_lines(commands):
            # A server may have been added by another service's reload.
            if _has_failed(self.session.haproxy(line), accept=_ALREADY_ADDED):
                self._reload()

    def close_sessions(self, name: str, servers: Iterable[str]) -> None:
        """Close the connections that servers still have; the servers stay."""
        commands = [
            f"shutdown sessions server {section}/{server}"
            for server in servers
            for section in (name, kept_name(name))
        ]
        for line in command_lines(commands):
            self.session.haproxy(line)

    def configure(
        self, name: str, *, certificate: str | None = None, maintenance: str | None = None
    ) -> None:
        """Set a backend's values that belong to the host; None keeps a value."""

        def update(old: Backend | None) -> Backend | None:
            if old is None:
                return None
            return dataclasses.replace(
                old,
                certificate=old.certificate if certificate is None else certificate,
                maintenance=old.maintenance if maintenance is None else maintenance,
            )

        self._replace(name, update)

    def restore_health(self) -> None:
        """Mark servers with traffic as healthy in a worker that has just started.

        Other services may have changed servers since; what HAProxy answers about those is ignored.
        """
        for line in health_commands(self.state()):
            self.session.haproxy(line)

    def _replace(self, name: str, update: Update, *, defer_added: bool = False) -> Backend | None:
        for _ in range(_TRIES):
            cached = self.cache.state
            state = cached or self.state()
            old = state.backends.get(name)
            new = _with_token(update(old), state)
            if old == new and not (state.edited or state.outdated):
                return new
            # After a refused or unanswered change the edge's state is unknown; it is read again.
            self.cache.forget()
            clash = self._clash(state, new)
            if clash and cached is not None:
                # The other service may have left the port since the state was cached.
                continue
            if clash:
                raise clash
            # The running edge may differ from an edited file, and does from an outdated one.
            step = (
                Transition(reload=True)
                if state.edited or state.outdated
                else transition(old, new, defer_added=defer_added)
            )
            # A server that comes with a reload counts as up until its first check; one that is
            # added to the running edge starts as down. So new servers are added after the reload.
            target, complete = _without_added(old, new) if step.reload else (new, True)
            following = state.with_backend(name, target)
            try:
                answer = self.session.change_edge(
                    render(following),
                    generation=state.generation,
                    reload=step.reload,
                    commands=step.commands,
                )
            except Conflict:
                continue
            self.cache.keep(following)
            if step.reload:
                self.restore_health()
            elif _has_failed(answer):
                self._reload()
            if complete:
                return new
        raise DeploymentFailed(f"{self.host}: other services keep changing the edge")

    def _reload(self) -> None:
        """Reload the file, which is right where the running edge differs from it."""
        for _ in range(_TRIES):
            state = self.state()
            following = dataclasses.replace(
                state, generation=state.generation + 1, edited=False, outdated=False
            )
            with contextlib.suppress(Conflict):
                self.session.change_edge(
                    render(following), generation=state.generation, reload=True, commands=""
                )
                self.cache.keep(following)
                self.restore_health()
                return

    def _clash(self, state: EdgeState, new: Backend | None) -> DeploymentFailed | None:
        if new is None:
            return None
        clash = state.clash(new)
        if clash is not None:
            return place_taken(self.host, clash)
        if new.tls and not new.certificate:
            return DeploymentFailed(
                f"{self.host}: there is no certificate for {new.address()} on this host",
                remedy="name it in deploy.yaml: route.certificate",
                code=ErrorCode.CERTIFICATE_INVALID,
            )
        return None


def place_taken(host: str, clash: Clash) -> DeploymentFailed:
    """Return the refusal of a place that another service has."""
    service, environment = owner_of(clash.holder)
    return DeploymentFailed(
        f"{host}: {clash.reason}",
        cause="two services cannot have the same place at one edge; which one would answer?",
        remedy="give this one another route (url, route.host, route.path or route.port); or, where "
        f"{service} is no longer wanted: deploy-action remove -e {environment} --service {service}",
        code=clash.code,
    )


def _keeping_host_values(update: Update) -> Update:
    def keep(old: Backend | None) -> Backend | None:
        new = update(old)
        return None if new is None else new.keeping(old)

    return keep


def _with_token(backend: Backend | None, state: EdgeState) -> Backend | None:
    """Give a backend the token of its edge: another service that answers is then named."""
    if backend is None or backend.probe_token:
        return backend
    known = (other.probe_token for other in state.backends.values() if other.probe_token)
    return dataclasses.replace(backend, probe_token=next(known, "") or secrets.token_hex(16))


def _has_failed(answer: str, accept: str = "") -> bool:
    """Tell whether the runtime API refused one of several commands.

    Args:
        accept: how an acceptable refusal begins.
    """
    accepted = (*_SUCCEEDED, accept) if accept else _SUCCEEDED
    lines = (line.strip() for line in answer.splitlines())
    return any(line and not line.startswith(accepted) for line in lines)


def _without_added(old: Backend | None, new: Backend | None) -> tuple[Backend | None, bool]:
    """Leave out checked servers that are new and have no traffic; tell whether none was."""
    if new is None:
        return None, True
    known = {server.name for server in old.servers} if old is not None else set()
    servers = tuple(s for s in new.servers if s.name in known or s.weight or not s.check)
    return dataclasses.replace(new, servers=servers), len(servers) == len(new.servers)
