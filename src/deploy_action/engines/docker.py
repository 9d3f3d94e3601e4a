"""A Docker engine behind the Engine protocol: with engines/transport.py the only caller of it.

The calls go through the Docker SDK for Python; streams are opened by hand (engines/stream.py),
since the SDK's hijacked sockets lose bytes that arrive with the answer's head.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, cast

from deploy_action.edge import artifact
from deploy_action.engines.engine import (
    Container,
    ContainerSpec,
    EngineInfo,
    Execution,
    Image,
    NameTaken,
)
from deploy_action.engines.stream import hijack, pump
from deploy_action.engines.translation import (
    RESTARTS,
    auth,
    body,
    container,
    explain,
    short,
    shut,
    tail,
)
from deploy_action.engines.transport import Transport, UnixEndpoint, open_transport
from deploy_action.errors import DeploymentFailed, HostUnreachable

__all__ = ["DockerEngine"]

_CALL_SECONDS = 60
_OUTPUT_LIMIT = 65536


class DockerEngine:
    """One host's Docker engine."""

    def __init__(self, host: str, transport: Transport) -> None:
        """Connect the SDK's client over `transport`; no request is made but the version's."""
        import docker
        from docker.tls import TLSConfig

        self.host = host
        self._transport = transport
        files = transport.tls()
        tls = TLSConfig(client_cert=files[:2], ca_cert=files[2]) if files else False
        with self._named("connect"):
            self._api: Any = docker.APIClient(
                base_url=transport.base_url, tls=tls, timeout=_CALL_SECONDS, num_pools=16
            )

    @contextlib.contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into our errors, with the host and the act named."""
        import docker.errors
        import requests.exceptions

        try:
            yield
        except docker.errors.APIError as error:
            raise self._refused(doing, error.explanation or str(error)) from error
        except (
            requests.exceptions.RequestException,
            docker.errors.DockerException,
            OSError,
        ) as error:
            raise HostUnreachable(
                f"{self.host}: {doing}: the Docker engine does not answer ({short(error)})",
                remedy="deploy-action doctor",
            ) from error

    def _refused(self, doing: str, said: str) -> DeploymentFailed:
        cause, remedy = explain(said)
        return DeploymentFailed(f"{self.host}: {doing}: {said}", cause=cause, remedy=remedy)

    def close(self) -> None:
        """Close the client and the transport."""
        self._api.close()
        self._transport.close()

    def info(self) -> EngineInfo:
        """Ask the engine who it is."""
        with self._named("info"):
            found = self._api.info()
        architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            found["Architecture"], found["Architecture"]
        )
        return EngineInfo(
            host=self.host,
            version=found["ServerVersion"],
            architecture=architecture,
            identity=found["ID"],
        )

    # Images

    def image(self, reference: str) -> Image | None:
        """Look an image up; None when the engine lacks it."""
        found = self._maybe(f"inspect image {reference}", self._api.inspect_image, reference)
        if found is None:
            return None
        config = found.get("Config") or {}
        check = (config.get("Healthcheck") or {}).get("Test") or []
        return Image(
            id=found["Id"],
            digests=tuple(found.get("RepoDigests") or ()),
            architecture=found.get("Architecture", ""),
            healthcheck=bool(check) and check[0] != "NONE",
            labels=config.get("Labels") or {},
        )

    def resolve(
        self, reference: str, credentials: tuple[str, str] | None
    ) -> tuple[str, frozenset[str]]:
        """Ask the registry, through the engine, so that its mirrors and certificates apply."""
        with self._named(f"resolve {reference}"):
            found = self._api.inspect_distribution(reference, auth_config=auth(credentials))
        architectures = {p.get("architecture", "") for p in found.get("Platforms") or ()}
        return found["Descriptor"]["digest"], frozenset(architectures - {"", "unknown"})

    def pull(
        self,
        reference: str,
        credentials: tuple[str, str] | None,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Pull once: the engine itself tries every layer several times before it gives up."""
        with self._named(f"pull {reference}"):
            for line in self._api.pull(
                reference, stream=True, decode=True, auth_config=auth(credentials)
            ):
                check()
                if "error" in line:
                    raise self._refused(f"pull {reference}", line["error"])

    def load_edge_image(self, tag: str) -> None:
        """Bring our edge image: from this machine's engine when it is there, else by building."""
        if self.image(tag) is not None:
            return
        local = None
        if not isinstance(self._transport, UnixEndpoint):
            with contextlib.suppress(HostUnreachable):
                local = DockerEngine("local", open_transport("local"))
        if local is not None and local.image(tag) is not None:
            with self._named(f"load {tag}"), local._named(f"save {tag}"):
                self._api.load_image(local._api.get_image(tag))
        else:
            with self._named(f"build {tag}"):
                said = list(
                    self._api.build(path=str(artifact.DIRECTORY), tag=tag, rm=True, decode=True)
                )
            problem = next((line["error"] for line in said if "error" in line), None)
            if problem:
                raise DeploymentFailed(
                    f"{self.host}: the edge's image could not be built: {problem}",
                    remedy=f"build or load the image {tag} on the host by hand",
                )
        if local is not None:
            local.close()

    def tag(self, image_id: str, repository: str, tag: str) -> None:
        """Give an image a name."""
        with self._named(f"tag {repository}:{tag}"):
            self._api.tag(image_id, repository, tag)

    def remove_image(self, reference: str) -> None:
        """Remove a name; in use or absent is fine."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(f"remove image {reference}", self._api.remove_image, reference)

    # Containers

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """List by labels and inspect each."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        with self._named("list containers"):
            listed = self._api.containers(all=True, filters={"label": wanted})
        if not listed:
            return ()
        with ThreadPoolExecutor(max_workers=min(8, len(listed))) as pool:
            found = pool.map(self.container, (entry["Id"] for entry in listed))
            return tuple(container for container in found if container is not None)

    def container(self, id_or_name: str) -> Container | None:
        """Inspect; None when there is none."""
        found = self._maybe(f"inspect {id_or_name}", self._api.inspect_container, id_or_name)
        return None if found is None else container(found)

    def create(self, spec: ContainerSpec) -> str:
        """Create; a taken name is told apart from other refusals."""
        import docker.errors

        with self._named(f"create {spec.name}"):
            try:
                created = self._api.create_container_from_config(
                    body(self._api, spec), name=spec.name
                )
            except docker.errors.APIError as error:
                if error.status_code == 409:
                    raise NameTaken(spec.name) from error
                raise
            for network in spec.networks[1:]:
                self._api.connect_container_to_network(created["Id"], network.name)
        return cast("str", created["Id"])

    def start(self, container_id: str) -> None:
        """Start; the engine answers the same for one that runs."""
        with self._named(f"start {container_id[:12]}"):
            self._api.start(container_id)

    def stop(self, container_id: str, *, timeout_seconds: float, signal: str | None = None) -> None:
        """Stop gracefully: the signal first when it is not the image's own."""
        if signal is not None:
            self.kill(container_id, signal)
            if self.wait(container_id, timeout_seconds=timeout_seconds) is not None:
                return
            timeout_seconds = 0
        with self._named(f"stop {container_id[:12]}"):
            self._api.stop(container_id, timeout=round(timeout_seconds))

    def kill(self, container_id: str, signal: str = "KILL") -> None:
        """Signal; a container that ended or is gone is fine."""
        import docker.errors

        with self._named(f"signal {container_id[:12]}"):
            try:
                self._api.kill(container_id, signal)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409, 500):
                    raise

    def remove(self, container_id: str) -> None:
        """Remove with its anonymous volumes."""
        import docker.errors

        with self._named(f"remove {container_id[:12]}"):
            try:
                self._api.remove_container(container_id, force=True, v=True)
            except docker.errors.APIError as error:
                # 409: a removal is under way already, or the automatic one was faster.
                if error.status_code not in (404, 409):
                    raise

    def set_restart(self, container_id: str, policy: Literal["no", "unless-stopped"]) -> None:
        """Update the restart policy in place."""
        with self._named(f"update {container_id[:12]}"):
            self._api.update_container(container_id, restart_policy=RESTARTS[policy])

    def wait(self, container_id: str, *, timeout_seconds: float) -> int | None:
        """Wait for the end."""
        import requests.exceptions

        with self._named(f"wait for {container_id[:12]}"):
            try:
                return int(self._api.wait(container_id, timeout=timeout_seconds)["StatusCode"])
            except requests.exceptions.ReadTimeout:
                return None
            except requests.exceptions.ConnectionError as error:
                if "timed out" in str(error).lower():
                    return None
                raise

    def logs(self, container_id: str, *, lines: int = 50) -> str:
        """Return the last lines; bytes that are not UTF-8 are replaced."""
        said = self._maybe(f"logs of {container_id[:12]}", self._api.logs, container_id, tail=lines)
        return (said or b"").decode(errors="replace")

    # Streams

    def execute(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Execution:
        """Run and collect; a command that does not end in time counts as exit code 124."""
        execution, stream = self._exec(container_id, argv, stdin=False)
        # One end for all of it: a command that prints now and then must not run for ever.
        watch = threading.Timer(timeout_seconds, shut, [stream])
        watch.start()
        output = bytearray()
        late = False
        try:
            with stream.makefile("rb") as reader:
                while len(head := reader.read(8)) == 8:
                    output += reader.read(int.from_bytes(head[4:], "big"))
                    del output[:-_OUTPUT_LIMIT]
            late = not watch.is_alive()
        except OSError:
            late = True
        finally:
            watch.cancel()
            stream.close()
        if late:
            return Execution(
                exit_code=124, output=f"no end within {timeout_seconds:g} s: {tail(output)}"
            )
        with self._named("inspect a command"):
            code = self._api.exec_inspect(execution)["ExitCode"]
        return Execution(exit_code=124 if code is None else int(code), output=tail(output))

    def connect(self, container_id: str, argv: Sequence[str]) -> socket.socket:
        """Run with its input and output as a socket."""
        return pump(self._exec(container_id, argv, stdin=True)[1])

    def attach(self, container_id: str) -> socket.socket:
        """Attach to the main process's input and output."""
        return pump(
            self._stream(
                f"/v{self._api.api_version}/containers/{container_id}/attach"
                "?stream=1&stdin=1&stdout=1",
                None,
            )
        )

    def output(self, container_id: str) -> socket.socket:
        """Attach to what the main process says, on both streams."""
        path = f"/v{self._api.api_version}/containers/{container_id}/attach"
        return pump(self._stream(f"{path}?stream=1&stdout=1&stderr=1", None), errors=True)

    def _exec(
        self, container_id: str, argv: Sequence[str], *, stdin: bool
    ) -> tuple[str, socket.socket]:
        with self._named(f"exec in {container_id[:12]}"):
            execution = self._api.exec_create(container_id, list(argv), stdin=stdin)["Id"]
        path = f"/v{self._api.api_version}/exec/{execution}/start"
        return execution, self._stream(path, {"Detach": False, "Tty": False})

    def _stream(self, path: str, body: Mapping[str, object] | None) -> socket.socket:
        with self._named("open a stream"):
            raw = self._transport.open()
            try:
                hijack(raw, path, body)
            except BaseException:
                raw.close()
                raise
            return raw

    # Networks and volumes

    def networks(self) -> Mapping[str, str]:
        """List names and first subnets."""
        with self._named("list networks"):
            found = self._api.networks()
        return {
            entry["Name"]: ((entry["IPAM"].get("Config") or [{}])[0]).get("Subnet", "")
            for entry in found
        }

    def create_network(self, name: str, *, subnet: str, dynamic_range: str) -> bool:
        """Create a bridge with a subnet; False when either is taken."""
        import docker.errors
        from docker.types import IPAMConfig, IPAMPool

        pool = IPAMPool(subnet=subnet, iprange=dynamic_range)
        with self._named(f"create network {name}"):
            try:
                self._api.create_network(
                    name,
                    driver="bridge",
                    ipam=IPAMConfig(pool_configs=[pool]),
                    check_duplicate=True,
                    labels={"deploy-action.edge": name},
                )
            except docker.errors.APIError as error:
                said = (error.explanation or "").lower()
                if error.status_code in (403, 409) or "overlap" in said:
                    return False
                raise
        return True

    def remove_network(self, name: str) -> None:
        """Remove a network."""
        with contextlib.suppress(DeploymentFailed):
            self._maybe(f"remove network {name}", self._api.remove_network, name)

    def create_volume(self, name: str) -> None:
        """Create a volume; an existing one is left as it is."""
        with self._named(f"create volume {name}"):
            self._api.create_volume(name)

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        self._maybe(f"remove volume {name}", self._api.remove_volume, name)

    def _maybe(self, doing: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        import docker.errors

        with self._named(doing):
            try:
                return call(*args, **options)
            except docker.errors.NotFound:
                return None
