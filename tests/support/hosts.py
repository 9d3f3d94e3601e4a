"""Several Docker hosts on one machine: each a network namespace with its own engine and ssh server.

Real engines, real OpenSSH, real addresses; only the machines are not. Needs root, iproute2,
dockerd and openssh-server.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import authority, signed

__all__ = ["Host", "Hosts", "hosts"]

_READY_SECONDS = 60.0
_NETWORKS = range(77, 127)
_ENGINE = """\
home=$1
shift
exec dockerd --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/dockerd.pid" \\
  -H unix:///run/docker.sock -H "unix://$home/docker.sock" "$@" >>"$home/dockerd.log" 2>&1
"""
_START = f"""\
mount -t tmpfs none /run
mkdir -p /run/sshd /run/containerd "$1/data"
[ "$2" = 0 ] || mount -t tmpfs -o "size=$2m" none "$1/data"
/usr/sbin/sshd -f "$1/sshd_config" -E "$1/sshd.log"
home=$1
shift 2
set -- "$home" "$@"
{_ENGINE}"""
_SSHD = """\
HostKey {directory}/host_key
PidFile {directory}/sshd.pid
AuthorizedKeysFile {keys}
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
SetEnv SHLVL=1
"""
# What a login on this machine runs is no part of a host: bash reads ~/.bashrc only at the first level.


@dataclass(slots=True, kw_only=True)
class Host:
    """One host: how deploy.yaml names it, and where its engine can be reached from here."""

    name: str
    address: str
    directory: Path
    engine: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The ssh address."""
        return f"ssh://root@{self.address}"

    @property
    def tcp(self) -> str:
        """The address of its engine on TCP, where that was asked for."""
        return f"tcp://{self.address}:2376"

    @property
    def docker(self) -> str:
        """DOCKER_HOST for looking from outside."""
        return f"unix://{self.directory}/docker.sock"

    def run(self, *argv: str) -> str:
        """Run a docker command against this host's engine and return its output."""
        return _run("docker", "-H", self.docker, *argv)

    def load(self, *images: str) -> None:
        """Copy images from this machine's engine."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            subprocess.run(
                ["docker", "-H", self.docker, "load", "-q"],
                stdin=saved.stdout,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        if saved.returncode != 0:
            raise RuntimeError(f"docker save {images} failed")

    def fill_disk(self) -> None:
        """Leave no byte free on the disk of images and containers."""
        fill = 'cat /dev/zero >"$1" 2>/dev/null || true'
        self._inside("sh", "-c", fill, "fill", f"{self.directory}/data/full")

    def empty_disk(self) -> None:
        """Take that away again."""
        self._inside("rm", f"{self.directory}/data/full")

    def _inside(self, *argv: str) -> None:
        _run("nsenter", f"--target={self.engine.pid}", "--mount", *argv)

    def restart_engine(self, *options: str) -> None:
        """Stop the engine as an upgrade of it does, and start it again with these options."""
        self.engine.terminate()
        self.engine.wait(_READY_SECONDS)
        # The ssh server is what is left in the host's mount namespace.
        server = (self.directory / "sshd.pid").read_text().strip()
        self.engine = subprocess.Popen(
            [
                *("nsenter", f"--target={server}", "--mount", "--net"),
                *("bash", "-c", _ENGINE, "host", str(self.directory), *options),
            ],
            start_new_session=True,
        )
        _wait(functools.partial(_answers, self), f"the restarted engine of {self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """All of them, with the key and the known hosts that a deployer needs."""

    hosts: tuple[Host, ...]
    directory: Path
    bridge: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables that let deploy-action connect."""
        return {
            "DEPLOY_ACTION_SSH_KEY_FILE": str(self.directory / "key"),
            "DEPLOY_ACTION_KNOWN_HOSTS": str(self.directory / "known_hosts"),
        }

    @property
    def certificates(self) -> Path:
        """DOCKER_CERT_PATH of somebody who may use the engines on TCP."""
        return self.directory / "client"

    @contextlib.contextmanager
    def lent(self, host: Host, port: int) -> Iterator[None]:
        """Let a port of this machine's loopback be one of the host's too, while its cable is in."""
        control, to = f"{host.directory}/lent.sock", f"root@{host.address}"
        options = (
            f"UserKnownHostsFile={self.directory}/known_hosts",
            f"IdentityFile={self.directory}/key",
            "IdentitiesOnly=yes",
            "ExitOnForwardFailure=yes",
            f"RemoteForward=127.0.0.1:{port} 127.0.0.1:{port}",
        )
        # It goes to the background as soon as the port is there.
        _run("ssh", "-fNM", "-S", control, *(part for o in options for part in ("-o", o)), to)
        try:
            yield
        finally:
            _run("ssh", "-S", control, "-O", "exit", to)

    def cut(self, host: Host) -> None:
        """Take a host's network away, as if the cable was pulled."""
        _run("ip", "link", "set", f"v{host.name}", "down")

    def mend(self, host: Host) -> None:
        """Give it back."""
        _run("ip", "link", "set", f"v{host.name}", "up")


@contextlib.contextmanager
def hosts(count: int, *, disk_megabytes: int = 0, tls: bool = False) -> Iterator[Hosts]:
    """Start hosts and take them away again.

    Args:
        disk_megabytes: size of the disk for images and containers; 0 for this machine's disk.
        tls: the engines listen on TCP too, for whoever has a certificate of the tests' authority.
    """
    directory = Path(tempfile.mkdtemp(prefix="deploy-action-hosts-"))
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key"))
    number, bridge = _network()
    made: list[Host] = []
    try:
        _run("ip", "addr", "add", f"10.{number}.0.1/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        if tls:
            by = authority(directory / "authority")
            signed(by, directory / "client", name="DNS:deployer", use="clientAuth")
        for index in range(1, count + 1):
            made += [_start(directory, bridge, number, index, disk_megabytes, tls=tls)]
        for host in made:
            _wait(functools.partial(_answers, host), f"the engine of {host.name}")
        known = (f"{h.address} {_host_key(h)}\n" for h in made)
        (directory / "known_hosts").write_text("".join(known))
        yield Hosts(hosts=tuple(made), directory=directory, bridge=bridge)
    finally:
        for host in made:
            _stop(host)
        _run("ip", "link", "del", bridge)
        shutil.rmtree(directory, ignore_errors=True)


def _network() -> tuple[int, str]:
    """Make the bridge of a network 10.NUMBER.0.0/24 that nobody else has, also at the same time."""
    for number in _NETWORKS:
        bridge = f"dab{number}"
        with contextlib.suppress(subprocess.SubprocessError):
            _run("ip", "link", "add", bridge, "type", "bridge")
            return number, bridge
    raise RuntimeError("too many networks of test hosts are in use, or `ip link add` is refused")


def _start(
    directory: Path, bridge: str, number: int, index: int, disk_megabytes: int, *, tls: bool
) -> Host:
    name, address, home = (
        f"dah{number}n{index}",
        f"10.{number}.0.{index + 1}",
        directory / f"{index}",
    )
    home.mkdir()
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "host_key"))
    (home / "sshd_config").write_text(_SSHD.format(directory=home, keys=directory / "key.pub"))
    _run("ip", "netns", "add", name)
    _run(*f"ip link add v{name} type veth peer name eth0 netns {name}".split())
    _run(*f"ip link set v{name} master {bridge} up".split())
    _run(*f"ip -n {name} addr add {address}/24 dev eth0".split())
    for device in ("eth0", "lo"):
        _run(*f"ip -n {name} link set {device} up".split())
    _run(*f"ip -n {name} route add default via 10.{number}.0.1".split())
    with (home / "start.log").open("wb") as log:
        engine = subprocess.Popen(
            [
                *("nsenter", f"--net=/var/run/netns/{name}", "unshare", "-m"),
                *("bash", "-c", _START, "host", str(home), str(disk_megabytes)),
                *(_listening(directory, home, address) if tls else ()),
            ],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    return Host(name=name, address=address, directory=home, engine=engine)


def _listening(directory: Path, home: Path, address: str) -> tuple[str, ...]:
    by, mine = directory / "authority", home / "tls"
    signed(by, mine, name=f"IP:{address}", use="serverAuth")
    files = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    options = (f"--{option}={mine / name}" for option, name in files.items())
    return (f"--host=tcp://{address}:2376", "--tlsverify", *options)


def _stop(host: Host) -> None:
    with contextlib.suppress(subprocess.SubprocessError):
        ids = host.run("ps", "-aq").split()
        if ids:
            host.run("rm", "-f", *ids)
    ssh_server = host.directory / "sshd.pid"
    if ssh_server.exists():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(ssh_server.read_text()), signal.SIGTERM)
    host.engine.terminate()
    host.engine.wait(_READY_SECONDS)
    # The namespace goes with its last process; that may be a session that a cut cable left.
    _run("ip", "link", "del", f"v{host.name}")
    _run("ip", "netns", "del", host.name)


def _answers(host: Host) -> bool:
    shown = subprocess.run(
        ["docker", "-H", host.docker, "version"], capture_output=True, check=False
    )
    return shown.returncode == 0 and (host.directory / "sshd.pid").exists()


def _host_key(host: Host) -> str:
    return " ".join((host.directory / "host_key.pub").read_text().split()[:2])


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {_READY_SECONDS:g} s")
        time.sleep(0.05)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.SubprocessError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
