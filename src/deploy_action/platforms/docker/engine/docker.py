"""A Docker engine behind the Engine protocol."""

from __future__ import annotations

from deploy_action.platforms.docker.engine.containers import DockerContainers
from deploy_action.platforms.docker.engine.images import DockerImages
from deploy_action.platforms.docker.engine.networks import DockerNetworks
from deploy_action.platforms.docker.engine.protocol import EngineInfo
from deploy_action.platforms.docker.engine.streams import DockerStreams

__all__ = ["DockerEngine"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class DockerEngine(DockerImages, DockerContainers, DockerStreams, DockerNetworks):
    """One host's Docker engine."""

    def info(self) -> EngineInfo:
        with self._errors("info"):
            info = self._api.get("info")
        return EngineInfo(
            host=self.host,
            version=info["ServerVersion"],
            architecture=_ARCHITECTURES.get(info["Architecture"], info["Architecture"]),
            identity=info["ID"],
            cpus=info.get("NCPU") or 0,
            data_root=info.get("DockerRootDir") or "",
            log_drivers=frozenset((info.get("Plugins") or {}).get("Log") or ()),
            gpus="nvidia" in (info.get("Runtimes") or {}) or bool(info.get("DiscoveredDevices")),
            user_namespaces="name=userns" in (info.get("SecurityOptions") or ()),
        )
