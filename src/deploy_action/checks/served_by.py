"""Proof of who answered a request through the edge, of which the application knows nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deploy_action.checks.result import CheckFailure, CheckFailureKind

__all__ = ["ServedBy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBy:
    """What the edge says in its answer to a request that carries its token.

    Attributes:
        request_headers: the token, in the header that the edge looks for.
        answer_header: where the edge names backend and server: ``shop_production/REPLICA``.
        backend: the backend that must answer.
        servers: the servers one of which must answer; empty where any of the backend may.
        place: for people, what is asked ("shop.example.com:443/").
    """

    request_headers: Mapping[str, str]
    answer_header: str
    backend: str
    servers: Collection[str] = ()
    place: str

    def failures(self, said: str | None) -> tuple[CheckFailure, ...]:
        """Judge the value of the answer's header; None where it was missing."""
        if said is None:
            detail = f"something else than this edge answers at {self.place}"
            return (CheckFailure(CheckFailureKind.SERVED_ELSEWHERE, detail),)
        backend, _, server = said.partition("/")
        if backend != self.backend:
            service, _, environment = backend[:100].partition("_")
            detail = f"{service} ({environment}) answers at {self.place}"
            return (CheckFailure(CheckFailureKind.SERVED_ELSEWHERE, detail),)
        # The edge's own answers (503) come from no server.
        if server and self.servers and server not in self.servers:
            detail = f"{server[:200]} answered, which is no replica of this release"
            return (CheckFailure(CheckFailureKind.WRONG_RELEASE, detail),)
        return ()
