"""GitHub's REST API for one repository: answers and troubles as values, in bounded time.

It knows how to ask, wait and give up, and nothing of deployments, issues or tags.
https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deploy_action import __version__
from deploy_action.github.errors import ApiError, ErrorKind, refused, said

if TYPE_CHECKING:
    import requests

    from deploy_action.clock import Clock
    from deploy_action.inputs import Secret

__all__ = ["Answer", "Api", "ApiError", "ErrorKind", "Pages"]

# Every server that is still supported knows this one; a newer one would be refused by older ones.
_API_VERSION = "2022-11-28"
_CALL_SECONDS = 10.0
_MOST_TRIES = 5
_FIRST_WAIT_SECONDS = 0.5
_SECONDARY_WAIT_SECONDS = 60.0
"""What GitHub asks for after a secondary rate limit that names no time."""
_BROKEN = (500, 502, 503, 504)
_NOT_DONE = 503
"""The only one of them that says that nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What GitHub answered to a call that it did."""

    status: int
    data: Any
    following: str = ""
    """Address of the next page; empty on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The entries of a list; `cut` when there were more than wanted."""

    entries: tuple[Any, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A try that may be made again after `wait_seconds`; None when that is of no use."""

    trouble: ApiError
    wait_seconds: float | None = None
    done_maybe: bool = False
    """GitHub may have done it although nothing says so."""


class Api:
    """A conversation about one repository that ends by itself.

    Args:
        url: GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 on Enterprise Server.
        repository: owner/name.
        seconds: for everything that is asked here, waiting included.
    """

    def __init__(
        self, *, url: str, token: Secret, repository: str, clock: Clock, seconds: float
    ) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._base = f"{self._url}/repos/{repository}"
        self._clock = clock
        self._deadline = clock.monotonic() + seconds
        self._session: requests.Session | None = None

    def get(
        self, path: str, *, needs: str, query: Mapping[str, str | int] | None = None
    ) -> Answer | ApiError:
        """Read something below the repository.

        Args:
            needs: the permission that the job's token must have, as a workflow writes it.
        """
        return self._ask("GET", f"{self._base}/{path}", needs, query=query)

    def pages(
        self,
        path: str,
        *,
        needs: str,
        query: Mapping[str, str | int] | None = None,
        most: int = 1000,
    ) -> Pages | ApiError:
        """Read a list to its end, or until there are `most` entries."""
        entries: list[Any] = []
        found = self.get(path, needs=needs, query={"per_page": 100, **(query or {})})
        while isinstance(found, Answer):
            entries += found.data
            if not found.following or len(entries) >= most:
                return Pages(
                    entries=tuple(entries[:most]), cut=bool(found.following) or len(entries) > most
                )
            found = self._ask("GET", found.following, needs)
        return found

    def post(
        self, path: str, body: Mapping[str, Any], *, needs: str, harmless: bool = False
    ) -> Answer | ApiError:
        """Create something; where it may have been created already, it is not tried again.

        Args:
            harmless: two of it are as good as one, so that it is tried again all the same.
        """
        return self._ask("POST", f"{self._base}/{path}", needs, body=body, once=not harmless)

    def patch(self, path: str, body: Mapping[str, Any], *, needs: str) -> Answer | ApiError:
        """Change something; doing it twice is doing it once."""
        return self._ask("PATCH", f"{self._base}/{path}", needs, body=body)

    def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            self._session.close()

    def _ask(
        self,
        method: str,
        url: str,
        needs: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        once: bool = False,
    ) -> Answer | ApiError:
        wait, tries = _FIRST_WAIT_SECONDS, 0
        while True:
            tries += 1
            found = self._once(method, url, needs, query, body)
            if isinstance(found, Answer):
                return found
            enough = once and found.done_maybe
            if found.wait_seconds is None or enough or tries >= _MOST_TRIES:
                return found.trouble
            pause = max(found.wait_seconds, wait)
            if self._clock.monotonic() + pause >= self._deadline:
                return found.trouble
            self._clock.sleep(pause)
            wait *= 2

    def _once(
        self,
        method: str,
        url: str,
        needs: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> Answer | _Failure:
        import requests

        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            return _Failure(trouble=self._unreachable("no answer in time"))
        if self._session is None:
            self._session = self._open()
        try:
            response = self._session.request(
                method,
                url,
                params=query,
                data=None if body is None else json.dumps(body),
                timeout=min(_CALL_SECONDS, left),
                # GITHUB_REPOSITORY is today's name: who answers with another place is not asked on.
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:
            # Its message may quote a header: only its kind is told.
            unsent = isinstance(error, requests.ConnectTimeout)
            trouble = self._unreachable(type(error).__name__)
            return _Failure(trouble=trouble, wait_seconds=0, done_maybe=not unsent)
        return self._judge(response, needs)

    def _judge(self, response: requests.Response, needs: str) -> Answer | _Failure:
        status = response.status_code
        try:
            data = response.json() if response.content else None
        except ValueError:
            data = None
        if 200 <= status < 300:
            following = response.links.get("next", {}).get("url", "")
            ours = urlsplit(following)[:2] == urlsplit(self._url)[:2]
            return Answer(status=status, data=data, following=following if ours else "")
        words = said(data, status)
        limit = self._limit(response, words)
        if limit is not None:
            trouble = ApiError(
                kind=ErrorKind.LIMITED,
                what=f"GitHub's rate limit is used up for {limit:.0f} s: {words}",
            )
            return _Failure(trouble=trouble, wait_seconds=limit)
        if status in _BROKEN:
            return _Failure(
                trouble=self._unreachable(words), wait_seconds=0, done_maybe=status != _NOT_DONE
            )
        return _Failure(trouble=refused(status, words, needs))

    def _limit(self, response: requests.Response, words: str) -> float | None:
        """Return how long to wait when this is a rate limit, the first or the second one.

        https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
        """
        headers = response.headers
        if response.status_code not in (403, 429):
            return None
        after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
        if after.isdecimal():
            return float(after)
        if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
            return max(float(reset) - self._clock.now().timestamp(), 0.0)
        if response.status_code == 429 or "rate limit" in words.lower():
            return _SECONDARY_WAIT_SECONDS
        return None

    def _open(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.headers.update(
            {
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": f"deploy-action/{__version__}",
                "X-GitHub-Api-Version": _API_VERSION,
            }
        )
        # Proxies of the environment are used, but a netrc must not take the token's place.
        session.auth = self._authorise
        return session

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal().strip()}"
        return request

    def _unreachable(self, detail: str) -> ApiError:
        host = urlsplit(self._url).hostname or self._url
        return ApiError(kind=ErrorKind.UNREACHABLE, what=f"{host} does not answer: {detail}")
