"""Durations, sizes, hosts and urls."""

from __future__ import annotations

import pytest

from deploy_action.config.hosts import HostAddress, parse_host
from deploy_action.config.schema import deploy_schema, validator_for
from deploy_action.config.urls import Url, parse_url
from deploy_action.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("200ms", 0.2),
        ("2s", 2),
        ("1m30s", 90),
        ("2h", 7200),
        ("1.5s", 1.5),
        ("1h2m3s4ms", 3723.004),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is its seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-1s", "1s1m", "1d", "1e3s", "٣s", "1s\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Nothing is guessed, and the schema agrees."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
    schema = deploy_schema()["$defs"]["duration"]
    assert not validator_for(schema).is_valid(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 2**29),
        ("1g", 2**30),
        ("1.5G", 3 * 2**29),
        ("10kb", 10240),
        ("1MiB", 2**20),
        ("9b", 9),
    ],
)
def test_sizes(text: str, size: int) -> None:
    """A k is 1024 bytes, as in Docker."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "1t", "1.m", "m", "-1m", "1 m", "1m\n"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Nothing is guessed, and the schema agrees."""
    with pytest.raises(ValueError, match="size"):
        parse_size(text)
    schema = deploy_schema()["$defs"]["size"]
    assert not validator_for(schema).is_valid(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("local", HostAddress(kind="local")),
        ("unix:///run/a.sock", HostAddress(kind="unix", socket="/run/a.sock")),
        ("tcp://10.0.0.1:2376", HostAddress(kind="tcp", name="10.0.0.1", port=2376)),
        ("tcp://[::1]:2376", HostAddress(kind="tcp", name="::1", port=2376)),
        ("ssh://a.example.com", HostAddress(kind="ssh", name="a.example.com")),
        ("ssh://u@h:22", HostAddress(kind="ssh", name="h", port=22, user="u")),
        ("ssh://u@[fe80::1]", HostAddress(kind="ssh", name="fe80::1", user="u")),
        ("ssh://my_alias", HostAddress(kind="ssh", name="my_alias")),
    ],
)
def test_hosts_are_taken_apart(text: str, address: HostAddress) -> None:
    """Each part of a host has its field, and the schema accepts the host."""
    assert parse_host(text) == address
    assert validator_for(deploy_schema()["$defs"]["host"]).is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-v", "Local", "local\n", "host", "http://h", "ssh://", "ssh://@h", "ssh://u@"),
        *("ssh://-h", "ssh://-u@h", "ssh://u@-h", "ssh://u v@h", "ssh://u@h v", "ssh://u@h;id"),
        *("ssh://u:p@h", "ssh://h/p", "ssh://h:0", "ssh://h:65536", "ssh://h:", "ssh://h:+1"),
        *("ssh://[::1", "ssh://[::1]x", "ssh://[h]", "ssh://a..b", "ssh://h-", "ssh://hé"),
        *(
            "tcp://h",
            "tcp://:1",
            "unix://a",
            "unix:///a b",
            "unix:///a$(b)",
            "ssh://h\n",
            "ssh://`h`",
        ),
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    """Nothing that could be an option, a second word or a shell's business gets through."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_host(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("local", "unix:///var/run/docker.sock"),
        ("local", "unix:///run/docker.sock"),
        ("ssh://h", "ssh://H:22"),
        ("ssh://a@h", "ssh://b@h"),
    ],
)
def test_two_names_of_one_engine_are_recognised(one: str, other: str) -> None:
    """Two addresses that lead to the same engine have the same identity."""
    assert parse_host(one).identity == parse_host(other).identity


def test_urls_are_taken_apart() -> None:
    """A url gives host, port and path; an impossible one is refused."""
    assert parse_url("https://A.example.com:8443/x") == Url(
        scheme="https", host="a.example.com", port=8443, path="/x"
    )
    for text in ("http://h:0", "http://h:70000", "http://[x]"):
        with pytest.raises(ValueError, match=r"\w"):
            parse_url(text)
