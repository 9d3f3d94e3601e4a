"""Runs a hook in a one-off container of the new image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.config.model import Hook
from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.replicas import hook_spec
from deploy_action.platforms.docker.volumes import discard
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["RunHook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """Runs a hook to its end and removes its container."""

    id: ClassVar[StepId] = StepId.RUN_HOOK
    host: str
    hook: Hook
    when: str

    def describe(self) -> str:
        return f"run the {self.when} hook {self.hook.name}"

    def run(self, context: DockerContext) -> None:
        host, hook = context.runtime.hosts[self.host], self.hook
        spec = hook_spec(
            host.placement,
            context.plan.release,
            hook,
            number=context.plan.number,
            secrets=context.secrets,
        )
        host.session.ping()
        container_id = host.engine.create(spec)
        try:
            host.engine.start(container_id)
            deadline = host.clock.monotonic() + hook.timeout_seconds
            code = None
            with context.events.waiting(
                f"running the hook {hook.name}",
                host=self.host,
                limit_seconds=hook.timeout_seconds,
            ):
                while code is None and host.clock.monotonic() < deadline:
                    context.cancel.check()
                    code = host.engine.wait(container_id, timeout_seconds=1.0)
            output = host.engine.logs(container_id, lines=30)
        finally:
            note = discard(host.engine, container_id)
            if note is not None:
                context.log.notes.append(note)
        context.events.quote(f"hook {hook.name}", output.splitlines())
        if code != 0:
            why = (
                f"exit code {code}"
                if code is not None
                else f"timed out after {hook.timeout_seconds:g} s"
            )
            raise DeploymentFailed(
                f"{host.name}: the hook {hook.name} failed: {why}",
                cause=(output.strip().splitlines() or [""])[-1][:300],
                remedy="its output is above; try it by hand in a container of the same image",
                code=ErrorCode.HOOK_FAILED,
            )
