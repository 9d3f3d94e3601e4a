"""A client of GitHub's REST API for one repository: responses and errors as values, in bounded time.

It sends, waits, retries and gives up; it knows nothing of deployments, issues or tags.
https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deploy_action import __version__
from deploy_action.budget import TooLarge, within
from deploy_action.github.errors import ApiError, ErrorKind, message_of, refusal

if TYPE_CHECKING:
    import requests

    from deploy_action.clock import Clock
    from deploy_action.inputs import Secret

__all__ = ["Api", "ApiError", "ApiResponse", "ErrorKind", "Pages"]

# All supported servers know this version; older servers reject newer ones.
_API_VERSION = "2022-11-28"
_CALL_SECONDS = 10.0
_EXCHANGE_SECONDS = 30.0
_MOST_BYTES = 1 << 24
_CHUNK = 65536
_MOST_TRIES = 5
_FIRST_WAIT_SECONDS = 0.5
_SECONDARY_WAIT_SECONDS = 60.0
"""GitHub's default for a secondary rate limit that names no time."""
_BROKEN = (500, 502, 503, 504)
_NOT_DONE = 503
"""The only one of them that guarantees that nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResponse:
    """A successful response."""

    status: int
    data: Any
    next_page: str = ""
    """Address of the next page; empty on the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The entries of a list; `cut` when there were more than asked for."""

    entries: tuple[Any, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """A failed attempt, to be repeated after `wait_seconds`; None: repeating is of no use."""

    error: ApiError
    wait_seconds: float | None = None
    maybe_done: bool = False
    """GitHub may have carried it out although no response message_of so."""


class Api:
    """A client with one budget of time for all of its requests.

    Args:
        url: GITHUB_API_URL: https://api.github.com, or https://HOST/api/v3 on Enterprise Server.
        repository: owner/name.
        seconds: for all requests together, waiting included.
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
    ) -> ApiResponse | ApiError:
        """Read something below the repository.

        Args:
            needs: the permission that the job's token must have, as a workflow writes it.
        """
        return self._request("GET", f"{self._base}/{path}", needs, query=query)

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
        response = self.get(path, needs=needs, query={"per_page": 100, **(query or {})})
        while isinstance(response, ApiResponse):
            entries += response.data
            if not response.next_page or len(entries) >= most:
                return Pages(
                    entries=tuple(entries[:most]),
                    cut=bool(response.next_page) or len(entries) > most,
                )
            response = self._request("GET", response.next_page, needs)
        return response

    def post(
        self, path: str, body: Mapping[str, Any], *, needs: str, repeatable: bool = False
    ) -> ApiResponse | ApiError:
        """Create something; not repeated when it may have been created already.

        Args:
            repeatable: creating it twice does no harm, so it is repeated all the same.
        """
        return self._request("POST", f"{self._base}/{path}", needs, body=body, once=not repeatable)

    def patch(self, path: str, body: Mapping[str, Any], *, needs: str) -> ApiResponse | ApiError:
        """Change something; repeating it changes nothing more."""
        return self._request("PATCH", f"{self._base}/{path}", needs, body=body)

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()

    def _request(
        self,
        method: str,
        url: str,
        needs: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        once: bool = False,
    ) -> ApiResponse | ApiError:
        wait, tries = _FIRST_WAIT_SECONDS, 0
        while True:
            tries += 1
            attempt = self._attempt(method, url, needs, query, body)
            if isinstance(attempt, ApiResponse):
                return attempt
            risky = once and attempt.maybe_done
            if attempt.wait_seconds is None or risky or tries >= _MOST_TRIES:
                return attempt.error
            pause = max(attempt.wait_seconds, wait)
            if self._clock.monotonic() + pause >= self._deadline:
                return attempt.error
            self._clock.sleep(pause)
            wait *= 2

    def _attempt(
        self,
        method: str,
        url: str,
        needs: str,
        query: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> ApiResponse | _Failure:
        import requests

        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            return _Failure(error=self._unreachable("out of time"))
        if self._session is None:
            self._session = self._open()
        session = self._session

        def exchange() -> tuple[requests.Response, bytes]:
            response = session.request(
                method,
                url,
                params=query,
                data=None if body is None else json.dumps(body),
                timeout=min(_CALL_SECONDS, left),
                stream=True,
                # GITHUB_REPOSITORY is the current name: no redirect is followed, with the token to elsewhere.
                allow_redirects=False,
            )
            content = bytearray()
            for piece in response.iter_content(_CHUNK):
                content += piece
                if len(content) > _MOST_BYTES:
                    response.close()
                    raise TooLarge(_MOST_BYTES)
            return response, bytes(content)

        try:
            response, content = within(min(_EXCHANGE_SECONDS, left), exchange)
        except (requests.RequestException, ValueError, OSError) as error:
            self._session = None
            # The exception's message may quote a header: only its type is shown.
            unsent = isinstance(error, requests.ConnectTimeout)
            unreachable = self._unreachable(type(error).__name__)
            return _Failure(error=unreachable, wait_seconds=0, maybe_done=not unsent)
        return self._classify(response, content, needs)

    def _classify(
        self, response: requests.Response, content: bytes, needs: str
    ) -> ApiResponse | _Failure:
        status = response.status_code
        try:
            data = json.loads(content) if content else None
        except (ValueError, RecursionError):
            data = None
        if 200 <= status < 300:
            next_page = response.links.get("next", {}).get("url", "")
            ours = urlsplit(next_page)[:2] == urlsplit(self._url)[:2]
            return ApiResponse(status=status, data=data, next_page=next_page if ours else "")
        message = message_of(data, status)
        limit = self._limit(response, message)
        if limit is not None:
            error = ApiError(
                kind=ErrorKind.LIMITED,
                what=f"GitHub's rate limit is used up for {limit:.0f} s: {message}",
            )
            return _Failure(error=error, wait_seconds=limit)
        if status in _BROKEN:
            return _Failure(
                error=self._unreachable(message), wait_seconds=0, maybe_done=status != _NOT_DONE
            )
        return _Failure(error=refusal(status, message, needs))

    def _limit(self, response: requests.Response, message: str) -> float | None:
        """Return the seconds to wait when this is a primary or secondary rate limit.

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
        if response.status_code == 429 or "rate limit" in message.lower():
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
        # Proxies of the environment are used; a netrc must not replace the token.
        session.auth = self._authorise
        return session

    def _authorise(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal().strip()}"
        return request

    def _unreachable(self, detail: str) -> ApiError:
        host = urlsplit(self._url).hostname or self._url
        return ApiError(kind=ErrorKind.UNREACHABLE, what=f"{host} does not answer: {detail}")
