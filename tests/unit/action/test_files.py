"""The files of a step: outputs that cannot forge others, and a page within GitHub's limit."""

from __future__ import annotations

from pathlib import Path

from deploy_action.action.files import add_summary, set_outputs


def read_outputs(path: Path) -> dict[str, str]:
    """Read NAME<<DELIMITER blocks as the runner does."""
    found: dict[str, str] = {}
    lines = iter(path.read_text().splitlines())
    for line in lines:
        name, delimiter = line.split("<<", 1)
        value = []
        while (inner := next(lines)) != delimiter:
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def test_outputs_are_read_back_as_they_were(tmp_path: Path) -> None:
    """Several lines, and text that looks like another output, are one value."""
    file = tmp_path / "output"
    hostile = "1.0\nend\nversion=9\nversion<<end\n9\nend"

    set_outputs({"GITHUB_OUTPUT": str(file)}, {"version": hostile, "url": "http://a"})

    assert read_outputs(file) == {"version": hostile, "url": "http://a"}


def test_outputs_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    """The file belongs to the step, which may have written to it before."""
    file = tmp_path / "output"
    file.write_text("a<<x\n1\nx\n")
    set_outputs({"GITHUB_OUTPUT": str(file)}, {"b": "2"})
    assert read_outputs(file) == {"a": "1", "b": "2"}


def test_delimiters_cannot_be_foreseen(tmp_path: Path) -> None:
    """Two outputs never share one."""
    file = tmp_path / "output"
    set_outputs({"GITHUB_OUTPUT": str(file)}, {"a": "1", "b": "2"})
    delimiters = [line.split("<<")[1] for line in file.read_text().splitlines() if "<<" in line]
    assert len(set(delimiters)) == 2


def test_without_a_file_nothing_is_written() -> None:
    """Outside of a runner there is nobody to read outputs or a page."""
    set_outputs({}, {"a": "1"})
    add_summary({}, "page")


def test_a_page_that_is_too_long_is_cut_and_says_so(tmp_path: Path) -> None:
    """GitHub drops a page over 1 MiB as a whole; a cut one is still a page, in whole characters."""
    file = tmp_path / "summary"

    add_summary({"GITHUB_STEP_SUMMARY": str(file)}, "é" * 1024 * 1024)

    content = file.read_bytes()
    assert len(content) <= 1024 * 1024
    assert content.decode().endswith("*This page was cut at GitHub's limit of 1 MiB.*\n")


def test_the_limit_counts_what_the_page_has_already(tmp_path: Path) -> None:
    """The limit is the file's, not one report's."""
    file = tmp_path / "summary"
    for _ in range(3):
        add_summary({"GITHUB_STEP_SUMMARY": str(file)}, "x" * 600 * 1024)
    assert len(file.read_bytes()) <= 1024 * 1024
