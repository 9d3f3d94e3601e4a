"""Reading files with positions, in each format."""

from __future__ import annotations

import json

import pytest

from deploy_action.config.document import Document, Format, Unreadable, dotted, parse

YAML = "a: 1\nb:\n  c: [x, {d: y}]\n'e.f': ü\n"
JSON = '{"a": 1,\n "b": {\n  "c": ["x", {"d": "y"}]},\n "e.f": "ü"}\n'
TOML = '"e.f" = "ü"\na = 1\n[b]\nc = ["x", {d = "y"}]\n'


def read(text: str, format: Format, *, strict: bool = True) -> Document:
    """Read text as the given format."""
    return parse(text.encode(), file="x", format=format, strict=strict)


def test_keys_of_yaml_know_their_lines() -> None:
    """Every key and item is found again in the file."""
    lines = {dotted(path): at.line for path, at in read(YAML, "yaml").keys.items()}
    assert lines == {
        "a": 1,
        "b": 2,
        "b.c": 3,
        "b.c[0]": 3,
        "b.c[1]": 3,
        "b.c[1].d": 3,
        "['e.f']": 4,
    }


def test_columns_are_where_editors_have_them() -> None:
    """Columns begin at 1 and count characters."""
    document = read("ü: {é: ö}\n", "yaml")
    assert (document.keys[("ü", "é")].column, document.values[("ü", "é")].column) == (5, 8)


@pytest.mark.parametrize(("text", "format"), [(JSON, "json"), (TOML, "toml")])
def test_json_and_toml_are_read_without_positions(text: str, format: Format) -> None:
    """The data are those of YAML; a problem names the path, and the file as a whole."""
    document = read(text, format)
    assert document.data == read(YAML, "yaml").data
    problem = document.problem(("b", "c"), "wrong", "rule")
    assert (problem.where, problem.line, problem.column) == ("b.c", 0, 0)


@pytest.mark.parametrize(
    ("text", "format", "place"),
    [
        ('{"a": 1,\n "b" 2}', "json", (2, 6)),
        ("a = 1\nb 2\n", "toml", (2, 3)),
        ("a: 1\nb: [\n", "yaml", (3, 1)),
    ],
)
def test_a_syntax_error_has_its_place_in_every_format(
    text: str, format: Format, place: tuple[int, int]
) -> None:
    """As editors count."""
    with pytest.raises(Unreadable) as caught:
        read(text, format)
    [problem] = caught.value.problems
    assert (problem.line, problem.column, problem.rule) == (*place, f"{format}-syntax")


@pytest.mark.parametrize(
    ("text", "format"),
    [
        *(("{", "json"), ("[1,]", "json"), ('{"a": NaN}', "json"), ("[" * 100, "json")),
        *((json.dumps(list(range(200_000))), "json"), ('{"a": 1} x', "json"), ("1" * 5000, "json")),
        *(("a = ", "toml"), ("a = 1\na = 2", "toml"), ("a = " + "[" * 10_000, "toml")),
        *(("a = 1\n" * 60_000, "toml"), ("a = 0x", "toml")),
        *((": [", "yaml"), ("a: *b", "yaml"), ("&a [*a]", "yaml"), ("a: {<<: x}", "yaml")),
    ],
)
def test_what_is_not_well_formed_is_unreadable(text: str, format: Format) -> None:
    """Syntax errors and excess end in one kind of error with a problem, never in another one."""
    with pytest.raises(Unreadable) as caught:
        read(text, format, strict=False)
    assert all(problem.message for problem in caught.value.problems)


def test_duplicate_keys_are_told_in_json_too() -> None:
    """Readers of JSON silently take the last of two keys; this one says which key it is."""
    [problem] = read('{"b": {"a": 1,\n "a": 2}, "a": 3}', "json").problems
    assert problem.rule == "duplicate-key"
    assert "'a'" in problem.message


def test_aliases_and_merges_are_followed_where_allowed() -> None:
    """An application's own YAML may use them; what is merged has the place of its source."""
    document = read("base: &b {x: 1}\nuse: {<<: *b, y: 2}\n", "yaml", strict=False)
    assert document.data == {"base": {"x": 1}, "use": {"x": 1, "y": 2}}
    assert document.key_at(("use", "x")).line == 1


def test_an_alias_bomb_is_defused_where_aliases_are_allowed() -> None:
    """The limit counts what aliases stand for."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 15)]
    with pytest.raises(Unreadable, match="aliases are followed"):
        read("\n".join(lines), "yaml", strict=False)


def test_numbers_and_dates_keep_what_was_written() -> None:
    """What YAML reads as another value than it looks like is remembered; a date stays text."""
    document = read("a: 1.10\nb: 'no'\nc: no\nd: 2024-01-01\ne: 1.5\nf: true\n", "yaml")
    assert document.data == {
        "a": 1.1,
        "b": "no",
        "c": False,
        "d": "2024-01-01",
        "e": 1.5,
        "f": True,
    }
    assert document.written == {("a",): "1.10", ("c",): "no"}
