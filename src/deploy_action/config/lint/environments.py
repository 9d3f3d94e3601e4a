"""Lint of environments: their hosts, their order, and places that two of them claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations

from deploy_action.config.hosts import parse_host
from deploy_action.config.lint.scope import Finding, Rule, Scope, error
from deploy_action.suggest import did_you_mean

__all__ = ["RULES", "between"]


def _hosts(scope: Scope) -> Iterator[Finding]:
    seen: dict[tuple[str, str, int | None], str] = {}
    for index, text in enumerate(scope.environment.hosts):
        try:
            identity = parse_host(text).identity
        except ValueError as reason:
            yield error(
                "bad-host",
                ("hosts", index),
                f'"{text}" is not a Docker host: {reason}',
                "for example ssh://deploy@shop.example.com",
            )
            continue
        if identity in seen:
            other = seen[identity]
            message = "the same host is given twice"
            if other != text:
                message += f": {other} and {text} are one engine"
            yield error(
                "duplicate-host",
                ("hosts", index),
                message,
                "remove one; replicas: says how many run on a host",
            )
        seen.setdefault(identity, text)


RULES: tuple[Rule, ...] = (_hosts,)


def between(scopes: Mapping[str, Scope]) -> Iterator[tuple[Scope, Finding]]:
    """Yield contradictions between environments, each with the environment to change."""
    for scope in scopes.values():
        for finding in _after(scope, scopes):
            yield scope, finding
    for first, second in combinations(scopes.values(), 2):
        for finding in (*_same_place(first, second), *_same_volume(first, second)):
            yield second, finding


def _after(scope: Scope, scopes: Mapping[str, Scope]) -> Iterator[Finding]:
    name, after = scope.environment.name, scope.environment.after
    if after is None:
        return
    if after == name:
        message, hint = f"{name} cannot come after itself", "name the environment before it"
        yield error("after-itself", ("after",), message, hint)
        return
    if after not in scopes:
        others = ", ".join(other for other in scopes if other != name)
        hint = did_you_mean(after, scopes) or f"there is {others or 'no other'}"
        message = f"there is no environment '{after}'"
        yield error("after-unknown", ("after",), message, hint)
        return
    cycle = _cycle(name, scopes)
    if cycle:
        yield error(
            "after-cycle",
            ("after",),
            f"these environments come after each other: {' → '.join(cycle)}",
            "one of them must come first, without after",
        )
    yield from _other_image(scope, scopes[after])


def _cycle(name: str, scopes: Mapping[str, Scope]) -> Sequence[str]:
    path = [name]
    while True:
        scope = scopes.get(path[-1])
        after = scope.environment.after if scope else None
        if after is None or after in path[1:]:
            return ()
        path.append(after)
        if after == name:
            return path


def _other_image(scope: Scope, before: Scope) -> Iterator[Finding]:
    own, earlier = scope.environment.image, before.environment.image
    if own is not None and earlier is not None and own != earlier:
        yield error(
            "after-other-image",
            ("image",),
            f"only a digest that passed in {before.environment.name} may come here, "
            f"but {before.environment.name} runs another image ({earlier})",
            "use one image for both, or remove after",
        )


_PLACE = ("hosts", "port", "protocol", "url", "route", "edge")


def _same_place(first: Scope, second: Scope) -> Iterator[Finding]:
    one, two = first.environment, second.environment
    if one.route is None or two.route is None:
        return
    if any(scope.broken(*_PLACE) for scope in (first, second)):
        return
    if one.route.port != two.route.port:
        return
    first_hosts, second_hosts = _identities(one.hosts), _identities(two.hosts)
    shared = [text for engine, text in second_hosts.items() if engine in first_hosts]
    if not shared:
        return
    same_edge = one.edge.name == two.edge.name
    whole_port = "tcp" in (one.protocol, two.protocol) or not same_edge
    if not whole_port and (one.route.certificate is None) != (two.route.certificate is None):
        plain, secured = (one, two) if one.route.certificate is None else (two, one)
        yield error(
            "mixed-tls",
            ("route",),
            f"port {two.route.port} of {shared[0]} cannot speak TLS for {secured.name} and not "
            f"for {plain.name}",
            "give both a certificate, or each its own port",
            at_key=True,
        )
        return
    places = sorted(one.route.places & two.route.places)
    if not whole_port and not places:
        return
    place = f"port {two.route.port} of {shared[0]}"
    if not whole_port:
        place = f"{places[0][0] or 'every host name'}, path {two.route.path}, {place}"
    why = "two edges cannot listen on one port" if not same_edge else "they would mix"
    yield error(
        "shared-route",
        ("route",),
        f"{one.name} and {two.name} answer at the same place ({place}): {why}",
        "give each its own url, or route: {port: …}, or other hosts",
        at_key=True,
    )


def _same_volume(first: Scope, second: Scope) -> Iterator[Finding]:
    if any(scope.broken("hosts", "volumes") for scope in (first, second)):
        return
    one, two = first.environment, second.environment
    shared = _identities(one.hosts).keys() & _identities(two.hosts).keys()
    others = {volume.source: volume for volume in one.volumes}
    for index, volume in enumerate(two.volumes if shared else ()):
        other = others.get(volume.source)
        # A path of the host is a place that somebody chose with both in mind.
        if other is None or volume.source.startswith("/") or (other.shared and volume.shared):
            continue
        place = next(text for host, text in _identities(two.hosts).items() if host in shared)
        yield error(
            "shared-named-volume",
            ("volumes", index),
            f"{one.name} and {two.name} use the same volume {volume.source} on {place}, so each "
            "writes the data of the other",
            f"name it {volume.source}-{two.name} in {two.name}, or, to share it on purpose, write "
            f"{{source: {volume.source}, target: {volume.target}, shared: true}} in both",
        )


@cache
def _identities(hosts: tuple[str, ...]) -> Mapping[object, str]:
    """Return each engine's address; a malformed one stands for itself."""
    engines: dict[object, str] = {}
    for text in hosts:
        try:
            engines[parse_host(text).identity] = text
        except ValueError:
            engines[text] = text
    return engines
