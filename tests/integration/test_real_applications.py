"""Applications that others wrote: deployed, upgraded to a newer version, broken, and rolled back."""

from __future__ import annotations

import base64
import json
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.load_probe import Kind, Load, Probe, ProbeResult
from tests.support.sandbox import Sandbox, docker, sandbox, until

pytestmark = pytest.mark.docker

RECIPES: Mapping[str, Any] = tomllib.loads(
    (Path(__file__).parents[1] / "apps" / "apps.toml").read_text()
)
BREAKS: Mapping[str, tuple[dict[str, Any], str]] = {
    "wrong port": ({"port": 9}, "refused"),
    "wrong health path": ({"health": {"path": "/no/such/page"}}, "404"),
    "wrong command": ({"command": ["/no/such/program"]}, "127"),
}
"""What a tired person writes into deploy.yaml, and the word that the message owes them."""


def _nothing(_: str) -> None:
    """An application that keeps nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application: how it is asked for its version, what it needs, and what load it can take."""

    name: str
    ask: Callable[[str], str]
    load: Load
    config: Mapping[str, Any] = field(default_factory=dict)
    put: Callable[[str], None] = _nothing
    """Gives it something to keep in its volume."""
    find: Callable[[str], None] = _nothing
    """Looks whether that is still there."""

    @property
    def recipe(self) -> Mapping[str, Any]:
        """Its versions, port and health path."""
        found: Mapping[str, Any] = RECIPES[self.name]
        return found


def _get(url: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
        return bytes(answer.read())


def _ask_httpbin(url: str) -> str:
    # It does not say its version; the older one's home page is Swagger's, the newer's a manual page.
    older, newer = RECIPES["httpbin"]["versions"]
    return str(older if b"swagger" in _get(url) else newer)


def _ask_datasette(url: str) -> str:
    return str(json.loads(_get(f"{url}/-/versions.json"))["datasette"]["version"])


def _ask_verdaccio(url: str) -> str:
    return _get(url).partition(b'"version":"')[2].partition(b'"')[0].decode()


def _publish(url: str) -> None:
    """Put a package as `npm publish` does."""
    name = "kept"
    manifest = {"name": name, "version": "1.0.0", "dist": {"tarball": f"{url}/{name}/-/1.tgz"}}
    package = {
        "_id": name,
        "name": name,
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": manifest},
        "_attachments": {
            f"{name}-1.0.0.tgz": {
                "content_type": "application/octet-stream",
                "data": base64.b64encode(b"no real tarball").decode(),
                "length": 15,
            }
        },
    }
    asked = urllib.request.Request(
        f"{url}/{name}",
        method="PUT",
        data=json.dumps(package).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 201


def _find_published(url: str) -> None:
    assert json.loads(_get(f"{url}/kept"))["dist-tags"] == {"latest": "1.0.0"}


COUNT_FAR = (
    "/_memory.json?sql=with+recursive+n(i)+as+(select+1+union+all+select+i%2B1+from+n"
    "+limit+500000)+select+count(*)+from+n"
)
APPS = {
    "httpbin": App(
        name="httpbin",
        ask=_ask_httpbin,
        # Its keep-alive lasts two seconds: idle connections close under the edge all the while.
        load=Load(
            keep_alive=4,
            new=2,
            post=2,
            post_path="/post",
            post_echo=False,
            slow=4,
            slow_path="/delay/2",
            slow_seconds=2.0,
            rate=120.0,
        ),
    ),
    "datasette": App(
        name="datasette",
        ask=_ask_datasette,
        load=Load(
            keep_alive=4,
            new=2,
            slow=1,
            slow_path=COUNT_FAR,
            rate=80.0,
            version_json="datasette.version",
        ),
        config={
            "health": {"identity": {"json": "datasette.version"}},
            "command": [
                *("datasette", "serve", "--memory", "--host=0.0.0.0", "--port=8000"),
                *("--setting", "sql_time_limit_ms", "30000"),
            ],
        },
    ),
    "verdaccio": App(
        name="verdaccio",
        ask=_ask_verdaccio,
        load=Load(keep_alive=4, new=2, rate=120.0),
        put=_publish,
        find=_find_published,
    ),
}


@contextmanager
def _box(directory: Path, app: App) -> Iterator[Sandbox]:
    """Yield a sandbox for an application; its health path and port are those of the recipe."""
    health = {"path": app.recipe["health"], "deadline": "60s"}
    with sandbox(
        directory,
        service=app.name,
        image=f"deploy-action-test/{app.name}",
        port=app.recipe["port"],
        health=health | app.config.get("health", {}),
        command=app.config.get("command"),
        smoke=[{"name": "home", "path": "/", "status": 200}],
        volumes=[f"{directory.name}:/data"] if app.name == "verdaccio" else None,
        # As the documentation recommends: none of them needs a capability.
        cap_drop=["ALL"],
    ) as box:
        box.ask = app.ask
        try:
            yield box
        finally:
            box.clean()
            if app.name == "verdaccio":
                docker("volume", "rm", directory.name)


@contextmanager
def _load(box: Sandbox, app: App) -> Iterator[Callable[[], ProbeResult]]:
    probe = Probe(f"{box.url}{app.recipe['health']}", app.load)
    probe.start()
    probe.wait(lambda seen: seen.ok >= 20)
    try:
        yield probe.stop
    finally:
        probe.stop(finish=False)


def _assert_nothing_lost(seen: ProbeResult, app: App) -> None:
    assert seen.lost == 0, f"{seen}\n{seen.examples}"
    sent = {kind for kind, count in seen.kinds.items() if count.ok}
    wanted = {kind for kind in Kind if getattr(app.load, kind.replace("-", "_"))}
    assert sent == wanted


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if RECIPES[name].get("long") else ())
        for name in APPS
    ],
)
def test_a_real_application_is_upgraded_broken_and_rolled_back_with_nothing_lost(
    name: str, tmp_path: Path
) -> None:
    """From an older to a newer real version and back, all three mistakes on the way, under load;
    what was put into its volume is there in both."""
    app = APPS[name]
    older, newer = app.recipe["versions"]
    with _box(tmp_path, app) as box:
        begun = time.monotonic()
        box.deployed(older)
        # Time enough to come up on this machine as it is now; a wrong health path needs as much.
        deadline = f"{time.monotonic() - begun + 1:.0f}s"
        assert box.serving() == older
        app.put(box.url)
        with _load(box, app) as stop:
            box.deployed(newer)
            assert box.serving() == newer
            app.find(box.url)
            good = dict(box.config)
            for words, (change, says) in BREAKS.items():
                health = box.config["health"] | {"deadline": deadline} | change.get("health", {})
                box.configure(**(change | {"health": health}))
                broken = box.deploy(older)
                assert broken.exit_code == 4, f"{words}: {broken.text}"
                assert says in broken.text, f"{words}: {says!r} is not said:\n{broken.text}"
                assert box.serving() == newer, words
                box.config.clear()
                box.configure(**good)
            back = box.run("rollback", "--from", newer, "--reason", "the new one is slow")
            assert back.exit_code == 0, back.text
            assert box.run("rollback", "--from", newer).json["result"] == "unchanged"
            assert box.serving() == older
            app.find(box.url)
            seen = stop()
        _assert_nothing_lost(seen, app)
        states = [(e["state"], e["release"]["version"]) for e in box.history()]
        failures = [("failed", older)] * len(BREAKS)
        assert states == [
            ("succeeded", older),
            *failures,
            ("succeeded", newer),
            ("succeeded", older),
        ]
        until(box.lock_is_free, "the lock is free")


def test_identity_refuses_an_image_with_another_version_than_its_tag(tmp_path: Path) -> None:
    """The older datasette under the newer one's tag is healthy, and is not let through."""
    app = APPS["datasette"]
    older, newer = app.recipe["versions"]
    lying = f"{tmp_path.name.replace('_', '-')}-lying"
    docker("tag", f"deploy-action-test/datasette:{older}", f"{lying}:{newer}")
    try:
        with _box(tmp_path, app) as box:
            box.deployed(older)
            box.configure(image=lying)
            with _load(box, app) as stop:
                done = box.deploy(newer)
                seen = stop()
            box.assert_survived(done, serves=older, seen=seen, says=[older, newer])
    finally:
        docker("rmi", f"{lying}:{newer}")
