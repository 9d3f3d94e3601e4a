"""The options of deploy.yaml as the engine's HostConfig has them: what `docker run` sends. Pure.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerCreate
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deploy_action.config.model import ContainerOptions

__all__ = ["DROPPED", "changed_options", "host_config", "is_dropped"]

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


def is_dropped(capability: str, options: ContainerOptions) -> bool:
    """Tell whether a container with these options lacks a capability that Docker gives."""
    return capability not in options.cap_add and not {capability, "ALL"}.isdisjoint(
        _dropped(options)
    )


def changed_options(
    options: ContainerOptions, seen: Mapping[str, Any]
) -> Iterator[tuple[str, object, object]]:
    """Yield key of deploy.yaml, recorded value and found value of each option that differs.

    Args:
        seen: HostConfig, as the engine shows it: with defaults of its own where nothing was sent;
            empty is unknown.
    """
    if not seen:
        return
    recorded, found = _comparable(host_config(options)), _comparable(seen)
    for key, value in recorded.items():
        other = found[key]
        if isinstance(value, dict):
            # The engine adds its default limits and the options of its log driver.
            other = {name: other[name] for name in value if name in other}
        if value is not None and value != other:
            yield key, value, other


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Write a HostConfig in one form; what was left to the engine is None."""
    log, devices = config.get("LogConfig") or {}, config.get("Devices") or ()
    return {
        "cap_add": _capabilities(config.get("CapAdd")),
        "cap_drop": _capabilities(config.get("CapDrop")),
        "no_new_privileges": any(
            option.replace("=", ":") in ("no-new-privileges", "no-new-privileges:true")
            for option in config.get("SecurityOpt") or ()
        ),
        "logging.driver": log.get("Type") or None,
        "logging.options": dict(log.get("Config") or {}),
        "init": bool(config.get("Init")),
        "privileged": bool(config.get("Privileged")),
        "shm_size": config.get("ShmSize") or None,
        "sysctls": dict(config.get("Sysctls") or {}),
        "dns": list(config.get("Dns") or ()),
        "extra_hosts": sorted(config.get("ExtraHosts") or ()),
        "ulimits": {
            limit["Name"]: f"{limit['Soft']}:{limit['Hard']}"
            for limit in config.get("Ulimits") or ()
        },
        "devices": sorted(
            ":".join(map(str, (d["PathOnHost"], d["PathInContainer"], d["CgroupPermissions"])))
            for d in devices
        ),
        "gpus": sum(request.get("Count", 0) for request in config.get("DeviceRequests") or ()),
    }


def _capabilities(names: Iterable[str] | None) -> list[str]:
    return sorted(name.upper().removeprefix("CAP_") for name in names or ())


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
