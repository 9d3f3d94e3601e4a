"""Files of real containers, secret or not: who reads them, and how long they are there."""

from __future__ import annotations

import io
import subprocess
import tarfile
from uuid import uuid4

import pytest
from tests.support.sandbox import Sandbox, docker

from deploy_action.errors import DeploymentFailed
from deploy_action.inputs import Secret
from deploy_action.platforms.docker.engine import connect
from deploy_action.platforms.docker.engine.protocol import ContainerSpec

pytestmark = pytest.mark.docker

PATH = "/run/secrets/key"


def test_a_file_is_read_by_the_application_alone_over_restart_rollback_and_end(
    box: Sandbox,
) -> None:
    """The demo's user is `nobody`, known by name; its description does not have the value, whether
    the root can be written or not."""
    box.configure(
        secrets=[{"name": "KEY", "file": PATH}], stop={"timeout": "1s", "drain": "0s"}, probe=False
    )
    for version, value in (("1.0.0", "canary-old"), ("2.0.0", "canary-new")):
        box.environ["KEY"] = value
        box.configure(read_only=version == "2.0.0")
        box.deployed(version)
    [name] = box.serving_containers()
    assert docker("exec", name, "cat", PATH) == "canary-new"
    assert docker("exec", name, "stat", "-c", "%U %a", PATH) == "nobody 400\n"
    denied = subprocess.run(
        ["docker", "exec", "-u", "1", name, "cat", PATH], check=False, capture_output=True
    )
    assert denied.returncode != 0
    assert "canary" not in docker("inspect", name)
    assert "canary" not in docker("exec", name, "env")
    docker("restart", "-t", "0", name)
    assert docker("exec", name, "cat", PATH) == "canary-new"

    del box.environ["KEY"]
    done = box.run("run", "--no-entrypoint", "--", "test", "-r", PATH)
    assert done.exit_code == 0, done.text
    done = box.run("rollback")
    assert done.exit_code == 0, done.text
    [name] = box.serving_containers()
    assert docker("exec", name, "cat", PATH) == "canary-old"
    assert box.run("drift").exit_code == 0

    mounts = ("inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", *box.containers())
    volumes = docker(*mounts).split()
    assert len(volumes) == len(["2.0.0"])
    assert box.run("remove", "--force").exit_code == 0
    assert not {*volumes} & {*docker("volume", "ls", "-q").split()}


def test_everybody_reads_a_configuration_file_and_may_execute_a_script(box: Sandbox) -> None:
    """In a directory of the image's own, whose other files stay, and in a new one."""
    (box.directory / "app.conf").write_text("ü = 1\n")
    (box.directory / "hello.sh").write_text("#!/bin/sh\necho hello\n")
    box.configure(files={"/srv/app.conf": "app.conf", "/etc/new/hello": "hello.sh"}, probe=False)
    for read_only in (False, True):
        box.configure(read_only=read_only)
        box.deployed("1.0.0")
        [name] = box.serving_containers()
        assert docker("exec", "-u", "1", name, "cat", "/srv/app.conf") == "ü = 1\n"
        assert docker("exec", "-u", "1", name, "/etc/new/hello") == "hello\n"
        assert "shop.py" in docker("exec", name, "ls", "/srv")
    assert box.run("drift").exit_code == 0


def test_an_image_needs_nothing_to_be_given_a_file() -> None:
    """Not even a directory, a shell or a passwd file: it is as good as empty."""
    name = f"test-{uuid4().hex[:8]}"
    subprocess.run(
        ["docker", "import", "--change", "USER 65532:65532", "--change", 'CMD ["/app"]', "-", name],
        input=_empty_archive(),
        check=True,
        capture_output=True,
    )
    engine = connect("local")
    try:
        made = engine.create(ContainerSpec(name=name, image=name, files={PATH: Secret("x")}))
        copied = subprocess.run(
            ["docker", "cp", f"{made}:{PATH}", "-"], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(copied)) as archive:
            [member] = archive.getmembers()
        assert (member.uid, member.mode & 0o777, member.size) == (65532, 0o400, 1)
    finally:
        engine.remove(name, volumes=True)
        engine.close()
        docker("rmi", name)


def test_of_a_container_whose_files_cannot_be_written_nothing_is_left() -> None:
    """A read-only root has no place for them unless their directory is a volume."""
    name, engine = f"test-{uuid4().hex[:8]}", connect("local")
    spec = ContainerSpec(
        name=name, image="deploy-action-demo:1.0.0", read_only=True, files={PATH: Secret("x")}
    )
    try:
        with pytest.raises(DeploymentFailed):
            engine.create(spec)
        assert engine.container(name) is None
    finally:
        engine.close()


def _empty_archive() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w"):
        pass
    return archive.getvalue()
