"""The other end of a conversation: platforms/docker/edge/image/session as a thread over files in memory."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.machine import FakeMachine, FakeVolume

__all__ = ["FakeSession", "Hook"]

Hook = Callable[[str], contextlib.AbstractContextManager[str]]
"""Is entered round every request; gives words where the request is to be refused."""

_FILE = "edge/haproxy.cfg"
_RESERVE = "ledger/.reserve"
_DOWN = "socat: connect: No such file or directory"
_RESERVED_ENTRIES = 50
_FULL = "cp: error writing: No space left on device"


class FakeSession:
    """Answers requests until its input ends."""

    def __init__(
        self,
        machine: FakeMachine,
        volume: FakeVolume,
        stream: socket.socket,
        hook: Hook,
        at_end: Callable[[], None],
    ) -> None:
        """Take the stream; `at_end` is called once, when the session has ended."""
        self.machine, self.volume, self.stream = machine, volume, stream
        self.hook, self.at_end = hook, at_end
        self.over = threading.Event()
        self._began = False
        self._ended = threading.Lock()

    def start(self) -> None:
        """Begin to answer."""
        self._began = True
        threading.Thread(target=self._serve, daemon=True).start()

    def end(self) -> None:
        """End at once, as a killed container does."""
        with contextlib.suppress(OSError):
            self.stream.shutdown(socket.SHUT_RDWR)
        if self._ended.acquire(blocking=False):
            self.at_end()
            if not self._began:
                self.stream.close()
            self.over.set()

    def _serve(self) -> None:
        reader = self.stream.makefile("rb")
        try:
            while line := reader.readline().decode().strip():
                words = line.split()
                payload = reader.read(_payload(words))
                if words[0] == "beat":
                    continue
                with self.hook(line) as refusal:
                    status, content = ("error", refusal) if refusal else self._do(words, payload)
                body = content if isinstance(content, bytes) else content.encode()
                self.stream.sendall(f"{status} {len(body)}\n".encode() + body)
        except (OSError, ConnectionError):
            pass
        finally:
            self.end()
            reader.close()
            self.stream.close()

    def _do(self, words: list[str], payload: bytes) -> tuple[str, str | bytes]:
        with self.machine.changing():
            files = self.volume.files
            match words:
                case ["ping"]:
                    return "ok", ""
                case ["get", path]:
                    return ("ok", files[path]) if path in files else ("none", "")
                case ["list", directory]:
                    return "ok", "\n".join(self._names(directory))
                case ["recent", directory, count]:
                    return "ok", self._recent(directory, int(count))
                case ["put", path, _, *_]:
                    return self._put(path, payload)
                case ["delete", path]:
                    files.pop(path, None)
                    return "ok", ""
                case ["reserve"]:
                    if self.machine.disk_full:
                        return "error", _FULL
                    files[_RESERVE] = b""
                    return "ok", ""
                case ["edge", generation, how, size, _]:
                    new, commands = payload[: int(size)], payload[int(size) :]
                    return self._edge(int(generation), how == "reload", new, commands.decode())
                case ["old-workers", _]:
                    # A reload of the model is over at once, and leaves nobody behind.
                    return "ok", ""
                case ["haproxy", _]:
                    if self.volume.haproxy is None:
                        return "error", _DOWN
                    return "ok", self.volume.haproxy.runtime(payload.decode())
        return "error", f"unknown request: {words[0]}"

    def _names(self, directory: str) -> list[str]:
        start = f"{directory}/"
        names = {p.removeprefix(start).split("/")[0] for p in self.volume.files if start in p}
        return sorted(name for name in names if not name.startswith("."))

    def _recent(self, directory: str, count: int) -> bytes:
        found = [name for name in self._names(directory) if name.endswith(".json")][-count:]
        contents = [(name, self.volume.files[f"{directory}/{name}"]) for name in found]
        return b"".join(b"%d %s\n%s" % (len(c), name.encode(), c) for name, c in contents)

    def _put(self, path: str, payload: bytes) -> tuple[str, str]:
        if self.machine.disk_full:
            if self.volume.files.pop(_RESERVE, None) is not None:
                self.volume.room = _RESERVED_ENTRIES
            if not self.volume.room:
                return "error", _FULL
            self.volume.room -= 1
        self.volume.files[path] = payload
        return "ok", ""

    def _edge(self, generation: int, reload: bool, new: bytes, commands: str) -> tuple[str, str]:
        present = self.volume.files.get(_FILE, b"# deploy-action 0\n").split(b"\n")[0]
        if int(present.split()[2]) != generation:
            return "conflict", ""
        refusal = self.machine.refuses_edge or _wrong(new)
        if refusal:
            return "error", refusal
        haproxy = self.volume.haproxy
        if haproxy is None and reload:
            return "error", _DOWN
        self.volume.files[_FILE] = new
        if haproxy is None:
            return "ok", _DOWN if commands else ""
        if reload:
            haproxy.load(new.decode())
        return "ok", haproxy.runtime(commands) if commands else ""


def _wrong(configuration: bytes) -> str:
    weights = (int(found[1]) for found in re.finditer(rb" weight (\d+)", configuration))
    valid = b"\nglobal\n" in configuration and all(weight <= 256 for weight in weights)
    return "" if valid else "nonsense"


def _payload(words: list[str]) -> int:
    if words[0] == "edge":
        return int(words[3]) + int(words[4])
    if words[0] == "put":
        return int(words[2])
    return int(words[1]) if words[0] in ("haproxy", "old-workers") else 0
