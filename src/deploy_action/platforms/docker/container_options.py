"""The options of deploy.yaml as the engine's HostConfig has them: what `docker run` sends. Pure.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy_action.config.model import ContainerOptions

__all__ = ["DROPPED", "host_config"]

DROPPED = ("MKNOD", "NET_RAW", "SETFCAP")
"""Capabilities that Docker gives and no ordinary application needs: raw sockets can forge the
addresses of neighbours, and device nodes and file capabilities are made when an image is built."""

_LOG_BOUNDS = {"max-size": "10m", "max-file": "3"}
_BOUNDED_DRIVERS = ("json-file", "local")


def host_config(options: ContainerOptions) -> dict[str, Any]:
    """Return the part of HostConfig that follows from the options."""
    config: dict[str, Any] = {
        "CapAdd": list(options.cap_add),
        "CapDrop": _dropped(options),
        "LogConfig": _log_config(options),
        "SecurityOpt": ["no-new-privileges:true"] if options.no_new_privileges else [],
        # None leaves it to the engine, which may have `init: true` of its own.
        "Init": options.init or None,
        "ShmSize": options.shm_bytes or 0,
        "Sysctls": dict(options.sysctls),
        "Dns": list(options.dns),
        "ExtraHosts": [entry.replace("=", ":", 1) for entry in options.extra_hosts],
        "Ulimits": [
            {"Name": name, "Soft": limit.soft, "Hard": limit.hard}
            for name, limit in options.ulimits.items()
        ],
        "Devices": [_device(device) for device in options.devices],
    }
    if options.gpus is not None:
        config["DeviceRequests"] = [{"Count": options.gpus, "Capabilities": [["gpu"]]}]
    return config


def _dropped(options: ContainerOptions) -> list[str]:
    if "ALL" in options.cap_drop:
        return ["ALL"]
    added = set(options.cap_add)
    ours = () if "ALL" in added else (name for name in DROPPED if name not in added)
    return sorted({*options.cap_drop, *ours})


def _log_config(options: ContainerOptions) -> Mapping[str, object] | None:
    """Return driver and bounds; None leaves both to the engine."""
    logging = options.logging
    if logging is None:
        return {"Type": "json-file", "Config": _LOG_BOUNDS}
    if logging.driver == "engine":
        return None
    bounds = _LOG_BOUNDS if logging.driver in _BOUNDED_DRIVERS else {}
    return {"Type": logging.driver, "Config": bounds | dict(logging.options)}


def _device(device: str) -> Mapping[str, str]:
    host, *rest = device.split(":")
    inside = next((part for part in rest if part.startswith("/")), host)
    rights = next((part for part in rest if not part.startswith("/")), "rwm")
    return {"PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": rights}
