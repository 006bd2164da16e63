"""HTTP in activities, with the interface of ``httpx``: a component has no sockets for others.

::

    answer = http.post("https://bank.example/charges", json={"cents": 5},
                       headers={"idempotency-key": activity_info().idempotency_key})
    answer.raise_for_status()
    receipt = answer.json()

Activities only. The server decides which hosts they may reach (``--allow-host``). Redirects are not
followed.
"""

from __future__ import annotations

import json as _json
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import Unsupported
from .failure import ApplicationError
from .payload import encode_text
from .run import current_or_none

#: Seconds for a whole exchange: long enough for a slow service, shorter than an attempt may take.
TIMEOUT = 30.0
#: Bytes of an answer.
BODY_BYTES_MAX = 8 << 20

Params = Mapping[str, Any]


class HTTPError(ApplicationError):
    """An exchange came to nothing. As a failure its type is ``HttpError``."""

    #: Whether the same request would fail in the same way again.
    is_permanent = False

    def __init__(self, message: str) -> None:
        super().__init__(message, type="HttpError", non_retryable=self.is_permanent)


class RequestError(HTTPError):
    """There was no complete answer."""


class InvalidURL(RequestError):
    """The request can't be sent as it is."""

    is_permanent = True


class Denied(RequestError):
    """The server of this run does not let activities reach this host: see ``--allow-host``."""


class ConnectError(RequestError):
    """The connection could not be made, or broke."""


class TimeoutException(RequestError):
    """There was no complete answer in time."""


class BodyTooLarge(RequestError):
    """The answer is larger than the limit."""


class HTTPStatusError(HTTPError):
    """The answer has a status of 400 or above."""

    def __init__(self, message: str, response: Response) -> None:
        # 408, 425 and 429 ask the client to come back later.
        status = response.status_code
        self.is_permanent = 400 <= status < 500 and status not in (408, 425, 429)
        super().__init__(message)
        self.response = response


class Headers(Mapping[str, str]):
    """By name, whatever its case; several of one name are joined with commas."""

    def __init__(self, entries: list[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in entries:
            name = name.lower()
            before = self._values.get(name)
            self._values[name] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Response:
    """What a service answered."""

    def __init__(
        self, status_code: int, headers: list[tuple[str, str]], content: bytes, url: str
    ) -> None:
        self.status_code = status_code
        self.headers = Headers(headers)
        self.content = content
        self.url = url

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_error(self) -> bool:
        return self.status_code >= 400

    @property
    def text(self) -> str:
        return self.content.decode(self.encoding, errors="replace")

    @property
    def encoding(self) -> str:
        """As the answer says, or UTF-8."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                try:
                    b"".decode(value.strip('"'))
                except LookupError:
                    break
                return value.strip('"')
        return "utf-8"

    def json(self) -> Any:
        return _json.loads(self.content)

    def raise_for_status(self) -> Response:
        """The answer itself, or :class:`HTTPStatusError`."""
        if self.is_error:
            start = self.text[:200]
            message = f"{self.url} answered with status {self.status_code}: {start}"
            raise HTTPStatusError(message, self)
        return self

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


@dataclass(frozen=True)
class Request:
    """One request as it is sent."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: list[tuple[str, bytes]]
    body: bytes
    #: In seconds.
    timeout: float
    body_bytes_max: int

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


Exchange = Callable[[Request], Response]

#: What sends requests; a component brings its own, and so do tests.
exchange: Exchange | None = None


class Client:
    """Requests that have something in common."""

    def __init__(
        self,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        timeout: float = TIMEOUT,
        max_body_bytes: int = BODY_BYTES_MAX,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})
        self._params = dict(params or {})
        self._timeout = timeout
        self._max_body_bytes = max_body_bytes

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """There is nothing to close: the server keeps the connections."""

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | str | None = None,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
        timeout: float | None = None,
    ) -> Response:
        """Sends a request and reads the whole answer. An answer of any status is no error."""
        run = current_or_none()
        if run is not None and run.loop.is_running():
            raise Unsupported("HTTP belongs into activities: a replay would send it again")
        if exchange is None:
            raise Unsupported("there is no HTTP here: it needs a component, or a test's exchange")
        if "://" not in url:
            url = f"{self._base_url}/{url.lstrip('/')}"
        parts = _split(url, {**self._params, **(params or {})})
        kind, body = _body(content, data, json)
        every = {name.lower(): value for name, value in self._headers.items()}
        every.update((name.lower(), value) for name, value in (headers or {}).items())
        if kind:
            every.setdefault("content-type", kind)
        every.setdefault("accept", "*/*")
        every.setdefault("user-agent", "dacapo")
        sent = [(name, _header(name, value)) for name, value in every.items()]
        if body or method.upper() in ("POST", "PUT", "PATCH"):
            sent.append(("content-length", str(len(body)).encode()))
        chosen = self._timeout if timeout is None else timeout
        return exchange(Request(method.upper(), *parts, sent, body, chosen, self._max_body_bytes))

    def get(self, url: str, **options: Any) -> Response:
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> Response:
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        return self.request("DELETE", url, **options)


_default = Client()
request = _default.request
get = _default.get
head = _default.head
post = _default.post
put = _default.put
patch = _default.patch
delete = _default.delete


def _split(url: str, params: Params) -> tuple[str, str, str]:
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise InvalidURL(f"{url} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidURL(f"{url} is no URL of http or https")
    if parts.username is not None:
        raise InvalidURL("credentials belong into the header `authorization`, not into the URL")
    query = urllib.parse.urlencode(params, doseq=True)
    query = "&".join(filter(None, (parts.query, query)))
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return parts.scheme, parts.netloc, f"{path}?{query}" if query else path


def _body(
    content: bytes | str | None, data: Mapping[str, Any] | None, json: Any
) -> tuple[str | None, bytes]:
    if content is not None:
        return None, content.encode() if isinstance(content, str) else content
    if data is not None:
        encoded = urllib.parse.urlencode(data, doseq=True).encode()
        return "application/x-www-form-urlencoded", encoded
    if json is not None:
        return "application/json", encode_text(json).encode()
    return None, b""


def _header(name: str, value: str) -> bytes:
    if "\n" in value or "\r" in value:
        raise InvalidURL(f"the header {name} has a line break")
    return value.encode()
