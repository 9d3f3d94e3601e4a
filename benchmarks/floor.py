"""The floor of every deployment: a bare `docker run` behind a proxy that already has the route.

From the start of `docker run` of the same image to the first 200 through HAProxy. The proxy is the
edge's image with a configuration of six lines: the route exists before the container does, and
nothing is checked, recorded or undone. No deployment can be faster.
"""

from __future__ import annotations

import http.client
import ipaddress
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.sandbox import Sandbox, free_port

from benchmarks.measuring import seconds_of, wait_until
from deploy_action.platforms.docker.edge import artifact

__all__ = ["Floor", "answers", "floor"]

_CONFIGURATION = """\
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  retries 0
frontend in
  bind 127.0.0.1:{port}
  default_backend out
backend out
  server one {address}:8080
"""
_FAR_FROM_OURS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A proxy with a route to an address where nothing is yet."""

    network: str
    address: str
    port: int
    name: str

    def run(self, image: str) -> float:
        """Start the image there and return the seconds until the first 200; take it away again."""
        begun = time.perf_counter()
        argv = ("--network", self.network, "--ip", self.address, "--name", self.name)
        seconds_of(["docker", "run", "-d", *argv, image])
        wait_until(lambda: answers(self.port), "the floor's first 200", pause=0.005)
        took = time.perf_counter() - begun
        seconds_of(["docker", "rm", "-f", self.name])
        return took


@contextmanager
def floor(box: Sandbox) -> Iterator[Floor]:
    """Put the proxy up on the network of a sandbox that was deployed to."""
    shown = box.docker("network", "inspect", box.network, "-f", "{{(index .IPAM.Config 0).Subnet}}")
    address = str(ipaddress.ip_network(shown.strip())[_FAR_FROM_OURS])
    port, proxy = free_port(), f"{box.edge}-floor-proxy"
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
        # HAProxy's user in the container is another one.
        folder.chmod(0o755)
        (folder / "haproxy.cfg").write_text(_CONFIGURATION.format(port=port, address=address))
        box.docker(
            *("run", "-d", "--name", proxy, "--network", "host", "-v", f"{folder}:/floor:ro"),
            *("--entrypoint", "haproxy", artifact.tag(), "-f", "/floor/haproxy.cfg"),
        )
        undo.callback(box.docker, "rm", "-f", proxy)
        wait_until(lambda: answers(port, status=503), "the floor's proxy")
        yield Floor(
            network=box.network, address=address, port=port, name=f"{box.edge}-floor-application"
        )


def answers(port: int, *, path: str = "/healthz", status: int = 200) -> bool:
    """Ask once, on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
