"""How an image is built: the commands, and what the push says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.errors import fails_with

from deploy_action.commands import build as operation
from deploy_action.config.model import Build
from deploy_action.errors import BadInput, DeploymentFailed, ErrorCode
from deploy_action.events.model import Event, Waiting
from deploy_action.events.stream import EventStream
from deploy_action.images import build as building
from deploy_action.images.build import build_image, build_steps
from deploy_action.inputs import Inputs, Secret
from deploy_action.process import Completed, ProcessTimeout

DIGEST = f"sha256:{'a1' * 32}"


class Said(EventStream):
    """Keeps what was told."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.progress: list[tuple[str, str]] = []

    def publish(self, event: Event) -> None:
        if isinstance(event, Waiting) and event.detail:
            self.progress.append((event.text, event.detail))

    def quote(self, title: str, lines: Iterable[str]) -> None:
        self.lines += lines


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the Docker command line answers, in the order of the calls."""
    waiting: list[Any] = []

    def run(argv: Sequence[str], *, on_line: Callable[[str], None], **_: object) -> Completed:
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        code, out, err = answer
        for line in (*out.splitlines(), *err.splitlines()):
            on_line(line)
        return Completed(exit_code=code, stdout=out, stderr=err)

    monkeypatch.setattr(building, "run", run)
    yield waiting
    assert waiting == []


def test_paths_are_relative_to_deploy_yaml_and_to_the_context() -> None:
    """As in Compose: the context beside deploy.yaml, the Dockerfile in the context."""
    plan = Build(context="app", dockerfile="docker/Dockerfile", target="run", args={"YEAR": "26"})
    assert build_steps(plan, "shop:1", Path("/src"), "abc") == [
        [
            *("docker", "build", "-t", "shop:1", "-f", "/src/app/docker/Dockerfile"),
            *("--label", "deploy-action.commit=abc"),
            *("--target", "run", "--build-arg", "YEAR=26", "--", "/src/app"),
        ]
    ]


def test_the_image_is_pushed_before_the_name_of_its_cache() -> None:
    """A machine that starts empty takes layers from what the build before pushed."""
    build, *pushes = build_steps(Build(push=True, cache="cache"), "h:5000/shop:1", Path(), "")
    assert build[build.index("--cache-from") + 1] == "h:5000/shop:cache"
    assert "BUILDKIT_INLINE_CACHE=1" in build
    assert [push[-1] for push in pushes] == ["h:5000/shop:1", "h:5000/shop:cache"]


def test_the_digest_is_the_one_that_the_push_said(answers: list[Any]) -> None:
    """Not the one that the tag has a moment later."""
    other = f"sha256:{'b2' * 32}"
    answers += [
        (0, "", ""),
        (0, f"abc: Pushed\n1: digest: {DIGEST} size: 528\n", ""),
        (0, f"cache: digest: {other} size: 528\n", ""),
    ]
    plan = Build(push=True, cache="cache")
    assert build_image(plan, "h/shop:1", Path(), Said(), None) == DIGEST


def test_what_is_not_pushed_has_no_digest(answers: list[Any]) -> None:
    """An image's id is of no use to another machine."""
    answers.append((0, "Successfully built 0123", ""))
    assert build_image(Build(), "shop:1", Path(), Said(), None) is None


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((1, "Step 2/3\n", "no such file\n"), DeploymentFailed, "exit code 1"),
        (FileNotFoundError("docker"), BadInput, "no Docker command line"),
        (ProcessTimeout("docker", 3600, "", ""), DeploymentFailed, "timed out"),
    ],
)
def test_a_build_that_fails_says_what_to_do(
    answers: list[Any], answer: object, error: type[Exception], words: str
) -> None:
    """Also where there is no Docker, and where it hangs."""
    answers.append(answer)
    with pytest.raises(error, match=words) as caught:
        build_image(Build(), "shop:1", Path(), Said(), None)
    assert "remedy:" in str(caught.value)


def test_a_failed_build_shows_its_last_lines(answers: list[Any]) -> None:
    """The classic builder tells its story on the one stream and the error on the other."""
    answers.append((1, "Step 2/3\n", "no such file\n"))
    said = Said()
    with pytest.raises(DeploymentFailed):
        build_image(Build(), "shop:1", Path(), said, None)
    assert said.lines[-2:] == ["Step 2/3", "no such file"]


def test_each_line_of_a_build_is_told_without_secrets(answers: list[Any]) -> None:
    """As it comes, and masked in what a failure shows, too."""
    answers.append((1, "#5 [2/4] RUN fetch\n", "#5 0.4 fetched with s3cr3t-token\n"))
    said = Said()
    Secret("s3cr3t-token")
    with pytest.raises(DeploymentFailed) as caught:
        build_image(Build(), "shop:1", Path(), said, None)
    assert said.progress == [
        ("building shop:1", "#5 [2/4] RUN fetch"),
        ("building shop:1", "#5 0.4 fetched with ***"),
    ]
    assert "s3cr3t-token" not in f"{said.lines} {caught.value}"


def test_a_push_without_a_digest_is_not_taken_for_one(answers: list[Any]) -> None:
    """Nothing would hold the deployments to what was built."""
    answers += [(0, "", ""), (0, "pushed\n", "")]
    with fails_with(ErrorCode.BUILD_FAILED):
        build_image(Build(push=True), "h/shop:1", Path(), Said(), None)


def run(tmp_path: Path, text: str, **given: Any) -> Mapping[str, Any]:
    file = tmp_path / "deploy.yaml"
    file.write_text(f"version: 1\nservice: shop\nimage: h/shop\nport: 80\n{text}")
    report = operation.run(Inputs(config=file, version="1", **given), Said())
    return {"result": report.result, "digest": report.digest, "notes": report.notes}


ALIKE = """\
build: {push: true}
environments:
  staging: {url: "http://s.example"}
  production: {url: "http://p.example", after: staging}
"""
DIFFERENT = """\
environments:
  staging: {url: "http://s.example", build: a}
  production: {url: "http://p.example", build: b}
"""


def test_one_build_is_for_all_environments_that_build_alike(
    tmp_path: Path, answers: list[Any]
) -> None:
    """Nobody has to name one."""
    answers += [(0, "", ""), (0, f"1: digest: {DIGEST} size: 1\n", "")]
    assert run(tmp_path, ALIKE) == {"result": "pushed", "digest": DIGEST, "notes": ()}


def test_environments_that_build_differently_are_built_by_name(
    tmp_path: Path, answers: list[Any]
) -> None:
    """One digest for both would be the wrong one for one of them."""
    with fails_with(ErrorCode.ENVIRONMENT_NOT_NAMED):
        run(tmp_path, DIFFERENT)
    answers.append((0, "", ""))
    done = run(tmp_path, DIFFERENT, environment="staging")
    assert (done["result"], done["digest"]) == ("built", "")
    assert "push: true" in done["notes"][0]


def test_without_a_build_there_is_nothing_to_do(tmp_path: Path) -> None:
    """The message says how such an image is deployed."""
    with fails_with(ErrorCode.NOTHING_TO_BUILD):
        run(tmp_path, "environments: {production: {}}\n")
