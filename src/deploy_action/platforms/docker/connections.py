"""One command's hold on the hosts of an environment: connect, look, lock.

What a lock needs is imported at once, and what is done under it while the engine makes the lock.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.clock import Clock, SystemClock
from deploy_action.interruption import interruptible
from deploy_action.parallel import run_parallel
from deploy_action.platforms.docker.engine import Engine, connect
from deploy_action.platforms.docker.locking import lock_host
from deploy_action.session.lock import Holder

if TYPE_CHECKING:
    from deploy_action.config.model import Environment
    from deploy_action.events.progress import Progress
    from deploy_action.inputs import Inputs
    from deploy_action.platforms.docker.host import Host
    from deploy_action.platforms.docker.locked_hosts import LockedHosts
    from deploy_action.platforms.docker.observation import HostObservation, Observation
    from deploy_action.session.lock import Lock

__all__ = ["HostConnections", "connect_hosts"]

_HELD = "deploy_action.platforms.docker.locked_hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConnections:
    """Open connections to every host; nothing is locked yet."""

    environment: Environment
    inputs: Inputs
    progress: Progress
    clock: Clock
    engines: Mapping[str, Engine]
    id: str

    @property
    def first(self) -> Engine:
        """The engine that is asked where one answer is enough."""
        return self.engines[self.environment.hosts[0]]

    @contextlib.contextmanager
    def locked(self, *needed: str) -> Iterator[LockedHosts]:
        """Hold the lock of every host: the first one's, and with it the right to take the others'.

        All commands begin with the same host, so that of many at one time one gets them all; the
        others' locks are taken side by side. Two whose lists of hosts differ may refuse each
        other, before either has changed anything.

        What an earlier run left unfinished is not settled yet: `Held.settled` does that.

        Args:
            needed: modules for what is done under the lock; to import them takes half as long as
                the engine needs for it.

        Raises:
            LockHeld: somebody else has one; those already taken are given back.
        """
        taken: dict[str, tuple[Lock, Host]] = {}
        cancel = threading.Event()

        def take(host: str) -> None:
            taken[host] = self._lock(host, cancel)

        def meanwhile() -> None:
            for module in (_HELD, *needed):
                importlib.import_module(module)

        first, *others = sorted(self.engines)
        try:
            run_parallel(take, [first], cancel, meanwhile)
            run_parallel(take, others, cancel)
            from deploy_action.platforms.docker.locked_hosts import LockedHosts

            yield LockedHosts(
                engagement=self, sites=tuple(taken[host][1] for host in sorted(taken))
            )
        finally:
            # Those that were taken before one failed, too.
            for lock, site in taken.values():
                site.dialer.close()
                lock.release()

    def _lock(self, host: str, cancel: threading.Event) -> tuple[Lock, Host]:
        return lock_host(
            host,
            self.engines[host],
            self.environment,
            labels=Holder(
                actor=self.inputs.actor or "unknown",
                deployment=self.id,
                since=self.clock.now().isoformat(timespec="seconds"),
                run_url=self.inputs.run_url,
            ).labels,
            wait_seconds=self.inputs.lock_wait_seconds,
            clock=self.clock,
            cancel=cancel,
        )

    def look(self, images: Sequence[str] = ()) -> Observation:
        """Observe without a lock; a host on which nothing was ever deployed is empty."""
        from deploy_action.platforms.docker.host import observe
        from deploy_action.platforms.docker.observation import HostObservation, Observation
        from deploy_action.releases.ledger import Ledger

        def one(host: str) -> HostObservation:
            engine = self.engines[host]
            with self.reading(host) as site:
                if site is None:
                    return HostObservation(
                        host=host,
                        ledger=Ledger(),
                        replicas=(),
                        backend=None,
                        images=frozenset(i for i in images if engine.image(i) is not None),
                    )
                return observe(site, images)

        return Observation.of(run_parallel(one, self.environment.hosts))

    def fingerprint_key(self) -> bytes:
        """Return the key of secret fingerprints, or an empty one where none was made yet."""
        with self.reading(self.environment.hosts[0]) as site:
            return b"" if site is None else site.session.get(site.key_path) or b""

    def reading(self, host: str) -> contextlib.AbstractContextManager[Host | None]:
        """Open a session on a host that takes no lock; None where nothing was deployed yet."""
        from deploy_action.platforms.docker.host import reading

        return reading(host, self.engines[host], self.environment, self.clock)


@contextlib.contextmanager
def connect_hosts(
    environment: Environment, inputs: Inputs, progress: Progress
) -> Iterator[HostConnections]:
    """Connect to every host of an environment.

    Raises:
        HostUnreachable: one of them does not answer; none was touched.
    """
    clock = SystemClock()
    engines: dict[str, Engine] = {}
    signals = contextlib.ExitStack()
    signals.enter_context(interruptible())
    try:

        def open_engine(host: str) -> None:
            engines[host] = connect(host)

        # Kept as soon as each is open: when one host fails, the others' connections are closed.
        run_parallel(open_engine, environment.hosts)
        stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
        yield HostConnections(
            environment=environment,
            inputs=inputs,
            progress=progress,
            clock=clock,
            engines={host: engines[host] for host in environment.hosts},
            id=f"{stamp}-{os.urandom(3).hex()}",
        )
    finally:
        for engine in engines.values():
            engine.close()
        signals.close()
