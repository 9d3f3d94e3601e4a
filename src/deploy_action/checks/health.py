"""When a replica counts as healthy, and what to tell a person when it does not become so."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy_action.config.model import Health
from deploy_action.errors import ErrorCode
from deploy_action.platforms.docker.edge.state import ServerStatus
from deploy_action.platforms.docker.engine.protocol import Container

__all__ = ["Streak", "explain_exit", "explain_unhealthy", "start_failure"]

_CODES = {
    0: "it ended without an error, but a service has to keep running; does the command go into "
    "the background?",
    1: "the application failed at start; its last log lines say why",
    126: "the entry point was found but is not executable (chmod +x, or a wrong architecture)",
    127: "the entry point was not found in the image",
    134: "it aborted (SIGABRT)",
    137: "it was killed (SIGKILL)",
    139: "it crashed (SIGSEGV)",
    143: "it was asked to stop (SIGTERM)",
}
_START_FAILURES = {
    ErrorCode.ENTRYPOINT_NOT_FOUND: "exit code 127: the entry point was not found in the image",
    ErrorCode.ENTRYPOINT_NOT_EXECUTABLE: "exit code 126: the entry point is not executable",
    ErrorCode.WRONG_ARCHITECTURE: "the image is for another architecture",
}


@dataclass(slots=True)
class Streak:
    """Counts consecutive successes; a failure starts again from nothing."""

    needed: int
    count: int = field(default=0)

    def add(self, passed: bool) -> bool:
        """Note one look and say whether it is enough now."""
        self.count = self.count + 1 if passed else 0
        return self.count >= self.needed


def explain_exit(container: Container) -> str:
    """Say why a container that should run has ended."""
    code = container.exit_code
    if container.out_of_memory:
        limit = container.memory_bytes // 2**20
        return (
            f"out of memory (exit code {code}): the kernel killed it at its limit of {limit} MiB; "
            "raise resources.memory or let it use less"
        )
    reason = _CODES.get(code, "see its last log lines")
    said = f" ({container.error})" if container.error else ""
    return f"exit code {code}: {reason}{said}"


def start_failure(code: ErrorCode) -> str:
    """Say why the engine could not start a container; empty where the code does not tell."""
    return _START_FAILURES.get(code, "")


def explain_unhealthy(health: Health, status: ServerStatus | None, container: Container) -> str:
    """Say what the last health check saw, with a hint where there is a usual cause."""
    if health.kind == "docker":
        return f"the image's HEALTHCHECK says {container.health}: {container.health_log or '-'}"
    if status is None or not status.last_check:
        return "no health check has answered"
    said = status.last_check
    if "refused" in said.lower() or said.startswith("L4CON"):
        return (
            f"connection refused ({said}): nothing listens on that port of the container's "
            "address; it must listen on 0.0.0.0, not on 127.0.0.1, and on the port that "
            "deploy.yaml names"
        )
    if said.startswith(("L7TOUT", "L4TOUT", "L6TOUT")):
        return f"no answer within {health.timeout_seconds:g} s ({said})"
    if said.startswith("L7STS"):
        return f"GET {health.path} did not answer 2xx, and a redirect does not count ({said})"
    return said
