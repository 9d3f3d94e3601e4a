"""How far a pull is."""

from __future__ import annotations

from deploy_action.platforms.docker.engine.pull_progress import PullProgress


def line(status: str, layer: str = "", current: object = None, total: object = None) -> object:
    return {
        "status": status,
        "id": layer,
        "progressDetail": {"current": current, "total": total} if total else {},
    }


def test_layers_and_bytes_are_counted() -> None:
    """Layers that are there already count as done, and their bytes are nobody's."""
    progress, now = PullProgress(), 100.0
    for one in (
        line("Pulling from shop", "1.0.0"),
        line("Pulling fs layer", "a"),
        line("Waiting", "b"),
        line("Already exists", "c"),
        line("Downloading", "a", 4_000_000, 20_000_000),
        line("Downloading", "b", 1_000_000, 1_000_000),
        line("Download complete", "b"),
        line("Extracting", "b", 3, 9),
        line("Pull complete", "b"),
        {"status": "Status: Downloaded newer image for shop:1.0.0"},
    ):
        progress.is_due(one, now)  # type: ignore[arg-type]
    assert str(progress) == "2 of 3 layers, 5 of 21 MB"


def test_the_progress_is_told_once_a_second() -> None:
    """An engine sends ten lines a second for each layer."""
    progress = PullProgress()
    steps = [100 + step / 10 for step in range(21)]
    due = [progress.is_due(line("Downloading", "a", 1, 9), now) for now in steps]  # type: ignore[arg-type]
    assert due.count(True) == 3


def test_numbers_that_are_none_are_left_out() -> None:
    """A host's words are input."""
    progress = PullProgress()
    progress.is_due(line("Downloading", "a", "x", 5), 1.0)  # type: ignore[arg-type]
    progress.is_due(line("Downloading", "a", -5, 1 << 60), 1.0)  # type: ignore[arg-type]
    assert str(progress) == "0 of 1 layers"
