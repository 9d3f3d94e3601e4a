"""The environment of the demo: a folder with a deploy.yaml, an edge, two free ports."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

__all__ = ["ROOT", "Stage"]

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "deploy-action-demo"
_MARK = "demo-folder"

DEPLOY_YAML = """\
version: 1
service: shop
image: {image}
pull: never                      # the images are built on this machine
watch: 1s                        # the new release must stay up for so long; 3s without this line
port: 8080
health: {{path: /healthz, identity: {{header: X-Version}}}}
smoke:
  - {{name: home, path: /, contains: Shop, timeout: 20s, retry: {{deadline: 1s}}}}
edge: {{name: {edge}}}
environments:
  staging: {{url: "http://localhost:{staging}"}}
  production: {{url: "http://localhost:{production}", after: staging, replicas: 2}}
"""


@dataclass(slots=True, kw_only=True)
class Stage:
    """One demo. Everything that it creates has the name of its edge."""

    edge: str
    folder: Path
    staging: int = 0
    production: int = 0

    def build(self) -> None:
        """Write the folder, with free ports."""
        # Two demos at once try different ports.
        offset = crc32(self.edge.encode()) % 80
        self.staging, self.production = _free_port(8100 + offset), _free_port(8200 + offset)
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            sys.exit(f"demo: {self.folder} is not empty; choose an empty folder with --folder")
        (self.folder / _MARK).touch()
        (self.folder / "deploy.yaml").write_text(
            DEPLOY_YAML.format(
                image=IMAGE, edge=self.edge, staging=self.staging, production=self.production
            ),
            encoding="utf-8",
        )

    def clear(self) -> None:
        """Remove what an earlier run left: containers, networks, volume and folder."""
        label = f"label=deploy-action.edge={self.edge}"
        found = _docker("ps", "-aq", "--filter", label).split()
        if found:
            _docker("rm", "-fv", *found)
        for network in _docker("network", "ls", "-q", "--filter", label).split():
            _docker("network", "rm", network)
        if self.edge in _docker("volume", "ls", "--format", "{{.Name}}").split():
            _docker("volume", "rm", self.edge)
        # Only a folder that the demo created; --folder could name any.
        if (self.folder / _MARK).is_file():
            shutil.rmtree(self.folder)

    def remove_images(self) -> None:
        """Remove the images of the demo, except those that a container uses."""
        for image in _docker("images", "-q", "--no-trunc", IMAGE).split():
            subprocess.run(["docker", "rmi", image], check=False, capture_output=True)


def _free_port(first: int) -> int:
    for port in range(first, first + 20):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("", port))
            except OSError:
                continue
            return port
    sys.exit(f"demo: no free port from {first} to {first + 19}")


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"demo: docker {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout
