"""Text from outside stays text: a Markdown parser is asked what it makes of it."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy_action.render.markdown import alert, code, escape_markdown, fenced, table

OUTSIDE = (
    "- - -",
    "- an item",
    "+ an item",
    "* an item",
    "1. first",
    "12) twelfth",
    "===",
    "---",
    "# title",
    "> quote",
    "    code",
    "~~~",
    "```sh",
    "<img src=x onerror=alert(1)>",
    "</details>",
    "<!-- comment",
    "![image](http://example.com/x.png)",
    "[link](javascript:alert(1))",
    "[!CAUTION]",
    "https://example.com",
    "**bold** _it_ ~~gone~~ `code`",
    "a | b | c",
    "&lt;b&gt;",
    "ends with \\",
    "two\n\n# lines",
    "\x1b[31mred",
)


def parsed(markdown: str) -> list[Token]:
    """Return what GitHub's parser would see: CommonMark with tables and strikethrough."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)


def inner(tokens: list[Token]) -> set[str]:
    """Return the kinds of everything inside of paragraphs."""
    return {child.type for token in tokens for child in token.children or ()}


@pytest.mark.parametrize("said", OUTSIDE)
def test_a_paragraph_is_one_paragraph_of_plain_text(said: str) -> None:
    """Neither a block (list, rule, heading, quote, code) nor anything inside of a line."""
    tokens = parsed(escape_markdown(said))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert inner(tokens) <= {"text", "text_special"}


@pytest.mark.parametrize("said", OUTSIDE)
def test_a_second_paragraph_of_a_box_is_plain_text(said: str) -> None:
    """In a quote a line of dashes or equal signs would make a rule or a heading of its neighbour."""
    tokens = parsed(alert("NOTE", ["first", escape_markdown(said)]))
    assert {token.type for token in tokens} == {
        *("blockquote_open", "blockquote_close"),
        *("paragraph_open", "inline", "paragraph_close"),
    }


@pytest.mark.parametrize("show", [escape_markdown, code])
@pytest.mark.parametrize("said", OUTSIDE)
def test_a_cell_is_one_cell(said: str, show: object) -> None:
    """A row has the cells of its heading, whatever is written into it."""
    assert callable(show)
    tokens = parsed(table(("a", "b"), [(show(said), "last")]))
    cells = [tokens[i + 1].content for i, t in enumerate(tokens) if t.type == "td_open"]
    assert len(cells) == 2
    assert cells[1] == "last"
    assert "html_inline" not in inner(tokens)


def test_a_code_block_holds_any_fence() -> None:
    """The lines of a log come out as they went in."""
    lines = ["```", "~~~", "````", "</details>", "- - -"]
    tokens = parsed(fenced(lines) + "\n\nafter")
    assert [t.type for t in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.splitlines() == lines


@pytest.mark.parametrize("said", ["1.4.2", "2026-05-01 12:00", "-1 % of the traffic", "a - b"])
def test_what_people_write_reads_as_they_wrote_it(said: str) -> None:
    """Escaping is seen by the parser alone."""
    (_, line, _) = parsed(escape_markdown(said))
    assert "".join(child.content for child in line.children or ()) == said
