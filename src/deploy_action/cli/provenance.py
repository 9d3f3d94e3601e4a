"""Who runs this and from which commit, when nobody says it: git's word, else the system's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

__all__ = ["actor", "commit", "facts"]

_GIT_SECONDS = 5.0


def facts(
    names: Collection[str], environ: Mapping[str, str], *, meanwhile: Callable[[], object]
) -> dict[str, str]:
    """Return facts by their names, ``actor`` and ``commit``; all are asked for at once.

    Args:
        meanwhile: what is done while git looks.
    """
    from deploy_action.parallel import run_parallel

    def one(name: str) -> str:
        return actor(environ) if name == "actor" else commit()

    ordered = sorted(names)
    meanwhile()
    found = run_parallel(one, ordered)
    return dict(zip(ordered, found, strict=True))


def actor(environ: Mapping[str, str]) -> str:
    """Return git's user.name, else the login name, else "unknown"."""
    name = _git("config", "user.name")
    if name:
        return name
    import getpass

    try:
        return environ.get("USER") or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def commit() -> str:
    """Return the commit that is checked out; empty outside of a repository."""
    return _git("rev-parse", "--verify", "--quiet", "HEAD")


def _git(*arguments: str) -> str:
    from deploy_action.process import run

    try:
        done = run(["git", *arguments], timeout_seconds=_GIT_SECONDS)
    except OSError:  # no git, or no answer in time
        return ""
    return done.stdout.strip() if done.exit_code == 0 else ""
