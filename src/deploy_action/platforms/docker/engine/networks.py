"""The networks and volumes of one host's Docker engine."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

from deploy_action.errors import DeploymentFailed, ErrorCode
from deploy_action.platforms.docker.engine.api import EngineApiError
from deploy_action.platforms.docker.engine.calls import DockerCalls
from deploy_action.platforms.docker.engine.error_hints import find_hint

__all__ = ["DockerNetworks", "endpoint_address"]


class DockerNetworks(DockerCalls):
    """Networks and volumes, by Docker's API."""

    def networks(self, labels: Mapping[str, str] | None = None) -> Mapping[str, str]:
        filters = {"label": [f"{key}={value}" for key, value in (labels or {}).items()]}
        with self._errors("list networks"):
            entries = self._api.get("networks", filters=filters)
        return {
            entry["Name"]: ((entry["IPAM"].get("Config") or [{}])[0]).get("Subnet", "")
            for entry in entries
        }

    def addresses(self, network: str) -> frozenset[str]:
        with self._errors(f"list containers of {network}"):
            entries = self._api.get("containers", "json", all=True, filters={"network": [network]})
        endpoints = (entry["NetworkSettings"]["Networks"].get(network) for entry in entries)
        return frozenset(endpoint_address(e) for e in endpoints if e) - {""}

    def network_names(self, network: str) -> Mapping[str, frozenset[str]]:
        with self._errors(f"list names on {network}"):
            entries = self._api.get("containers", "json", all=True, filters={"network": [network]})
        names: dict[str, frozenset[str]] = {}
        for entry in entries:
            found = self._optional(
                f"inspect {entry['Id'][:12]}",
                functools.partial(self._api.get, "containers", entry["Id"], "json"),
            )
            if found is not None:
                endpoint = found["NetworkSettings"]["Networks"].get(network) or {}
                own = found["Name"].lstrip("/")
                names[own] = frozenset({own, *(endpoint.get("Aliases") or ())})
        return names

    def create_network(
        self, name: str, *, subnet: str, dynamic_range: str, labels: Mapping[str, str]
    ) -> bool:
        body = {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet, "IPRange": dynamic_range}]},
            "Labels": dict(labels),
        }
        with self._errors(f"create network {name}"):
            try:
                self._api.post("networks", "create", body=body)
            except EngineApiError as error:
                taken = find_hint(error.message).code is ErrorCode.ADDRESS_IN_USE
                if taken or error.status in (403, 409):
                    return False
                raise
        return True

    def connect_network(self, name: str, container_id: str) -> None:
        with self._errors(f"connect {container_id[:12]} to network {name}"):
            try:
                self._api.post("networks", name, "connect", body={"Container": container_id})
            except EngineApiError as error:
                # 403: "endpoint with name … already exists in network …".
                if error.status != 403:
                    raise

    def disconnect_network(self, name: str, container_id: str) -> None:
        with self._errors(f"disconnect {container_id[:12]} from network {name}"):
            try:
                body = {"Container": container_id, "Force": True}
                self._api.post("networks", name, "disconnect", body=body)
            except EngineApiError as error:
                if error.status not in (403, 404, 409, 500):
                    raise

    def remove_network(self, name: str) -> None:
        with contextlib.suppress(DeploymentFailed):
            self._optional(
                f"remove network {name}", lambda: self._api.call("DELETE", "networks", name)
            )

    def has_volume(self, name: str) -> bool:
        found = self._optional(f"inspect volume {name}", lambda: self._api.get("volumes", name))
        return found is not None

    def remove_volume(self, name: str) -> None:
        self._optional(f"remove volume {name}", lambda: self._api.call("DELETE", "volumes", name))


def endpoint_address(endpoint: Mapping[str, Any]) -> str:
    """Return a container's address on a network, or the one that it will have."""
    fixed = endpoint.get("IPAMConfig") or {}
    return endpoint.get("IPAddress") or fixed.get("IPv4Address") or ""
