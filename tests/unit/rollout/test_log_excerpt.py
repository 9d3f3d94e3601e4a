"""What is kept of a failed container's log."""

from __future__ import annotations

from deploy_action.rollout.log_excerpt import notable_lines


def test_a_short_log_is_kept_as_it_is() -> None:
    """Blank lines say nothing, and nothing moves a cursor."""
    assert notable_lines("begin\n\nKeyError: 'X'\n\x1b[31mend\n") == (
        "begin",
        "KeyError: 'X'",
        "\\x1b[31mend",
    )


def test_lines_that_our_checks_cause_do_not_hide_the_others() -> None:
    """40 lines a second, each with its own time and port, are one."""
    noise = [
        f'10.128.0.9 [02:12:{i:02}] "GET /healthz HTTP/1.1" 500 {40000 + i}' for i in range(60)
    ]
    log = "\n".join(["starting", *noise[:30], "fatal: no database", *noise[30:]])
    assert notable_lines(log) == ("starting", f"{noise[0]} (repeated)", "fatal: no database")


def test_the_first_and_the_last_words_of_a_long_log_are_kept() -> None:
    """And how many lines there were between them."""
    words = [f"word {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(100)]
    kept = notable_lines("\n".join(words))
    assert kept == (*words[:10], "… 60 lines …", *words[70:])


def test_a_line_is_bounded() -> None:
    """One line of an application can be a megabyte."""
    [line] = notable_lines("x" * 1_000_000)
    assert len(line) == 301
