"""Brings a release's image onto a host, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.health import require_healthcheck
from deploy_action.platforms.docker.volumes import require_mounts_after_pull
from deploy_action.releases.model import Kind
from deploy_action.rollout.step import StepId

if TYPE_CHECKING:
    from deploy_action.platforms.docker.runtime import DockerContext

__all__ = ["Pull"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """Pulls the image."""

    id: ClassVar[StepId] = StepId.PULL
    host: str
    reference: str

    def describe(self) -> str:
        return f"pull {self.reference}"

    def run(self, context: DockerContext) -> None:
        host = context.runtime.hosts[self.host]
        plan, login = context.plan, context.credentials
        if plan.release.local or plan.configuration.pull == "never":
            reason = "it was built locally" if plan.release.local else "`pull: never` is set"
            raise DeploymentFailed(
                f"{host.name}: image {self.reference} is not on the host, and {reason}",
                remedy="push it to a registry, or load it: docker save … | docker load",
                code=ErrorCode.IMAGE_NOT_PULLABLE,
            )
        name = f"{plan.release.image}:{plan.release.version}"
        with context.events.waiting(f"pulling {name}", host=self.host) as tell:
            host.engine.pull(
                self.reference,
                None if login is None else (login.username, login.password.reveal()),
                check=context.cancel.check,
                tell=tell,
            )
        image, engine = host.engine.image(self.reference), host.engine.info()
        if image is None:
            raise DeploymentFailed(
                f"{host.name}: {self.reference} is missing after its pull",
                code=ErrorCode.IMAGE_NOT_FOUND,
            )
        require_healthcheck(host.name, plan.release, present=image.healthcheck)
        if image.architecture != engine.architecture:
            raise DeploymentFailed(
                f"{host.name}: the image is for {image.architecture}, the host is "
                f"{engine.architecture}",
                remedy=f"build it for linux/{engine.architecture}",
                code=ErrorCode.WRONG_ARCHITECTURE,
            )
        if plan.kind is not Kind.ROLLBACK:
            require_mounts_after_pull(host.name, plan.release, image.volumes)
