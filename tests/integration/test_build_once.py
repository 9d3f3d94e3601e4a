"""One build, one push: every environment gets the digest that `build` said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.registry import registry
from tests.support.sandbox import docker, free_port, sandbox

pytestmark = pytest.mark.docker

RECIPE = "FROM deploy-action-demo:1.0.0\nRUN date +%N > /tmp/built\n"
NAMED = ("-c", "user.name=dev", "-c", "user.email=dev@example.com", "commit", "-q")


def test_nothing_is_built_after_the_build(tmp_path: Path) -> None:
    """The registry has the digest that is said, also for a second build of the commit, and with a Dockerfile that nobody could build any
    more it goes to staging by digest, to production by promotion, and again by a deployment."""
    (tmp_path / "app").mkdir()
    recipe = tmp_path / "app/Containerfile"
    recipe.write_text(RECIPE)
    with registry() as store, sandbox(tmp_path) as box:
        image = f"127.0.0.1:{store.inner}/shop"
        box.configure(
            image=image,
            pull=None,
            build={
                "context": "app",
                "dockerfile": "Containerfile",
                "push": True,
                "cache": "build-cache",
            },
            environments={
                "staging": {"url": f"http://127.0.0.1:{free_port()}"},
                "production": {"url": box.url, "after": "staging"},
            },
        )
        try:
            built = box.run("build", "--version", "1.0.0")
            assert built.exit_code == 0, built.text
            digest = built.json["digest"]
            for tag in ("1.0.0", "build-cache"):
                docker("pull", "-q", f"{image}:{tag}")
                found = docker("inspect", "-f", '{{join .RepoDigests " "}}', f"{image}:{tag}")
                assert f"{image}@{digest}" in found.split()
            for git in (["init"], ["add", "-A"], [*NAMED, "-m", "one"], ["tag", "1.0.0"]):
                subprocess.run(["git", *git], cwd=tmp_path, check=True, capture_output=True)
            again = box.run("build", "--version", "1.0.0")
            assert again.json["digest"] == digest, again.text
            shutil.rmtree(tmp_path / ".git")
            recipe.write_text("FROM nowhere.invalid/nothing:1\n")

            refused = box.run("build", "--version", "1.0.1")
            assert refused.exit_code == 4, refused.text
            assert "docker build" in refused.json["error"]["what"]
            given = ("--version", "1.0.0", "--digest", digest)
            for argv, result in (
                (("plan", "-e", "staging", "--version", "1.0.0"), "planned"),
                (("deploy", "-e", "staging", *given), "deployed"),
                (("promote", "-e", "production", *given), "deployed"),
                (("deploy", "-e", "production", "--version", "1.0.0"), "unchanged"),
            ):
                done = box.run(*argv)
                assert done.json["result"] == result, done.text
            assert box.serving() == "1.0.0"
        finally:
            box.clean()
            docker("rmi", "-f", *docker("images", "-q", image).split())
