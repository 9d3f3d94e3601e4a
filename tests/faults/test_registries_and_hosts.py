"""The registry, the host and the edge fail: rows 1 to 5, 19, 24 to 26, 32, 35
to 40, 52, 55 and 57."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.registry import Registry, registry
from tests.support.sandbox import Finished, Sandbox, await_step, docker, free_port, sandbox

from deploy_action.rollout.step import StepId

# Side by side they would each start what the module shares.
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("registries")]
LONG = pytest.mark.faults


@pytest.fixture(scope="module")
def store() -> Iterator[Registry]:
    """A registry that holds both good versions of the shop."""
    with registry() as made:
        for version in ("1.0.0", "2.0.0"):
            made.push(f"deploy-action-demo:{version}", f"shop:{version}")
        yield made


@pytest.fixture
def pulled(tmp_path: Path, store: Registry) -> Iterator[Sandbox]:
    """Version 1.0.0 serves and came from the registry; 2.0.0 is not on the engine."""
    store.mode = "open"
    with sandbox(tmp_path, image=f"{store.name}/shop", pull="always") as box:
        box.deployed("1.0.0")
        yield box
        store.mode = "open"
    for line in docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}").split():
        if line.startswith(f"{store.name}/"):
            subprocess.run(["docker", "rmi", line], capture_output=True, check=False)


def test_a_missing_tag_fails_before_anything_is_touched(pulled: Sandbox) -> None:
    """Row 1: nothing is locked or recorded."""
    with pulled.unbroken():
        done = pulled.deploy("9.9.9")
        pulled.assert_survived(
            done, serves="1.0.0", code="image-not-found", says=["9.9.9"], recorded=False
        )
        assert len(pulled.history()) == 1


@pytest.mark.parametrize(
    ("mode", "code"), [("shut", "registry-unreachable"), ("unauthorized", "unauthorized")]
)
def test_a_registry_that_is_down_or_refuses_fails_before_anything_is_touched(
    pulled: Sandbox, store: Registry, mode: str, code: str
) -> None:
    """Rows 2 and 3: a local image is not used instead, and no credential is printed."""
    pulled.configure(registry={"server": store.name, "username": "ci", "password": "REGISTRY_PASS"})
    store.mode = mode  # type: ignore[assignment]
    done = pulled.deploy("2.0.0", env={"REGISTRY_PASS": "correct-horse"})
    pulled.assert_survived(done, serves="1.0.0", code=code, says=["shop"], recorded=False)
    assert "correct-horse" not in done.text


def test_a_copy_on_the_host_stands_in_for_the_registry_only_by_policy(
    pulled: Sandbox, store: Registry
) -> None:
    """Row 2: `pull: missing` says that what the host has, by its digest, is good enough."""
    wanted = ("--digest", pulled.history()[0]["release"]["digest"])
    pulled.deployed("2.0.0")
    store.mode = "shut"
    refused = pulled.deploy("1.0.0")
    pulled.assert_survived(refused, serves="2.0.0", says=[store.name], recorded=False)
    pulled.configure(pull="missing")
    with pulled.load() as stop:
        done = pulled.deploy("1.0.0", *wanted)
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0, f"{seen} {seen.examples}"
    assert pulled.serving() == "1.0.0"


@LONG
def test_a_registry_that_dies_during_the_pull_is_tried_a_bounded_number_of_times(
    pulled: Sandbox, store: Registry
) -> None:
    """Row 3: the deployment fails at the pull, with the old release untouched."""
    digest = _with_a_layer_of_its_own(store)
    store.mode = "cut"
    store.connections = 0
    with pulled.load() as stop:
        done = pulled.run("deploy", "--version", "2.0.0", "--digest", digest)
        seen = stop()
    pulled.assert_survived(done, serves="1.0.0", seen=seen, says=["pull"])
    assert store.connections < 60


def _with_a_layer_of_its_own(store: Registry) -> str:
    """Push a shop with four random megabytes that the engine does not have any more."""
    recipe = "FROM deploy-action-demo:2.0.0\nUSER root\nRUN head -c 4000000 /dev/urandom >/blob\n"
    name = f"deploy-action-test-layer:{store.port}"
    subprocess.run(
        ["docker", "build", "-q", "--no-cache", "-t", name, "-"],
        input=recipe.encode(),
        check=True,
        capture_output=True,
    )
    digest = store.push(name, "shop:2.0.0")
    docker("rmi", "-f", name)
    return digest


def test_an_image_for_another_architecture_is_refused(pulled: Sandbox, store: Registry) -> None:
    """Row 5: the message names both architectures, before anything is pulled or touched."""
    here = docker("version", "-f", "{{.Server.Arch}}").strip()
    other = "arm64" if here == "amd64" else "amd64"
    name = f"deploy-action-test-alien:{store.port}"
    docker("load", "-qi", str(_for_architecture(other, name, pulled.directory)))
    store.push(name, "shop:4.0.0")
    docker("rmi", name)
    with pulled.load() as stop:
        done = pulled.deploy("4.0.0")
        seen = stop()
    pulled.assert_survived(
        done,
        serves="1.0.0",
        seen=seen,
        code="wrong-architecture",
        says=[here, other],
        recorded=False,
    )


def _for_architecture(architecture: str, name: str, directory: Path) -> Path:
    """Write an archive for `docker load` of a shop that claims to be for another architecture."""
    saved, changed = directory / "saved.tar", directory / "changed.tar"
    docker("save", "-o", str(saved), "deploy-action-demo:2.0.0")
    with tarfile.open(saved) as source, tarfile.open(changed, "w") as target:
        for member in source.getmembers():
            content = source.extractfile(member)
            data = content.read() if content is not None else b""
            if member.name == "manifest.json":
                manifest = json.loads(data)
                manifest[0]["RepoTags"] = [name]
                data = json.dumps(manifest).encode()
            elif member.name == "repositories":
                continue
            elif member.name.endswith(".json") and b'"rootfs"' in data:
                data = json.dumps(json.loads(data) | {"architecture": architecture}).encode()
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return changed


@LONG
def test_a_rebuilt_tag_is_refused_where_another_digest_passed(
    tmp_path: Path, store: Registry
) -> None:
    """Row 4: production takes only what passed in staging, and both digests are shown."""
    store.mode = "open"
    first = store.push("deploy-action-demo:1.0.0", "moved:1")
    environments = {
        "staging": {"url": f"http://127.0.0.1:{free_port()}"},
        "production": {"url": f"http://127.0.0.1:{free_port()}", "after": "staging"},
    }
    changes: dict[str, Any] = {
        "image": f"{store.name}/moved",
        "pull": "always",
        "environments": environments,
    }
    health = {"path": "/healthz", "deadline": "10s"}
    with sandbox(tmp_path, health=health, **changes) as box:
        done = box.run("deploy", "-e", "staging", "--version", "1")
        assert done.exit_code == 0, done.text
        second = store.push("deploy-action-demo:2.0.0", "moved:1")
        refused = box.run("deploy", "-e", "production", "--version", "1")
        assert refused.exit_code == 3, refused.text
        assert first in refused.text
        assert second in refused.text
        promoted = box.run("promote", "-e", "production")
        assert promoted.exit_code == 0, promoted.text
        assert promoted.json["deployment"]["release"]["digest"] == first


@LONG
def test_a_rollback_needs_no_registry(pulled: Sandbox, store: Registry) -> None:
    """The release before is on the host, with its image and its configuration."""
    pulled.deployed("2.0.0")
    store.mode = "shut"
    with pulled.load() as stop:
        done = pulled.run("rollback")
        seen = stop()
    assert done.exit_code == 0, done.text
    assert seen.lost == 0
    assert pulled.serving() == "1.0.0"


def test_a_rollback_whose_image_is_gone_everywhere_is_refused_in_preflight(
    pulled: Sandbox, store: Registry
) -> None:
    """Row 38: kept container and image were pruned and the registry is down: nothing changes."""
    first = pulled.history()[0]["release"]
    pulled.deployed("2.0.0")
    kept = [name for name in pulled.containers() if "1.0.0" in name]
    docker("rm", "-f", *kept)
    docker("rmi", "-f", f"{first['image']}@{first['digest']}")
    store.mode = "shut"
    before = pulled.containers()
    with pulled.unbroken():
        done = pulled.run("rollback")
        assert done.exit_code == 4, done.text
        assert "cannot be pulled" in done.text
        assert pulled.containers() == before
        assert pulled.serving() == "2.0.0"


def test_an_image_whose_volume_is_not_declared_is_refused(box: Sandbox) -> None:
    """Row 55: until deploy.yaml says where the data goes."""
    box.deployed("1.0.0")
    name = f"test-volume-{box.edge}"
    recipe = b"FROM deploy-action-demo:2.0.0\nVOLUME /data\n"
    argv = ["docker", "build", "-q", "-t", f"{name}:2.0.0", "-"]
    subprocess.run(argv, input=recipe, check=True, capture_output=True)
    box.configure(image=name)
    done = box.deploy("2.0.0")
    box.assert_survived(
        done,
        serves="1.0.0",
        exit_code=2,
        code="volume-undeclared",
        says=["/data", "ephemeral"],
        recorded=False,
    )
    box.configure(ephemeral=["/data"])
    box.deployed("2.0.0")
    box.clean()
    docker("rmi", f"{name}:2.0.0")


@LONG
def test_what_staging_cleans_up_leaves_what_production_can_restore(
    tmp_path: Path, store: Registry
) -> None:
    """Row 57: one host, one repository; then a prune by somebody else, and no registry."""
    store.mode = "open"
    label = f"test-prune-{store.port}"
    for version in ("1.0.0", "2.0.0"):
        recipe = f"FROM deploy-action-demo:{version}\nLABEL {label}={version}\n".encode()
        subprocess.run(
            ["docker", "build", "-q", "-t", label, "-"],
            input=recipe,
            check=True,
            capture_output=True,
        )
        store.push(label, f"pruned:{version}")
        docker("rmi", label)
    with sandbox(tmp_path, image=f"{store.name}/pruned", pull="missing", retain=1) as box:
        production = box.config["environments"]["production"] | {"after": "staging"}
        staging = {"url": f"http://127.0.0.1:{free_port()}"}
        box.configure(environments={"staging": staging, "production": production})
        for version in ("1.0.0", "2.0.0"):
            for argv in (("deploy", "-e", "staging"), ("promote", "-e", "production")):
                done = box.run(*argv, "--version", version)
                assert done.exit_code == 0, done.text
        for slow in ("1s", "2s", "4s"):
            box.configure(stop={"timeout": slow})
            done = box.deploy("2.0.0", "-e", "staging")
            assert done.exit_code == 0, done.text
        store.mode = "shut"
        running = box.serving_containers()
        docker("rm", *[name for name in box.containers() if name not in running])
        docker("image", "prune", "-f", "--filter", f"label={label}")
        task = box.run("run", "-e", "production", "--no-entrypoint", "--", "true")
        assert task.exit_code == 0, task.text
        done = box.run("rollback", "-e", "production")
        assert done.exit_code == 0, done.text
        assert box.serving() == "1.0.0"
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for name in (each for each in names if each.startswith(f"{store.name}/pruned:")):
        docker("rmi", name)


@LONG
def test_a_secret_of_the_rollback_target_that_is_gone_is_seen_in_preflight(box: Sandbox) -> None:
    """Row 40: without the kept containers the value is needed, and it is named."""
    box.configure(secrets=["TOKEN"])
    for version in ("1.0.0", "2.0.0"):
        done = box.deploy(version, env={"TOKEN": "hunter2"})
        assert done.exit_code == 0, done.text
    docker("rm", "-f", *[name for name in box.containers() if "1.0.0" in name])
    with box.unbroken():
        done = box.run("rollback")
        assert done.exit_code == 4, done.text
        assert "TOKEN" in done.text
        assert box.serving() == "2.0.0"
        done = box.run("rollback", env={"TOKEN": "hunter2"})
        assert done.exit_code == 0, done.text
        assert box.serving() == "1.0.0"


def test_a_stranger_with_the_edges_name_or_port_is_not_touched(box: Sandbox) -> None:
    """Row 24: the message names the stranger, which runs on."""
    docker("run", "-d", "--name", box.edge, "deploy-action-demo:1.0.0")
    try:
        done = box.deploy("1.0.0")
        assert done.exit_code == 4, done.text
        assert box.edge in done.text
        assert docker("inspect", "-f", "{{.State.Running}}", box.edge).strip() == "true"
    finally:
        docker("rm", "-f", box.edge)


def test_a_port_that_somebody_listens_on_leaves_the_old_routes(shop: Sandbox) -> None:
    """Rows 19 and 24: the edge refuses its new configuration and keeps the old one."""
    port, name = free_port(), f"{shop.edge}-stranger"
    docker("run", "-d", "--name", name, "-p", f"0.0.0.0:{port}:8080", "deploy-action-demo:1.0.0")
    try:
        url = f"http://127.0.0.1:{port}"
        shop.configure(environments={"production": {"url": url}})
        with shop.load() as stop:
            done = shop.deploy("2.0.0")
            seen = stop()
        shop.assert_survived(done, serves="1.0.0", seen=seen, says=[f"port {port}"])
        assert docker("inspect", "-f", "{{.State.Running}}", name).strip() == "true"
    finally:
        docker("rm", "-f", name)


@LONG
def test_an_edge_that_does_not_reload_keeps_the_old_routes(shop: Sandbox) -> None:
    """Row 19: another health check needs a reload, which fails; file and edge stay as they were."""
    docker("exec", shop.edge, "mv", "/state/run/master.sock", "/state/run/aside.sock")
    before = docker("exec", shop.edge, "cat", "/state/edge/haproxy.cfg")
    shop.configure(health={"path": "/version", "deadline": "10s"})
    with shop.load() as stop:
        done = shop.deploy("2.0.0")
        seen = stop()
    shop.assert_survived(done, serves="1.0.0", seen=seen, says=["edge", "local"])
    assert docker("exec", shop.edge, "cat", "/state/edge/haproxy.cfg") == before
    docker("exec", shop.edge, "mv", "/state/run/aside.sock", "/state/run/master.sock")
    shop.deployed("2.0.0")
    assert shop.serving() == "2.0.0"


def test_no_room_for_the_ledger_refuses_before_the_switch(tmp_path: Path) -> None:
    """Row 26: the state volume is full; nothing changes, and the old release serves."""
    with sandbox(tmp_path) as box:
        options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m")
        docker("volume", "create", *options, box.edge)
        box.deployed("1.0.0")
        docker("exec", box.edge, "sh", "-c", "cat /dev/zero > /state/full 2>/dev/null || true")
        with box.load() as stop:
            done = box.deploy("2.0.0")
            seen = stop()
        assert done.exit_code == 4, done.text
        assert "space" in done.text
        assert seen.lost == 0
        docker("exec", box.edge, "rm", "/state/full")
        assert box.serving() == "1.0.0"
        assert box.lock_is_free()
        again = box.deploy("2.0.0")
        assert again.exit_code == 0, again.text


@LONG
def test_an_old_release_that_vanishes_meanwhile_is_made_anew(shop: Sandbox) -> None:
    """The way back does not depend on the old container, only on its image."""
    shop.configure(env={"HEALTH": "500"}, health={"path": "/healthz", "deadline": "4s"})
    process = shop.start("deploy", "--progress-json", "--json", "--version", "2.0.0")
    await_step(process, StepId.VERIFY)
    old = next(name for name in shop.containers() if "1.0.0" in name)
    docker("rm", "-f", old)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 4, out + err
    assert shop.serving() == "1.0.0"


def test_when_the_way_back_fails_too_a_person_is_called_once(tmp_path: Path) -> None:
    """Row 39: old container and old image are gone: exit 5, no loop, the ledger says unresolved."""
    image = "deploy-action-test-gone"
    docker("tag", "deploy-action-demo:2.0.0", f"{image}:2")
    recipe = b"FROM deploy-action-demo:1.0.0\nLABEL only=here\n"
    build = ["docker", "build", "-q", "-t", f"{image}:1", "-"]
    subprocess.run(build, input=recipe, check=True, capture_output=True)
    with sandbox(tmp_path, image=image, health={"path": "/healthz", "deadline": "4s"}) as box:
        box.deployed("1")
        box.configure(env={"HEALTH": "500"})
        process = box.start("deploy", "--progress-json", "--json", "--version", "2")
        await_step(process, StepId.VERIFY)
        docker("rm", "-f", *[name for name in box.containers() if "_1_1" in name])
        docker("rmi", "-f", docker("images", "-q", f"{image}:1").strip())
        out, err = process.communicate(timeout=60)
        assert process.returncode == 5, out + err
        assert json.loads(out)["error"]["code"] == "rollback-failed"
        assert box.lock_is_free()
        assert box.history()[0]["state"] == "unresolved"
        assert any("_2_2" in name for name in box.containers()), "the candidate is kept to look at"
    docker("rmi", "-f", f"{image}:2")


def test_an_unreachable_host_is_found_before_any_host_is_touched(box: Sandbox) -> None:
    """Row 32: the other host has no lock, no edge and no container."""
    url = f"http://127.0.0.1:{box.port}"
    hosts = ["local", f"unix:///tmp/{box.edge}.sock"]
    box.configure(environments={"production": {"url": url, "hosts": hosts}})
    done = box.deploy("1.0.0")
    assert done.exit_code == 4, done.text
    assert f"{box.edge}.sock" in done.text
    assert box.containers() == box.containers("edge") == box.containers("lock") == []


def test_a_gate_that_finds_nothing_to_check_refuses(shop: Sandbox) -> None:
    """Row 52: an empty directory is not a clean one."""
    (shop.directory / "src").mkdir()
    shop.configure(gates={"bandit": {"paths": ["src"]}})
    with shop.unbroken():
        done = shop.deploy("2.0.0")
        shop.assert_survived(done, serves="1.0.0", exit_code=3, says=["bandit"], recorded=False)


def test_a_gate_whose_tool_is_killed_refuses(shop: Sandbox) -> None:
    """Row 52: bandit's processes are killed as they come; what was not checked has not passed."""
    source = shop.directory / "src"
    source.mkdir()
    for number in range(40):
        (source / f"module_{number}.py").write_text("value = 1\n" * 400)
    shop.configure(gates={"bandit": {"paths": ["src"]}})
    with shop.unbroken():
        process = shop.start("deploy", "--json", "--version", "2.0.0")
        killed = 0
        while process.poll() is None:
            for worker in _children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed += 1
        out, err = process.communicate()
        assert killed
        done = Finished(exit_code=process.returncode, out=out, err=err)
        shop.assert_survived(done, serves="1.0.0", exit_code=3, says=["bandit"], recorded=False)


def _children(parent: int) -> list[int]:
    """Return the processes of a deployer that run bandit."""
    children = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"-m\0bandit\0" not in (directory / "cmdline").read_bytes():
                continue
            status = (directory / "status").read_text()
            if f"PPid:\t{parent}\n" in status:
                children.append(int(directory.name))
    return children
